"""Cylinders in space, along any axis: `cylinder(x0, y0, z0, x1, y1, z1, r)`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import sympy
import torch
from torch import Tensor

from kanpde.problems.geometry.shapes.interface import Facet, Misshapen, Shape, lengths_of
from kanpde.problems.language.arithmetic import number_of

Point = tuple[float, float, float]


def _frame(axis: Tensor) -> Tensor:  # [3] -> [2, 3]
    """Two unit vectors across an axis."""
    least = torch.eye(3, dtype=axis.dtype)[axis.abs().argmin()]
    first = torch.linalg.cross(axis, least)
    first = first / first.norm()
    return torch.stack([first, torch.linalg.cross(axis / axis.norm(), first)])


@dataclass(frozen=True)
class Mantle(Facet):
    """The curved side."""

    foot: Point
    head: Point
    radius: float

    @property
    def smallest_radius(self) -> float:
        return self.radius

    def place(self, unit: Tensor) -> Tensor:  # [n, 2] in (0, 1) -> [n, 3]
        foot, axis = _line(self.foot, self.head, unit)
        angle = 2 * torch.pi * unit[:, 1]
        return foot + unit[:, :1] * axis + self.radius * torch.stack([angle.cos(), angle.sin()], dim=1) @ _frame(axis)

    def normals(self, points: Tensor) -> Tensor:  # [n, 3] -> [n, 3]
        across = self._across(points)
        return across / lengths_of(across)[:, None]

    def level(self, points: Tensor) -> Tensor:  # [n, 3] -> [n]
        return lengths_of(self._across(points)) - self.radius

    def _across(self, points: Tensor) -> Tensor:  # [n, 3] -> [n, 3]
        """From the axis to the points."""
        foot, axis = _line(self.foot, self.head, points)
        offset = points - foot
        return offset - (offset @ axis / axis.dot(axis))[:, None] * axis

    def normal_expressions(self, symbols: tuple[sympy.Symbol, ...]) -> tuple[sympy.Expr, ...]:
        """(x - foot - axis·(x - foot) axis)/r, the axis of length one."""
        length = math.dist(self.foot, self.head)
        axis = [number_of((b - a) / length) for a, b in zip(self.foot, self.head, strict=True)]
        offset = [x - number_of(a) for x, a in zip(symbols, self.foot, strict=True)]
        along = sympy.Add(*(a * o for a, o in zip(axis, offset, strict=True)))
        return tuple((o - a * along) / sympy.Float(self.radius) for a, o in zip(axis, offset, strict=True))

    @property
    def measure(self) -> float:
        return 2 * math.pi * self.radius * math.dist(self.foot, self.head)


@dataclass(frozen=True)
class Cap(Facet):
    """A flat end, round a point, with the normal away from the other end."""

    middle: Point
    other: Point
    rim: float

    def place(self, unit: Tensor) -> Tensor:  # [n, 2] in (0, 1) -> [n, 3]
        """Evenly by area: the square of the distance is uniform."""
        other, axis = _line(self.other, self.middle, unit)
        angle, distance = 2 * torch.pi * unit[:, 1], self.rim * unit[:, :1].sqrt()
        return other + axis + distance * torch.stack([angle.cos(), angle.sin()], dim=1) @ _frame(axis)

    def normals(self, points: Tensor) -> Tensor:  # [n, 3] -> [n, 3]
        axis = _line(self.other, self.middle, points)[1]
        return (axis / lengths_of(axis[None])).expand_as(points)

    def level(self, points: Tensor) -> Tensor:  # [n, 3] -> [n]
        return ((points - points.new_tensor(self.middle)) * self.normals(points)).sum(1)

    def normal_expressions(self, symbols: tuple[sympy.Symbol, ...]) -> tuple[sympy.Expr, ...]:
        length = math.dist(self.middle, self.other)
        return tuple(number_of((b - a) / length) for a, b in zip(self.other, self.middle, strict=True))

    def passes(self, points: Tensor) -> Tensor:  # [n, 3] -> bool [n]
        other, axis = _line(self.other, self.middle, points)
        offset, length = points - other - axis, lengths_of(axis[None])
        level = offset @ axis / length
        across = offset - (level / length)[:, None] * axis
        return (level.abs() <= 1e-9 * (1 + length)) & (lengths_of(across) <= self.rim * (1 + 1e-9))

    @property
    def measure(self) -> float:
        return math.pi * self.rim**2


@dataclass(frozen=True)
class Cylinder(Shape):
    """A solid round cylinder between the middles of its ends; its edges are the mantle, then the two ends."""

    foot: Point
    head: Point
    radius: float

    kind: ClassVar[str] = "cylinder"
    form: ClassVar[str] = "cylinder(x0, y0, z0, x1, y1, z1, r)"
    space: ClassVar[int | None] = 3
    count: ClassVar[int] = 7

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        x0, y0, z0, x1, y1, z1, radius = values
        if not 0 < radius < math.inf or math.dist((x0, y0, z0), (x1, y1, z1)) == 0:
            raise Misshapen("two points that differ and a positive radius")
        return cls((x0, y0, z0), (x1, y1, z1), radius)

    @property
    def bounds(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        length = math.dist(self.foot, self.head)
        reach = [self.radius * math.sqrt(max(1 - ((b - a) / length) ** 2, 0.0))
                 for a, b in zip(self.foot, self.head, strict=True)]  # fmt: skip
        ends = list(zip(self.foot, self.head, reach, strict=True))
        return tuple(min(a, b) - r for a, b, r in ends), tuple(max(a, b) + r for a, b, r in ends)

    def contains(self, points: Tensor) -> Tensor:  # [n, 3] -> bool [n]
        foot, axis = _line(self.foot, self.head, points)
        offset = points - foot
        along = offset @ axis / axis.dot(axis)
        return (along >= 0) & (along <= 1) & (lengths_of(offset - along[:, None] * axis) <= self.radius)

    def facets(self) -> tuple[Facet, ...]:
        return (
            Mantle(self.foot, self.head, self.radius), Cap(self.foot, self.head, self.radius),
            Cap(self.head, self.foot, self.radius),
        )  # fmt: skip


def _line(foot: Point, head: Point, like: Tensor) -> tuple[Tensor, Tensor]:
    """A point and the vector from it to another."""
    begin = like.new_tensor(foot)
    return begin, like.new_tensor(head) - begin
