"""Text → tokens → the source of a Python expression in which every name is marked, so that none is a keyword."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kanpde.errors import InputError
from kanpde.files.texts import shortened
from kanpde.problems.language.functions import CALLED, RESERVED
from kanpde.problems.language.refusals import ExpressionError
from kanpde.problems.language.spellings import COMPLEX, GREEK, meant, plain_signs

MAX_LENGTH = 4000  # characters of one expression
MAX_DIGITS = 60

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<sign>\*\*|<=|>=|==|!=|[-+*/%^(),<>=]))",
    re.ASCII,
)
CONNECTIVES = ("and", "or", "not")
"""Of comparisons in where."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)


@dataclass(frozen=True)
class Token:
    kind: str  # number, name or sign
    text: str


def tokens_of(text: object) -> list[Token]:
    if isinstance(text, bool) or not isinstance(text, (str, int, float)):
        raise ExpressionError(f"needs an expression; it is {shortened(text)}. Write a formula or a number.")
    written = text if isinstance(text, str) else repr(text)
    text = plain_signs(written).strip()
    if not text:
        raise ExpressionError("needs an expression; it is empty. Write a formula or a number.")
    if len(text) > MAX_LENGTH:
        raise ExpressionError(
            f"may have {MAX_LENGTH} characters; it has {len(text)}. Shorten it, e.g. with parameters."
        )
    tokens, position = [], 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise _foreign_character(text, position, written)
        kind = match.lastgroup or ""  # every alternative has a name
        tokens.append(Token("sign" if match[kind] in CONNECTIVES else kind, match[kind]))
        position = match.end()
    _check_neighbors(tokens, written)
    return tokens


def _foreign_character(text: str, position: int, written: str) -> ExpressionError:
    rest = text[position:].strip()
    return ExpressionError(
        f"needs numbers, names, + - * / ** ( ) and commas; it has {shortened(rest[0])} in {shortened(written)}."
        f"{meant(written) or ' Remove it or write it in these.'}"
    )


def _check_neighbors(tokens: list[Token], written: str) -> None:
    for before, after in zip(tokens, tokens[1:], strict=False):
        ends = before.kind != "sign" or before.text == ")"
        begins = after.kind != "sign" or (after.text == "(" and before.kind != "name")
        if ends and begins:
            call = before.text in RESERVED and before.text != "pi"
            product = f"{before.text}({after.text}…)" if call else f"{before.text}*{after.text}"
            imaginary = before.kind == "number" and after.text in ("i", "j")
            raise ExpressionError(
                f"needs an operator between {shortened(before.text)} and {shortened(after.text)}; it has none."
                f"{COMPLEX if imaginary else meant(written) or f' Write {product[:80]}.'}"
            )


def sides_of(tokens: list[Token], text: object) -> tuple[list[Token], list[Token]]:
    places = [i for i, token in enumerate(tokens) if token.text == "="]
    if len(places) != 1:
        count = "none" if not places else str(len(places))
        double = any(token.text == "==" for token in tokens)
        within = re.search(r"\w\([^()]*[^()=]=[^()=]", str(text)[:200])
        remedy = "Write = for ==" if double else "Make an equation of each" if places else "Write … = 0"
        remedy = "Write u(x, 0) for u(x, t=0), or u alone" if within else remedy
        raise ExpressionError(f"needs exactly one equals sign, left = right; {shortened(text)} has {count}. {remedy}.")
    left, right = tokens[: places[0]], tokens[places[0] + 1 :]
    if not left or not right:
        raise ExpressionError(
            f"needs something on both sides of =; {shortened(text)} has nothing on one. Write 0 there."
        )
    return left, right


def python_token(token: Token) -> str:
    """The token for Python's parser: names marked so that none is a keyword, numbers without leading zeros."""
    if token.kind == "name":
        return f"n_{token.text}"
    if token.kind == "number":
        if len(token.text) > MAX_DIGITS:
            raise ExpressionError(
                f"needs numbers of at most {MAX_DIGITS} digits; it has {shortened(token.text)}. Round it, e.g. to 1e10."
            )
        return token.text.lstrip("0") if token.text.isdigit() and token.text.strip("0") else _decimal(token.text)
    return {"^": "**"}.get(token.text, token.text)


def _decimal(text: str) -> str:
    return "0" if text.isdigit() else text


def unreadable(tokens: list[Token]) -> str:
    text = " ".join(token.text for token in tokens)
    opened, closed = (sum(token.text == sign for token in tokens) for sign in "()")
    if opened != closed:
        return (
            f"needs as many closing as opening parentheses; {shortened(text)} has {opened} ( and {closed} ). "
            "Balance them; in a list [a, b], put quotes around what has commas itself."
        )
    return (
        f"needs an expression such as 2*x + sin(pi*y); {shortened(text)} cannot be read as one. "
        "Check its operators, commas and nesting."
    )


def check_name(name: str, kind: str, where: str) -> str:
    """The name itself, if expressions can use it for a coordinate, field or parameter."""
    if not isinstance(name, str) or not _NAME.fullmatch(name) or len(name) > 40 or name.endswith("_"):
        raise InputError(
            f"{where} needs a name for each {kind}: letters, digits and underscores, starting with a letter, at most "
            f"40; it has {shortened(name)}. Rename it, e.g. {GREEK.get(str(name), f'{kind[0]}1')}."
        )
    if (name in RESERVED or name in CONNECTIVES) and kind not in CALLED.get(name, ()):
        what = "the number pi" if name == "pi" else "a word of the problem language"
        raise InputError(f'{where} needs names of its own; "{name}" is {what}. Rename it, e.g. {name}0.')
    return name
