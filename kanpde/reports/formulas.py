"""Mathematics as inline SVG, typeset by Matplotlib from LaTeX; a formula breaks into lines between its terms."""

import re
from collections.abc import Iterable
from functools import lru_cache

import numpy as np
import sympy
from matplotlib.font_manager import FontProperties
from matplotlib.path import Path
from matplotlib.textpath import TextToPath

from kanpde.problems.language import WORDS, jets_of, latex_of, text_of
from kanpde.reports.html import Markup, element

EM = 100.0
_GAP = r"\ "
_COMMANDS = {Path.MOVETO: "M", Path.LINETO: "L", Path.CURVE3: "Q", Path.CURVE4: "C", Path.CLOSEPOLY: "Z"}
_POINTS = {Path.MOVETO: 1, Path.LINETO: 1, Path.CURVE3: 2, Path.CURVE4: 3, Path.CLOSEPOLY: 1}
# What LaTeX knows and Matplotlib does not.
_REWRITTEN = (
    (r"\begin{cases}", r"\left\{"), (r"\end{cases}", r"\right\}"), (r" & \text{otherwise}", r"\ \mathrm{otherwise}"),
    (" & ", r"\ \mathrm{if}\ "), (r"\\", r";\ "), (r"\operatorname", r"\mathrm"), (r"\limits", ""),
)  # fmt: skip

_FLAT_BRACKETS = re.compile(r"\\left\(((?:(?!\\left|\\right|\\frac|\\sqrt).)*)\\right\)")
_LEADING_FRACTION = re.compile(r"^((?:[-+]|\\ )*)\\frac")
_NAMED = [name for name, row in WORDS.items() if row.latex is None]
_FUNCTIONS = re.compile(rf"([\w}})])\s*(\\(?:{'|'.join(_NAMED)}|mathrm)\b)")


def formula(latex: str, words: str) -> Markup:
    """One piece that is not broken; what cannot be typeset is shown as words.

    Args:
        latex: Without dollar signs.
        words: The same for those who do not see it.
    """
    try:
        width, height, depth, outline = _outline(latex)
    except (ValueError, RuntimeError):
        return element("code", words)
    size = {"width": f"{width / EM:.3f}em", "height": f"{height / EM:.3f}em"}
    box = f"0 {depth - height:.1f} {max(width, 1):.1f} {max(height, 1):.1f}"
    path = element("path", d=outline, fill="currentColor")
    return element("svg", element("title", words), path, viewBox=box, role="img",
                   style=f"vertical-align: {-depth / EM:.3f}em", **size)  # fmt: skip


@lru_cache(maxsize=500)
def _outline(latex: str) -> tuple[float, float, float, str]:
    """Width, height, depth below the line, and the outline, in hundredths of the font's size."""
    text = _for_matplotlib(latex)
    font, setter = FontProperties(size=EM, math_fontfamily="cm"), TextToPath()
    width, height, depth = setter.get_text_width_height_descent(f"${text}$", font, ismath=True)
    points, codes = setter.get_text_path(font, f"${text}$", ismath=True)
    return width, height, depth, _path_data(np.asarray(points, dtype=float), codes)


def _for_matplotlib(latex: str) -> str:
    for known, unknown in _REWRITTEN:
        latex = latex.replace(known, unknown)
    latex = _LEADING_FRACTION.sub(r"\1\\dfrac", latex)
    # Its brackets around letters without height are too small, and it sets functions too near.
    while latex != (latex := _FLAT_BRACKETS.sub(r"(\1)", latex)):
        pass
    return _FUNCTIONS.sub(r"\1\\,\2", latex)


def _path_data(points: np.ndarray, codes: Iterable[int]) -> str:
    codes, words, place = list(codes), [], 0
    while place < len(codes):
        code = codes[place]
        count = _POINTS[code]
        numbers = [] if code == Path.CLOSEPOLY else points[place : place + count]
        words.append(_COMMANDS[code] + " ".join(f"{x:.1f} {-y:.1f}" for x, y in numbers))
        place += count
    return "".join(words)


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
