"""Plane shapes drawn out along a coordinate: {(x, y, z): (x, y) in the shape, low ≤ z ≤ high}."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import scipy
import sympy
import torch
from torch import Tensor

from kanpde.problems.geometry.shapes.interface import Facet, Flat, Misshapen, Shape

ALONG, ACROSS = 4096, 96
"""Points of a facet by which an area is counted, and edges of triangles along the longer side of a shape."""

Numbers = tuple[float, ...]


def _without(points: Tensor, axis: int) -> Tensor:  # [n, 3] -> [n, 2]
    return points[:, [own for own in range(3) if own != axis]]


def _with(points: Tensor, axis: int, column: Tensor) -> Tensor:  # [n, 2], [n] -> [n, 3]
    return torch.cat([points[:, :axis], column[:, None], points[:, axis:]], dim=1)


@dataclass(frozen=True)
class Wall(Facet):
    """What a facet of the plane shape is drawn out to."""

    facet: Facet
    axis: int
    low: float
    high: float

    @property
    def smallest_radius(self) -> float:
        return self.facet.smallest_radius

    def place(self, unit: Tensor) -> Tensor:  # [n, 2] in (0, 1) -> [n, 3]
        return _with(self.facet.place(unit[:, :1]), self.axis, self.low + (self.high - self.low) * unit[:, 1])

    def normals(self, points: Tensor) -> Tensor:  # [n, 3] -> [n, 3]
        return _with(self.facet.normals(_without(points, self.axis)), self.axis, torch.zeros_like(points[:, 0]))

    def level(self, points: Tensor) -> Tensor:  # [n, 3] -> [n]
        return self.facet.level(_without(points, self.axis))

    def normal_expressions(self, symbols: tuple[sympy.Symbol, ...]) -> tuple[sympy.Expr, ...]:
        own = list(self.facet.normal_expressions(symbols[: self.axis] + symbols[self.axis + 1 :]))
        return tuple(own[: self.axis] + [sympy.S.Zero] + own[self.axis :])

    @property
    def measure(self) -> float:
        return self.facet.measure * (self.high - self.low)


@dataclass(frozen=True)
class End(Facet):
    """The plane shape itself at one end; its normal leads away from the other one (`sign` 1: upward)."""

    base: Shape
    axis: int
    height: float
    sign: int

    def place(self, unit: Tensor) -> Tensor:  # [n, 2] in (0, 1) -> [n, 3]
        """Evenly by area: the first number chooses a triangle and a place in it, the second one a place across."""
        corners, areas = _triangles(self.base)
        sums = np.cumsum(areas)
        wanted = unit[:, 0].numpy() * sums[-1]
        chosen = np.minimum(np.searchsorted(sums, wanted), len(sums) - 1)
        root = np.sqrt(np.clip(1 - (sums[chosen] - wanted) / areas[chosen], 0, 1))[:, None]
        across = unit[:, 1:].numpy()
        a, b, c = corners[chosen].transpose(1, 0, 2)
        points = torch.from_numpy((1 - root) * a + root * ((1 - across) * b + across * c))
        return _with(points, self.axis, torch.full((len(points),), self.height, dtype=points.dtype))

    def normals(self, points: Tensor) -> Tensor:  # [n, 3] -> [n, 3]
        return self.sign * torch.eye(3, dtype=points.dtype)[self.axis].expand_as(points)

    def level(self, points: Tensor) -> Tensor:  # [n, 3] -> [n]
        return self.sign * (points[:, self.axis] - self.height)

    def normal_expressions(self, symbols: tuple[sympy.Symbol, ...]) -> tuple[sympy.Expr, ...]:
        return tuple(sympy.Integer(self.sign * (axis == self.axis)) for axis in range(3))

    def passes(self, points: Tensor) -> Tensor:  # [n, 3] -> bool [n]
        near = (points[:, self.axis] - self.height).abs() <= 1e-9 * (1 + abs(self.height))
        return near & self.base.contains(_without(points, self.axis))

    @cached_property
    def measure(self) -> float:
        """½ ∮ x·n ds."""
        total = 0.0
        for facet in self.base.facets():
            points = facet.place((torch.arange(ALONG, dtype=torch.float64)[:, None] + 0.5) / ALONG)
            total += facet.measure * float((points * facet.normals(points)).sum(1).mean()) / 2
        return total


@lru_cache(maxsize=100)
def _triangles(base: Shape) -> tuple[np.ndarray, np.ndarray]:  # [T, 3, 2], [T]
    """Triangles that fill the shape, in rows, and their areas: Delaunay's between points of its rim and inside."""
    lower, upper = (np.array(end) for end in base.bounds)
    h = max(upper - lower) / ACROSS
    rim = np.concatenate([_rim(facet, max(16, math.ceil(2 * facet.measure / h))) for facet in base.facets()])
    grid = [np.arange(a + h / 3, b, h) for a, b in zip(lower, upper, strict=True)]
    inner = np.stack([part.ravel() for part in np.meshgrid(*grid, indexing="ij")], axis=1)
    inner = inner[base.contains(torch.from_numpy(inner)).numpy()]
    inner = inner[scipy.spatial.cKDTree(rim).query(inner)[0] > h / 2]
    nodes = np.concatenate([rim, inner])
    try:
        corners = nodes[scipy.spatial.Delaunay(nodes).simplices]
    except scipy.spatial.QhullError:
        raise Misshapen("a plane shape that is not all but a line, to be drawn out") from None
    middles = corners.mean(1)
    (ux, uy), (vx, vy) = (corners[:, 1] - corners[:, 0]).T, (corners[:, 2] - corners[:, 0]).T
    areas = np.abs(ux * vy - uy * vx) / 2
    kept = (areas > 1e-9 * h * h) & base.contains(torch.from_numpy(middles)).numpy()
    rows = np.lexsort([middles[kept, 1], np.floor(middles[kept, 0] / h)])
    return corners[kept][rows], areas[kept][rows]


