"""Equations as weak forms on the axes of space, and what conditions say of their fluxes.

    ∇·F + s = 0,  F = Σ_f A_f ∇f   →   ∫ s v - F·∇v dx + ∮ v n·F = 0   for all v

A_f is read off the second derivatives of the field f; s is the rest, less Σ ∇A_f·∇f. With time, the highest time
derivative is what the rest is equal to, times a factor where that jumps between parts. An equation without second
derivatives, as div u = 0, is ∫ s v alone and belongs to a field that has none anywhere: a pressure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy
import sympy
import torch

from kanpde.problems.geometry.boxes import Side
from kanpde.problems.geometry.regions import Piece, ShapeBoundary, carrier_of
from kanpde.problems.language import (
    Jet,
    compile_expression,
    coordinate_symbols,
    depends_on,
    derivative,
    jet_expression,
    jet_slopes,
    jets_of,
)
from kanpde.problems.memberships import memberships_of, without_rims
from kanpde.problems.problem import Condition, Problem
from kanpde.references.applicability import with_values
from kanpde.references.means import NotSolved

PARALLEL = 1e-9
"""Square of what a condition's direction may differ from the flux's."""


@dataclass(frozen=True)
class Statement:
    """∫ source v - flux·∇v for the field whose values v varies."""

    field: str
    source: sympy.Expr
    flux: tuple[sympy.Expr, ...]
    principal: dict[str, list[list[sympy.Expr]]] | None  # A by field; None where the natural condition has no flux
    parts: tuple[int, ...] | None = None  # in which it holds; None for all
    mass: sympy.Expr = sympy.S.One  # of the highest time derivative, where that is what the rest is equal to
    scale: sympy.Expr = sympy.S.One  # that the equation was multiplied by

    @property
    def is_constraint(self) -> bool:
        """Whether nothing is differentiated twice, so that the field takes a degree less than those it constrains."""
        return self.principal is not None and not self.principal


def statements(problem: Problem) -> tuple[Statement, ...]:
    """One for each field.

    Raises:
        NotSolved: the equations are not such.
    """
    if problem.task.integrals():
        return tuple(_stationary(problem, field) for field in problem.fields)
    residuals = [with_values(problem, residual) for residual in problem.equations.values()]
    fields = _matched(problem, residuals)
    forms = [_weak(problem, residual, field) for residual, field in zip(residuals, fields, strict=True)]
    pairs = zip(forms, problem.equations, strict=True)
    found = tuple(replace(form, parts=problem.held.get(name)) for form, name in pairs)
    for form in found:
        if form.parts != problem.homes.own.get(form.field):
            raise NotSolved(f"takes one equation for each field, all over where it lives; {form.field} has others")
    return found


def slope_indices(problem: Problem) -> tuple[tuple[int, ...], ...]:
    """Of the first derivatives along the axes of space."""
    size = len(problem.coordinates)
    return tuple(tuple(int(axis == own) for axis in range(size)) for own in problem.region.axes)


def space_order(problem: Problem, index: tuple[int, ...]) -> int:
    return sum(index[axis] for axis in problem.region.axes)


def _stationary(problem: Problem, field: str) -> Statement:
    slopes = jet_slopes(with_values(problem, problem.task.integrals()[0]), problem.coordinates)
    if any(sum(index) > 1 for _, index in slopes):
        raise NotSolved("takes energies in first derivatives")
    flux = tuple(-slopes.get((field, index), sympy.S.Zero) for index in slope_indices(problem))
    still = (0,) * len(problem.coordinates)
    return Statement(field, slopes.get((field, still), sympy.S.Zero), flux, None)


def _matched(problem: Problem, residuals: list[sympy.Expr]) -> list[str]:
    """The field of each equation: of the highest time derivative, or of most second derivatives, or a constraint's."""
    never = -100
    if len(residuals) != len(problem.fields):
        raise NotSolved(f"takes as many equations as fields; there are {len(residuals)} and {len(problem.fields)}")
    jets = [jets_of(residual) for residual in residuals]
    bent = {field for own in jets for field, index in own if space_order(problem, index) >= 2}
    scores = np.full((len(residuals), len(problem.fields)), never)
    for row, own in enumerate(jets):
        for column, field in enumerate(problem.fields):
            orders = [index for name, index in own if name == field]
            if rises(problem, field):
                highest = problem.order_along(field, problem.time_axis)
                fits = highest > 0 and any(index[problem.time_axis] == highest for index in orders)
                scores[row, column] = 1 if fits else never
            elif any(space_order(problem, index) >= 2 for _, index in own):
                pure = sum(any(index[axis] == 2 for index in orders) for axis in problem.region.axes)
                scores[row, column] = pure or never
            elif field not in bent and not any(map(any, orders)):
                scores[row, column] = 1
    rows, columns = scipy.optimize.linear_sum_assignment(scores, maximize=True)
    if scores[rows, columns].min() == never:
        raise NotSolved(
            "takes one equation with second derivatives for each field, or with its highest time derivative; fields "
            "without, as a pressure, may have one equation without derivatives of themselves"
        )
    return [problem.fields[column] for column in columns]


