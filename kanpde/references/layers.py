"""A problem with walls along one axis as one without: a field of its own for each layer, all on one interval.

    y = lo + (hi - lo) s  in even layers,  y = hi - (hi - lo) s  in odd ones,  0 ≤ s ≤ 1,

so that neighbors meet at the same end of s, where values and fluxes agree. Any method of boxes takes that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import sympy

from kanpde.files.yaml import Entries
from kanpde.problems.geometry.boxes import Box, Side
from kanpde.problems.geometry.regions import Place
from kanpde.problems.language import Placed, coordinate_symbols, jet_expression, jets_of
from kanpde.problems.language.functions import choice
from kanpde.problems.problem import Condition, Problem
from kanpde.references.interface import Field
from kanpde.references.means import NotSolved


def has_layers(problem: Problem) -> bool:
    """Whether fluxes go on across walls."""
    return any(c.kind == "interface" and isinstance(c.side, Place) for c in problem.conditions)


@dataclass(frozen=True, eq=False)
class Layers:
    """The fields of a problem, from those of its layers."""

    values: Field
    axis: int
    ends: tuple[float, ...]
    fields: int

    def __call__(self, points: np.ndarray) -> np.ndarray:  # [n, d] -> [n, fields]
        points, found = np.asarray(points, dtype=float), np.empty((len(points), self.fields))
        layer = np.clip(np.searchsorted(self.ends, points[:, self.axis], side="right") - 1, 0, len(self.ends) - 2)
        for number, (low, high) in enumerate(pairwise(self.ends)):
            own = layer == number
            there = points[own]
            share = (there[:, self.axis] - low) / (high - low)
            there[:, self.axis] = 1 - share if number % 2 else share
            begin = number * self.fields
            found[own] = self.values(there)[:, begin : begin + self.fields]
        return found


def layered(problem: Problem) -> tuple[Problem, int, tuple[float, ...]]:
    """The problem in layers, the axis across them, and where they end.

    Raises:
        NotSolved: walls along two axes, conditions on parts of sides or at points, or fields of fewer coordinates.
    """
    axes = [axis for axis in range(problem.domain.dimension) if problem.fluxes_across(axis)]
    plain = all(isinstance(c.side, Side) or c.kind == "interface" for c in problem.conditions)
    if len(axes) != 1 or not plain or problem.narrow or problem.remotes() or not problem.region.whole:
        raise NotSolved("takes walls along one axis, with conditions on whole sides")
    (axis,) = axes
    ends = (problem.domain.lower[axis], *problem.fluxes_across(axis), problem.domain.upper[axis])
    parts = [_Layer(problem, axis, number, *pair) for number, pair in enumerate(pairwise(ends))]
    lower, upper = list(problem.domain.lower), list(problem.domain.upper)
    lower[axis], upper[axis] = 0.0, 1.0
    return (
        replace(
            problem, domain=Box(tuple(lower), tuple(upper)), exact={}, data=None, coefficients={},
            fields=tuple(part.name(field) for part in parts for field in problem.fields),
            equations={f"{key}.{part.number}": part.of(residual) for part in parts
                       for key, residual in problem.equations.items()},
            conditions=tuple(_conditions(problem, axis, parts)), source=_resolved(problem),
        ),
        axis, ends,
    )  # fmt: skip


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
        """With the branch of each where(…) that is the same all over the layer."""
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
        side = condition.side
        assert isinstance(side, Side)
        own = [part.side(side.end) if side.axis == axis else side for part in parts]
        for part in [parts[-1 if side.end else 0]] if side.axis == axis else parts:
            yield _moved(condition, own[part.number], part.of(condition.residual), part.number)
    for one, other in pairwise(parts):
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
    assert isinstance(condition.side, Place)
    wall = float(condition.side.values[axis] or 0.0)
    below = next(part for part in parts if part.high == wall)
    above, jets = parts[below.number + 1], {}
    for name, index in jets_of(condition.residual):
        if not isinstance(name, Placed):
            raise NotSolved("takes fluxes of the fields beside a wall")
        part = above if float(name.place[axis]) > wall else below
        jets[jet_expression((name, index), problem.coordinates)] = part.jet(*name.jet)
    flux = _moved(condition, below.side(1), condition.residual.xreplace(jets), below.number)
    return replace(flux, kind="boundary")
