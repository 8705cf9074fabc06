"""Plane shapes with circular arcs: annuli, sectors and boxes with round corners.

    annulus(x, y, r1, r2)   sector(x, y, r, a, b)   rounded_box(x0, x1, y0, y1, r)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import sympy
import torch
from torch import Tensor

from kanpde.problems.geometry.shapes.interface import Facet, Flat, Misshapen, Shape, lengths_of

TURN = 2 * math.pi


@dataclass(frozen=True)
class Bow(Facet):
    """A part of a circle, from one angle counterclockwise to another; `sign` -1 where the shape lies outside it."""

    center: tuple[float, float]
    radius: float
    begin: float = 0.0
    end: float = TURN
    sign: int = 1

    @property
    def closed(self) -> bool:
        """A whole circle goes on where it began."""
        return math.isclose(self.end - self.begin, TURN)

    @property
    def smallest_radius(self) -> float:
        return self.radius

    def place(self, unit: Tensor) -> Tensor:  # [n, 1] in (0, 1) -> [n, 2]
        angle = self.begin + (self.end - self.begin) * unit[:, 0]
        return unit.new_tensor(self.center) + self.radius * torch.stack([angle.cos(), angle.sin()], dim=1)

    def normals(self, points: Tensor) -> Tensor:  # [n, 2] -> [n, 2]
        offset = points - points.new_tensor(self.center)
        return self.sign * offset / lengths_of(offset)[:, None]

    def level(self, points: Tensor) -> Tensor:  # [n, 2] -> [n]
        return self.sign * (_from(points, self.center) - self.radius)

    def normal_expressions(self, symbols: tuple[sympy.Symbol, ...]) -> tuple[sympy.Expr, ...]:
        scale = sympy.Float(self.sign * self.radius)
        return tuple((x - sympy.Float(c)) / scale for x, c in zip(symbols, self.center, strict=True))

    @property
    def measure(self) -> float:
        return self.radius * (self.end - self.begin)


def _from(points: Tensor, center: tuple[float, float]) -> Tensor:  # [n, 2] -> [n]
    return lengths_of(points - points.new_tensor(center))


@dataclass(frozen=True)
class Annulus(Shape):
    """{x: r1 ≤ |x - c| ≤ r2}."""

    center: tuple[float, float]
    inner: float
    outer: float

    kind: ClassVar[str] = "annulus"
    form: ClassVar[str] = "annulus(x, y, r1, r2)"
    space: ClassVar[int | None] = 2
    count: ClassVar[int] = 4

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        x, y, inner, outer = values
        if not 0 < inner < outer < math.inf:
            raise Misshapen("0 < r1 < r2")
        return cls((x, y), inner, outer)

    @property
    def bounds(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return tuple(c - self.outer for c in self.center), tuple(c + self.outer for c in self.center)

    def contains(self, points: Tensor) -> Tensor:  # [n, 2] -> bool [n]
        distance = _from(points, self.center)
        return (distance >= self.inner) & (distance <= self.outer)

    def facets(self) -> tuple[Facet, ...]:
        return Bow(self.center, self.outer), Bow(self.center, self.inner, sign=-1)


@dataclass(frozen=True)
class Sector(Shape):
    """The part of a disk between two angles, from the first counterclockwise to the second."""

    center: tuple[float, float]
    radius: float
    begin: float
    end: float

    kind: ClassVar[str] = "sector"
    form: ClassVar[str] = "sector(x, y, r, a, b)"
    space: ClassVar[int | None] = 2
    count: ClassVar[int] = 5

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        x, y, radius, begin, end = values
        if not 0 < radius < math.inf or not 0 < end - begin < TURN:
            raise Misshapen("a positive radius and angles a < b < a + 2*pi")
        return cls((x, y), radius, begin, end)

    @property
    def bounds(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        quarter = math.pi / 2
        between = range(math.ceil(self.begin / quarter), math.ceil(self.end / quarter))
        angles = [self.begin, self.end, *(k * quarter for k in between)]
        x = [self.center[0], *(self.center[0] + self.radius * math.cos(a) for a in angles)]
        y = [self.center[1], *(self.center[1] + self.radius * math.sin(a) for a in angles)]
        return (min(x), min(y)), (max(x), max(y))

    def contains(self, points: Tensor) -> Tensor:  # [n, 2] -> bool [n]
        offset = points - points.new_tensor(self.center)
        turned = torch.remainder(torch.atan2(offset[:, 1], offset[:, 0]) - self.begin, TURN)
        return (lengths_of(offset) <= self.radius) & (turned <= self.end - self.begin)

    def facets(self) -> tuple[Facet, ...]:
        bow = Bow(self.center, self.radius, self.begin, self.end)
        return bow, self._edge(self.begin, -1), self._edge(self.end, 1)

    def _edge(self, angle: float, side: int) -> Flat:
        along = math.cos(angle), math.sin(angle)
        span = self.radius * along[0], self.radius * along[1]
        return Flat(self.center, (span,), (-side * along[1], side * along[0]))


@dataclass(frozen=True)
class RoundedBox(Shape):
    """A rectangle whose corners are quarters of circles."""

    lower: tuple[float, float]
    upper: tuple[float, float]
    radius: float

    kind: ClassVar[str] = "rounded_box"
    form: ClassVar[str] = "rounded_box(x0, x1, y0, y1, r)"
    space: ClassVar[int | None] = 2
    count: ClassVar[int] = 5

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        x0, x1, y0, y1, radius = values
        if not 0 < radius < min(x1 - x0, y1 - y0) / 2:
            raise Misshapen("x0 < x1, y0 < y1 and a positive radius below half of either side")
        return cls((x0, y0), (x1, y1), radius)

    @property
    def bounds(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return self.lower, self.upper

    def contains(self, points: Tensor) -> Tensor:  # [n, 2] -> bool [n]
        """No farther than the radius from the rectangle of the circles' centers."""
        low, high = points.new_tensor(self.lower) + self.radius, points.new_tensor(self.upper) - self.radius
        return lengths_of(points - torch.minimum(torch.maximum(points, low), high)) <= self.radius

    def facets(self) -> tuple[Facet, ...]:
        (x0, y0), (x1, y1), r = self.lower, self.upper, self.radius
        wide, high = (x1 - x0 - 2 * r, 0.0), (0.0, y1 - y0 - 2 * r)
        edges = [
            Flat((x0 + r, y0), (wide,), (0.0, -1.0)), Flat((x1, y0 + r), (high,), (1.0, 0.0)),
            Flat((x0 + r, y1), (wide,), (0.0, 1.0)), Flat((x0, y0 + r), (high,), (-1.0, 0.0)),
        ]  # fmt: skip
        corners = ((x0 + r, y0 + r), 2), ((x0 + r, y1 - r), 1), ((x1 - r, y0 + r), 3), ((x1 - r, y1 - r), 0)
        bows = [Bow(center, r, quarter * math.pi / 2, (quarter + 1) * math.pi / 2) for center, quarter in corners]
        return (*edges, *bows)
