"""Does a problem have a solution, one that is meant, and one that can be found forward in time?

Each check reads the linear part of an equation: its slopes ∂R/∂(∂_α u) and what is left where every jet is zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import sympy
import torch

from kanpde.errors import InputError
from kanpde.problems.balances import check_shape_balance
from kanpde.problems.freedoms import free_fields
from kanpde.problems.geometry.boxes import Side
from kanpde.problems.geometry.regions import Place
from kanpde.problems.geometry.sampling import uniform_points
from kanpde.problems.known_functions import table_of
from kanpde.problems.language import (
    ExpressionError,
    Jet,
    compile_expression,
    jet_expression,
    jet_slopes,
    jets_of,
    subscript_of,
    substituted,
    text_of,
)
from kanpde.problems.language.functions import choice, heaviside, larger, sign, smaller
from kanpde.problems.memberships import memberships_of
from kanpde.problems.problem import Condition, Problem

JUMPING = (choice, heaviside, sign)
POINTS, SEED = 64, 12
NODES = 40
"""Gauss–Legendre nodes an axis for the balance of sources and fluxes."""

MOST_AXES = 3
BALANCED = 1e-6
"""Imbalance, relative to what is balanced, from which there is no solution."""


def posedness_warnings(problem: Problem, label: str) -> Iterator[str]:
    """Warn of what has another solution than is meant.

    Raises:
        InputError: there is no solution, since source and fluxes do not balance.
    """
    yield from jump_warnings(problem)
    yield from backward_warnings(problem)
    yield from trivial_warnings(problem)
    yield from branch_warnings(problem)
    yield from sign_warnings(problem)
    check_gauges(problem, label)
    check_balance(problem, label)
    if not problem.exact:  # which is checked against every statement
        check_shape_balance(without_gauges(problem)[0], label)


def jump_warnings(problem: Problem) -> Iterator[str]:
    """A factor that jumps in front of second derivatives says nothing of the flux across the jump."""
    for name, residual in problem.equations.items():
        if any(c.kind == "interface" and c.name.startswith(f"{name}_at_") for c in problem.conditions):
            continue
        for (field, index), slope in _slopes(problem, residual).items():
            if sum(index) >= 2 and not jets_of(slope) and (jumping := _jumping(problem, slope)):
                term = f"{field}_{subscript_of(index, problem.coordinates)}"
                yield (
                    f"{name}: {jumping} jumps in front of {term}, outside a derivative: nothing is said of the flux "
                    f"across the jump. Write div({jumping}*grad({field})), or an energy, where the flux is to be "
                    "continuous."
                )
                break


def _slopes(problem: Problem, residual: sympy.Expr) -> Mapping[Jet, sympy.Expr]:
    try:
        return jet_slopes(residual, problem.coordinates)
    except ExpressionError:  # sign(u) and the like have no slope
        return {}


def _jumping(problem: Problem, expr: sympy.Expr) -> str:
    """The name of a coefficient in an expression that jumps, or the expression itself; empty where none does."""
    for name, value in problem.coefficients.items():
        if expr.has(value) and (_jumps(value) or table_of(value) is not None):
            return name
    return text_of(expr) if _jumps(expr) else ""


def _jumps(expr: sympy.Expr) -> bool:
    return bool(expr.has(*JUMPING) or memberships_of(expr))


def backward_warnings(problem: Problem) -> Iterator[str]:
    """u_t = -u_xx smooths backward in time: errors of data at the start grow without bound; u_t = u_xx from the end."""
    if problem.time is None:
        return
    begun, ends = ({field for c in problem.conditions if c.kind == kind for field in c.fields}
                   for kind in ("initial", "final"))  # fmt: skip
    for name, residual in problem.equations.items():
        slopes = _slopes(problem, residual)
        for field in problem.fields:
            if problem.order_along(field, problem.time) != 1 or _fourth_order(problem, field) or field in begun & ends:
                continue
            rate = slopes.get((field, _along(problem, problem.time, 1)))
            diffusions = [slopes.get((field, _along(problem, axis, 2))) for axis in _space(problem)]
            if rate is not None and any(
                d is not None and _same_sign(problem, -rate if field in ends else rate, d) for d in diffusions
            ):
                signs, edge = ("opposite signs", "end") if field in ends else ("the same sign", "start")
                yield (
                    f"{name} is a diffusion backward in time: {field}_t and a second derivative of {field} have "
                    f"{signs} on one side, so the smallest error at the {edge} grows without bound. Change the sign, "
                    "or let time run the other way."
                )
                break


def _fourth_order(problem: Problem, field: str) -> bool:
    """With a higher derivative, as in the Kuramoto–Sivashinsky equation, the second may have either sign."""
    return any(problem.order_along(field, axis) > 2 for axis in _space(problem))


def _same_sign(problem: Problem, a: sympy.Expr, b: sympy.Expr) -> bool:
    """Whether a·b > 0 at all of a few points; both without fields."""
    product = a * b
    if jets_of(product) or product.free_symbols - set(_symbols(problem)):
        return False
    if product.is_number:
        return bool(product > 0)
    values = compile_expression(product, problem.coordinates, ())(uniform_points(problem.domain, POINTS, seed=SEED))
    return bool((values > 0).all())


def trivial_warnings(problem: Problem) -> Iterator[str]:
    """Where zero satisfies every equation and condition, it is what training will find."""
    if is_trivial(problem):
        yield (
            "Zero satisfies all equations and conditions, so zero is what will be found. Give a source, a condition "
            "or data that is not zero, or state an eigenproblem (eigen:)."
        )


def is_trivial(problem: Problem) -> bool:
    """Whether zero is a solution, and nothing is known of another."""
    residuals = [*problem.equations.values(), *(condition.residual for condition in problem.conditions)]
    told = bool(not problem.equations or problem.data or problem.exact or problem.learned)
    return not told and all(_at_zero(problem, residual) == 0 for residual in residuals)


def branch_warnings(problem: Problem) -> Iterator[str]:
    """Equations that may have several solutions with the same data, as the eikonal equation, and none is told.

    One of a single field that is not linear in its highest derivatives can be solved for them in several ways; where
    it is for the rate of change, initial values choose.
    """
    if problem.exact or problem.data or problem.learned:
        return
    for name, residual in problem.equations.items():
        if highest := _branching(problem, residual):
            yield (
                f"{name} is not linear in {highest}, its highest derivative: several solutions may satisfy it with the "
                "same conditions, and residuals choose none. Add what chooses, as a small second derivative, or give "
                "exact: or reference: {method: file, …} to compare with."
            )


def _branching(problem: Problem, residual: sympy.Expr) -> str:
    """A highest derivative of the only field in which a residual is not linear; empty where there is none."""
    slopes = _slopes(problem, residual)
    if residual.has(smaller, larger) or len({field for field, _ in slopes}) != 1:  # obstacles choose one
        return ""
    if problem.time is not None:
        latest = max(slopes, key=lambda jet: jet[1][problem.time_axis])
        if latest[1][problem.time_axis] and not jets_of(slopes[latest]):
            return ""
    order = max(sum(index) for _, index in slopes)
    highest = [jet for jet in slopes if sum(jet[1]) == order]
    bent = (jet for jet in highest if any(other in highest for other in jets_of(slopes[jet])))
    return next((text_of(jet_expression(jet, problem.coordinates)) for jet in bent), "")


def sign_warnings(problem: Problem) -> Iterator[str]:
    """Fields of inverse problems whose sign nothing says, as a speed c that occurs as c**2 alone."""
    if problem.data is None or problem.exact:
        return
    said = {*problem.data.fields, *(field for c in problem.conditions for field in c.fields)}
    said |= {field for expr in problem.data.others.values() for field, _ in jets_of(expr)}
    for field in (field for field in problem.fields if field not in said):
        if all(_keeps(problem, residual, field) for residual in problem.equations.values()):
            yield (
                f"{field} has no sign: -{field} satisfies all equations as well, and either may be found. Give a value "
                f"of it, as at: {{…, condition: {field} = 1}}, or learn its logarithm or square as a field instead."
            )


def _keeps(problem: Problem, residual: sympy.Expr, field: str) -> bool:
    """Whether a residual is as small with a field's sign changed."""
    own = [jet_expression(jet, problem.coordinates) for jet in jets_of(residual) if jet[0] == field]
    other = residual.xreplace({jet: -jet for jet in own})
    return 0 in (sympy.expand(residual - other), sympy.expand(residual + other))


