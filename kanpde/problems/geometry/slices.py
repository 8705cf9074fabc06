"""Points and weights that fill a region, for integrals over it: Gauss–Legendre on slices between its facets.

    ∫ f dx = ∫_a^b Σ_i ∫_{e_i(x)}^{e_{i+1}(x)} f(x, y) dy dx

Along the last axis the ends e_i are where levels of facets vanish and what lies beside them differs. Along the others
panels end where the facets that bound a slice are others than before, so that all is smooth on a panel but for roots at
the ends of round ones, which x = (a + b)/2 - (b - a)/2 cos θ takes away.

Source: Saye, SIAM J. Sci. Comput. 37 (2015), A993, where a level set takes the place of facets.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from kanpde.problems.geometry.shapes import Facet, Flat, Round, Shape
from kanpde.problems.geometry.shapes.arcs import Bow
from kanpde.problems.geometry.shapes.extrusions import Wall
from kanpde.problems.geometry.shapes.levels import Curve

Label = Callable[[Tensor], Tensor]
"""Points [n, d] → whole numbers [n]: 0 outside, and others where an integrand may jump or kink."""

Ends = tuple[tuple[int, int, int], ...]
"""Of what a line has inside: label, and the facets at its two ends."""

NodesOf = Callable[[float, float, float, bool], tuple[np.ndarray, np.ndarray]]
"""From low to high, so much of the box, between round facets or not → nodes [n], weights [n]."""

NEAR = 1e-9
"""Relative to the box, what counts as one place."""
SHARED = 1e-12
"""Relative to a flat facet, how far beyond its ends a line still crosses it: between two there is no gap."""
SAMPLES, AT_ONCE, ROUNDS = {1: 0, 2: 40, 3: 150}, 127, 7
"""Lines across a box that are compared; between two that differ, lines at once that tell the place, and turns."""
ALONG, SMALLEST, TURNS = 48, 30, 40
"""Places on a line where a curved facet's level is looked at, and steps toward its least size between them and to 0."""
HALVED = 6
"""Of these the first, which halve what the place lies in."""
TRACED = 64
"""Places on a curved facet that tell how far it goes."""
FEWEST, MORE, ROUND = {1: 4, 2: 3, 3: 2}, {1: 60, 2: 17, 3: 8}, 4
"""Nodes of a piece along an axis: these, so many more √(length/box), and more between round facets, by dimension."""


