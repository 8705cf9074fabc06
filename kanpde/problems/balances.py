"""Do sources and fluxes balance on shapes? a Δu + f = 0 with ∂u/∂n = g all around needs ∫ f + a ∮ g = 0.

Integrals are means over even points, good to a few thousandths, so that only a gross imbalance is told.
"""

from __future__ import annotations

import sympy
import torch

from kanpde.errors import InputError
from kanpde.problems.freedoms import free_fields
from kanpde.problems.geometry.boxes import Box, Side
from kanpde.problems.geometry.regions import Piece, ShapeBoundary, carrier_of, on_boundary
from kanpde.problems.geometry.sampling import uniform_points
from kanpde.problems.geometry.shapes import facet_points
from kanpde.problems.language import (
    ExpressionError,
    compile_expression,
    jet_slopes,
    jets_of,
    substituted,
)
from kanpde.problems.problem import Condition, Problem

INSIDE, AROUND, SEED = 2**16, 2**12, 9
BALANCED = 0.02
"""Imbalance, relative to what is balanced, from which there is no solution."""

PARALLEL = 1e-6


def check_shape_balance(problem: Problem, label: str) -> None:
    """Refuse a Neumann problem of one field on shapes that has no solution.

    Raises:
        InputError: source and fluxes do not balance.
    """
    fitting = len(problem.fields) == len(problem.equations) == 1 and not (problem.data or problem.family)
    if problem.region.whole or problem.time is not None or problem.learned or not fitting or not free_fields(problem):
        return
    ((name, residual),) = problem.equations.items()
    diffusivity = _diffusivity(problem, residual)
    fluxes = [_flux(problem, condition) for condition in problem.conditions]
    if diffusivity is None or any(flux is None for flux in fluxes):
        return
    parts = [_inside(problem, residual)]
    parts += [(diffusivity * a, abs(diffusivity) * b) for a, b in (flux for flux in fluxes if flux is not None)]
    total, size = (sum(values) for values in zip(*parts, strict=True))
    if abs(total) > BALANCED * size:
        raise InputError(
            f"{label}: {name} has no solution, since source and fluxes need to balance; together they make about "
            f"{total:.2g}, not 0. Change the source or the boundary's fluxes, or give a value somewhere."
        )


def _diffusivity(problem: Problem, residual: sympy.Expr) -> float | None:
    """a of a Δu + f = 0; None for whatever is not that."""
    try:
        slopes = jet_slopes(residual, problem.coordinates)
    except ExpressionError:
        return None
    size = len(problem.coordinates)
    wanted = {(problem.fields[0], tuple(2 * int(axis == own) for axis in range(size))) for own in range(size)}
    if set(slopes) != wanted or len(set(slopes.values())) != 1 or not (own := next(iter(slopes.values()))).is_number:
        return None
    return float(own)


def _inside(problem: Problem, residual: sympy.Expr) -> tuple[float, float]:
    """∫ f and ∫ |f|."""
    points = uniform_points(problem.domain, INSIDE, SEED)
    volume = float(torch.tensor(problem.domain.lengths).prod()) / INSIDE
    values = _at_zero(problem, residual, points[problem.region.contains(points)])
    return volume * float(values.sum()), volume * float(values.abs().sum())


def _flux(problem: Problem, condition: Condition) -> tuple[float, float] | None:
    """∮ g and ∮ |g| over a piece with c·∇u = λ g and c = λ n; None where it says anything else."""
    try:
        slopes = jet_slopes(condition.residual, problem.coordinates)
    except ExpressionError:
        return None
    if any(sum(index) != 1 or jets_of(value) for (_, index), value in slopes.items()):
        return None
    points, normals, area = _on(problem, condition.side)
    if not len(points):
        return 0.0, 0.0
    size = len(problem.coordinates)
    indices = [tuple(int(axis == own) for axis in range(size)) for own in range(size)]
    along = [slopes.get((problem.fields[0], index), sympy.S.Zero) for index in indices]
    c = torch.stack([compile_expression(part, problem.coordinates)(points) for part in along], dim=1)
    factor = (c * normals).sum(1)
    if float((c - factor[:, None] * normals).abs().max()) > PARALLEL or float(factor.abs().min()) < PARALLEL:
        return None
    values = -_at_zero(problem, condition.residual, points) / factor
    return area * float(values.sum()), area * float(values.abs().sum())


def _on(problem: Problem, piece: Piece) -> tuple[torch.Tensor, torch.Tensor, float]:
    """Even points of a piece, the region's normals there, and the area that each stands for."""
    carrier, size = carrier_of(piece), len(problem.coordinates)
    if isinstance(carrier, Side):
        points = uniform_points(problem.domain, AROUND, SEED, carrier)
        normals = points.new_tensor(carrier.normal(size)).expand_as(points)
        measure = _face(problem.domain, carrier)
    elif isinstance(carrier, ShapeBoundary):
        points, measure = facet_points(carrier.facet, size, AROUND, SEED), carrier.facet.measure
        normals = carrier.sign * carrier.facet.normals(points)
    else:
        return torch.empty(0, size), torch.empty(0, size), 0.0
    there = on_boundary(problem.region, problem.domain, piece, points)
    return points[there], normals[there], measure / AROUND


def _face(box: Box, side: Side) -> float:
    return float(torch.tensor(box.lengths).prod()) / box.lengths[side.axis]


def _at_zero(problem: Problem, residual: sympy.Expr, points: torch.Tensor) -> torch.Tensor:
    zero = substituted(residual, dict.fromkeys(problem.fields, sympy.S.Zero))
    return compile_expression(zero, problem.coordinates, ())(points)
