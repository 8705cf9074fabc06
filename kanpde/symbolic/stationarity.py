"""What a formula has to satisfy that makes an integral, or a quotient of two, stationary.

    ∫ e dx              E = Σ_α (-1)^|α| ∂_α (∂e/∂(∂_α u)) = 0
    ∫ e dx / ∫ g dx     E - λ G = 0,   λ = (E, G)/(G, G) at points, the quotient's value where the formula is right

On sides where nothing is given the natural condition holds: ∂e/∂u_x = λ ∂g/∂u_x.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import sympy
import torch
from torch import Tensor

from kanpde.problems.geometry.boxes import Side, box_sides
from kanpde.problems.geometry.regions import Piece, inside_points
from kanpde.problems.language import ExpressionError, compile_expression, euler_lagrange, jet_slopes, substituted
from kanpde.problems.problem import Problem
from kanpde.symbolic.constants import recognized

Statement = tuple[str, sympy.Expr, Piece | None]
"""A name, what vanishes, and where; None is the inside."""

POINTS, SEED = 256, 7
RECOGNIZED = 1e-9
"""Within which a quotient is taken for a number that can be written down."""


def stationary(problem: Problem, exact: Mapping[str, sympy.Expr]) -> list[Statement] | None:
    """What formulas of all fields have to satisfy besides the conditions; None where that cannot be said.

    It cannot where a boundary is free that is a shape's, or where the integral has second derivatives there.
    """
    pairs = _pairs(problem)
    free = [(field, side) for field, *_ in pairs for side in _free_sides(problem, field)]
    if free and (not problem.region.whole or any(_order(problem, e) > 1 for _, e, _ in pairs)):
        return None
    try:
        return [statement for pair in pairs for statement in _statements(problem, exact, *pair)]
    except ExpressionError:  # a density with jumps has no derivative to write down
        return None


def _pairs(problem: Problem) -> list[tuple[str, sympy.Expr, sympy.Expr | None]]:
    """Each field, the density that it makes stationary, and the one below the line."""
    densities = problem.task.densities(problem)
    if len(problem.task.integrals()) == 1:
        return [(field, densities[0], None) for field in problem.fields]
    return [(field, *densities[2 * k : 2 * k + 2]) for k, field in enumerate(problem.fields)]


def _statements(
    problem: Problem, exact: Mapping[str, sympy.Expr], field: str, density: sympy.Expr, norm: sympy.Expr | None
) -> Iterator[Statement]:
    left, name = euler_lagrange(density, field, problem.coordinates), f"{field}: stationary"
    if norm is not None:
        below = euler_lagrange(norm, field, problem.coordinates)
        level = quotient(problem, *(substituted(expr, exact) for expr in (left, below)))
        left, density, name = left - level * below, density - level * norm, f"{name} at {level}"
    yield name, left, None
    slopes = jet_slopes(density, problem.coordinates)
    for side in _free_sides(problem, field):
        index = tuple(int(axis == side.axis) for axis in range(len(problem.coordinates)))
        yield f"{side.name}, natural", slopes.get((field, index), sympy.S.Zero), side


def quotient(problem: Problem, above: sympy.Expr, below: sympy.Expr) -> sympy.Expr:
    """λ closest to above = λ·below, as a number that can be written down where it is one."""
    points = inside_points(problem.region, problem.domain, POINTS, SEED)
    E, G = (_values(problem, expr, points) for expr in (above, below))
    value = float(E @ G / (G @ G))
    for unit in (sympy.S.One, sympy.pi**2):
        known = recognized(value / float(unit), RECOGNIZED)
        if known is not None:
            return known.symbol * unit
    return sympy.Float(value)


def _values(problem: Problem, expr: sympy.Expr, points: Tensor) -> Tensor:  # -> [n]
    found = torch.as_tensor(compile_expression(expr, problem.coordinates)(points), dtype=points.dtype)
    return found.expand(len(points))


def _order(problem: Problem, density: sympy.Expr) -> int:
    return max((sum(index) for _, index in jet_slopes(density, problem.coordinates)), default=0)


def _free_sides(problem: Problem, field: str) -> list[Side]:
    """Sides of the box on which nothing is said of the field; time and families have none, periodic axes either."""
    closed = {problem.time, *problem.periodic, *problem.family}
    given = {condition.side.name for condition in problem.conditions if field in condition.fields}
    return [side for side in box_sides(problem.coordinates) if side.axis not in closed and side.name not in given]