def _at_zero(problem: Problem, residual: sympy.Expr) -> sympy.Expr:
    return substituted(residual, dict.fromkeys(problem.fields, sympy.S.Zero))


def without_gauges(problem: Problem) -> tuple[Problem, tuple[Condition, ...]]:
    """The problem without what holds at points and of integrals, and these conditions."""
    gauges = tuple(c for c in problem.conditions if c.kind == "constraint" or isinstance(c.side, Place)
                   and c.kind == "boundary")  # fmt: skip
    return replace(problem, conditions=tuple(c for c in problem.conditions if c not in gauges)), gauges


def check_gauges(problem: Problem, label: str) -> None:
    """A field that is free by a constant takes one condition that fixes it."""
    plain, gauges = without_gauges(problem)
    _check_superfluous(problem, plain, gauges, label)
    for field in free_fields(plain) if not problem.learned and problem.data is None else ():
        own = [gauge.name for gauge in gauges if gauge.fields == (field,)]
        if len(own) > 1:
            raise InputError(
                f"{label}: {field} is determined up to a constant by the rest and needs one condition that fixes it; "
                f"it has {len(own)} ({', '.join(own)}), which contradict each other unless by chance. Remove all but "
                "one."
            )


def _check_superfluous(problem: Problem, plain: Problem, gauges: tuple[Condition, ...], label: str) -> None:
    """What linear equations and their boundary conditions determine takes no further condition.

    Zero as the solution of the rest is another matter: then a constraint says how large a multiple is meant.
    """
    said_by_others = bool(problem.learned or problem.data or problem.exact or problem.time is not None)
    if said_by_others or not plain.equations or problem.family or any(trivial_warnings(plain)):
        return
    loose, linear = free_fields(plain), all(is_linear(plain, residual) for residual in plain.equations.values())
    for gauge in gauges:
        if linear and not set(gauge.fields) & set(loose) and _has_all_conditions(plain, gauge):
            raise InputError(
                f"{label}: {gauge.name} needs a field that the rest leaves open; equations and boundary conditions "
                f"determine {', '.join(gauge.fields)} already, so the two contradict each other unless by chance. "
                "Remove it, or a condition on the boundary."
            )