def _rim(facet: Facet, count: int) -> np.ndarray:  # -> [n, 2]
    return facet.place(torch.linspace(0, 1, count + 1, dtype=torch.float64)[:, None]).numpy()


@dataclass(frozen=True)
class Extrusion(Shape):
    """A plane shape from one height to another along an axis; its edges are the plane shape's, then the two ends."""

    base: Shape
    axis: int
    low: float
    high: float

    @property
    def bounds(self) -> tuple[Numbers, Numbers]:
        lower, upper = self.base.bounds
        return self._raised(lower, self.low), self._raised(upper, self.high)

    def contains(self, points: Tensor) -> Tensor:  # [n, 3] -> bool [n]
        height = points[:, self.axis]
        return (height >= self.low) & (height <= self.high) & self.base.contains(_without(points, self.axis))

    def facets(self) -> tuple[Facet, ...]:
        ends = End(self.base, self.axis, self.low, -1), End(self.base, self.axis, self.high, 1)
        return (*map(self._drawn, self.base.facets()), *ends)

    def named(self) -> dict[str, tuple[Facet, ...]]:
        return {name: tuple(map(self._drawn, own)) for name, own in self.base.named().items()}

    def _drawn(self, facet: Facet) -> Facet:
        if not isinstance(facet, Flat):
            return Wall(facet, self.axis, self.low, self.high)
        origin, span, normal = (self._raised(part, 0.0) for part in (facet.origin, facet.spans[0], facet.normal))
        origin = self._raised(facet.origin, self.low)
        return Flat(origin, (span, self._raised((0.0, 0.0), self.high - self.low)), normal)

    def _raised(self, numbers: Numbers, value: float) -> Numbers:
        return (*numbers[: self.axis], value, *numbers[self.axis :])

    def meets(self, box: Shape) -> bool:
        """Where the intervals overlap and the plane shapes meet, seen along the axis."""
        (low, high), flat = [end[self.axis] for end in box.bounds], [_cut(end, self.axis) for end in box.bounds]
        return self.low < high and low < self.high and self.base.meets(type(box).of(_pairs(*flat)))


def _cut(numbers: Numbers, axis: int) -> Numbers:
    return numbers[:axis] + numbers[axis + 1 :]


def _pairs(lower: Numbers, upper: Numbers) -> Numbers:
    return tuple(value for pair in zip(lower, upper, strict=True) for value in pair)
