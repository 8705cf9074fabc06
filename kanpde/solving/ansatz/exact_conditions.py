"""Boundary and initial conditions met exactly: u = L + E·N with a lift L, an envelope E and the network N.

Where m conditions u, ∂u, … = g_0, g_1, … hold at one end of an axis and n at the other, Hermite's polynomials p_j of
degree m + n - 1 interpolate them. On each axis in turn the lift is corrected by what its conditions still miss,

    L ← L + Σ_j p_j(x) (g_j - ∂^j L)|_end,        E ← E · (x - a)^m (x - b)^n,

which is transfinite interpolation (Coons, Gordon). Both are built symbolically from the conditions alone, and hold
wherever these agree at the corners. Values on disks, ellipses and balls are added by `distances`.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, count, takewhile

import sympy
import torch
from sympy import Expr
from torch import Tensor

from kanpde.models.jets import IndexSet, closure, product_matrix
from kanpde.problems.geometry.boxes import Side, box_sides
from kanpde.problems.geometry.regions import Piece, ShapeBoundary, SubSide, inside_points, piece_points, sampled_on
from kanpde.problems.geometry.samplings import SobolSampling
from kanpde.problems.language import (
    ROUGH,
    TEXT_NAMES,
    ExpressionError,
    Formula,
    compile_expression,
    coordinate_symbols,
    derivative,
)
from kanpde.problems.language.arithmetic import number_of
from kanpde.problems.memberships import memberships_of
from kanpde.problems.problem import Condition, Problem
from kanpde.solving.ansatz.interface import BoundAnsatz
from kanpde.solving.ansatz.known_jets import has_quotients, known_jet
from kanpde.solving.ansatz.periodic_kinks import rounding
from kanpde.solving.ansatz.round_shapes import even_over, measurable, round_facet, with_shapes


@dataclass(frozen=True)
class Lifted:
    """u = L + E·N: what each field is made of, and which conditions are left for the loss.

    lifts, envelopes: One expression in the coordinates per field; an envelope of 1 leaves the network free.
    penalties: Conditions that the ansatz does not meet by itself.
    warnings: Sentences on conditions that could have been exact but for their data.
    """

    problem: Problem
    lifts: tuple[Expr, ...]
    envelopes: tuple[Expr, ...]
    penalties: tuple[Condition, ...]
    warnings: tuple[str, ...] = ()
    _formulas: dict[tuple[Expr, tuple[int, ...]], Formula] = field(default_factory=dict, repr=False, compare=False)

    def bind(self, points: Tensor, indices: IndexSet) -> BoundAnsatz:
        """Evaluate lifts and envelopes with their derivatives at fixed points [n, d]."""
        lift = torch.stack([self._jet(expr, points, indices) for expr in self.lifts], dim=-1)
        columns = own_outputs(self.problem, points)
        if all(envelope == 1 for envelope in self.envelopes):
            return BoundAnsatz(lift, None, columns)
        factors = {expr: product_matrix(self._jet(expr, points, indices), indices) for expr in set(self.envelopes)}
        if len(factors) == 1:
            return BoundAnsatz(lift, factors.popitem()[1][:, None], columns)
        return BoundAnsatz(lift, torch.stack([factors[expr] for expr in self.envelopes], dim=1), columns)

    def _jet(self, expr: Expr, points: Tensor, indices: IndexSet) -> Tensor:  # -> [n, s]
        if has_quotients(expr):
            return known_jet(expr, points, indices, lambda part, index, x: self._derivative(part, index)(x))
        return torch.stack([self._derivative(expr, index)(points) for index in indices], dim=1)

    def _derivative(self, expr: Expr, index: tuple[int, ...]) -> Formula:
        key = (expr, index)
        if key not in self._formulas:
            self._formulas[key] = _compiled_derivative(self.problem, expr, index)
        return self._formulas[key]


def own_outputs(problem: Problem, points: Tensor) -> Tensor | None:  # [n, d] -> long [n, fields]
    """Which of a network's outputs is each field at points; None where there is one for each.

    Outputs come part by part, of each part those fields that live there. At a rim a field that ends there is itself.
    """
    if problem.joined == 1:
        return None
    parts = range(problem.joined)
    outputs = [(part, name) for part in parts for name in problem.fields if part in problem.homes.of(name)]
    table = [[outputs.index((part if part in home else home[0], name)) for name in problem.fields
              for home in [problem.homes.of(name)]] for part in parts]  # fmt: skip
    return torch.tensor(table, device=points.device)[problem.part_of(points)]


def ansatz_of(problem: Problem, conditions: str) -> Lifted:
    """The ansatz that training.conditions names."""
    return {"exact": exact_ansatz, "penalty": penalty_ansatz}[conditions](problem)


def penalty_ansatz(problem: Problem) -> Lifted:
    """Leave every condition to the loss."""
    return Lifted(problem, _each(problem, 0), _each(problem, 1), problem.conditions)


def exact_ansatz(problem: Problem) -> Lifted:
    """Build in every condition that prescribes a field's value on a side or its initial time derivatives.

    A field whose conditions contradict each other at corners keeps them all as penalties, with a warning.
    """
    lifts, envelopes, warnings = list(_each(problem, 0)), list(_each(problem, 1)), []
    met: list[Condition] = []
    for place, name in enumerate(problem.fields):
        prescribed, on_shapes = _prescribed(problem, name), _prescribed_on_shapes(problem, name)
        try:
            lift, envelopes[place] = _checked_lift(problem, name, prescribed)
            lifts[place] = lift + rounding(problem, name, lift)
            met.extend(condition for conditions in prescribed.values() for condition, _ in conditions)
        except _NotExact as reason:
            warnings.append(
                f"The conditions on {name} enter the loss as penalties instead of holding exactly, because {reason}"
            )
            prescribed = {}
        try:
            if on_shapes:
                box = lifts[place], envelopes[place], prescribed
                lifts[place], envelopes[place] = _checked_on_shapes(problem, name, *box, on_shapes)
                met.extend(condition for condition, _ in on_shapes.values())
        except _NotExact as reason:
            warnings.append(f"The conditions on {name} on shapes enter the loss as penalties, because {reason}")
    left = tuple(condition for condition in problem.conditions if condition not in met)
    return Lifted(problem, tuple(lifts), tuple(envelopes), left, tuple(warnings))


def _each(problem: Problem, value: int) -> tuple[Expr, ...]:
    return tuple(sympy.Integer(value) for _ in problem.fields)


Prescribed = Mapping[Side, list[tuple[Condition, Expr]]]
"""The conditions on each side with their data g, the n-th of them ∂^n u = g along its axis."""


def _prescribed(problem: Problem, name: str) -> Prescribed:
    found = {}
    for side in box_sides(problem.coordinates):
        data = _data_by_order(problem, name, side)
        consecutive = [data[order] for order in takewhile(data.__contains__, count())]
        if consecutive:
            found[side] = consecutive
    return found


def _data_by_order(problem: Problem, name: str, side: Side) -> dict[int, tuple[Condition, Expr]]:
    """Conditions ∂^n u = g on one side, n the order of a derivative along its axis alone."""
    found: dict[int, tuple[Condition, Expr]] = {}
    for condition in problem.conditions:
        solved = condition.solved(problem.coordinates) if _whole(problem, condition, name) == side else None
        if solved is None:
            continue
        (field_name, index), data = solved
        if problem.learns(data):
            continue  # it changes with every step; a lift is built once
        if field_name == name and sum(index) == index[side.axis]:
            found.setdefault(index[side.axis], (condition, data))
    return found


def _whole(problem: Problem, condition: Condition, name: str) -> Piece:
    """Where a condition holds, or the whole side where it holds all over what a field has of it."""
    side = condition.side
    return side.side if isinstance(side, SubSide) and side.mask == problem.home_mask((name,)) else side


OnShapes = Mapping[ShapeBoundary, tuple[Condition, Expr]]
"""The condition on each whole disk, ellipse or ball with its data g, the same all over it: u = g."""


def _prescribed_on_shapes(problem: Problem, name: str) -> OnShapes:
    found: dict[ShapeBoundary, tuple[Condition, Expr]] = {}
    for condition in problem.conditions if not problem.periodic else ():
        side = condition.side
        if not measurable(side, problem):
            continue
        solved = condition.solved(problem.coordinates)
        if solved is None or solved[0] != (name, (0,) * problem.domain.dimension) or problem.learns(solved[1]):
            continue
        data = even_over(problem, side, solved[1])
        if data is not None:
            found.setdefault(side, (condition, data))
    return found


def _between(problem: Problem, prescribed: Prescribed) -> Expr:
    """The envelope of the sides in space, positive inside."""
    found = sympy.Integer(1)
    for side, given in prescribed.items():
        if side.axis != problem.time:
            xi = _unit_coordinate(problem, side.axis)
            found *= (1 + xi if side.end == 0 else 1 - xi) ** len(given)
    return found


class _NotExact(Exception):
    """Why conditions cannot be built in; the end of a sentence."""


def _checked_lift(problem: Problem, name: str, prescribed: Prescribed) -> tuple[Expr, Expr]:
    """Lift and envelope of one field, if the lift is as smooth as the equations need and meets its conditions."""
    try:
        lift, envelope = _interpolate(problem, prescribed)
        _check_smooth(problem, name, lift)
        worst = _largest_miss(problem, prescribed.items(), lift)
    except ExpressionError as error:
        raise _NotExact(f"no function that meets them could be built: it {error}") from None
    if not worst <= 1e-9:
        raise _NotExact(
            f"they disagree by {worst:.1e} of their size where they meet. Smooth the data there to have them exact."
        )
    return lift, envelope


def _checked_on_shapes(
    problem: Problem, name: str, lift: Expr, envelope: Expr, prescribed: Prescribed, on_shapes: OnShapes
) -> tuple[Expr, Expr]:
    """Lift and envelope with the shapes' conditions in them, if they are smooth and meet them."""
    for piece, (condition, data) in on_shapes.items():
        center = torch.tensor([round_facet(piece).center], dtype=torch.float64)
        if even_over(problem, piece, data - lift) is None and problem.region.holds(center).item():
            raise _NotExact(
                f"what else is given would be carried to the center of {condition.name}, which lies in the domain, "
                "and contradict itself there."
            )
    data = {piece: value for piece, (_, value) in on_shapes.items()}
    lift, envelope = with_shapes(problem, lift, envelope, _between(problem, prescribed), data)
    _check_kinks(lift)
    _check_finite(known_jet(lift, _looked_at(problem), _indices(problem, name), partial(_derivative_at, problem)))
    shapes = [(piece, [(condition, data)]) for piece, (condition, data) in on_shapes.items()]
    if not _largest_miss(problem, chain(prescribed.items(), shapes), lift) <= 1e-9:
        raise _NotExact("they disagree with the initial conditions where they meet. Smooth these to have them exact.")
    return lift, envelope


