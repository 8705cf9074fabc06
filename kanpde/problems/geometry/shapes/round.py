"""Disks, ellipses and balls, one class with three ways to write it.

    disk(x, y, r)   ball(x, y, z, r)   ellipse(x, y, a, b)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import sympy
import torch
from torch import Tensor

from kanpde.problems.geometry.shapes.interface import Facet, Misshapen, Shape
from kanpde.problems.language.functions import sqrt


@dataclass(frozen=True)
class Round(Shape, Facet):
    """{x: Σ ((x_i - c_i)/a_i)² ≤ 1}: a disk, an ellipse or, with equal semi-axes, a ball. Its one facet is itself."""

    center: tuple[float, ...]
    axes: tuple[float, ...]

    closed: ClassVar[bool] = True
    lives: ClassVar[int] = 2

    @classmethod
    def dimension(cls, asked: int) -> int:
        return cls.lives

    @classmethod
    def takes(cls, count: int, dimension: int) -> bool:
        return count == cls.lives + 1

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Of a center and one radius, or as many semi-axes as dimensions."""
        center, sizes = tuple(values[: cls.lives]), tuple(values[cls.lives :])
        if not all(0 < size < math.inf for size in sizes):
            raise Misshapen("positive radii")
        return cls(center, sizes if len(sizes) > 1 else sizes * cls.lives)

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
    def radius(self) -> float:
        return min(self.axes) ** 2 / max(self.axes)

    @property
    def measure(self) -> float:
        return 4 * math.pi * self.axes[0] ** 2 if len(self.center) == 3 else float(self._arc_lengths()[1][-1])


@dataclass(frozen=True)
class Disk(Round):
    kind: ClassVar[str] = "disk"
    form: ClassVar[str] = "disk(x, y, r)"


@dataclass(frozen=True)
class Ball(Round):
    kind: ClassVar[str] = "ball"
    form: ClassVar[str] = "ball(x, y, z, r)"
    lives: ClassVar[int] = 3


@dataclass(frozen=True)
class Ellipse(Round):
    kind: ClassVar[str] = "ellipse"
    form: ClassVar[str] = "ellipse(x, y, a, b)"

    @classmethod
    def takes(cls, count: int, dimension: int) -> bool:
        return count == 4