def rises(problem: Problem, field: str) -> bool:
    """Whether an equation has its time derivative; other fields follow at every time, as a pressure does."""
    return problem.time is not None and problem.order_along(field, problem.time) > 0


def _weak(problem: Problem, residual: sympy.Expr, field: str) -> Statement:
    """Split an equation into ∇·Σ A_f ∇f and the rest."""
    mass = scale = sympy.S.One
    if rises(problem, field):
        residual, mass, scale = _rate(problem, residual, field)
    slopes = jet_slopes(residual, problem.coordinates)
    second = {jet: slope for jet, slope in slopes.items() if sum(jet[1]) >= 2 and space_order(problem, jet[1])}
    if any(sum(index) > 2 or space_order(problem, index) < 2 for _, index in second):
        raise NotSolved("takes equations with second derivatives along space; one of them has others")
    if any(sum(index) > 0 for slope in second.values() for _, index in jets_of(slope)):
        raise NotSolved("takes equations whose second derivatives stand by themselves, times functions of x and u")
    axes = problem.region.axes
    own = [index for name, index in slopes if name == field and space_order(problem, index) == 1]
    if own and not any(name == field for name, _ in second):
        raise NotSolved("takes equations with second derivatives; one of them carries a field without spreading it")
    principal = {name: _matrix(problem, second, name) for name in {name for name, _ in second}}
    symbols, gradients = coordinate_symbols(problem.coordinates), slope_indices(problem)
    flux, corrections = [sympy.S.Zero] * len(axes), sympy.S.Zero
    for name, matrix in principal.items():
        gradient = [jet_expression((name, index), problem.coordinates) for index in gradients]
        for i, row in enumerate(matrix):
            flux[i] += sum(a * slope for a, slope in zip(row, gradient, strict=True))
            slopes_of_row = [without_rims(derivative(a, symbols[axes[i]])) for a in row]
            corrections += sum(a * g for a, g in zip(slopes_of_row, gradient, strict=True))
    rest = residual.xreplace({jet_expression(jet, problem.coordinates): sympy.S.Zero for jet in second})
    return Statement(field, rest - corrections, tuple(flux), principal, mass=mass, scale=scale)


def _rate(problem: Problem, residual: sympy.Expr, field: str) -> tuple[sympy.Expr, sympy.Expr, sympy.Expr]:
    """What the highest time derivative w is equal to, r = m w + rest → w = -rest/m; or m w, where m jumps at rims.

    Then the factor of w that is left, and what r was multiplied by.
    """
    time, slopes = problem.time_axis, jet_slopes(residual, problem.coordinates)
    highest = [jet for jet in slopes if jet[1][time] >= problem.order_along(jet[0], time) > 0]
    order = problem.order_along(field, time)
    wanted = (field, tuple(order * int(axis == time) for axis in range(len(problem.coordinates))))
    if highest != [wanted] or any(any(index) for _, index in jets_of(slopes[wanted])):
        raise NotSolved(
            "takes equations with the highest time derivative of one field, which occurs linearly and without further "
            "derivatives"
        )
    rest, factor = -residual.xreplace({jet_expression(wanted, problem.coordinates): sympy.S.Zero}), slopes[wanted]
    if not memberships_of(factor):
        return rest / factor, sympy.S.One, -1 / factor
    if jets_of(factor) or problem.coordinates[time] in depends_on(factor):
        raise NotSolved("takes rates with a factor of the place alone, where it jumps at the rims of parts")
    return rest, factor, sympy.S.NegativeOne


def _matrix(problem: Problem, second: dict[Jet, sympy.Expr], field: str) -> list[list[sympy.Expr]]:
    """A_ij of one field, symmetric."""
    axes, size = problem.region.axes, len(problem.coordinates)

    def entry(a: int, b: int) -> sympy.Expr:
        index = tuple(int(axis == a) + int(axis == b) for axis in range(size))
        return second.get((field, index), sympy.S.Zero) / (1 if a == b else 2)

    return [[entry(a, b) for b in axes] for a in axes]


# conditions


