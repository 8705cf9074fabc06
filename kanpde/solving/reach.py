"""What fields are elsewhere than at the points of an equation: at shifted places, and integrated.

    f(x) = ∂_α u(m(x)),        f(x) = Σ_q ω_q(x) F(x, s_q, ∂_α u(m(x, s_q)), …)

A reach is the values from elsewhere that a set of formulas asks for. Bound to points, each gives the points where the
network is to be evaluated for it, and turns the fields' jets at these into the value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import sympy
import torch
from torch import Tensor

from kanpde.models.jets import IndexSet, MultiIndex, closure
from kanpde.problems.language import (
    Formula,
    Integrated,
    Jet,
    Placed,
    Remote,
    Rule,
    compile_expression,
    coordinate_symbols,
    depends_on,
    jet_expression,
    jets_of,
)
from kanpde.problems.problem import Problem

CHUNK = 4096
"""Nodes looked at at once."""


def named_jets(jets: Tensor, fields: tuple[str, ...], indices: IndexSet) -> Mapping[Jet, Tensor]:  # [n, s, fields]
    """The columns of a bundle by field and multi-index, as formulas ask for them."""
    return {(name, index): jets[:, s, f] for f, name in enumerate(fields) for s, index in enumerate(indices)}


@dataclass(frozen=True)
class RemotePlace:
    """One place for each node of a rule, and the derivatives that are wanted there."""

    rule: Rule
    places: tuple[Formula, ...]
    indices: IndexSet
    period: tuple[tuple[int, float, float], ...]  # axis, lower end and length of each period

    def points(self, nodes: Tensor) -> Tensor:  # [n·Q, d + variables] -> [n·Q, d]
        """The points there; along what is periodic those that stand for them in the box."""
        found = torch.stack([place(nodes) for place in self.places], dim=1)
        for axis, lower, length in self.period:
            found[:, axis] = lower + torch.remainder(found[:, axis] - lower, length)
        return found


@dataclass(frozen=True)
class RemoteValue:
    """A value from elsewhere: a jet at a place, or what of them is summed over the nodes of a rule.

    Attributes:
        jet: By which formulas know it.
        axes: Of the coordinates that it depends on.
        elsewhere: The places it is made of.
        sources: The jets of the density: at which place, and which there.
        density: None for a jet at a place.
    """

    jet: Jet
    axes: tuple[int, ...]
    rule: Rule
    elsewhere: tuple[RemotePlace, ...]
    sources: Mapping[Jet, tuple[int, Jet]]
    density: Formula | None = None

    def bind(self, points: Tensor) -> BoundValue:  # [n, d]
        """At fixed points; equal ones, as far as the value goes, are looked at once."""
        kept, own = points[:1].expand(len(points), -1).clone(), list(self.axes)
        kept[:, own] = points[:, own]
        rows, inverse = torch.unique(kept, dim=0, return_inverse=True)
        pieces = rows.split(max(1, CHUNK // self.rule.count))
        return BoundValue(self, tuple(self._piece(piece) for piece in pieces), inverse)

    def _piece(self, points: Tensor) -> ValuePiece:
        nodes, weights = self.rule(points)
        return ValuePiece(self, nodes, weights, tuple(one.points(nodes) for one in self.elsewhere))


@dataclass(frozen=True)
class ValuePiece:
    """A value from elsewhere at some points: where the fields are wanted for it, and what it is made of these."""

    value: RemoteValue
    nodes: Tensor  # [n·Q, d + variables]
    weights: Tensor  # [n, Q]
    points: tuple[Tensor, ...]  # [n·Q, d] each

    def __call__(
        self, jets: Sequence[Tensor], fields: tuple[str, ...], parameters: Mapping[str, Tensor | float]
    ) -> Tensor:  # [n·Q, s, fields] each -> [n]
        """The value from the fields' jets elsewhere; parameters are numbers, or have a copy for each point, [n]."""
        pairs = zip(jets, self.value.elsewhere, strict=True)
        there = [named_jets(part, fields, one.indices) for part, one in pairs]
        named = {own: there[place][jet] for own, (place, jet) in self.value.sources.items()}
        if self.value.density is None:
            return next(iter(named.values()))
        spread = {name: _spread(one, self.weights.shape[1]) for name, one in parameters.items()}
        found = self.value.density(self.nodes, named, spread)
        return (found.reshape(self.weights.shape) * self.weights).sum(1)


@dataclass(frozen=True)
class BoundValue:
    """A value from elsewhere at fixed points, in pieces; `inverse` leads from each point to its row in these."""

    value: RemoteValue
    pieces: tuple[ValuePiece, ...]
    inverse: Tensor  # [n]


def _spread(value: Tensor | float, count: int) -> Tensor | float:
    """A parameter that has a copy for each point has one for each node of it."""
    return value.repeat_interleave(count) if isinstance(value, Tensor) and value.ndim else value


def reach_of(problem: Problem, formulas: Iterable[Formula]) -> tuple[RemoteValue, ...]:
    """What formulas of a problem ask for from elsewhere; nothing for most."""
    names = sorted({name for formula in formulas for name, _ in formula.jets if isinstance(name, Remote)})
    return tuple(_remote_value(problem, name) for name in names)


def _remote_value(problem: Problem, name: Remote) -> RemoteValue:
    symbols, none = coordinate_symbols(problem.coordinates), (0,) * len(problem.coordinates)
    wanted: dict[tuple[sympy.Expr, ...], set[MultiIndex]] = {}
    sources = {}
    for own in jets_of(name.density) if isinstance(name, Integrated) else [(name, none)]:
        place, jet = (own[0].place, own[0].jet) if isinstance(own[0], Placed) else (symbols, own)
        wanted.setdefault(place, set()).add(jet[1])
        sources[own] = (list(wanted).index(place), jet)
    rule = Rule(problem.coordinates, name.spans if isinstance(name, Integrated) else ())
    needed = depends_on(jet_expression((name, none), problem.coordinates))
    axes = tuple(axis for axis, symbol in enumerate(problem.coordinates) if symbol in needed)
    density = compile_expression(name.density, rule.columns, problem.fields) if isinstance(name, Integrated) else None
    elsewhere = tuple(_elsewhere(problem, rule, place, indices) for place, indices in wanted.items())
    return RemoteValue((name, none), axes, rule, elsewhere, sources, density)


def _elsewhere(problem: Problem, rule: Rule, place: tuple[sympy.Expr, ...], indices: set[MultiIndex]) -> RemotePlace:
    places = tuple(compile_expression(part, rule.columns) for part in place)
    box = problem.domain
    period = tuple((axis, box.lower[axis], box.lengths[axis]) for axis in problem.periodic)
    return RemotePlace(rule, places, closure(indices, len(place)), period)


def values_elsewhere(
    reach: Sequence[RemoteValue],
    points: Tensor,  # [n, d]
    jets_at: Callable[[Tensor, IndexSet], Tensor],
    fields: tuple[str, ...],
    parameters: Mapping[str, Tensor | float],
) -> dict[Jet, Tensor]:  # [n] each
    """What a reach asks for at points, by the names that formulas have for it, given what finds jets."""
    found = {}
    for value in reach:
        bound = value.bind(points)
        parts = [
            piece([jets_at(x, one.indices) for x, one in zip(piece.points, value.elsewhere, strict=True)],
                  fields, parameters)
            for piece in bound.pieces
        ]  # fmt: skip
        found[value.jet] = torch.cat(parts)[bound.inverse]
    return found
