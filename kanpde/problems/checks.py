"""Is a problem well stated? Each check raises InputError, or returns sentences of warning."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, product

import sympy
import torch
from sympy import Function
from torch import Tensor

from kanpde.errors import InputError
from kanpde.problems.corners import apart, shape_corner_warnings, switch_points
from kanpde.problems.data_in_place import data_sentences, determined_by_data, row_sentences
from kanpde.problems.equation_forms import diffusivity, spread_of_terms
from kanpde.problems.field_sizes import set_sizes, size_sentences
from kanpde.problems.freedoms import too_few_equations
from kanpde.problems.geometry.boxes import Box, Side, box_sides
from kanpde.problems.geometry.regions import (
    Place,
    ShapeBoundary,
    SubSide,
    carrier_of,
    in_domain,
    inside_points,
    on_boundary,
    on_flat,
    on_side,
    piece_points,
)
from kanpde.problems.geometry.sampling import uniform_points
from kanpde.problems.kinks import data_kinks
from kanpde.problems.known_functions import table_of
from kanpde.problems.language import (
    ExpressionError,
    Formula,
    Integrated,
    Jet,
    Placed,
    Rule,
    compile_expression,
    coordinate_symbols,
    depends_on,
    derivative,
    fields_of,
    jet_expression,
    jets_of,
    remotes_of,
    size_of_terms,
    subscript_of,
    substituted,
    text_of,
)
from kanpde.problems.problem import Condition, Problem
from kanpde.problems.region_checks import check_regions
from kanpde.problems.singular_ends import singular_ends
from kanpde.problems.well_posedness import posedness_warnings

TOLERANCE = 1e-9
FAR_APART = 1e8
POINTS, SEED = 256, 7
NEAR = 1e-6
"""Of the box: how far from a corner it is looked whether a condition on a part of a side holds there."""
FEW = 64
"""Points at which places elsewhere are looked at."""


def check_problem(problem: Problem, label: str) -> tuple[str, ...]:
    """Refuse what cannot be solved; return warnings about what may be meant otherwise.

    Raises:
        InputError: in three parts, beginning with `label` and the key.
    """
    check_learned_used(problem, label)
    problem = problem.settled()
    check_fields_used(problem, label)
    check_regions(problem, label)
    check_initial_conditions(problem, label)
    warnings = [*problem.task.checked(problem, label), *rough_warnings(problem), *scale_warnings(problem)]
    warnings += [*posedness_warnings(problem, label), *filter(None, [too_few_equations(problem)])]
    warnings += row_sentences(problem)
    check_defined(problem, label)
    check_said(problem, label)
    check_elsewhere(problem, label)
    if problem.exact:
        check_exact(problem, label)
        check_exact_periodic(problem, label)
    else:
        warnings += [*all_corner_warnings(problem), *slope_warnings(problem), *periodic_warnings(problem)]
        warnings += [found.sentence() for found in data_kinks(problem)]
    return tuple(warnings)


# completeness


def check_fields_used(problem: Problem, label: str) -> None:
    used = {field for residual in problem.equations.values() for field in fields_of(residual)}
    used |= {field for field, _ in problem.jets()}
    used |= {field for expr in _measured(problem) for field in fields_of(expr)}
    for field in problem.fields:
        if field not in used:
            raise InputError(
                f"{label}: equations need to determine every field; {field} occurs in none. "
                f"Add an equation for {field}, or remove it from fields."
            )


def check_learned_used(problem: Problem, label: str) -> None:
    """Whatever is to be learned occurs in an equation or condition, or nothing would determine it."""
    residuals = [*problem.equations.values(), *(condition.residual for condition in problem.conditions)]
    residuals += _measured(problem)
    used = {name for residual in residuals for name in depends_on(residual)}
    for name in problem.learned:
        if name not in used:
            raise InputError(
                f"{label}: parameters.{name} is learned and needs to occur in an equation, a condition or "
                f"what data are of; it does in none. Use it, or remove it."
            )


def _measured(problem: Problem) -> tuple[sympy.Expr, ...]:
    return problem.data.measured(problem.coordinates) if problem.data else ()


def check_initial_conditions(problem: Problem, label: str) -> None:
    """As many conditions at the start of time as the equations have time derivatives: u, u_t, …"""
    for field in problem.fields if problem.time is not None else ():
        conditions = _conditions(problem, field, problem.time_axis)
        order = problem.order_along(field, problem.time_axis)
        given = [_time_order(c, field, problem) for c in conditions]
        if not determined_by_data(problem):
            _check_initial_complete(problem, field, order, given, label)
        if given and max(given) >= max(order, 1):
            raise InputError(
                f"{label}: initial takes time derivatives below those in the equations (order {order} of {field}); "
                f"it sets {_time_derivative(problem, field, max(given))}. Remove that condition."
            )
        alone = [_time_order(c, field, problem) for c in conditions if c.fields == (field,)]
        if twice := [count for count in set(alone) if alone.count(count) > 1]:
            raise InputError(
                f"{label}: {_time_derivative(problem, field, twice[0])} needs one condition in time; initial and "
                f"boundary.{problem.coordinates[problem.time_axis]}+ give {alone.count(twice[0])}. Remove all but one."
            )


def _check_initial_complete(problem: Problem, field: str, order: int, given: list[int], label: str) -> None:
    names = [_time_derivative(problem, field, count) for count in range(order)]
    for count, name in enumerate(names):
        if count not in given:
            raise InputError(
                f"{label}: initial needs {', '.join(f'{name} = …' for name in names)}, because the equations have "
                f"{_ordinal(order)} time derivatives of {field}; {name} is missing. Add {name} = … there."
            )


def check_boundary_conditions(problem: Problem, label: str) -> Iterator[str]:
    """Order q along a coordinate takes q conditions, at least ⌊q/2⌋ on each of its sides, or data in their place."""
    if determined_by_data(problem):
        yield from data_sentences(problem)
        return
    if not problem.region.whole or problem.homes or any(isinstance(c.side, SubSide) for c in problem.conditions):
        check_covered(problem, label)
        check_shared(problem, label)
        return
    for axis in range(len(problem.coordinates)):
        if axis != problem.time and axis not in problem.periodic:
            for field in problem.fields if axis not in problem.family else ():
                yield from _check_sides(problem, field, axis, label)


def _check_sides(problem: Problem, field: str, axis: int, label: str) -> Iterator[str]:
    order, conditions = problem.order_along(field, axis), _conditions(problem, field, axis)
    spare = sum(c.kind == "constraint" and field in c.fields for c in problem.conditions)
    sides = box_sides(problem.coordinates)[2 * axis : 2 * axis + 2]
    bare, singular = [], singular_ends(problem, field, axis) if len(conditions) < order else ()
    for side in sides:
        count = sum(condition.side == side for condition in conditions)
        if count < order // 2 and side not in singular:
            spare -= order // 2 - count  # a mean or an integral may take its place
        if spare < 0:
            raise _missing_condition(problem, field, side, order, count, label)
        bare += [side] * (order // 2 - count)
    if len(conditions) < order - len(bare) - spare and not (order == 1 and len(problem.fields) > 1):
        raise _too_few_conditions(problem, field, axis, len(conditions), label)
    coordinate = problem.coordinates[axis]
    pinned = any(isinstance(c.side, Place) and field in c.fields for c in problem.conditions)  # as pressures are
    if len(conditions) < order - len(bare) - spare and not pinned:
        yield f"{field} has a derivative along {coordinate} but no condition on {sides[0].name} or {sides[1].name}."
    if axis in overdetermined(problem):
        yield (
            f"{field} has {len(conditions)} conditions along {coordinate}, where derivatives of order {order} take "
            f"{order}: they may contradict each other."
        )


def overdetermined(problem: Problem) -> tuple[int, ...]:
    """Axes in space along which one field has more conditions than its derivatives take."""
    if len(problem.fields) > 1:
        return ()
    (field,) = problem.fields
    axes = [axis for axis in range(len(problem.coordinates)) if axis != problem.time and axis not in problem.periodic]
    return tuple(axis for axis in axes
                 if len(_conditions(problem, field, axis)) > max(problem.order_along(field, axis), 1))  # fmt: skip


def check_covered(problem: Problem, label: str) -> None:
    """Every point of the region's boundary has ⌊q/2⌋ conditions for a field of order q."""
    axes = [a for a in range(len(problem.coordinates)) if a != problem.time and a not in problem.periodic]
    carriers: list[Side | ShapeBoundary] = [side for side in box_sides(problem.coordinates) if side.axis in axes]
    if not problem.region.whole:
        shapes = dict(problem.region.shapes)
        carriers += [ShapeBoundary(n, facet, sign) for n in problem.region.names() for facet in shapes[n].facets()
                     for sign in problem.region.sides]  # fmt: skip
    for field in problem.fields:
        for carrier in carriers:
            along = axes if carrier.axis is None else [carrier.axis]
            wanted = max((problem.order_along(field, axis) // 2 for axis in along), default=0)
            _check_piece_covered(problem, field, carrier, wanted, label)


def check_shared(problem: Problem, label: str) -> None:
    """Where a polygon shares a side with the box, conditions on both agree."""
    values = [(c, *solved) for c in problem.conditions if (solved := c.solved(problem.coordinates))]
    for (a, jet_a, value_a), (b, jet_b, value_b) in product(values, values):
        shape = carrier_of(b.side)
        if jet_a != jet_b or any(jet_a[1]) or not isinstance(a.side, Side) or not isinstance(shape, ShapeBoundary):
            continue
        points = piece_points(problem.region, problem.domain, a.side, POINTS, SEED)
        shared = on_flat(problem.region, shape, points)
        points = points[shared & on_boundary(problem.region, problem.domain, b.side, points)]
        if not len(points):
            continue
        one, other = (compile_expression(value, problem.coordinates)(points) for value in (value_a, value_b))
        worst = int((one - other).abs().argmax())
        if float((one - other).abs()[worst]) > TOLERANCE * max(float(one.abs().max()), float(other.abs().max())):
            raise InputError(
                f"{label}: boundary needs one value of {jet_a[0]} where {a.name} and {b.name} are the same edge; at "
                f"{_place(problem, points[worst])} they say {float(one[worst]):.4g} and {float(other[worst]):.4g}. "
                f"Remove one of the two."
            )


def _check_piece_covered(problem: Problem, field: str, carrier: Side | ShapeBoundary, wanted: int, label: str) -> None:
    points = piece_points(problem.region, problem.domain, carrier, POINTS, SEED)
    points = points[problem.lives(points)[:, problem.fields.index(field)]]
    count = torch.zeros(len(points), dtype=torch.int)
    for condition in problem.conditions:
        whole = carrier_of(condition.side)
        if field not in condition.fields:
            continue
        if whole == carrier:
            count += on_boundary(problem.region, problem.domain, condition.side, points).int()
        elif isinstance(carrier, Side) and isinstance(whole, ShapeBoundary):  # a polygon that shares the side
            shared = on_flat(problem.region, whole, points)
            count += (shared & on_boundary(problem.region, problem.domain, condition.side, points)).int()
        elif isinstance(carrier, ShapeBoundary) and isinstance(whole, Side):  # and the other way round
            shared = on_side(whole, problem.domain, points)
            count += (shared & on_boundary(problem.region, problem.domain, condition.side, points)).int()
    if (bare := count < wanted).any():
        raise InputError(
            f"{label}: boundary needs {wanted} condition{'s' * (wanted > 1)} for {field} all over {carrier.name}; "
            f"at {_place(problem, points[bare][0])} it has {int(count[bare][0]) or 'none'}. "
            f'Add {carrier.name}: {field} = …, or "*": {field} = … for all that remain.'
        )


def _missing_condition(problem: Problem, field: str, side: Side, order: int, count: int, label: str) -> InputError:
    name = problem.coordinates[side.axis]
    number = "a condition" if order // 2 == 1 else f"{order // 2} conditions"
    return InputError(
        f"{label}: boundary needs {number} for {field} on {side.name}, because the equations have {_ordinal(order)} "
        f"derivatives of {field} along {name}; it has {count or 'none'}. "
        f'Add {side.name}: {field} = …, or "*": {field} = … for all that remain, or periodic: [{name}].'
    )


def _too_few_conditions(problem: Problem, field: str, axis: int, count: int, label: str) -> InputError:
    name, order = problem.coordinates[axis], problem.order_along(field, axis)
    where = "at the inflow" if order == 1 else "on one of the two"
    return InputError(
        f"{label}: boundary needs {order} condition{'s' * (order > 1)} for {field} on {name}- and {name}+ together, "
        f"because the equations have {_ordinal(order)} derivatives of {field} along {name}; it has {count or 'none'}. "
        f"Add {name}-: {field} = … (or {name}+, {where}), or periodic: [{name}]."
    )


def _conditions(problem: Problem, field: str, axis: int) -> list[Condition]:
    return [c for c in problem.conditions if c.side.axis == axis and field in c.fields]


def _time_order(condition: Condition, field: str, problem: Problem) -> int:
    return max(index[problem.time_axis] for name, index in jets_of(condition.residual) if name == field)


def _time_derivative(problem: Problem, field: str, count: int) -> str:
    index = tuple(count * (axis == problem.time) for axis in range(len(problem.coordinates)))
    return f"{field}_{subscript_of(index, problem.coordinates)}" if count else field


def _ordinal(order: int) -> str:
    return {1: "first", 2: "second", 3: "third"}.get(order, f"{order}th")


# values at points


def domain_points(box: Box, count: int = POINTS) -> Tensor:  # [n, d]
    """Scrambled Sobol points, always the same ones."""
    return uniform_points(box, count, SEED)


def side_points(box: Box, *sides: Side, count: int = POINTS) -> Tensor:  # [n, d]
    """The same points moved onto a side, or where sides meet."""
    return uniform_points(box, count, SEED, *sides)


def _place(problem: Problem, point: Tensor) -> str:
    return ", ".join(f"{name} = {value:.4g}" for name, value in zip(problem.coordinates, point.tolist(), strict=True))


def _statements(problem: Problem) -> Iterator[tuple[str, sympy.Expr, Tensor]]:
    """Key, residual and points of every equation and condition."""
    for name, residual in problem.equations.items():
        yield f"equations.{name}", residual, _held_points(problem, name)
    for condition in problem.conditions:
        key = condition.kind if condition.kind == "initial" else f"{condition.kind}.{condition.name}"
        key = key.replace("final.", "boundary.")
        yield key, condition.residual, piece_points(problem.region, problem.domain, condition.side, POINTS, SEED)


def _held_points(problem: Problem, equation: str) -> Tensor:  # -> [n, d]
    """Where an equation holds."""
    return problem.where_holds(equation, inside_points(problem.region, problem.domain, POINTS, SEED))


def check_defined(problem: Problem, label: str) -> None:
    """What depends on the coordinates alone is a finite number all over the domain."""
    for key, residual, points in _statements(problem):
        formula = _compiled(residual, problem, f"{label}: {key}")
        bad = formula.undefined(points)
        if bad.any():
            raise _undefined(f"{label}: {key}", problem, points[bad][0])


def check_said(problem: Problem, label: str) -> None:
    """What equations and densities say depends on the fields somewhere, whatever `where` leaves of them."""
    generator = torch.Generator().manual_seed(SEED)
    everywhere = inside_points(problem.region, problem.domain, POINTS, SEED)
    stated = [(f"equations.{name}", residual, _held_points(problem, name))
              for name, residual in problem.equations.items()]  # fmt: skip
    for key, residual, inside in (*stated, *((problem.task.key, one, everywhere) for one in problem.densities())):
        jets = jets_of(residual)
        if not jets or remotes_of(residual):
            continue
        formula, learned = _compiled(residual, problem, f"{label}: {key}"), problem.learned
        draws = torch.randn(2, len(jets), len(inside), generator=generator, dtype=inside.dtype)
        one, other = (formula(inside, dict(zip(jets, draw, strict=True)), learned) for draw in draws)
        if torch.equal(one, other):
            raise InputError(
                f"{label}: {key} needs to say something of {', '.join(sorted(fields_of(residual)))}; its value is the "
                "same all over the domain, whatever the fields are, as where a condition of `where` never holds. "
                "Correct it."
            )


def check_elsewhere(problem: Problem, label: str) -> None:
    """Fields are asked for inside the domain alone."""
    for key, residual, points in _statements(problem):
        for name in remotes_of(residual):
            rule = Rule(problem.coordinates, name.spans if isinstance(name, Integrated) else ())
            nodes = rule(points[:FEW])[0]
            own = [own for own, _ in jets_of(name.density)] if isinstance(name, Integrated) else [name]
            for one in (one for one in own if isinstance(one, Placed)):
                there = torch.stack([compile_expression(part, rule.columns)(nodes) for part in one.place], dim=1)
                outside = ~in_domain(problem.region, problem.domain, problem.periodic, there)
                if outside.any() and isinstance(name, Integrated) and not problem.region.whole:
                    raise InputError(
                        f"{label}: {key} needs integrals inside the domain; the limits of one reach to "
                        f"{_place(problem, there[outside][0])}, outside of its shapes. Integrate over all of it, as in "
                        "integral(u), over a shape by its name, or between other limits."
                    )
                if outside.any():
                    asked = text_of(jet_expression((one, (0,) * len(problem.coordinates)), problem.coordinates))
                    raise InputError(
                        f"{label}: {key} needs fields inside the domain; {asked} asks for {one.jet[0]} at "
                        f"{_place(problem, there[outside][0])}. Keep the place inside, make the coordinate periodic, "
                        "or, for delays, give history."
                    )


def _undefined(where: str, problem: Problem, point: Tensor) -> InputError:
    return InputError(
        f"{where} needs to be a finite number all over the domain; it is not at {_place(problem, point)}. "
        "Look for a logarithm or root of a negative number or a division by zero, or change the coordinates."
    )


def _compiled(expr: sympy.Expr, problem: Problem, where: str) -> Formula:
    try:
        return compile_expression(expr, problem.coordinates, problem.fields)
    except ExpressionError as error:
        raise InputError(f"{where} {error}") from None


# the exact solution


def check_exact(problem: Problem, label: str) -> None:
    """The exact solution leaves no residual in any equation or condition, to 1e-9 of the size of its terms."""
    jets = _exact_jets(problem, label)
    inside = inside_points(problem.region, problem.domain, POINTS, SEED)
    where, largest = f"{label}: exact", 0.0
    for field, value in problem.exact.items():
        own = inside[problem.lives(inside)[:, problem.fields.index(field)]]
        found = _compiled(value, problem, f"{where}.{field}")(own)
        _check_finite(found, f"{where}.{field}", problem, own)
        largest = max(largest, float(found.abs().max()))
    for key, residual, points in _statements(problem):
        values = _jet_values(jets, residual, points, problem, where)
        leftover = _compiled(residual, problem, where)(points, values).abs()
        terms = _compiled(size_of_terms(residual), problem, where)
        own = problem.in_parts(inside, problem.homes.common(fields_of(residual))) if problem.homes else inside
        sizes = terms(points, values), terms(own, _jet_values(jets, residual, own, problem, where))
        scale = float(torch.cat(sizes).max())
        if key.startswith("constraint"):  # an average of what cancels
            scale = max(scale, largest)
        worst = int(leftover.argmax())
        if not float(leftover[worst]) <= TOLERANCE * scale:
            raise InputError(
                f"{label}: exact needs to satisfy {key} to {TOLERANCE:g} of its terms; it leaves "
                f"{float(leftover[worst]):.3g} at {_place(problem, points[worst])}, where terms reach {scale:.3g}. "
                'Correct one of the two, or write "auto" for the right-hand side.'
            )


def _exact_jets(problem: Problem, label: str) -> Mapping[Jet, Formula]:
    """A formula in the coordinates for every derivative that equations and conditions ask of the exact solution."""
    jets = {jet for _, residual, _ in _statements(problem) for jet in jets_of(residual)}
    return {jet: _exact_formula(problem, jet, f"{label}: exact.{jet[0]}") for jet in sorted(jets)}


def _exact_formula(problem: Problem, jet: Jet, where: str) -> Formula:
    try:
        value = substituted(jet_expression(jet, problem.coordinates), problem.exact)
    except ExpressionError as error:
        raise InputError(f"{where} {error}") from None
    return _compiled(value, problem, where)


def _jet_values(
    jets: Mapping[Jet, Formula], residual: sympy.Expr, points: Tensor, problem: Problem, where: str
) -> dict[Jet, Tensor]:
    values = {jet: jets[jet](points) for jet in jets_of(residual)}
    for (field, _), value in values.items():
        _check_finite(value, f"{where}.{field} (or a derivative that the equations use)", problem, points)
    return values


def _check_finite(value: Tensor, where: str, problem: Problem, points: Tensor) -> None:
    if not (finite := torch.isfinite(value)).all():
        raise _undefined(where, problem, points[~finite][0])


def check_exact_periodic(problem: Problem, label: str) -> None:
    for axis in problem.periodic:
        for field, value in problem.exact.items():
            for order, jump, scale in _periodic_jumps(value, problem, axis, problem.order_along(field, axis)):
                if not jump <= TOLERANCE * scale:
                    name = problem.coordinates[axis]
                    what = f"the {_ordinal(order)} derivative of exact.{field}" if order else f"exact.{field}"
                    raise InputError(
                        f"{label}: periodic needs what is equal on {name}- and {name}+; {what} jumps by {jump:.3g}. "
                        f"Correct exact or the range of {name}, or give conditions there instead."
                    )


def _periodic_jumps(value: sympy.Expr, problem: Problem, axis: int, order: int) -> Iterator[tuple[int, float, float]]:
    """Order, jump across the period and size of an expression's derivatives below `order`, the value at least."""
    symbol = coordinate_symbols(problem.coordinates)[axis]
    low, high = box_sides(problem.coordinates)[2 * axis : 2 * axis + 2]
    for count in range(max(order, 1)):
        formula = compile_expression(derivative(value, symbol, count), problem.coordinates)
        ends = [formula(side_points(problem.domain, side)) for side in (low, high)]
        jump = float((ends[1] - ends[0]).abs().max())
        yield count, jump, max(float(formula(domain_points(problem.domain)).abs().max()), float(ends[0].abs().max()))


# warnings


def rough_warnings(problem: Problem) -> Iterator[str]:
    """A strong residual sees a coefficient's jumps and kinks at points only."""
    for name, value in problem.coefficients.items():
        table = table_of(value)
        used = any(value.func in {node.func for node in expr.atoms(Function)} for expr in problem.equations.values())
        if table is not None and used and any(len(walls) for walls in table.walls):
            yield (
                f"{name} jumps or kinks inside the domain, and so do derivatives of the solution, which smooth nets "
                f"cannot follow. Choose a grid whose knots lie on the walls of its cells, state the problem as an "
                f"energy, or smooth {name} (smooth: …, interpolation: cubic)."
            )


def scale_warnings(problem: Problem) -> Iterator[str]:
    """Terms of an equation that differ in size by more than a network's digits can carry, and fields far apart."""
    if len(problem.fields) > 1:
        yield from size_sentences(set_sizes(problem))
    for name, residual in problem.equations.items():
        spread = spread_of_terms(residual, problem)
        if spread > FAR_APART:
            yield (
                f"The terms of {name} differ in size by a factor of {spread:.0e} over the box: the small ones drown in "
                "rounding. Choose units of coordinates and fields in which all are nearer to 1, or leave out what is "
                "negligible."
            )


def corner_warnings(problem: Problem) -> Iterator[str]:
    """Where two sides meet, what conditions set for a field agrees, and so do its rates of change as time begins."""
    yield from _disagreements(problem, combinations(_set_values(problem), 2), "values", "a jump")
    rates = product(_first_rates(problem), _boundary_rates(problem))
    yield from _disagreements(problem, rates, "rates of change", "a kink")


Setting = tuple[Condition, Side, str, sympy.Expr]
"""A condition on a side of the box or a part of one, the side, the field that it sets, and to what."""


def _disagreements(problem: Problem, pairs: Iterable[tuple[Setting, Setting]], what: str, has: str) -> Iterator[str]:
    for (a, side_a, field_a, value_a), (b, side_b, field_b, value_b) in pairs:
        if field_a == field_b:
            points = _corner_points(problem, a, b) if side_a.axis != side_b.axis else switch_points(problem, a, b)
            if not len(points):
                continue
            values = [compile_expression(value, problem.coordinates)(points) for value in (value_a, value_b)]
            gap, scale = (values[0] - values[1]).abs(), max(float(value.abs().max()) for value in values)
            worst = int(gap.argmax())
            if float(gap[worst]) > TOLERANCE * max(scale, 1e-3):
                shown = apart(float(values[0][worst]), float(values[1][worst]))
                yield (
                    f"{a.name} and {b.name} set different {what} of {field_a} where they meet "
                    f"({shown} at {_place(problem, points[worst])}): the solution has {has} there."
                )


def _corner_points(problem: Problem, a: Condition, b: Condition) -> Tensor:  # -> [n, d]
    """Where two sides of the box meet, as far as both conditions hold next to it."""
    sides = [side for side in map(carrier_of, (a.side, b.side)) if isinstance(side, Side)]
    points = side_points(problem.domain, *sides)
    kept = torch.ones(len(points), dtype=torch.bool) if problem.region.whole else problem.region.contains(points)
    for piece, other in ((a.side, sides[1]), (b.side, sides[0])):
        if isinstance(piece, SubSide):
            near_by = points.clone()
            near_by[:, other.axis] -= NEAR * (2 * other.end - 1) * problem.domain.lengths[other.axis]
            kept &= piece.covers(near_by)
    return points[kept]


def all_corner_warnings(problem: Problem) -> Iterator[str]:
    """Of the box's sides, and of shapes."""
    yield from corner_warnings(problem)
    yield from shape_corner_warnings(problem)


def slope_warnings(problem: Problem) -> Iterator[str]:
    """Conditions on derivatives hold for the values that are set on a side next to theirs as well.

    With u = g on the other side, at the start of time say, a condition r(u, u_x, …) = 0 whose derivatives lie along
    that side leaves r(g, g_x, …) where the two meet.
    """
    axes = {side.axis for _, side, _, _ in _set_values(problem)}
    for condition in problem.conditions:
        if condition.kind == "boundary" and isinstance(carrier_of(condition.side), Side) and _slopes(condition):
            for axis in sorted(axes - {condition.side.axis}):
                yield from _slope_jumps(problem, condition, axis)


def _slopes(condition: Condition) -> list[Jet]:
    return [jet for jet in jets_of(condition.residual) if any(jet[1])]


def _slope_jumps(problem: Problem, condition: Condition, axis: int) -> Iterator[str]:
    """At one end of an axis, or both: what the values set there leave in a condition with derivatives."""
    if any(index[axis] for _, index in _slopes(condition)):
        return
    ends: dict[Side, list[Setting]] = {}
    for setting in _set_values(problem):
        if setting[1].axis == axis:
            ends.setdefault(setting[1], []).append(setting)
    for settings in ends.values():
        known = {field: value for _, _, field, value in settings}
        if not set(condition.fields) <= set(known) or len(known) < len(settings):  # parts of it have their own
            continue
        points = _corner_points(problem, condition, settings[0][0])
        try:
            left = substituted(condition.residual, known)
            parts = left, size_of_terms(left)
            sizes = [compile_expression(part, problem.coordinates)(points).abs() for part in parts]
        except ExpressionError:  # a derivative that jumps
            continue
        if not len(points):
            continue
        worst = int(sizes[0].argmax())
        if float(sizes[0][worst]) > 1e-6 * max(float(sizes[1].max()), 1e-3):
            initial = settings[0][0].kind == "initial"
            start = "The initial values leave" if initial else f"What {settings[0][0].name} sets leaves"
            yield (
                f"{start} {float(sizes[0][worst]):.4g} in the condition on {condition.name} at "
                f"{_place(problem, points[worst])}: the slope jumps there{' as time begins' * initial}."
            )


def _solved_on_sides(problem: Problem) -> Iterator[tuple[Condition, Side, Jet, sympy.Expr]]:
    for condition in problem.conditions:
        solved, side = condition.solved(problem.coordinates), carrier_of(condition.side)
        if isinstance(side, Side) and solved is not None:
            yield condition, side, *solved


def _set_values(problem: Problem) -> Iterator[Setting]:
    for condition, side, (field, index), value in _solved_on_sides(problem):
        if not any(index):
            yield condition, side, field, value


def _first_rates(problem: Problem) -> Iterator[Setting]:
    """What initial conditions say of u_t."""
    for condition, side, (field, index), value in _solved_on_sides(problem):
        if condition.kind == "initial" and sum(index) == index[problem.time_axis] == 1:
            yield condition, side, field, value


def _boundary_rates(problem: Problem) -> Iterator[Setting]:
    """How what a boundary sets changes in time, where that is no jump."""
    for condition, side, field, value in _set_values(problem):
        if condition.kind == "boundary" and problem.time is not None:
            with contextlib.suppress(ExpressionError):
                yield condition, side, field, derivative(value, coordinate_symbols(problem.coordinates)[problem.time])


@dataclass(frozen=True)
class PeriodicJump:
    """What data do not repeat across a period: the jump of a derivative of that order, and the size of the value."""

    condition: str
    field: str
    coordinate: str
    order: int
    jump: float
    size: float

    def sentence(self) -> str:
        what = f"the {_ordinal(self.order)} derivative of {self.field}" if self.order else self.field
        return f"{self.condition} gives {what} a jump of {self.jump:.3g} across the period of {self.coordinate}"


def periodic_jumps(problem: Problem) -> Iterator[PeriodicJump]:
    """Data on other sides join smoothly across a period; a kink there ruins an answer whose residual looks fine."""
    for axis in problem.periodic:
        for condition, _, field, value in _set_values(problem):
            size = 1.0
            for order, jump, scale in _periodic_jumps(value, problem, axis, problem.order_along(field, axis)):
                size = size if order else scale
                if jump > 1e-6 * max(scale, 1e-3):
                    if order == 1 and diffusivity(problem, field, axis) is not None:
                        break  # an exact lift rounds the kink off as diffusion does
                    yield PeriodicJump(condition.name, field, problem.coordinates[axis], order, jump, size)
                    break


def periodic_warnings(problem: Problem) -> Iterator[str]:
    """A sentence for each of them."""
    for found in periodic_jumps(problem):
        yield f"{found.sentence()}: expect large errors near it."
