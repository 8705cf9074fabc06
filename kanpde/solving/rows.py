"""A Jacobian by what a step asks of it, whatever way its rows are held.

    JᵀJ,    J v,    Jᵀ r
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

TILE = 128
"""Rows that are multiplied together: those of points that lie together have few columns."""


class Rows(Protocol):
    """A matrix [N, P]."""

    def gram(self) -> Tensor:  # -> [P, P]
        """JᵀJ."""

    def along(self, direction: Tensor) -> Tensor:  # [P] -> [N]
        """J v."""

    def pulled(self, residual: Tensor) -> Tensor:  # [N] -> [P]
        """Jᵀ r."""

    def whole(self) -> Tensor:  # -> [N, P]
        """All of it."""


@dataclass(frozen=True)
class DenseRows:
    """All entries at hand."""

    matrix: Tensor

    def gram(self) -> Tensor:
        return self.matrix.mT @ self.matrix

    def along(self, direction: Tensor) -> Tensor:
        return self.matrix @ direction

    def pulled(self, residual: Tensor) -> Tensor:
        return self.matrix.mT @ residual

    def whole(self) -> Tensor:
        return self.matrix


@dataclass(frozen=True)
class ListedRows:
    """Those entries that need not vanish.

    parts: Of some rows each, one after the other: entries [n, l], and their columns [n, l], all different in a row.
    width: P.
    """

    parts: tuple[tuple[Tensor, Tensor], ...]
    width: int

    def gram(self) -> Tensor:
        """Σ J_kᵀ J_k over tiles of neighboring rows, of which only the columns are multiplied that occur in them."""
        total = self.parts[0][0].new_zeros(self.width * self.width)
        for values, columns in self._tiles():
            occurs = torch.zeros(self.width, dtype=torch.bool, device=values.device)
            occurs.index_fill_(0, columns.flatten(), True)
            active, place = occurs.nonzero()[:, 0], occurs.cumsum(0) - 1
            rows = values.new_zeros(len(values), len(active)).scatter_(1, place[columns], values)
            total.index_add_(0, (active[:, None] * self.width + active).flatten(), (rows.mT @ rows).flatten())
        return total.view(self.width, self.width)

    def along(self, direction: Tensor) -> Tensor:
        return torch.cat([(values * direction[columns]).sum(1) for values, columns in self.parts])

    def pulled(self, residual: Tensor) -> Tensor:
        total, row = residual.new_zeros(self.width), 0
        for values, columns in self.parts:
            terms = values * residual[row : row + len(values), None]
            total.index_add_(0, columns.flatten(), terms.flatten())
            row += len(values)
        return total

    def whole(self) -> Tensor:
        return torch.cat([v.new_zeros(len(v), self.width).scatter_(1, columns, v) for v, columns in self.parts])

    def _tiles(self) -> Iterator[tuple[Tensor, Tensor]]:
        for values, columns in self.parts:
            yield from zip(values.split(TILE), columns.split(TILE), strict=True)
