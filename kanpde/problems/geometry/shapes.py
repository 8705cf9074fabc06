"""Shapes cut from or joined to the box: what they contain, and the smooth facets that bound them.

    disk(x, y, r)   ball(x, y, z, r)   ellipse(x, y, a, b)   box(x0, x1, y0, y1, …)   polygon(x1, y1, x2, y2, …)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import sympy
import torch
from torch import Tensor

from kanpde.problems.geometry.sampling import sobol_unit
from kanpde.problems.language.functions import sqrt


@dataclass(frozen=True)
class Flat:
    """A segment or parallelogram: origin + Σ s_i span_i, 0 < s_i < 1, with a constant outward normal."""

    origin: tuple[float, ...]
    spans: tuple[tuple[float, ...], ...]
    normal: tuple[float, ...]

    def place(self, unit: Tensor) -> Tensor:  # [n, d-1] in (0, 1) -> [n, d]
        return unit.new_tensor(self.origin) + unit @ unit.new_tensor(self.spans).reshape(unit.shape[1], -1)

    def normals(self, points: Tensor) -> Tensor:  # [n, d] -> [n, d]
        return points.new_tensor(self.normal).expand_as(points)

    def normal_expressions(self, symbols: tuple[sympy.Symbol, ...]) -> tuple[sympy.Expr, ...]:
        return tuple(sympy.Integer(int(n)) if n == int(n) else sympy.Float(n) for n in self.normal)

    @property
    def measure(self) -> float:
        """Length or area."""
        spans = np.array(self.spans).reshape(len(self.spans), len(self.origin))
        return math.sqrt(np.linalg.det(spans @ spans.T)) if len(spans) else 1.0


@dataclass(frozen=True)
class Round:
    """{x: Σ ((x_i - c_i)/a_i)² ≤ 1}: a disk, an ellipse or, with equal semi-axes, a ball. Its one facet is itself."""

    center: tuple[float, ...]
    axes: tuple[float, ...]

    def contains(self, points: Tensor) -> Tensor:  # [n, d] -> bool [n]
        scaled = (points - points.new_tensor(self.center)) / points.new_tensor(self.axes)
        return scaled.square().sum(1) <= 1

    def facets(self) -> tuple[Round, ...]:
        return (self,)

    @property
    def bounds(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        pairs = list(zip(self.center, self.axes, strict=True))
        return tuple(c - a for c, a in pairs), tuple(c + a for c, a in pairs)

    def place(self, unit: Tensor) -> Tensor:  # [n, d-1] in (0, 1) -> [n, d]
        """Evenly by arc length (by area on a ball, whose height is uniform: Archimedes)."""
        center, axes = unit.new_tensor(self.center), unit.new_tensor(self.axes)
        if len(self.center) == 3:
            height, turn = 2 * unit[:, 0] - 1, 2 * torch.pi * unit[:, 1]
            across = (1 - height.square()).sqrt()
            return center + axes * torch.stack([across * turn.cos(), across * turn.sin(), height], dim=1)
        angles, lengths = self._arc_lengths()
        angle = torch.from_numpy(np.interp(unit[:, 0].numpy() * lengths[-1], lengths, angles))
        return center + axes * torch.stack([angle.cos(), angle.sin()], dim=1)

    def _arc_lengths(self) -> tuple[np.ndarray, np.ndarray]:
        """Angles, and the arc length up to each by the midpoint rule, which a periodic integrand makes exact."""
        a, b = self.axes
        angles = np.linspace(0, 2 * np.pi, 4097)
        middle = (angles[1:] + angles[:-1]) / 2
        speed = np.hypot(a * np.sin(middle), b * np.cos(middle))
        return angles, np.concatenate([[0.0], np.cumsum(speed * np.diff(angles))])

    def normals(self, points: Tensor) -> Tensor:  # [n, d] -> [n, d]
        slope = (points - points.new_tensor(self.center)) / points.new_tensor(self.axes).square()
        return slope / slope.norm(dim=1, keepdim=True)

    def normal_expressions(self, symbols: tuple[sympy.Symbol, ...]) -> tuple[sympy.Expr, ...]:
        """The normal on the boundary in the coordinates; (x - c)/r where all semi-axes are r."""
        offsets = [x - sympy.Float(c) for x, c in zip(symbols, self.center, strict=True)]
        if len(set(self.axes)) == 1:
            return tuple(offset / sympy.Float(self.axes[0]) for offset in offsets)
        slopes = [offset / sympy.Float(a * a) for offset, a in zip(offsets, self.axes, strict=True)]
        return tuple(slope / sqrt(sympy.Add(*(s**2 for s in slopes))) for slope in slopes)

    @property
    def measure(self) -> float:
        return 4 * math.pi * self.axes[0] ** 2 if len(self.center) == 3 else float(self._arc_lengths()[1][-1])


@dataclass(frozen=True)
class Cuboid:
    """The product of intervals [lower_i, upper_i]."""

    lower: tuple[float, ...]
    upper: tuple[float, ...]

    @property
    def bounds(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return self.lower, self.upper

    def contains(self, points: Tensor) -> Tensor:  # [n, d] -> bool [n]
        return ((points >= points.new_tensor(self.lower)) & (points <= points.new_tensor(self.upper))).all(1)

    def facets(self) -> tuple[Flat, ...]:
        return tuple(self._face(axis, end) for axis in range(len(self.lower)) for end in (0, 1))

    def _face(self, axis: int, end: int) -> Flat:
        d = len(self.lower)
        origin = tuple(self.upper[i] if i == axis and end else self.lower[i] for i in range(d))
        spans = tuple(
            tuple((self.upper[i] - self.lower[i]) * float(i == j) for i in range(d)) for j in range(d) if j != axis
        )
        return Flat(origin, spans, tuple((2.0 * end - 1) * (i == axis) for i in range(d)))


@dataclass(frozen=True)
class Polygon:
    """A polygon by its corners; its edges do not cross each other."""

    corners: tuple[tuple[float, float], ...]

    @property
    def bounds(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        xs, ys = zip(*self.corners, strict=True)
        return (min(xs), min(ys)), (max(xs), max(ys))

    @property
    def area(self) -> float:
        """With a sign: positive where the corners go round counterclockwise."""
        return sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in self._edges()) / 2

    def _edges(self) -> list[tuple[tuple[float, float], tuple[float, float]]]:
        return list(zip(self.corners, self.corners[1:] + self.corners[:1], strict=True))

    def contains(self, points: Tensor) -> Tensor:  # [n, 2] -> bool [n]
        """By the parity of edges that a ray to the right crosses."""
        x, y = points.T
        inside = torch.zeros(len(points), dtype=torch.bool)
        for (x1, y1), (x2, y2) in self._edges():
            if y1 != y2:
                inside ^= ((y1 > y) != (y2 > y)) & (x < x1 + (y - y1) * (x2 - x1) / (y2 - y1))
        return inside

    def facets(self) -> tuple[Flat, ...]:
        sign = math.copysign(1.0, self.area)
        facets = []
        for (x1, y1), (x2, y2) in self._edges():
            dx, dy = x2 - x1, y2 - y1
            length = math.hypot(dx, dy)
            facets.append(Flat((x1, y1), ((dx, dy),), (sign * dy / length, -sign * dx / length)))
        return tuple(facets)


Facet = Flat | Round
Shape = Round | Cuboid | Polygon


def meets(shape: Shape, box: Cuboid) -> bool:
    """Whether a shape has points inside a box: exactly for round ones, by points along its edges for others."""
    if isinstance(shape, Round):
        center = torch.tensor([shape.center], dtype=torch.float64)
        nearest = center.clamp(center.new_tensor(box.lower), center.new_tensor(box.upper))
        return bool((((nearest - center) / center.new_tensor(shape.axes)).square().sum(1) < 1).item())
    low, high = (np.array(end) for end in shape.bounds)
    if isinstance(shape, Cuboid):
        return bool(np.all(low < box.upper) and np.all(np.array(box.lower) < high))
    middle = torch.tensor([[(a + b) / 2 for a, b in zip(box.lower, box.upper, strict=True)]], dtype=torch.float64)
    places = torch.linspace(0, 1, 257, dtype=torch.float64)[:, None]
    along = torch.cat([facet.place(places) for facet in shape.facets()])
    inside = (along > along.new_tensor(box.lower)) & (along < along.new_tensor(box.upper))
    return bool(inside.all(1).any() | shape.contains(middle).any())


def perimeter(shape: Shape) -> float:
    """The length or area of the whole boundary."""
    return sum(facet.measure for facet in shape.facets())


def facet_points(facet: Facet, dimension: int, count: int, seed: int) -> Tensor:  # -> [n, d]
    """Quasi-random points of a facet, even by arc length or area."""
    return facet.place(sobol_unit(count, dimension - 1, seed) if dimension > 1 else torch.zeros(count, 0).double())