def slices(
    label: Label, shapes: Sequence[Shape], lower: Sequence[float], upper: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:  # [n, d], [n]
    """Points where the label is not 0 in a box, and weights that add up to their volume."""
    return slicer_of(label, shapes, lower, upper).filled(np.empty(0))


def slicer_of(label: Label, shapes: Sequence[Shape], lower: Sequence[float], upper: Sequence[float]) -> Slicer:
    """What fills the same points again and again, with rules of its `count`."""
    return Slicer(label, tuple(shapes), np.array(lower, dtype=float), np.array(upper, dtype=float))


@dataclass(frozen=True)
class _Panel:
    low: float
    high: float
    ends: Ends  # the same all over it
    round: bool


@dataclass(frozen=True, eq=False)
class Slicer:
    label: Label
    shapes: tuple[Shape, ...]
    lower: np.ndarray
    upper: np.ndarray
    rule: NodesOf | None = None  # in place of Gauss–Legendre's

    @cached_property
    def facets(self) -> tuple[Facet, ...]:
        return tuple(facet for shape in self.shapes for facet in shape.facets())

    @property
    def dimension(self) -> int:
        return len(self.lower)

    @property
    def lengths(self) -> np.ndarray:
        found: np.ndarray = self.upper - self.lower
        return found

    def filled(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # [k] -> [n, d], [n]
        """Points of the slice where the first coordinates are given."""
        axis = len(at)
        if axis == self.dimension - 1:
            return self.on_lines(at[None])
        points, weights = [np.empty((0, self.dimension))], [np.empty(0)]
        for panel in self.panels(at) if axis else self._first:
            if not panel.ends:
                continue
            nodes, along = self.nodes(axis, panel.low, panel.high, panel.round)
            if axis == self.dimension - 2:
                there = np.column_stack([np.tile(at, (len(nodes), 1)), nodes])
                found, own = self.on_lines(there)
                points.append(found)
                weights.append(own * along[np.searchsorted(nodes, found[:, axis])])
                continue
            for node, weight in zip(nodes, along, strict=True):
                found, own = self.filled(np.append(at, node))
                points.append(found)
                weights.append(own * weight)
        return np.concatenate(points), np.concatenate(weights)

    def nodes(self, axis: int, low: float, high: float, is_round: bool) -> tuple[np.ndarray, np.ndarray]:
        share = (high - low) / self.lengths[axis]
        if self.rule is not None:
            return self.rule(low, high, share, is_round)
        count = FEWEST[self.dimension] + math.ceil(MORE[self.dimension] * math.sqrt(share)) + ROUND * is_round
        return turned(low, high, *np.polynomial.legendre.leggauss(count), is_round)

    def on_lines(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # [m, d-1] -> [n, d], [n]
        """Gauss–Legendre nodes on all that lines along the last axis have inside."""
        points, weights = [np.empty((0, self.dimension))], [np.empty(0)]
        for line, stretches in zip(at, self.stretches(at), strict=True):
            for low, high, _ in stretches:
                nodes, own = self.nodes(self.dimension - 1, low, high, False)
                points.append(np.column_stack([np.tile(line, (len(nodes), 1)), nodes]))
                weights.append(own)
        return np.concatenate(points), np.concatenate(weights)

    # along the last axis

    def stretches(self, at: np.ndarray) -> list[list[tuple[float, float, tuple[int, int, int]]]]:  # [m, d-1]
        """Of each line along the last axis what is inside, in pieces of one label."""
        low, high, m = self.lower[-1], self.upper[-1], len(at)
        places, owners = self.crossings(at)
        places = np.column_stack([np.full(m, low), places, np.full(m, high)])
        owners = np.column_stack([np.full(m, -1), owners, np.full(m, -2)])
        near = NEAR * self.lengths[-1]
        order = np.lexsort([owners, np.round(np.minimum(places, high + self.lengths[-1]) / near)], axis=1)
        places, owners = np.take_along_axis(places, order, 1), np.take_along_axis(owners, order, 1)
        with np.errstate(invalid="ignore"):
            gaps = np.isfinite(places[:, 1:]) & (places[:, 1:] - places[:, :-1] > near)
        rows, columns = np.nonzero(gaps)
        middles = (places[rows, columns] + places[rows, columns + 1]) / 2
        labels = self.label(torch.from_numpy(np.column_stack([at[rows], middles]))).numpy().astype(int)
        found: list[list[tuple[float, float, tuple[int, int, int]]]] = [[] for _ in range(m)]
        for row, column, own in zip(rows.tolist(), columns.tolist(), labels.tolist(), strict=True):
            if not own:
                continue
            start, end = float(places[row, column]), float(places[row, column + 1])
            owner, next_owner = int(owners[row, column]), int(owners[row, column + 1])
            last = found[row][-1] if found[row] else None
            if last and last[2][0] == own and abs(last[1] - start) <= near:  # nothing changes at that level
                found[row][-1] = (last[0], end, (own, last[2][1], next_owner))
            else:
                found[row].append((start, end, (own, owner, next_owner)))
        return found

    def crossings(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # [m, d-1] -> [m, C], [m, C]
        """Where lines meet the surfaces of facets, infinite where they do not, and the facets' numbers."""
        places, owners = [self._of_flat(at)], [np.broadcast_to(self._flat[0], (len(at), len(self._flat[0])))]
        for number, facet in enumerate(self.facets):
            if not isinstance(facet, Flat):
                found = self._of_curved(facet, at)
                places.append(found)
                owners.append(np.full(found.shape, number))
        found, own = np.concatenate(places, axis=1), np.concatenate(owners, axis=1)
        order = np.argsort(found, axis=1)
        most = int(np.isfinite(found).sum(1).max(initial=0))
        return np.take_along_axis(found, order, 1)[:, :most], np.take_along_axis(own, order, 1)[:, :most]

    @cached_property
    def _flat(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Numbers, origins, normals and inverse spans of the flat facets that a line along the last axis can cross."""
        flat = [(number, facet) for number, facet in enumerate(self.facets)
                if isinstance(facet, Flat) and abs(facet.normal[-1]) > NEAR]  # fmt: skip
        d, count = self.dimension, len(flat)
        origins = np.array([facet.origin for _, facet in flat], dtype=float).reshape(count, d)
        normals = np.array([facet.normal for _, facet in flat], dtype=float).reshape(count, d)
        spans = np.array([facet.spans for _, facet in flat], dtype=float).reshape(count, d - 1, d)
        return np.array([number for number, _ in flat], dtype=int), origins, normals, np.linalg.pinv(spans)

    def _of_flat(self, at: np.ndarray) -> np.ndarray:  # -> [m, F]
        _, origins, normals, inverse = self._flat
        before = at[:, None, :] - origins[:, :-1]
        rise = -(before * normals[:, :-1]).sum(2) / normals[:, -1]
        along = np.einsum("mfi,fij->mfj", np.concatenate([before, rise[..., None]], axis=2), inverse)
        on = ((along > -SHARED) & (along < 1 + SHARED)).all(2)
        place = origins[:, -1] + rise
        return np.where(on & (place > self.lower[-1]) & (place < self.upper[-1]), place, np.inf)

    def _of_curved(self, facet: Facet, at: np.ndarray) -> np.ndarray:  # -> [m, C]
        """By signs at places along the lines, and at the least size between two of them."""
        m, y = len(at), np.linspace(self.lower[-1], self.upper[-1], ALONG + 1)

        def level(rows: np.ndarray, place: np.ndarray) -> np.ndarray:
            found = facet.level(torch.from_numpy(np.column_stack([at[rows], place]))).numpy()
            return np.where(np.isnan(found), 1.0, found)

        values = level(np.repeat(np.arange(m), ALONG + 1), np.tile(y, m)).reshape(m, ALONG + 1)
        sign = values > 0
        rows, columns = np.nonzero(sign[:, 1:] != sign[:, :-1])
        brackets = [(rows, y[columns], y[columns + 1])]
        size = np.abs(values)
        dips = (size[:, 1:-1] < size[:, :-2]) & (size[:, 1:-1] <= size[:, 2:])
        rows, columns = np.nonzero(dips & (sign[:, 1:-1] == sign[:, :-2]) & (sign[:, 1:-1] == sign[:, 2:]))
        if len(rows):
            low, high, side = y[columns], y[columns + 2], np.where(sign[rows, columns + 1], 1, -1)
            a, b = low.copy(), high.copy()
            for _ in range(SMALLEST):  # golden sections
                left, right = a + (b - a) * 0.382, a + (b - a) * 0.618
                first = side * level(rows, left) < side * level(rows, right)
                a, b = np.where(first, a, left), np.where(first, right, b)
            least = (a + b) / 2
            other = side * level(rows, least) < 0
            brackets += [(rows[other], low[other], least[other]), (rows[other], least[other], high[other])]
        rows, low, high = (np.concatenate(part) for part in zip(*brackets, strict=True))
        found = self._vanishing(lambda place: level(rows, place), low, high)
        count = np.bincount(rows, minlength=m)
        places = np.full((m, int(count.max(initial=0))), np.inf)
        order = np.argsort(rows, kind="stable")
        column = np.arange(len(rows)) - np.repeat(np.cumsum(count) - count, count)
        places[rows[order], column] = found[order]
        return places

    @staticmethod
    def _vanishing(level: Callable[[np.ndarray], np.ndarray], low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Where levels change their sign between two places: by halves at first, then by the Illinois method."""
        below, above, before = level(low), level(high), low
        for turn in range(TURNS):
            with np.errstate(invalid="ignore", divide="ignore"):
                place = (low * above - high * below) / (above - below)
            half = (turn < HALVED) | ~(np.isfinite(place) & (place > low) & (place < high))
            place = np.where(half, (low + high) / 2, place)
            there = level(place)
            same = (there > 0) == (below > 0)
            below, above = np.where(same, there, below / 2), np.where(same, above / 2, there)
            low, high = np.where(same, place, low), np.where(same, high, place)
            if turn > HALVED and (np.abs(place - before) <= 1e-15 * (np.abs(low) + np.abs(high))).all():
                break
            before = place
        return np.where(np.abs(below) < np.abs(above), low, high)

    # along the others

    @cached_property
    def _first(self) -> list[_Panel]:
        return self.panels(np.empty(0))

    def panels(self, at: np.ndarray) -> list[_Panel]:  # [k]
        """Stretches along the next axis on which the same facets bound a slice; in solids first between their ends."""
        axis = len(at)
        near, stops = NEAR * self.lengths[axis], self.stops(at)
        if axis < self.dimension - 2:
            bent = any(not isinstance(facet, Flat) for facet in self.facets)
            return [_Panel(a, b, ((1, -1, -2),), bent) for a, b in pairwise(stops)]
        many = SAMPLES[self.dimension] / self.lengths[axis]
        samples = [np.linspace(a + near, b - near, 2 + math.ceil(many * (b - a))) for a, b in pairwise(stops)]
        places = np.concatenate(samples)
        signs = self.ends(at, places)
        breaks, kinds = [stops[0]], [signs[0]]
        for (x, own), (y, after) in pairwise(zip(places.tolist(), signs, strict=True)):
            stop = next((s for s in stops if x < s < y), None) if y - x < 3 * near else None
            for place, kind in self._changes(at, (x, own), (y, after), stop):
                breaks.append(place)
                kinds.append(kind)
        breaks.append(stops[-1])
        return [_Panel(a, b, kind, self._is_round(kind)) for (a, b), kind in zip(pairwise(breaks), kinds, strict=True)
                if b - a > 3 * near]  # fmt: skip

    def _changes(
        self, at: np.ndarray, one: tuple[float, Ends], other: tuple[float, Ends],
        stop: float | None, most: int = 8,
    ) -> list[tuple[float, Ends]]:  # fmt: skip
        """Places between two where the ends become others, and what they become."""
        (low, own), (high, after) = one, other
        if own == after or not most:
            return []
        if stop is not None:
            return [(stop, after)]
        kind = after
        for _ in range(ROUNDS):
            places = np.linspace(low, high, AT_ONCE + 2)
            kinds = [*self.ends(at, places[1:-1]), kind]
            first = next(i for i, there in enumerate(kinds) if there != own)
            low, high, kind = float(places[first]), float(places[first + 1]), kinds[first]
        return [(high, kind), *self._changes(at, (high, kind), other, None, most - 1)]

    def ends(self, at: np.ndarray, places: np.ndarray) -> list[Ends]:
        """What bounds the slices at some places."""
        lines = np.column_stack([np.tile(at, (len(places), 1)), places])
        return [tuple(kind for _, _, kind in line) for line in self.stretches(lines)]

    def _is_round(self, ends: Ends) -> bool:
        bounding = {number for _, *pair in ends for number in pair if number >= 0}
        return any(not isinstance(self.facets[number], Flat) for number in bounding)

    def stops(self, at: np.ndarray) -> list[float]:
        """Where facets begin and end along the next axis, inside the box, and its ends."""
        axis = len(at)
        bounds = [np.array(shape.bounds)[:, axis] for shape in self.shapes]
        found = np.concatenate([*bounds, *(_extent(facet, at) for facet in self.facets), np.empty(0)])
        near = 10 * NEAR * self.lengths[axis]
        low, high = self.lower[axis], self.upper[axis]
        found = np.sort(found[(found > low + near) & (found < high - near)])
        kept = found[np.append(True, np.diff(found) > near)] if len(found) else found
        return [float(low), *kept.tolist(), float(high)]


def _extent(facet: Facet, at: np.ndarray) -> np.ndarray:  # [k] -> [n]
    """Where the slice of a facet begins and ends along the next axis, as far as that is known beforehand."""
    axis = len(at)
    if isinstance(facet, Wall):
        if axis == facet.axis:
            return np.array([facet.low, facet.high])
        return _extent(facet.facet, np.delete(at, facet.axis) if axis > facet.axis else at)
    if isinstance(facet, Round):
        center, axes = np.array(facet.center), np.array(facet.axes)
        room = 1 - (((at - center[:axis]) / axes[:axis]) ** 2).sum()
        return center[axis] + axes[axis] * math.sqrt(room) * np.array([-1, 1]) if room > 0 else np.empty(0)
    if isinstance(facet, Flat):
        return _of_corners(_corners(facet), at)
    return np.empty(0) if axis or not isinstance(facet, Bow | Curve) else _ends(facet)[:, 0]


def _of_corners(corners: np.ndarray, at: np.ndarray) -> np.ndarray:  # [4 or 2, d], [k] -> [n]
    if not len(at):
        return corners[:, 0]
    one, other = corners[[0, 1, 3, 2]], corners[[1, 3, 2, 0]]
    rise = other[:, 0] - one[:, 0]
    own = np.abs(rise) > 0
    one, other, share = one[own], other[own], (at[0] - one[own, 0]) / rise[own]
    found: np.ndarray = one[:, 1] + share * (other[:, 1] - one[:, 1])
    within: np.ndarray = found[(share >= 0) & (share <= 1)]
    return within


@lru_cache(maxsize=10_000)
def _corners(facet: Flat) -> np.ndarray:  # -> [2^(d-1), d]
    count = len(facet.origin) - 1
    unit = np.stack(np.meshgrid(*[[0.0, 1.0]] * count, indexing="ij"), axis=-1).reshape(-1, count)
    return facet.place(torch.from_numpy(unit)).numpy()


@lru_cache(maxsize=1000)
def _ends(facet: Facet) -> np.ndarray:  # -> [4, 2]
    """The ends of a curve, and of a box around it."""
    points = facet.place(torch.linspace(1e-12, 1 - 1e-12, TRACED + 1, dtype=torch.float64)[:, None]).numpy()
    return np.array([points[0], points[-1], points.min(0), points.max(0)])


def turned(
    low: float, high: float, nodes: np.ndarray, weights: np.ndarray, is_round: bool
) -> tuple[np.ndarray, np.ndarray]:
    """A rule on [-1, 1] on another interval, in the angle between round facets."""
    middle, half = (low + high) / 2, (high - low) / 2
    if not is_round:
        return middle + half * nodes, half * weights
    angle = np.pi * (nodes + 1) / 2
    return middle - half * np.cos(angle), half * np.sin(angle) * np.pi / 2 * weights
