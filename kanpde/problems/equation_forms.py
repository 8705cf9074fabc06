"""What the form of an equation gives away: whether fluxes are conserved, how far its terms are apart in size."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from enum import StrEnum

import sympy

from kanpde.problems.geometry.regions import inside_points
from kanpde.problems.language import (
    ExpressionError,
    Jet,
    compile_expression,
    coordinate_symbols,
    derivative,
    jet_expression,
    jet_slopes,
    jets_of,
)
from kanpde.problems.problem import Problem

Slopes = Mapping[Jet, sympy.Expr]

POINTS, SEED = 64, 11
WIDEST = 0.2
"""Largest ε relative to the period: where the two ends do not feel each other to rounding."""


class Form(StrEnum):
    """How the second derivatives of a field stand in an equation; the value is what a reader is told."""

    NONE = "no second derivatives in space"
    CONSTANT = "constant coefficients, conservative"
    CONSERVATIVE = "variable coefficients in conservative form"
    OTHER = "variable coefficients outside the derivatives; write div(a*grad(u)) where a flux a*grad(u) is meant"
    NONLINEAR = "coefficients that depend on the fields"


def form_of(residual: sympy.Expr, field: str, problem: Problem) -> Form:
    """Whether Σ a_ij ∂_i ∂_j u + Σ b_i ∂_i u is Σ ∂_i (a_ij ∂_j u): b_i = Σ_j ∂_j a_ij."""
    try:
        slopes = jet_slopes(residual, problem.coordinates)
        principal = _principal(slopes, field, problem)
        if not principal:
            return Form.NONE
        if any(jets_of(a) for a in principal.values()):
            return Form.NONLINEAR
        if all(a.is_number for a in principal.values()):
            return Form.CONSTANT
        gaps = [_gap(slopes, principal, field, axis, problem) for axis in _space(problem)]
    except ExpressionError:  # a coefficient that jumps has no derivative, so no flux is spelled out
        return Form.OTHER
    return Form.CONSERVATIVE if all(map(_vanishes(problem), gaps)) else Form.OTHER


def spread_of_terms(residual: sympy.Expr, problem: Problem) -> float:
    """Largest over smallest size of the terms, c_α Π h_i^(-α_i) with the half-lengths h of the box and fields of 1."""
    try:
        slopes = jet_slopes(residual, problem.coordinates)
    except ExpressionError:
        return 1.0
    sizes = [size for jet, slope in slopes.items() if 0 < (size := _size(slope, jet[1], problem)) < math.inf]
    return max(sizes) / min(sizes) if sizes else 1.0


def diffusivity(problem: Problem, field: str, axis: int) -> float | None:
    """d of u_t = d u_xx + …, if the equations of a field say so with a constant d > 0; None otherwise."""
    if problem.time is None or problem.order_along(field, problem.time) != 1 or problem.order_along(field, axis) != 2:
        return None
    unit = [tuple(int(a == b) for b in range(len(problem.coordinates))) for a in (problem.time, axis)]
    first, second = (field, unit[0]), (field, tuple(2 * order for order in unit[1]))
    found = []
    for residual in problem.equations.values():
        slopes = jet_slopes(residual, problem.coordinates)
        if first in slopes:
            found.append(-slopes.get(second, sympy.S.Zero) / slopes[first])
    if len(found) != 1 or not found[0].is_number or not found[0] > 0:
        return None
    rate = float(found[0])
    box = problem.domain
    return rate if 2 * (rate * box.lengths[problem.time_axis]) ** 0.5 < WIDEST * box.lengths[axis] else None


def _space(problem: Problem) -> list[int]:
    return [axis for axis in range(len(problem.coordinates)) if axis != problem.time and axis not in problem.family]


def _principal(slopes: Slopes, field: str, problem: Problem) -> dict[tuple[int, int], sympy.Expr]:
    """a_ij by pairs of axes, symmetric."""
    found = {}
    for (name, index), slope in slopes.items():
        axes = [axis for axis in _space(problem) for _ in range(index[axis])]
        if name == field and sum(index) == 2 == len(axes):
            i, j = axes
            found[i, j] = found[j, i] = slope if i == j else slope / 2
    return found


def _gap(
    slopes: Slopes, principal: dict[tuple[int, int], sympy.Expr], field: str, axis: int, problem: Problem
) -> sympy.Expr:
    """b_i - Σ_j ∂_j a_ij."""
    symbols = coordinate_symbols(problem.coordinates)
    unit = tuple(int(a == axis) for a in range(len(symbols)))
    flux = [derivative(a, symbols[j]) for (i, j), a in principal.items() if i == axis]
    return slopes.get((field, unit), sympy.S.Zero) - sum(flux)


def _vanishes(problem: Problem) -> Callable[[sympy.Expr], bool]:
    points = inside_points(problem.region, problem.domain, POINTS, SEED)

    def vanishes(expr: sympy.Expr) -> bool:
        if jets_of(expr):
            return False
        return float(compile_expression(expr, problem.coordinates)(points).abs().max()) < 1e-9

    return vanishes


def _size(slope: sympy.Expr, index: tuple[int, ...], problem: Problem) -> float:
    ones = {jet_expression(jet, problem.coordinates): sympy.S.One for jet in jets_of(slope)}
    learned = {sympy.Symbol(name, real=True): sympy.Float(value) for name, value in problem.learned.items()}
    points = inside_points(problem.region, problem.domain, POINTS, SEED)
    values = compile_expression(slope.xreplace(ones | learned), problem.coordinates)(points)
    lengths = problem.domain.lengths
    scale = math.prod((length / 2) ** -order for length, order in zip(lengths, index, strict=True))
    return float(values.square().mean().sqrt()) * scale
