"""Disks, ellipses, ellipsoids, and balls in any dimension, one class with four ways to write it.

    disk(x, y, r)   ball(x, y, z, …, r)   ellipse(x, y, a, b)   ellipsoid(x, y, z, a, b, c)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import scipy
import sympy
import torch
from torch import Tensor

from kanpde.problems.geometry.shapes.interface import Facet, Misshapen, Shape, lengths_of
from kanpde.problems.language.functions import sqrt


@dataclass(frozen=True)
class Round(Shape, Facet):
    """{x: Σ ((x_i - c_i)/a_i)² ≤ 1}: a disk, a ball, an ellipse or an ellipsoid. Its one facet is itself."""

    center: tuple[float, ...]
    axes: tuple[float, ...]

    closed: ClassVar[bool] = True
    space: ClassVar[int | None] = 2

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Of a center and one radius, or as many semi-axes as dimensions."""
        d = cls.dimension(0)
        center, sizes = tuple(values[:d]), tuple(values[d:])
        if not all(0 < size < math.inf for size in sizes):
            raise Misshapen("positive radii")
        return cls(center, sizes if len(sizes) > 1 else sizes * d)

    def contains(self, points: Tensor) -> Tensor:  # [n, d] -> bool [n]
        scaled = (points - points.new_tensor(self.center)) / points.new_tensor(self.axes)
        return scaled.square().sum(1) <= 1

    def facets(self) -> tuple[Facet, ...]:
        return (self,)

    def meets(self, box: Shape) -> bool:
        """By the point of the box that is nearest to the center, in the metric of the semi-axes."""
        center = torch.tensor([self.center], dtype=torch.float64)
        nearest = center.clamp(*(center.new_tensor(end) for end in box.bounds))
        return bool((((nearest - center) / center.new_tensor(self.axes)).square().sum(1) < 1).item())

    @property
    def bounds(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        pairs = list(zip(self.center, self.axes, strict=True))
        return tuple(c - a for c, a in pairs), tuple(c + a for c, a in pairs)

    def place(self, unit: Tensor) -> Tensor:  # [n, d-1] in (0, 1) -> [n, d]
        """Evenly by arc length or by area."""
        center, axes = unit.new_tensor(self.center), unit.new_tensor(self.axes)
        if len(self.center) > 2:
            return center + axes * _on_sphere(self._spread(unit))
        angles, lengths = self._arc_lengths()
        angle = torch.from_numpy(np.interp(unit[:, 0].numpy() * lengths[-1], lengths, angles))
        return center + axes * torch.stack([angle.cos(), angle.sin()], dim=1)

    def _spread(self, unit: Tensor) -> Tensor:  # [n, d-1] -> [n, d-1]
        """Places on the unit sphere that are even on the ellipsoid: first by height, then around at that height.

        An area of the sphere at x grows by a·b·c·√(Σ (x_i/a_i)²).
        """
        if len(set(self.axes)) == 1:
            return unit
        density, middles = self._growth()
        heights = np.concatenate([[0.0], np.cumsum(density.mean(1))]) / density.mean(1).sum()
        edges = np.linspace(0, 1, len(middles) + 1)
        height = np.interp(unit[:, 0].numpy(), heights, edges)
        row = density[np.minimum((height * len(middles)).astype(int), len(middles) - 1)]
        around = np.concatenate([np.zeros((len(row), 1)), np.cumsum(row, axis=1)], axis=1)
        around /= around[:, -1:]
        turn = [np.interp(u, sums, edges) for u, sums in zip(unit[:, 1].numpy(), around, strict=True)]
        return torch.from_numpy(np.stack([height, np.array(turn)], axis=1))

    def _growth(self) -> tuple[np.ndarray, np.ndarray]:  # [m, m], [m]
        """By how much areas of the unit sphere grow, in equal cells of height and turn; and the cells' middles."""
        middles = (np.arange(256) + 0.5) / 256
        places = np.stack(np.meshgrid(middles, middles, indexing="ij"), axis=-1).reshape(-1, 2)
        sphere = _on_sphere(torch.from_numpy(places)).numpy()
        growth = math.prod(self.axes) * np.linalg.norm(sphere / np.array(self.axes), axis=1)
        return growth.reshape(256, 256), middles

    def _arc_lengths(self) -> tuple[np.ndarray, np.ndarray]:
        """Angles, and the arc length up to each by the midpoint rule, which a periodic integrand makes exact."""
        a, b = self.axes
        angles = np.linspace(0, 2 * np.pi, 4097)
        middle = (angles[1:] + angles[:-1]) / 2
        speed = np.hypot(a * np.sin(middle), b * np.cos(middle))
        return angles, np.concatenate([[0.0], np.cumsum(speed * np.diff(angles))])

    def normals(self, points: Tensor) -> Tensor:  # [n, d] -> [n, d]
        slope = (points - points.new_tensor(self.center)) / points.new_tensor(self.axes).square()
        return slope / lengths_of(slope)[:, None]

    def level(self, points: Tensor) -> Tensor:  # [n, d] -> [n]
        """(ρ² - 1)/|∇ρ²| with ρ² = Σ ((x_i - c_i)/a_i)²."""
        offset, axes = points - points.new_tensor(self.center), points.new_tensor(self.axes)
        return ((offset / axes).square().sum(1) - 1) / (2 * lengths_of(offset / axes.square()))

    def normal_expressions(self, symbols: tuple[sympy.Symbol, ...]) -> tuple[sympy.Expr, ...]:
        """The normal on the boundary in the coordinates; (x - c)/r where all semi-axes are r."""
        offsets = [x - sympy.Float(c) for x, c in zip(symbols, self.center, strict=True)]
        if len(set(self.axes)) == 1:
            return tuple(offset / sympy.Float(self.axes[0]) for offset in offsets)
        slopes = [offset / sympy.Float(a * a) for offset, a in zip(offsets, self.axes, strict=True)]
        return tuple(slope / sqrt(sympy.Add(*(s**2 for s in slopes))) for slope in slopes)

    @property
    def smallest_radius(self) -> float:
        return min(self.axes) ** 2 / max(self.axes)

    @property
    def measure(self) -> float:
        dimension = len(self.center)
        if dimension == 2:
            return float(self._arc_lengths()[1][-1])
        sphere: float = 2 * math.pi ** (dimension / 2) / math.gamma(dimension / 2)
        if len(set(self.axes)) == 1:
            return sphere * math.pow(self.axes[0], dimension - 1)
        return sphere * float(self._growth()[0].mean())


def _on_sphere(unit: Tensor) -> Tensor:  # [n, d-1] in (0, 1) -> [n, d]
    """Evenly on the unit sphere: the last coordinate s has the density (1 - s²)^((d-3)/2), the others a sphere's."""
    if unit.shape[1] == 1:
        turn = 2 * torch.pi * unit[:, 0]
        return torch.stack([turn.cos(), turn.sin()], dim=1)
    power = unit.shape[1] / 2
    share = unit[:, 0] if power == 1 else torch.from_numpy(scipy.special.betaincinv(power, power, unit[:, 0].numpy()))
    last = (2 * share - 1)[:, None]
    return torch.cat([(1 - last.square()).sqrt() * _on_sphere(unit[:, 1:]), last], dim=1)


@dataclass(frozen=True)
class Disk(Round):
    kind: ClassVar[str] = "disk"
    form: ClassVar[str] = "disk(x, y, r)"
    count: ClassVar[int] = 3


@dataclass(frozen=True)
class Ball(Round):
    kind: ClassVar[str] = "ball"
    form: ClassVar[str] = "ball(x, y, z, …, r)"

    @classmethod
    def dimension(cls, asked: int) -> int:
        return max(asked, 2)

    @classmethod
    def takes(cls, count: int, dimension: int) -> bool:
        return count == dimension + 1

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        *center, radius = values
        if not 0 < radius < math.inf:
            raise Misshapen("positive radii")
        return cls(tuple(center), (radius,) * len(center))


@dataclass(frozen=True)
class Ellipsoid(Round):
    kind: ClassVar[str] = "ellipsoid"
    form: ClassVar[str] = "ellipsoid(x, y, z, a, b, c)"
    space: ClassVar[int | None] = 3
    count: ClassVar[int] = 6


@dataclass(frozen=True)
class Ellipse(Round):
    kind: ClassVar[str] = "ellipse"
    form: ClassVar[str] = "ellipse(x, y, a, b)"
    count: ClassVar[int] = 4
