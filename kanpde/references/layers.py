"""A problem with walls along one axis, or with shapes on a line, as one without: a field of its own for each layer.

    y = lo + (hi - lo) s  in even layers,  y = hi - (hi - lo) s  in odd ones,  0 ≤ s ≤ 1,

so that all are on one interval and neighbors meet at the same end of s, where values and fluxes agree, or what rims ask
for holds. Any method of boxes takes that. A field has no layer where it does not live.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
import sympy
import torch

from kanpde.files.yaml import Entries
from kanpde.problems.geometry.boxes import Box, Side
from kanpde.problems.geometry.regions import Place, Region, Seam, SubSide, carrier_of
from kanpde.problems.homes import Homes
from kanpde.problems.language import Placed, coordinate_symbols, jet_expression, jets_of
from kanpde.problems.language.functions import choice
from kanpde.problems.memberships import Membership, memberships_of
from kanpde.problems.problem import Condition, Problem
from kanpde.references.interface import Field
from kanpde.references.means import NotSolved


def has_layers(problem: Problem) -> bool:
    """Whether fluxes go on across walls, or shapes part a line."""
    walls = any(c.kind == "interface" and isinstance(c.side, Place) for c in problem.conditions)
    return walls or bool(problem.parts and problem.equations) and len(problem.region.axes) == 1


@dataclass(frozen=True, eq=False)
class Layers:
    """The fields of a problem, from those of its layers; NaN where they do not live.

    columns: Of each layer, the number of each field among those of all layers; None where it does not live.
    """

    values: Field
    axis: int
    ends: tuple[float, ...]
    columns: tuple[tuple[int | None, ...], ...]

    def __call__(self, points: np.ndarray) -> np.ndarray:  # [n, d] -> [n, fields]
        points, found = np.asarray(points, dtype=float), np.full((len(points), len(self.columns[0])), np.nan)
        for number, (low, high) in enumerate(pairwise(self.ends)):
            first, last = number == 0, number == len(self.ends) - 2
            y = points[:, self.axis]  # where layers meet, each has the fields that end there
            own = ((y >= low) | first) & ((y <= high) | last)
            there = points[own]
            share = (there[:, self.axis] - low) / (high - low)
            there[:, self.axis] = 1 - share if number % 2 else share
            known = self.values(there)
            for field, column in enumerate(self.columns[number]):
                if column is not None:
                    found[own, field] = known[:, column]
        return found


Columns = tuple[tuple[int | None, ...], ...]


def layered(problem: Problem) -> tuple[Problem, int, tuple[float, ...], Columns]:
    """The problem in layers, the axis across them, where they end, and which field of which is which.

    Raises:
        NotSolved: walls along two axes, conditions on parts of sides or at points, or fields of fewer coordinates.
    """
    walls = {axis: found for axis in range(problem.domain.dimension) if (found := _walls(problem, axis))}
    axes = [*walls]
    plain = all(isinstance(carrier_of(c.side), Side) and _is_whole(problem, c) or c.kind == "interface"
                for c in problem.conditions)  # fmt: skip
    if len(axes) != 1 or not plain or problem.narrow or problem.remotes() or not problem.region.whole:
        raise NotSolved("takes walls along one axis, with conditions on whole sides")
    (axis,) = axes
    ends = (problem.domain.lower[axis], *walls[axis], problem.domain.upper[axis])
    parts = [_Layer(problem, axis, number, *pair) for number, pair in enumerate(pairwise(ends))]
    lower, upper = list(problem.domain.lower), list(problem.domain.upper)
    lower[axis], upper[axis] = 0.0, 1.0
    box, fields = Box(tuple(lower), tuple(upper)), [(part.number, name) for part in parts for name in part.fields]
    columns = tuple(tuple(fields.index((part.number, name)) if name in part.fields else None for name in problem.fields)
                    for part in parts)  # fmt: skip
    return (
        replace(
            problem, domain=box, region=Region.all_of(box, problem.region.axes), exact={}, data=None, coefficients={},
            fields=tuple(parts[number].name(name) for number, name in fields), parts=(), homes=Homes(), held={},
            equations={f"{key}.{part.number}": part.of(residual) for part in parts
                       for key, residual in problem.equations.items() if part.part in problem.holds_in(key)},
            conditions=tuple(_conditions(problem, axis, parts)), source=_resolved(problem),
        ),
        axis, ends, columns,
    )  # fmt: skip


def _walls(problem: Problem, axis: int) -> tuple[float, ...]:
    """Where layers end: at walls across which fluxes go on, and at rims of shapes on a line."""
    rims = {_wall(c.side, axis) for c in problem.conditions if isinstance(c.side, Seam) and axis in problem.region.axes}
    return tuple(sorted({*problem.fluxes_across(axis), *rims}))


def _wall(piece: Place | Seam, axis: int) -> float:
    """Where it lies along an axis."""
    if isinstance(piece, Place):
        return float(piece.values[axis] or 0.0)
    return float(piece.facet.place(torch.zeros(1, 0, dtype=torch.float64))[0, 0])


def _is_whole(problem: Problem, condition: Condition) -> bool:
    """Whether a condition holds all over what its fields have of a side."""
    side = condition.side
    return not isinstance(side, SubSide) or side.mask == problem.home_mask(condition.fields)


ENOUGH = {1: 48, 2: 24, 3: 8}
"""Nodes an axis in every layer of a stationary problem, unless the file asks for others: layers are smooth."""


def _resolved(problem: Problem) -> Entries:
    asked = problem.source.get("reference") or {}
    asked = asked if isinstance(asked, dict) else {"method": asked}
    if problem.time is not None or "resolution" in asked:
        return problem.source
    return {**problem.source, "reference": {**asked, "resolution": ENOUGH[problem.domain.dimension]}}


@dataclass(frozen=True)
class _Layer:
    problem: Problem
    axis: int
    number: int
    low: float
    high: float

    @cached_property
    def part(self) -> int:
        """The number of the part of the domain that it is."""
        middle = torch.tensor([self.problem.domain.lower], dtype=torch.float64)
        middle[0, self.axis] = (self.low + self.high) / 2
        return int(self.problem.part_of(middle)[0])

    @property
    def fields(self) -> tuple[str, ...]:
        """Those that live in it."""
        return tuple(name for name in self.problem.fields if self.part in self.problem.homes.of(name))

    @property
    def turn(self) -> int:
        return -1 if self.number % 2 else 1

    def name(self, field: str) -> str:
        return f"{field}__{self.number}"

    def side(self, end: int) -> Side:
        """The end of s at the layer's lower or upper end."""
        own = end if self.turn == 1 else 1 - end
        return Side(self.axis, own, f"{self.problem.coordinates[self.axis]}{'-+'[own]}")

    def jet(self, field: str, index: tuple[int, ...]) -> sympy.Expr:
        scale = (self.turn / sympy.Float(self.high - self.low)) ** index[self.axis]
        return scale * jet_expression((self.name(field), index), self.problem.coordinates)

    def of(self, expr: sympy.Expr) -> sympy.Expr:
        """An expression of the problem within the layer."""
        jets = {jet: sympy.Dummy(real=True) for jet in jets_of(expr)}
        plain = expr.xreplace({jet_expression(jet, self.problem.coordinates): name for jet, name in jets.items()})
        plain = self.placed(self.decided(plain))
        return plain.xreplace({name: self.jet(*jet) for jet, name in jets.items()})

    def placed(self, expr: sympy.Expr) -> sympy.Expr:
        y, length = coordinate_symbols(self.problem.coordinates)[self.axis], self.high - self.low
        begin = self.low if self.turn == 1 else self.high
        return expr.xreplace({y: sympy.Float(begin) + self.turn * sympy.Float(length) * y})

    def decided(self, expr: sympy.Expr) -> sympy.Expr:
        """With the branch of each where(…) and the value of each inside(…) that is the same all over the layer."""
        for one in memberships_of(expr):
            middle = torch.tensor([[(self.low + self.high) / 2]], dtype=torch.float64)
            expr = expr.xreplace({one: sympy.Integer(int(one.shape.contains(middle)[0]))})
        y, inside = coordinate_symbols(self.problem.coordinates)[self.axis], np.linspace(self.low, self.high, 7)[1:-1]
        while known := [node for node in expr.atoms(choice) if node.args[0].free_symbols == {y}
                        and not node.args[0].atoms(choice)]:  # fmt: skip
            chosen = {}
            for node in known:
                distance, below, above = node.args
                signs = {float(distance.xreplace({y: sympy.Float(x)})) < 0 for x in inside}
                if len(signs) > 1:
                    raise NotSolved("takes where(…) that jumps at the walls alone")
                chosen[node] = below if signs.pop() else above
            expr = expr.xreplace(chosen)
        return expr


