"""Polygons, convex or not, and triangles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar, Self

import torch
from torch import Tensor

from kanpde.problems.geometry.shapes.interface import Facet, Flat, Misshapen, Shape

Point = tuple[float, float]


@dataclass(frozen=True)
class Polygon(Shape):
    """A polygon by its corners; its edges do not cross each other."""

    corners: tuple[Point, ...]

    kind: ClassVar[str] = "polygon"
    form: ClassVar[str] = "polygon(x1, y1, x2, y2, x3, y3, …)"
    space: ClassVar[int | None] = 2

    @classmethod
    def takes(cls, count: int, dimension: int) -> bool:
        return count >= 6 and count % 2 == 0

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        polygon = cls(tuple(zip(values[::2], values[1::2], strict=True)))
        if not polygon._is_simple():
            raise Misshapen("corners all different and edges that do not cross")
        return polygon

    def _is_simple(self) -> bool:
        """Corners all different, no two edges that cross, no corner on another's edge."""
        if len(set(self.corners)) < len(self.corners) or self.area == 0:
            return False
        edges = self._edges()
        touched = any(_lies_on(point, *edge) for edge in edges for point in self.corners if point not in edge)
        return not touched and not any(_cross(*a, *b) for a, b in combinations(edges, 2))

    @property
    def bounds(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        xs, ys = zip(*self.corners, strict=True)
        return (min(xs), min(ys)), (max(xs), max(ys))

    @property
    def area(self) -> float:
        """With a sign: positive where the corners go round counterclockwise."""
        return sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in self._edges()) / 2

    def _edges(self) -> list[tuple[Point, Point]]:
        return list(zip(self.corners, self.corners[1:] + self.corners[:1], strict=True))

    def contains(self, points: Tensor) -> Tensor:  # [n, 2] -> bool [n]
        """By the parity of edges that a ray to the right crosses."""
        x, y = points.T
        inside = torch.zeros(len(points), dtype=torch.bool)
        for (x1, y1), (x2, y2) in self._edges():
            if y1 != y2:
                inside ^= ((y1 > y) != (y2 > y)) & (x < x1 + (y - y1) * (x2 - x1) / (y2 - y1))
        return inside

    def facets(self) -> tuple[Facet, ...]:
        sign = math.copysign(1.0, self.area)
        facets = []
        for (x1, y1), (x2, y2) in self._edges():
            dx, dy = x2 - x1, y2 - y1
            length = math.hypot(dx, dy)
            facets.append(Flat((x1, y1), ((dx, dy),), (sign * dy / length, -sign * dx / length)))
        return tuple(facets)


@dataclass(frozen=True)
class Triangle(Polygon):
    kind: ClassVar[str] = "triangle"
    form: ClassVar[str] = "triangle(x1, y1, x2, y2, x3, y3)"

    @classmethod
    def takes(cls, count: int, dimension: int) -> bool:
        return count == 6


def _turn(p: Point, q: Point, r: Point) -> float:
    return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])


def _cross(a: Point, b: Point, c: Point, d: Point) -> bool:
    return _turn(a, b, c) * _turn(a, b, d) < 0 and _turn(c, d, a) * _turn(c, d, b) < 0


def _lies_on(point: Point, a: Point, b: Point) -> bool:
    length = math.dist(a, b)
    return abs(_turn(a, b, point)) <= 1e-12 * length**2 and math.dist(a, point) + math.dist(point, b) < length + 1e-9