def is_linear(problem: Problem, residual: sympy.Expr) -> bool:
    """Whether a residual is linear in all jets, of which it has some."""
    slopes = _slopes(problem, residual)
    return bool(slopes) and not any(jets_of(slope) for slope in slopes.values())


def _has_all_conditions(problem: Problem, gauge: Condition) -> bool:
    """Whether each field of a condition has as many on sides as its derivatives take."""
    if not problem.region.whole:  # where every piece of the boundary has been asked for a condition
        return set(gauge.fields) <= {field for c in problem.conditions for field in c.fields}
    for field in gauge.fields:
        for axis in _space(problem) if not problem.narrow.get(field) else ():
            count = sum(c.side.axis == axis and field in c.fields for c in problem.conditions)
            if axis not in problem.periodic and count < problem.order_along(field, axis):
                return False
    return True


def check_balance(problem: Problem, label: str) -> None:
    """a Δu + f = 0 with the flux ∂u/∂n = g all around has a solution only if ∫ f + a ∮ g = 0, whatever the gauge."""
    problem = without_gauges(problem)[0]
    for name, residual in problem.equations.items():
        parts = _poisson_parts(problem, residual)
        if parts is None:
            continue
        diffusivity, source, fluxes = parts
        inside, scale = _integral(problem, source, None)
        around = [_integral(problem, flux, side) for side, flux in fluxes]
        total = inside + diffusivity * sum(value for value, _ in around)
        size = scale + abs(diffusivity) * sum(value for _, value in around)
        if abs(total) > BALANCED * size:
            raise InputError(
                f"{label}: {name} has no solution, since source and fluxes need to balance; together they make "
                f"{total:.3g}, not 0. Change the source or the boundary's fluxes, or give a value somewhere."
            )


def _poisson_parts(
    problem: Problem, residual: sympy.Expr
) -> tuple[float, sympy.Expr, list[tuple[Side, sympy.Expr]]] | None:
    """(a, f, [(side, g)]) of a Δu + f = 0 in a box with fluxes alone; None for whatever is not that."""
    box_alone = problem.region.whole and problem.time is None and not problem.family and not problem.learned
    if not box_alone or len(problem.fields) != 1 or problem.data or not free_fields(problem):
        return None
    field, slopes = problem.fields[0], _slopes(problem, residual)
    wanted = {(field, _along(problem, axis, 2)) for axis in range(len(problem.coordinates))}
    if set(slopes) != wanted or len(set(slopes.values())) != 1 or problem.domain.dimension > MOST_AXES:
        return None
    diffusivity = next(iter(slopes.values()))
    fluxes = [flux for condition in problem.conditions if (flux := _flux(condition, problem)) is not None]
    if not diffusivity.is_number or len(fluxes) < len(problem.conditions):
        return None
    return float(diffusivity), _at_zero(problem, residual), fluxes


def _flux(condition: Condition, problem: Problem) -> tuple[Side, sympy.Expr] | None:
    solved = condition.solved(problem.coordinates)
    if solved is None or not isinstance(condition.side, Side):
        return None
    (_, index), value = solved
    outward = 1 if condition.side.end else -1
    return (condition.side, outward * value) if index == _along(problem, condition.side.axis, 1) else None


def _integral(problem: Problem, expr: sympy.Expr, side: Side | None) -> tuple[float, float]:
    """∫ f and ∫ |f| over the box, or over one of its sides."""
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    points, factors = [], []
    for axis, (low, length) in enumerate(zip(problem.domain.lower, problem.domain.lengths, strict=True)):
        if side is not None and axis == side.axis:
            points.append(np.array([low + length * side.end]))
            factors.append(np.ones(1))
        else:
            points.append(low + length * (nodes + 1) / 2)
            factors.append(weights * length / 2)
    grid = torch.from_numpy(np.stack([x.ravel() for x in np.meshgrid(*points, indexing="ij")], axis=1))
    weight = np.prod(np.meshgrid(*factors, indexing="ij"), axis=0).ravel()
    values = compile_expression(expr, problem.coordinates, ())(grid).numpy()
    return float(weight @ values), float(weight @ np.abs(values))


def _along(problem: Problem, axis: int, order: int) -> tuple[int, ...]:
    return tuple(order * int(axis == other) for other in range(len(problem.coordinates)))


def _space(problem: Problem) -> list[int]:
    return [axis for axis in range(len(problem.coordinates)) if axis != problem.time and axis not in problem.family]


def _symbols(problem: Problem) -> list[sympy.Symbol]:
    return [sympy.Symbol(name, real=True) for name in problem.coordinates]
