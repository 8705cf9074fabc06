"""Gauss–Legendre points in every cell of a tensor grid: what splines on these cells are fitted at."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy
import torch
from torch import Tensor

from kanpde.problems.geometry.boxes import Box, Side
from kanpde.problems.geometry.sampling import Sample
from kanpde.problems.geometry.samplings.interface import Sampling


@dataclass(frozen=True)
class CellSampling(Sampling):
    """So many Gauss points along each axis in each cell, with their weights.

    Args:
        breaks: Ends of the cells along each axis, in physical coordinates.
        counts: Points in a cell along each axis.
        outer: And in its first and last cell, if that is more.
    """

    kind: ClassVar[str] = "cells"

    breaks: tuple[tuple[float, ...], ...]
    counts: tuple[int, ...]
    outer: tuple[int, ...]
    density: float = 1.0
    points: int | None = 1
    boundary_points: int | None = None

    def interior(self, box: Box, count: int, seed: int, periodic: tuple[int, ...] = ()) -> Sample:
        return self._product([self._row(axis) for axis in range(len(self.counts))])

    def on_side(self, box: Box, side: Side, count: int, seed: int, periodic: tuple[int, ...] = ()) -> Sample:
        rows = [self._row(axis) for axis in range(len(self.counts))]
        rows[side.axis] = np.array([side.level(box)]), np.ones(1)
        return self._product(rows)

    def _row(self, axis: int) -> tuple[np.ndarray, np.ndarray]:
        """Points and weights along an axis."""
        ends, count = np.array(self.breaks[axis]), self.counts[axis]
        counts = np.full(len(ends) - 1, count)
        counts[[0, -1]] = max(count, self.outer[axis])
        rules = {number: scipy.special.roots_legendre(number) for number in set(counts.tolist())}
        nodes, weights = (np.concatenate([rules[number][place] for number in counts]) for place in range(2))
        lengths = np.repeat(np.diff(ends), counts)
        return np.repeat(ends[:-1], counts) + lengths * (nodes + 1) / 2, lengths * weights

    def _product(self, rows: Sequence[tuple[np.ndarray, np.ndarray]]) -> Sample:
        points = [torch.from_numpy(row) for row, _ in rows]
        weights = [torch.from_numpy(row) for _, row in rows]
        grid = torch.cartesian_prod(*points).reshape(-1, len(rows))
        measure = _each_product(weights)
        return Sample(grid, measure / measure.mean())


def _each_product(rows: Sequence[Tensor]) -> Tensor:
    return torch.cartesian_prod(*rows).reshape(-1, len(rows)).prod(1)