def _conditions(problem: Problem, axis: int, parts: list[_Layer]) -> Iterator[Condition]:
    for condition in problem.conditions:
        if condition.kind == "interface":
            yield _flux(problem, axis, parts, condition)
            continue
        side = carrier_of(condition.side)
        assert isinstance(side, Side)
        own = [part.side(side.end) if side.axis == axis else side for part in parts]
        there = [parts[-1 if side.end else 0]] if side.axis == axis else parts
        for part in (part for part in there if set(condition.fields) <= set(part.fields)):
            yield _moved(condition, own[part.number], part.of(condition.residual), part.number)
    for one, other in pairwise(parts) if not problem.parts else ():  # rims say so themselves
        for field in problem.fields:
            if problem.order_along(field, axis) > 1:
                none = (0,) * problem.domain.dimension
                equal = one.jet(field, none) - other.jet(field, none)
                yield Condition(f"{field}_{one.number}", one.side(1), equal, "boundary", (one.name(field),
                                other.name(field)))  # fmt: skip


def _moved(condition: Condition, side: Side, residual: sympy.Expr, number: int) -> Condition:
    fields = tuple(sorted({name for name, _ in jets_of(residual)}))
    return replace(condition, name=f"{condition.name}.{number}", side=side, residual=residual, fields=fields)


