"""Ends of a coordinate that are no boundary: the middle of polar coordinates, the poles of spherical ones.

Where the factor of the highest derivative along a coordinate vanishes beside the other terms, as in r²u_rr + r u_r at
r = 0 or u_rr + u_r/r there, solutions that stay finite need no condition.
"""

from __future__ import annotations

import sympy

from kanpde.problems.geometry.boxes import Side, box_sides
from kanpde.problems.geometry.sampling import uniform_points
from kanpde.problems.language import ExpressionError, Jet, compile_expression, jet_slopes, jets_of
from kanpde.problems.problem import Problem

POINTS, SEED = 64, 13
VANISHING = 1e-12
"""Of a factor on a side, relative to its size inside."""


def singular_ends(problem: Problem, field: str, axis: int) -> tuple[Side, ...]:
    """The sides of a coordinate on which a field needs no condition."""
    order = problem.order_along(field, axis)
    if order < 2 or axis == problem.time or axis in problem.periodic:
        return ()
    sides = box_sides(problem.coordinates)[2 * axis : 2 * axis + 2]
    return tuple(side for side in sides if _is_singular(problem, field, side, order))


def _is_singular(problem: Problem, field: str, side: Side, order: int) -> bool:
    try:
        found = [jet_slopes(residual, problem.coordinates) for residual in problem.equations.values()]
    except ExpressionError:  # sign(u) and the like have no slope
        return False
    leading = [slopes for slopes in found if any(_leads(jet, field, side, order) for jet in slopes)]
    return bool(leading) and all(_vanishes(problem, slopes, field, side, order) for slopes in leading)


def _leads(jet: Jet, field: str, side: Side, order: int) -> bool:
    return jet[0] == field and jet[1][side.axis] == order


def _vanishes(problem: Problem, slopes: dict[Jet, sympy.Expr], field: str, side: Side, order: int) -> bool:
    """Whether every factor of the highest derivative is zero all over a side, or another term's is infinite there."""
    known = [slope for slope in slopes.values() if not jets_of(slope) and not problem.learns(slope)]
    leading = [slope for jet, slope in slopes.items() if _leads(jet, field, side, order)]
    if not set(leading) <= set(known):
        return False
    inside, there = (uniform_points(problem.domain, POINTS, SEED, *at) for at in ((), (side,)))
    size = {slope: compile_expression(slope, problem.coordinates)(inside).abs().max() for slope in known}
    ends = {slope: compile_expression(slope, problem.coordinates)(there).abs() for slope in known}
    zero = all(bool((ends[slope] <= VANISHING * size[slope]).all()) for slope in leading)
    finite = all(bool(ends[slope].isfinite().all()) for slope in leading)
    return zero or finite and any(not ends[slope].isfinite().any() for slope in known)
