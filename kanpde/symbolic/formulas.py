"""A formula as SymPy, LaTeX, Python and the line of a problem file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy
from numpy.typing import ArrayLike
from sympy.printing.numpy import NumPyPrinter

LONGEST = 200
"""Operations beyond which SymPy is not asked to simplify."""


@dataclass(frozen=True, eq=False)
class Formula:
    """An expression in named variables.

    expr: In SymPy.
    symbols: The variables, in the order of the columns.
    unknown: How many of its numbers are not recognized, and stand as decimals.
    """

    expr: sympy.Expr
    symbols: tuple[sympy.Symbol, ...]
    unknown: int = 0

    @property
    def text(self) -> str:
        """As SymPy reads it."""
        return str(self.expr)

    @property
    def latex(self) -> str:
        return sympy.latex(self.expr)

    @property
    def python(self) -> str:
        """A Python function of arrays."""
        names = ", ".join(symbol.name for symbol in self.symbols)
        body = NumPyPrinter({"fully_qualified_modules": False}).doprint(self.expr)
        return f"def formula({names}):\n    return {body}"

    def yaml(self, field: str) -> str:
        """The entry `exact` of a problem file."""
        return f'exact: {{{field}: "{problem_text(self.expr)}"}}'

    def __call__(self, points: ArrayLike) -> np.ndarray:  # [n, d] -> [n]
        """Its values at points, float64."""
        points = np.asarray(points, dtype=float)
        function: Callable[..., Any] = sympy.lambdify(self.symbols, self.expr, "numpy")
        return np.broadcast_to(np.asarray(function(*points.T), dtype=float), points.shape[:1]).copy()

    def __str__(self) -> str:
        return self.text


def problem_text(expr: sympy.Expr) -> str:
    """The expression in the language of problem files.

    >>> x = sympy.Symbol("x", real=True)
    >>> problem_text(sympy.Abs(x) + sympy.exp(1) * x ** sympy.Rational(1, 2))
    'exp(1)*sqrt(x) + abs(x)'
    """
    plain = expr.replace(sympy.Abs, sympy.Function("abs"))
    marked = plain.xreplace({sympy.E: sympy.Symbol("exp(1)")})
    return str(marked)


def simplest(expr: sympy.Expr, exact: bool) -> sympy.Expr:
    """The shorter of what came and what SymPy makes of it; decimals are not simplified."""
    joined = sympy.powsimp(sympy.expand_log(expr, force=True)) if exact else expr
    if not exact or sympy.count_ops(joined) > LONGEST:
        return joined
    forms = [joined, sympy.simplify(joined)]
    if joined.has(sympy.tanh, sympy.tan):  # tanh(artanh x + artanh y) is a quotient
        forms.append(sympy.simplify(sympy.expand_trig(joined)))
    return min(forms, key=_length)


def _length(expr: sympy.Expr) -> tuple[int, int]:
    return sympy.count_ops(expr), len(str(expr))


def same(a: sympy.Expr, b: sympy.Expr) -> bool:
    """Whether SymPy finds two expressions equal, as they are or after simplifying; decimals never are."""
    if a.atoms(sympy.Float) or b.atoms(sympy.Float):
        return False
    return a == b or sympy.simplify(a - b) == 0


def symbols_of(names: Sequence[str]) -> tuple[sympy.Symbol, ...]:
    """Real variables."""
    return tuple(sympy.Symbol(name, real=True) for name in names)