def _flux(problem: Problem, axis: int, parts: list[_Layer], condition: Condition) -> Condition:
    """q(w⁺) = q(w⁻) with the field of the layer on either side."""
    assert isinstance(condition.side, (Place, Seam))
    wall, y = _wall(condition.side, axis), coordinate_symbols(problem.coordinates)[axis]
    below = next(part for part in parts if part.high == wall)
    above, jets = parts[below.number + 1], {}
    for name, index in jets_of(condition.residual):
        if not isinstance(name, Placed):
            raise NotSolved("takes fluxes of the fields beside a wall")
        part = above if float(name.place[axis].xreplace({y: sympy.Float(wall, 17)})) > wall else below
        jets[jet_expression((name, index), problem.coordinates)] = part.jet(*name.jet)
    beside = {one: _beside(one, y, wall) for one in memberships_of(condition.residual)}
    names = {jet: sympy.Dummy(real=True) for jet in jets}
    residual = condition.residual.xreplace(names | beside).xreplace({y: sympy.Float(wall, 17)})
    residual = residual.xreplace({name: jets[jet] for jet, name in names.items()})
    return replace(_moved(condition, below.side(1), residual, below.number), kind="boundary")


def _beside(one: Membership, y: sympy.Symbol, wall: float) -> sympy.Integer:
    """inside(…) at a place a little beside a wall."""
    place = torch.tensor([[float(one.args[0].xreplace({y: sympy.Float(wall, 17)}))]], dtype=torch.float64)
    return sympy.Integer(int(one.shape.contains(place)[0]))
