"""Gauss–Legendre points, for boxes of few dimensions."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy
import torch

from kanpde.errors import InputError
from kanpde.problems.geometry.boxes import Box, Side
from kanpde.problems.geometry.sampling import Sample, placed
from kanpde.problems.geometry.samplings.interface import Sampling, check_counts, pinned


@dataclass(frozen=True)
class GaussSampling(Sampling):
    """Gauss–Legendre points in each axis, with their weights: for boxes of three dimensions at most.

    Args:
        density: Points per trainable parameter and equation.
        points: A fixed number instead, rounded up to a full tensor grid.
        boundary_points: Points on each side that has a penalty condition.
    """

    kind: ClassVar[str] = "gauss"

    density: float = 5.0
    points: int | None = None
    boundary_points: int | None = None

    def __post_init__(self) -> None:
        check_counts(self)

    def interior(self, box: Box, count: int, seed: int, periodic: tuple[int, ...] = ()) -> Sample:
        if box.dimension > 3:
            raise InputError(
                f"sampling=gauss needs a box of three dimensions at most; this one has {box.dimension}. "
                "Use sampling=sobol."
            )
        return _gauss(box, [int(np.ceil(count ** (1 / box.dimension)))] * box.dimension)

    def on_side(self, box: Box, side: Side, count: int, seed: int, periodic: tuple[int, ...] = ()) -> Sample:
        per_axis = int(np.ceil(count ** (1 / max(box.dimension - 1, 1))))
        orders = [1 if axis == side.axis else per_axis for axis in range(box.dimension)]
        return pinned(_gauss(box, orders), box, side)


def _gauss(box: Box, orders: list[int]) -> Sample:
    nodes, weights = zip(*(scipy.special.roots_legendre(order) for order in orders), strict=True)
    grid = torch.cartesian_prod(*(torch.from_numpy((x + 1) / 2) for x in nodes)).reshape(-1, len(orders))
    measure = torch.cartesian_prod(*(torch.from_numpy(w * len(w) / 2) for w in weights)).reshape(-1, len(orders))
    return Sample(placed(grid, box), measure.prod(1))