def flux_jump(problem: Problem, forms: tuple[Statement, ...], condition: Condition) -> tuple[str, sympy.Expr] | None:
    """The field in whose statement a jump of the flux stands, and -[n·F] = λ (r - wanted), r = 0 without slopes."""
    if not condition.written.startswith("the flux of ") or " jumps at " not in condition.written:
        return None
    own = [form for name, form in zip(problem.equations, forms, strict=True)
           if condition.name.startswith(f"{name}_at_{condition.side.name}")]  # fmt: skip
    still = {jet_expression(jet, problem.coordinates): sympy.S.Zero for jet in jets_of(condition.residual)}
    return own[0].field, own[0].scale * with_values(problem, condition.residual.xreplace(still))


def check_seam(problem: Problem, forms: tuple[Statement, ...], condition: Condition) -> None:
    """What the weak form says of a rim by itself: values go on, and fluxes.

    Raises:
        NotSolved: the condition says something else.
    """
    if " jumps at " in condition.written or set(condition.fields) & set(problem.homes.own):
        raise NotSolved(f"takes values and fluxes that go on across rims; {condition.name} asks for something else")
    still = {jet_expression(jet, problem.coordinates): sympy.S.Zero for jet in jets_of(condition.residual)}
    jumping = any(memberships_of(a) for form in forms for rows in (form.principal or {}).values()
                  for row in rows for a in row)  # fmt: skip
    slopes_alone = any(condition.name.startswith(f"{field}_slope_across_") for field in problem.fields)
    if condition.residual.xreplace(still) != 0 or (slopes_alone and jumping):
        raise NotSolved(f"takes values and fluxes that go on across rims; {condition.name} asks for something else")



def inflow(
    problem: Problem, forms: tuple[Statement, ...], condition: Condition, points: torch.Tensor
) -> tuple[str, sympy.Expr]:
    """The field in whose statement n·F is what the condition Σ c_f·∇f + rest = 0 says: -λ rest, with n·A_f = λ c_f.

    Raises:
        NotSolved: there is none.
    """
    residual = with_values(problem, condition.residual)
    slopes = {jet: slope for jet, slope in jet_slopes(residual, problem.coordinates).items()
              if space_order(problem, jet[1])}  # fmt: skip
    bent = any(any(index) for value in slopes.values() for _, index in jets_of(value))
    if bent or any(sum(index) > 1 for _, index in slopes):
        raise NotSolved(f"takes conditions in first derivatives; {condition.name} has second ones")
    fields = {field for field, _ in slopes}
    rest = residual.xreplace({jet_expression(jet, problem.coordinates): sympy.S.Zero for jet in slopes})
    normal = _normal(problem, condition.side)
    own = [form for form in forms if form.principal and fields <= set(form.principal)]
    for form in sorted(own, key=lambda form: form.field not in fields):
        factor, miss = _along(problem, form, normal, slopes)
        jets = {jet: torch.ones(len(points), dtype=torch.float64) for jet in jets_of(miss)}
        missed = compile_expression(miss, problem.coordinates, problem.fields)(points, jets)
        if not len(points) or missed.max() < PARALLEL:
            return form.field, -factor * rest
    if not own:
        raise NotSolved(f"takes conditions with first derivatives of one field; {condition.name} has others")
    raise NotSolved(
        f"takes conditions on the slope along the normal, as the equation's second derivatives have it; "
        f"{condition.name} is oblique"
    )


def _along(
    problem: Problem, form: Statement, normal: tuple[sympy.Expr, ...], slopes: dict[Jet, sympy.Expr]
) -> tuple[sympy.Expr, sympy.Expr]:
    """λ, and |n·A_f - λ c_f|² over all fields."""
    pairs = []
    for field, matrix in (form.principal or {}).items():
        for column, index in enumerate(slope_indices(problem)):
            along = sum(n * row[column] for n, row in zip(normal, matrix, strict=True))
            pairs.append((along, slopes.get((field, index), sympy.S.Zero)))
    factor = sum(a * c for a, c in pairs) / sum(c**2 for _, c in pairs)
    return factor, sum((a - factor * c) ** 2 for a, c in pairs)


def _normal(problem: Problem, piece: Piece) -> tuple[sympy.Expr, ...]:
    side = carrier_of(piece)
    symbols = coordinate_symbols(problem.coordinates)
    if isinstance(side, ShapeBoundary):
        return side.normal_expressions(tuple(symbols[axis] for axis in problem.region.axes))
    if isinstance(side, Side):
        normal = side.normal(len(problem.coordinates))
        return tuple(sympy.Integer(int(normal[axis])) for axis in problem.region.axes)
    raise NotSolved(f"takes conditions along the boundary; {piece.name} is a point")
