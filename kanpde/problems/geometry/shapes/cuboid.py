"""The product of intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from torch import Tensor

from kanpde.problems.geometry.shapes.interface import Facet, Flat, Misshapen, Shape


@dataclass(frozen=True)
class Cuboid(Shape):
    """The product of intervals [lower_i, upper_i]."""

    lower: tuple[float, ...]
    upper: tuple[float, ...]

    kind: ClassVar[str] = "box"
    form: ClassVar[str] = "box(x0, x1, y0, y1, …)"

    @classmethod
    def takes(cls, count: int, dimension: int) -> bool:
        return count == 2 * dimension

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        lower, upper = tuple(values[::2]), tuple(values[1::2])
        if not all(a < b for a, b in zip(lower, upper, strict=True)):
            raise Misshapen("x0 < x1 along every axis")
        return cls(lower, upper)

    @property
    def bounds(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return self.lower, self.upper

    def contains(self, points: Tensor) -> Tensor:  # [n, d] -> bool [n]
        return ((points >= points.new_tensor(self.lower)) & (points <= points.new_tensor(self.upper))).all(1)

    def meets(self, box: Shape) -> bool:
        """Where their intervals overlap along every axis."""
        ends = zip(self.lower, self.upper, *box.bounds, strict=True)
        return all(low < top and bottom < high for low, high, bottom, top in ends)

    def facets(self) -> tuple[Facet, ...]:
        return tuple(self._face(axis, end) for axis in range(len(self.lower)) for end in (0, 1))

    def _face(self, axis: int, end: int) -> Flat:
        d = len(self.lower)
        origin = tuple(self.upper[i] if i == axis and end else self.lower[i] for i in range(d))
        spans = tuple(
            tuple((self.upper[i] - self.lower[i]) * float(i == j) for i in range(d)) for j in range(d) if j != axis
        )
        return Flat(origin, spans, tuple((2.0 * end - 1) * (i == axis) for i in range(d)))
