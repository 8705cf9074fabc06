"""Expressions as people read them: in the problem language and in LaTeX."""

from __future__ import annotations

import sympy
from sympy.printing.latex import LatexPrinter
from sympy.printing.str import StrPrinter

from kanpde.problems.language.calculus import jet_expression, jet_of, jets_of, readings
from kanpde.problems.language.functions import raised
from kanpde.problems.language.remotes import BOUND, Integrated, Placed


def text_of(expr: sympy.Expr) -> str:
    """The expression in the problem language, such that parsing the text gives the expression again.

    >>> from kanpde.problems.language import Scope, parse_equation
    >>> text_of(parse_equation("u_t + u*u_x = 0.1*u_xx", Scope(("x", "t"), ("u",)), "example"))
    'u_t + u*u_x - 0.1*u_xx'
    """
    return str(_TextPrinter().doprint(expr))


def latex_of(expr: sympy.Expr) -> str:
    r"""The expression in LaTeX, with derivatives as subscripts.

    >>> from kanpde.problems.language import Scope, parse_expression
    >>> latex_of(parse_expression("u_xx", Scope(("x", "t"), ("u",)), "example"))
    'u_{x x}'
    """
    return str(_LatexPrinter().doprint(expr))


def subscript_of(index: tuple[int, ...], coordinates: tuple[str, ...]) -> str:
    """`xxt` for (2, 1) over (x, t); names of several letters are set apart by underscores.

    >>> subscript_of((2, 1), ("x", "t")), subscript_of((1, 1), ("radius", "t"))
    ('xxt', 'radius_t')
    """
    names = [name for name, count in zip(coordinates, index, strict=True) for _ in range(count)]
    return ("" if all(len(name) == 1 for name in coordinates) else "_").join(names)


def _arguments(name: Integrated) -> list[sympy.Expr]:
    """density, s, low, high, … of an integral; density and shape, or coordinates, where these fill a domain."""
    filling = next((span.filling for span in name.spans if span.filling is not None), None)
    if filling is not None and filling.shape:
        return [name.density, sympy.Symbol(filling.shape)]
    if filling is not None:
        return [name.density, *(span.variable for span in name.spans)]
    return [name.density, *(part for span in name.spans for part in (span.variable, span.lower, span.upper))]


def _coordinates(node: sympy.Derivative) -> tuple[str, ...]:
    return tuple(symbol.name for symbol in node.expr.args)


def _ordered_terms(expr: sympy.Add) -> list[sympy.Expr]:
    """Fields before sources, low derivatives before high ones, as equations are usually written."""

    def key(term: sympy.Expr) -> tuple[object, ...]:
        jets = jets_of(term)
        return not jets, max((sum(index) for _, index in jets), default=0), len(jets), term.sort_key()

    return sorted(expr.args, key=key)


class _TextPrinter(StrPrinter):
    def _as_ordered_terms(self, expr: sympy.Add, order: object = None) -> list[sympy.Expr]:
        return _ordered_terms(expr)

    def _print_AppliedUndef(self, expr: sympy.Expr) -> str:
        name: str = expr.func.__name__
        if isinstance(name, Integrated):
            return f"integral({', '.join(map(self._print, _arguments(name)))})"
        if not isinstance(name, Placed):
            return name
        coordinates = tuple(symbol.name for symbol in expr.args)
        field, places = str(self._print(jet_expression(name.jet, coordinates))), tuple(map(self._print, name.place))
        return field if places == coordinates else f"{field}({', '.join(places)})"

    def _print_Symbol(self, expr: sympy.Symbol) -> str:
        return str(expr.name).removesuffix(BOUND)

    def _print_Derivative(self, expr: sympy.Derivative) -> str:
        (field, index), names = jet_of(expr), _coordinates(expr)
        subscript = subscript_of(index, names)
        if len(readings(subscript, names)) == 1:
            return f"{field}_{subscript}"
        steps = (f"{name}, {count}" for name, count in zip(names, index, strict=True) if count)
        return f"D({field}, {', '.join(steps)})"

    def _print_Float(self, expr: sympy.Float) -> str:
        return repr(float(expr))


class _LatexPrinter(LatexPrinter):
    def _as_ordered_terms(self, expr: sympy.Add, order: object = None) -> list[sympy.Expr]:
        return _ordered_terms(expr)

    def _print_AppliedUndef(self, expr: sympy.Expr, exp: str | None = None) -> str:
        name: str = expr.func.__name__
        if isinstance(name, Placed):
            coordinates = tuple(symbol.name for symbol in expr.args)
            field, places = self._print(jet_expression(name.jet, coordinates)), tuple(map(self._print, name.place))
            here = places == tuple(map(self._print, expr.args))
            return raised(field if here else rf"{field}\left({', '.join(places)}\right)", exp)
        if isinstance(name, Integrated):
            fillings = dict.fromkeys(s.filling for s in name.spans if s.filling is not None)
            omega = r"\Omega"
            signs = [rf"\int_{{{self._symbol(own.shape) if own.shape else omega}}}" for own in fillings]
            signs += [rf"\int_{{{self._print(s.lower)}}}^{{{self._print(s.upper)}}}" for s in name.spans
                      if s.filling is None]  # fmt: skip
            ends = [rf"\, d{self._print(s.variable)}" for s in name.spans]
            inner = rf"{' '.join(signs)} {self._print(name.density)}{''.join(ends)}"
            return inner if exp is None else raised(rf"\left({inner}\right)", exp)
        return raised(self._symbol(name), exp)

    def _print_Symbol(self, expr: sympy.Symbol, **options: object) -> str:
        return str(super()._print_Symbol(sympy.Symbol(expr.name.removesuffix(BOUND)), **options))

    def _print_Derivative(self, expr: sympy.Derivative, exp: str | None = None) -> str:
        field, index = jet_of(expr)
        names = [name for name, count in zip(_coordinates(expr), index, strict=True) for _ in range(count)]
        symbol, subscript = self._symbol(field), " ".join(map(self._symbol, names))
        own = symbol.endswith("}") and "_{" in symbol  # as psi_re, which takes no second subscript
        return raised(f"{symbol[:-1]}, {subscript}}}" if own else f"{symbol}_{{{subscript}}}", exp)

    def _symbol(self, name: str) -> str:
        return str(self._print(sympy.Symbol(name)))
