"""What a problem must be so that a classical method can take it."""

from __future__ import annotations

import numpy as np
import sympy

from kanpde.problems.geometry.boxes import Side
from kanpde.problems.language import depends_on, moved
from kanpde.problems.problem import Problem


def is_whole_box(problem: Problem) -> bool:
    """One value of every parameter, no shapes, and conditions on whole sides."""
    sides = all(isinstance(condition.side, Side) for condition in problem.conditions)
    return not problem.family and problem.region.whole and not problem.parts and sides


def is_stationary(problem: Problem) -> bool:
    """No time, and as `is_whole_box`."""
    return problem.time is None and is_whole_box(problem)


def walls_of(problem: Problem, axis: int) -> np.ndarray:
    """Where coefficients jump or kink along an axis, increasing, inside the box."""
    found = np.unique(np.asarray(problem.walls(axis), dtype=float))
    lower, upper = problem.domain.lower[axis], problem.domain.upper[axis]
    near = 1e-12 * (upper - lower)
    return found[(found > lower + near) & (found < upper - near)]


def with_values(problem: Problem, expr: sympy.Expr) -> sympy.Expr:
    """The expression with every parameter that still stands in it (a learned one) replaced by its true value."""
    values = {sympy.Symbol(name, real=True): sympy.Float(problem.parameters[name], 17) for name in depends_on(expr)
              if name in problem.parameters and name not in problem.coordinates}  # fmt: skip
    return moved(expr, values, problem.coordinates)
