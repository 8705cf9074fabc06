"""What a shape and its facets are asked for; every shape a problem file may name is a class with a `kind`."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import sympy
import torch
from torch import Tensor

from kanpde.problems.geometry.sampling import sobol_unit
from kanpde.problems.language.arithmetic import number_of

LOOKED_AT = 4096
"""Points of each facet that tell whether a shape meets a box."""


class Misshapen(Exception):
    """Raised for numbers that are no shape; its text is what they should be."""


class Facet(ABC):
    """A smooth piece of a boundary, placed by parameters in (0, 1), with its outward normal."""

    @property
    def closed(self) -> bool:
        """Whether it goes on where it began, as the rim of a disk."""
        return False

    @property
    def smallest_radius(self) -> float:
        """Of curvature, anywhere on it."""
        return math.inf

    @abstractmethod
    def place(self, unit: Tensor) -> Tensor:  # [n, d-1] in (0, 1) -> [n, d]
        """Points, evenly by length or area."""

    @abstractmethod
    def normals(self, points: Tensor) -> Tensor:  # [n, d] -> [n, d]
        """Outward unit normals at points on the facet."""

    @abstractmethod
    def level(self, points: Tensor) -> Tensor:  # [n, d] -> [n]
        """Zero on the surface that it is a part of, with the normal as its slope there."""

    @abstractmethod
    def normal_expressions(self, symbols: tuple[sympy.Symbol, ...]) -> tuple[sympy.Expr, ...]:
        """The outward unit normal in the coordinates."""

    def passes(self, points: Tensor) -> Tensor:  # [n, d] -> bool [n]
        """Which points lie on it, to rounding, where it is flat and may share a side with the box."""
        return torch.zeros(len(points), dtype=torch.bool)

    @property
    @abstractmethod
    def measure(self) -> float:
        """Length or area."""


class Shape(ABC):
    """A closed set of space points with a piecewise smooth boundary.

    kind: Its name in problem files; a class without one is not offered there.
    form: How it is written there.
    space: The space dimension in which it lives; None for any.
    count: Of the numbers in its form, where that is fixed.
    """

    kind: ClassVar[str]
    form: ClassVar[str]
    space: ClassVar[int | None] = None
    count: ClassVar[int]

    @classmethod
    def dimension(cls, asked: int) -> int:
        """The space dimension in which it lives, where a problem has so many."""
        return cls.space or asked

    @classmethod
    def takes(cls, count: int, dimension: int) -> bool:
        """Whether so many numbers make one."""
        return count == cls.count

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """The shape of the numbers in its form, where there is one.

        Raises:
            Misshapen: for those that are none, as a negative radius.
        """
        raise NotImplementedError(f"{cls.__name__} has no form")

    @property
    @abstractmethod
    def bounds(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """The least box around it: lower and upper corner."""

    @abstractmethod
    def contains(self, points: Tensor) -> Tensor:  # [n, d] -> bool [n]
        """Which points lie in it."""

    @abstractmethod
    def facets(self) -> tuple[Facet, ...]:
        """The pieces of its boundary."""

    def named(self) -> dict[str, tuple[Facet, ...]]:
        """Pieces of its boundary by the names that a file gives them."""
        return {}

    def meets(self, box: Shape) -> bool:
        """Whether it has points inside a box: by the box's middle, and by points along its own facets."""
        lower, upper = (torch.tensor(end, dtype=torch.float64) for end in box.bounds)
        along = torch.cat([facet_points(facet, len(lower), LOOKED_AT, 0) for facet in self.facets()])
        inside = (along > lower) & (along < upper)
        return bool(inside.all(1).any() | self.contains((lower + upper)[None] / 2).any())


@dataclass(frozen=True)
class Flat(Facet):
    """A segment or parallelogram: origin + Σ s_i span_i, 0 < s_i < 1, with a constant outward normal."""

    origin: tuple[float, ...]
    spans: tuple[tuple[float, ...], ...]
    normal: tuple[float, ...]

    def place(self, unit: Tensor) -> Tensor:  # [n, d-1] in (0, 1) -> [n, d]
        spans = unit.new_tensor(self.spans).reshape(len(self.spans), len(self.origin))
        return unit.new_tensor(self.origin) + unit @ spans

    def normals(self, points: Tensor) -> Tensor:  # [n, d] -> [n, d]
        return points.new_tensor(self.normal).expand_as(points)

    def level(self, points: Tensor) -> Tensor:  # [n, d] -> [n]
        return (points - points.new_tensor(self.origin)) @ points.new_tensor(self.normal)

    def normal_expressions(self, symbols: tuple[sympy.Symbol, ...]) -> tuple[sympy.Expr, ...]:
        return tuple(map(number_of, self.normal))

    def passes(self, points: Tensor) -> Tensor:  # [n, d] -> bool [n]
        """Which points lie on it, to rounding."""
        spans = points.new_tensor(self.spans).reshape(-1, points.shape[1])
        offset = points - points.new_tensor(self.origin)
        along: Tensor = offset @ torch.linalg.pinv(spans)
        off, size = (offset - along @ spans).square().sum(1).sqrt(), spans.square().sum().sqrt()
        near = off <= 1e-9 * (1 + size)
        return near & (along > -1e-9).all(1) & (along < 1 + 1e-9).all(1)

    @property
    def measure(self) -> float:
        """Length or area."""
        spans = np.array(self.spans).reshape(len(self.spans), len(self.origin))
        return math.sqrt(np.linalg.det(spans @ spans.T)) if len(spans) else 1.0


def lengths_of(vectors: Tensor) -> Tensor:  # [n, d] -> [n]
    found: Tensor = vectors.norm(dim=1)
    return found


def perimeter(shape: Shape) -> float:
    """The length or area of the whole boundary."""
    return sum(facet.measure for facet in shape.facets())


def facet_points(facet: Facet, dimension: int, count: int, seed: int) -> Tensor:  # -> [n, d]
    """Quasi-random points of a facet, even by arc length or area."""
    return facet.place(sobol_unit(count, dimension - 1, seed) if dimension > 1 else torch.zeros(count, 0).double())