def _check_smooth(problem: Problem, name: str, lift: Expr) -> None:
    """A kink in the data would be carried into the domain, and its derivatives would lack what happens at the kink."""
    _check_kinks(lift)
    points = _looked_at(problem)
    points = points[problem.lives(points)[:, problem.fields.index(name)]]
    for index in _indices(problem, name):
        _check_finite(_compiled_derivative(problem, lift, index)(points))


def _check_kinks(lift: Expr) -> None:
    kinks = sorted({TEXT_NAMES.get(type(node), "where") for node in lift.atoms(*ROUGH)})
    kinks += ["inside"] * bool(memberships_of(lift))
    if kinks:
        raise _NotExact(
            f"their data have kinks ({', '.join(kinks)}), which an exact lift would carry through the domain. Smooth "
            "the data to have them exact."
        )


def _check_finite(values: Tensor) -> None:
    if not values.isfinite().all():
        raise _NotExact("their data have derivatives that are not finite. Smooth the data to have them exact.")


def _indices(problem: Problem, name: str) -> IndexSet:
    return closure((index for field, index in problem.jets() if field == name), problem.domain.dimension)


def _looked_at(problem: Problem) -> Tensor:  # -> [n, d]
    """Points inside and on the sides."""
    where, sides = (problem.region, problem.domain), box_sides(problem.coordinates)
    on_sides = [sampled_on(SobolSampling(), *where, side, 64, 0, ()).points for side in sides]
    return torch.cat([inside_points(*where, 512, seed=0), *on_sides])


