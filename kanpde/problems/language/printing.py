"""Expressions as people read them: in the problem language and in LaTeX."""

from __future__ import annotations

import sympy
from sympy.printing.latex import LatexPrinter
from sympy.printing.precedence import PRECEDENCE
from sympy.printing.str import StrPrinter

from kanpde.problems.language.calculus import jet_of, jets_of, readings
from kanpde.problems.language.functions import DRAWS, TEXT_NAMES, absolute


def text_of(expr: sympy.Expr) -> str:
    """The expression in the problem language, such that parsing the text gives the expression again.

    >>> from kanpde.problems.language import Scope, parse_equation
    >>> text_of(parse_equation("u_t + u*u_x = 0.1*u_xx", Scope(("x", "t"), ("u",)), "example"))
    'u_t + u*u_x - 0.1*u_xx'
    """
    return _TextPrinter().doprint(expr)


def latex_of(expr: sympy.Expr) -> str:
    r"""The expression in LaTeX, with derivatives as subscripts.

    >>> from kanpde.problems.language import Scope, parse_expression
    >>> latex_of(parse_expression("u_xx", Scope(("x", "t"), ("u",)), "example"))
    'u_{x x}'
    """
    return _LatexPrinter().doprint(expr)


def subscript_of(index: tuple[int, ...], coordinates: tuple[str, ...]) -> str:
    """`xxt` for (2, 1) over (x, t); names of several letters are set apart by underscores.

    >>> subscript_of((2, 1), ("x", "t")), subscript_of((1, 1), ("radius", "t"))
    ('xxt', 'radius_t')
    """
    names = [name for name, count in zip(coordinates, index, strict=True) for _ in range(count)]
    return ("" if all(len(name) == 1 for name in coordinates) else "_").join(names)


def _coordinates(node: sympy.Derivative) -> tuple[str, ...]:
    return tuple(symbol.name for symbol in node.expr.args)


def _ordered_terms(expr: sympy.Add) -> list[sympy.Expr]:
    """Fields before sources, low derivatives before high ones, as equations are usually written."""

    def key(term: sympy.Expr):
        jets = jets_of(term)
        return not jets, max((sum(index) for _, index in jets), default=0), len(jets), term.sort_key()

    return sorted(expr.args, key=key)


def _compared(distance: sympy.Expr) -> sympy.Expr | None:
    """x of the distance -|x|, as comparisons by == and != have it."""
    inner = -distance
    return inner.args[0] if isinstance(inner, absolute) else None


class _TextPrinter(StrPrinter):
    def _as_ordered_terms(self, expr, order=None):
        return _ordered_terms(expr)

    def _print_Function(self, expr):
        if expr.func not in TEXT_NAMES:
            return self._print_coefficient(expr)
        arguments = expr.args[:-1] if expr.func in DRAWS.values() else expr.args
        return f"{TEXT_NAMES[expr.func]}({', '.join(map(self._print, arguments))})"

    def _print_remainder(self, expr):
        return "({} % {})".format(*(self.parenthesize(part, PRECEDENCE["Pow"]) for part in expr.args))

    def _print_coefficient(self, expr):
        names = tuple(map(str, expr.args))
        steps = [f"{name}, {count}" for name, count in zip(names, expr.index, strict=True) if count]
        return f"D({expr.title}, {', '.join(steps)})" if steps else expr.title

    def _print_power(self, expr):
        base, exponent = (self.parenthesize(part, PRECEDENCE["Pow"]) for part in expr.args)
        return f"{base}**{exponent}"

    def _print_AppliedUndef(self, expr):
        return expr.func.__name__

    def _print_Derivative(self, expr):
        (field, index), names = jet_of(expr), _coordinates(expr)
        subscript = subscript_of(index, names)
        if len(readings(subscript, names)) == 1:
            return f"{field}_{subscript}"
        steps = (f"{name}, {count}" for name, count in zip(names, index, strict=True) if count)
        return f"D({field}, {', '.join(steps)})"

    def _print_choice(self, expr):
        distance, below, above = map(self._print, expr.args)
        if (same := _compared(expr.args[0])) is not None:
            return f"where({self._print(same)} == 0, {above}, {below})"
        return f"where({distance} < 0, {below}, {above})"

    def _print_Float(self, expr):
        return repr(float(expr))


