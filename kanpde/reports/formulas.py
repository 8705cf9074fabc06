"""Mathematics as MathML: it can be selected, screen readers read it; a formula breaks into lines between its terms."""

import html
import re
from xml.etree import ElementTree

import sympy
from latex2mathml.converter import convert_to_element

from kanpde.problems.language import jets_of, latex_of, text_of
from kanpde.reports.html import Markup, element

_GAP = r"\ "


def formula(latex: str, words: str) -> Markup:
    """One piece that is not broken.

    Args:
        latex: Without dollar signs, as `latex_of` writes it.
        words: The same for what shows no MathML.
    """
    math = convert_to_element(latex)
    math.set("alttext", words)
    for part in math.iter():  # the converter leaves characters as references, which `tostring` would escape once more
        part.text = part.text and html.unescape(part.text)
    return Markup(ElementTree.tostring(math, encoding="unicode"))


def equation(left: sympy.Expr, right: sympy.Expr | None = None, where: str = "") -> Markup:
    """left = right, a piece for each term; without `right`, the residual `left` = 0 with the known terms moved."""
    if right is None:
        left, right = _sides(left)
    pieces = [*_terms(left), formula("=", "="), *_terms(right)]
    spaced = [(piece, " ") for piece in pieces]  # lines break at the spaces
    return element("div", spaced, element("span", where, class_="where") if where else None, class_="math")


def integral(density: sympy.Expr, coordinates: tuple[str, ...], where: str = "") -> Markup:
    """∫ density dx dy …, broken into lines between its terms."""
    terms = _terms(density)
    several = len(terms) > 1
    measure = r"\ ".join(rf"\mathrm{{d}}{name}" if len(name) == 1 else rf"\mathrm{{d\,{name}}}" for name in coordinates)
    first = formula(r"\int\ (" if several else r"\int\ ", "∫ (" if several else "∫")
    words = " ".join(f"d{name}" for name in coordinates)
    last = formula(rf")\ {measure}" if several else rf"\ {measure}", f") {words}" if several else words)
    spaced = [(piece, " ") for piece in (first, *terms, last)]
    return element("div", spaced, element("span", where, class_="where") if where else None, class_="math")


def _sides(residual: sympy.Expr) -> tuple[sympy.Expr, sympy.Expr]:
    """What depends on the solution on the left, the rest on the right."""
    terms = sympy.Add.make_args(residual)
    unknown = [term for term in terms if jets_of(term)]
    left, right = sympy.Add(*unknown), -sympy.Add(*(term for term in terms if not jets_of(term)))
    return (-left, -right) if unknown and all(term.could_extract_minus_sign() for term in unknown) else (left, right)


def _terms(expr: sympy.Expr) -> list[Markup]:
    """Each term with its sign, in the order in which an equation is written."""
    terms = sorted(sympy.Add.make_args(expr), key=lambda term: (_order(term), term.sort_key()))
    pieces = []
    for place, term in enumerate(terms):
        minus = term.could_extract_minus_sign()
        sign = "-" if minus else "+" if place else ""
        body = -term if minus else term
        pieces.append(formula(f"{sign}{_GAP if place else ''}{_latex(body)}", f"{sign} {text_of(body)}".strip()))
    return pieces


def _latex(expr: sympy.Expr) -> str:
    """Numbers as people write them: 15 digits of a constant help nobody."""
    text = latex_of(expr.xreplace({number: _short(number) for number in expr.atoms(sympy.Float)}))
    return re.sub(r"(\.\d*?)0+(?!\d)", lambda found: found.group(1).rstrip("."), text)


def _short(number: sympy.Float) -> sympy.Expr:
    rounded = float(f"{float(number):.6g}")
    return sympy.Integer(int(rounded)) if rounded == int(rounded) and abs(rounded) < 1e6 else sympy.Float(str(rounded))


def _order(term: sympy.Expr) -> tuple[bool, int, int]:
    jets = jets_of(term)
    return not jets, max((sum(index) for _, index in jets), default=0), len(jets)