def _compiled_derivative(problem: Problem, expr: Expr, index: tuple[int, ...]) -> Formula:
    for symbol, order in zip(coordinate_symbols(problem.coordinates), index, strict=True):
        expr = derivative(expr, symbol, order)
    return compile_expression(expr, problem.coordinates, ())


def _interpolate(problem: Problem, prescribed: Prescribed) -> tuple[Expr, Expr]:
    lift, envelope = sympy.Integer(0), sympy.Integer(1)
    for axis, x in enumerate(coordinate_symbols(problem.coordinates)):
        lower, upper = number_of(problem.domain.lower[axis]), number_of(problem.domain.upper[axis])
        half, xi = (upper - lower) / 2, _unit_coordinate(problem, axis)
        conditions = [
            (side.end, order, data)
            for side, given in prescribed.items()
            if side.axis == axis
            for order, (_, data) in enumerate(given)
        ]
        basis = _hermite([(2 * end - 1, order) for end, order, _ in conditions])
        missing = [
            half**order * (data - derivative(lift, x, order)).subs(x, (lower, upper)[end])
            for end, order, data in conditions
        ]
        for coefficients, term in zip(basis, missing, strict=True):
            lift += sum(c * xi**p for p, c in enumerate(coefficients)) * term
        for end, _, _ in conditions:
            envelope *= xi + (1 if end == 0 else -1)
    return lift, envelope


