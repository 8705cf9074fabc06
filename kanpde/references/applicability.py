"""What a problem must be so that a classical method can take it."""

from __future__ import annotations

import numpy as np
import sympy

from kanpde.domains import Side
from kanpde.statements import Problem


def is_stationary(problem: Problem) -> bool:
    """No time, one value of every parameter, the whole box, and conditions on whole sides."""
    parts = any(not isinstance(condition.side, Side) for condition in problem.conditions)
    return (
        problem.time is None
        and not getattr(problem, "family", ())
        and getattr(problem, "region", None) is None
        and not parts
    )


def walls_of(problem: Problem, axis: int) -> np.ndarray:
    """Where coefficients jump or kink along an axis, increasing, inside the box."""
    walls = getattr(problem, "walls", None)
    found = np.empty(0) if walls is None else np.unique(np.asarray(walls(axis), dtype=float))
    lower, upper = problem.domain.lower[axis], problem.domain.upper[axis]
    near = 1e-12 * (upper - lower)
    return found[(found > lower + near) & (found < upper - near)]


def with_values(problem: Problem, expr: sympy.Expr) -> sympy.Expr:
    """The expression with every parameter that still stands in it (a learned one) replaced by its true value."""
    values = {symbol: sympy.Float(problem.parameters[symbol.name], 17) for symbol in expr.free_symbols
              if symbol.name in problem.parameters and symbol.name not in problem.coordinates}  # fmt: skip
    return expr.xreplace(values)