class _LatexPrinter(LatexPrinter):
    def _as_ordered_terms(self, expr, order=None):
        return _ordered_terms(expr)

    def _print_AppliedUndef(self, expr, exp=None):
        return self._raised(self._symbol(expr.func.__name__), exp)

    def _print_Derivative(self, expr, exp=None):
        field, index = jet_of(expr)
        names = [name for name, count in zip(_coordinates(expr), index, strict=True) for _ in range(count)]
        return self._raised(f"{self._symbol(field)}_{{{' '.join(map(self._symbol, names))}}}", exp)

    def _print_Function(self, expr, exp=None):
        if not hasattr(expr, "table"):
            return super()._print_Function(expr, exp)
        names = [name for name, count in zip(map(str, expr.args), expr.index, strict=True) for _ in range(count)]
        subscript = f"_{{{' '.join(map(self._symbol, names))}}}" if names else ""
        return self._raised(self._symbol(expr.title) + subscript, exp)

    def _symbol(self, name):
        return self._print(sympy.Symbol(name))

    def _raised(self, text, exponent):
        return text if exponent is None else f"{{{text}}}^{{{exponent}}}"

    def _named(self, name, expr, exp):
        inner = ", ".join(map(self._print, expr.args))
        return self._raised(rf"{name}\left({inner}\right)", exp)

    def _print_exp(self, expr, exp=None):
        return self._raised(f"e^{{{self._print(expr.args[0])}}}", exp)

    def _print_sqrt(self, expr, exp=None):
        return self._raised(rf"\sqrt{{{self._print(expr.args[0])}}}", exp)

    def _print_power(self, expr, exp=None):
        base, exponent = expr.args
        return self._raised(f"{self.parenthesize(base, PRECEDENCE['Pow'])}^{{{self._print(exponent)}}}", exp)

    def _print_besselj(self, expr, exp=None):
        order, inner = map(self._print, expr.args)
        return self._raised(rf"J_{{{order}}}\left({inner}\right)", exp)

    def _print_absolute(self, expr, exp=None):
        return self._raised(rf"\left|{self._print(expr.args[0])}\right|", exp)

    def _print_sign(self, expr, exp=None):
        return self._named(r"\operatorname{sign}", expr, exp)

    def _print_remainder(self, expr, exp=None):
        value, divisor = map(self._print, expr.args)
        return self._raised(rf"\left({value} \bmod {divisor}\right)", exp)

    def _print_uniform(self, expr, exp=None):
        return self._raised(rf"\mathcal{{U}}\left({self._print(expr.args[0])}, {self._print(expr.args[1])}\right)", exp)

    def _print_normal(self, expr, exp=None):
        return self._raised(rf"\mathcal{{N}}\left({self._print(expr.args[0])}, {self._print(expr.args[1])}\right)", exp)

    def _print_heaviside(self, expr, exp=None):
        return self._named(r"\theta", expr, exp)

    def _print_larger(self, expr, exp=None):
        return self._named(r"\max", expr, exp)

    def _print_smaller(self, expr, exp=None):
        return self._named(r"\min", expr, exp)

    def _print_choice(self, expr, exp=None):
        distance, below, above = map(self._print, expr.args)
        if (same := _compared(expr.args[0])) is not None:
            distance, below, above = f"{self._print(same)} = 0", above, below
            cases = rf"\begin{{cases}} {below} & {distance} \\ {above} & \text{{otherwise}} \end{{cases}}"
            return self._raised(cases, exp)
        cases = rf"\begin{{cases}} {below} & {distance} < 0 \\ {above} & \text{{otherwise}} \end{{cases}}"
        return self._raised(cases, exp)