def _unit_coordinate(problem: Problem, axis: int) -> Expr:
    """ξ from -1 to 1 along an axis."""
    lower, upper = number_of(problem.domain.lower[axis]), number_of(problem.domain.upper[axis])
    x = coordinate_symbols(problem.coordinates)[axis]
    return (x - (lower + upper) / 2) / ((upper - lower) / 2)


def _derivative_at(problem: Problem, expr: Expr, index: tuple[int, ...], points: Tensor) -> Tensor:  # -> [n]
    return _compiled_derivative(problem, expr, index)(points)


def _hermite(nodes: list[tuple[int, int]]) -> list[list[Expr]]:
    """Coefficients of polynomials p_j in ξ with ∂^(r_i) p_j(ξ_i) = δ_ij, for nodes (ξ_i, r_i)."""
    if not nodes:
        return []
    xi = sympy.Dummy()
    rows = [[(xi**p).diff(xi, order).subs(xi, end) for p in range(len(nodes))] for end, order in nodes]
    return [list(row) for row in sympy.Matrix(rows).inv().T.tolist()]


def _largest_miss(
    problem: Problem, given: Iterable[tuple[Side | ShapeBoundary, list[tuple[Condition, Expr]]]], lift: Expr
) -> float:
    """How far the lift is from its conditions at scrambled points of each side, relative to all of the field's data."""
    misses, sizes = [0.0], [0.0]
    for side, conditions in given:
        points = piece_points(problem.region, problem.domain, conditions[0][0].side, 64, 0)
        if not len(points):
            continue  # all of the side is cut away
        for order, (_, data) in enumerate(conditions):
            index = tuple(order if axis == side.axis else 0 for axis in range(problem.domain.dimension))
            known = compile_expression(data, problem.coordinates, ())(points)
            jets = closure([index], len(index))
            found = known_jet(lift, points, jets, partial(_derivative_at, problem))[:, jets.index(index)]
            misses.append(torch.nan_to_num((known - found).abs(), nan=math.inf).max().item())
            sizes.append(known.abs().max().item())
    return max(misses) / (max(sizes) or 1.0)
