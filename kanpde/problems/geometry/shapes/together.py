"""Several shapes as one, such as those of a list in a file."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from kanpde.problems.geometry.shapes.interface import Facet, Shape


@dataclass(frozen=True)
class Together(Shape):
    """The union of shapes that do not overlap; problem files write it as a list."""

    parts: tuple[Shape, ...]

    @property
    def bounds(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        lower, upper = zip(*(part.bounds for part in self.parts), strict=True)
        return tuple(map(min, zip(*lower, strict=True))), tuple(map(max, zip(*upper, strict=True)))

    def contains(self, points: Tensor) -> Tensor:  # [n, d] -> bool [n]
        return torch.stack([part.contains(points) for part in self.parts]).any(0)

    def facets(self) -> tuple[Facet, ...]:
        return tuple(facet for part in self.parts for facet in part.facets())

    def meets(self, box: Shape) -> bool:
        return all(part.meets(box) for part in self.parts)
