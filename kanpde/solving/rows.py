"""A Jacobian by what a step asks of it, whatever way its rows are held.

    JᵀJ on and below its diagonal,    J v,    Jᵀ r
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

TILE = 128
"""Rows that are multiplied together: those of points that lie together have few columns."""

STRIPS = 3
"""Into which a product JᵀJ is cut, each from the first column to its own last: two thirds of all of it."""


class Rows(Protocol):
    """A matrix [N, P]."""

    def gram(self) -> Tensor:  # -> [P, P]
        """JᵀJ on and below its diagonal; nothing is said of what stands above."""

    def along(self, direction: Tensor) -> Tensor:  # [P] -> [N]
        """J v."""

    def pulled(self, residual: Tensor) -> Tensor:  # [N] -> [P]
        """Jᵀ r."""

    def norms(self) -> Tensor:  # -> [P]
        """Of the columns."""

    def diagonal_blocks(self, places: Sequence[slice]) -> list[Tensor]:
        """Those of JᵀJ, of so many columns each."""

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

    def norms(self) -> Tensor:
        norms: Tensor = self.matrix.norm(dim=0)
        return norms

    def diagonal_blocks(self, places: Sequence[slice]) -> list[Tensor]:
        return [self.matrix[:, place].mT @ self.matrix[:, place] for place in places]

    def whole(self) -> Tensor:
        return self.matrix


@dataclass(frozen=True)
class ListedRows:
    """Those entries that need not vanish.

    parts: Of some rows each, one after the other: entries [n, l], and their columns [n, l], all different in a row,
        as integers of any kind.
    width: P.
    """

    parts: tuple[tuple[Tensor, Tensor], ...]
    width: int

    def gram(self) -> Tensor:
        """Σ J_kᵀ J_k over tiles of neighboring rows, of which only the columns are multiplied that occur in them."""
        total = self.parts[0][0].new_zeros(self.width * self.width)
        integers = torch.int32 if self.width < 2**15 else torch.int64
        for values, columns in self._tiles():
            active, places = _compact(columns, self.width)
            rows = values.new_zeros(len(values), len(active)).scatter_(1, places, values)
            active = active.to(integers)
            for first, last in _strips(len(active)):
                where = active[first:last, None] * self.width + active[:last]
                total.index_add_(0, where.flatten(), (rows[:, first:last].mT @ rows[:, :last]).flatten())
        return total.view(self.width, self.width)

    def along(self, direction: Tensor) -> Tensor:
        return torch.from_numpy(self._compressed @ direction.numpy())

    def pulled(self, residual: Tensor) -> Tensor:
        return torch.from_numpy(self._compressed.T @ residual.numpy())

    def norms(self) -> Tensor:
        squares = np.bincount(self._compressed.indices, self._compressed.data**2, self.width)
        return torch.from_numpy(squares).to(self.parts[0][0]).sqrt()

    def diagonal_blocks(self, places: Sequence[slice]) -> list[Tensor]:
        parts = self._compressed.tocsc()
        own = [parts[:, place].tocsr() for place in places]
        return [torch.from_numpy((part.T @ part).toarray()) for part in own]

    @cached_property
    def _compressed(self) -> csr_matrix:
        counts = [np.full(len(values), values.shape[1]) for values, _ in self.parts]
        starts = np.concatenate([[0], np.concatenate(counts).cumsum()])
        values, columns = (_joined([part[k] for part in self.parts]) for k in range(2))
        return csr_matrix((values, columns, starts), shape=(len(starts) - 1, self.width))

    def whole(self) -> Tensor:
        return torch.cat([v.new_zeros(len(v), self.width).scatter_(1, columns.long(), v) for v, columns in self.parts])

    def _tiles(self) -> Iterator[tuple[Tensor, Tensor]]:
        for values, columns in self.parts:
            yield from zip(values.split(TILE), columns.split(TILE), strict=True)


def _compact(columns: Tensor, width: int) -> tuple[Tensor, Tensor]:  # [n, l] -> [a], [n, l]
    """Which columns occur, increasing, and which of these the listed ones are."""
    occurs = torch.bincount(columns.flatten(), minlength=width) > 0
    place = occurs.cumsum(0) - 1
    return occurs.nonzero()[:, 0], place.index_select(0, columns.flatten()).view_as(columns)


def _joined(parts: Sequence[Tensor]) -> np.ndarray:  # [n, l] each -> [N], no copy of a single one
    return np.concatenate(flat) if len(flat := [part.reshape(-1).numpy() for part in parts]) > 1 else flat[0]


def _strips(count: int) -> list[tuple[int, int]]:
    """First and last column of each.

    >>> _strips(10)
    [(0, 3), (3, 6), (6, 10)]
    """
    ends = [count * k // STRIPS for k in range(STRIPS + 1)]
    return [(first, last) for first, last in zip(ends, ends[1:], strict=False) if last > first]
