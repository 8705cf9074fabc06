"""Quasi-random points clustered toward the boundary, the default."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from kanpde.errors import InputError
from kanpde.problems.geometry.boxes import Box, Side
from kanpde.problems.geometry.sampling import Sample, placed, sobol_unit
from kanpde.problems.geometry.samplings.interface import Sampling, check_counts, pinned


@dataclass(frozen=True)
class SobolSampling(Sampling):
    """Scrambled Sobol points, mapped by s ↦ (1 - c) s + c (1 - cos πs)/2 along each axis that is not periodic.

    Args:
        density: Points per trainable parameter and equation; 5 is enough for what was measured, 3.5 was not.
        points: A fixed number instead; null leaves it to `density`.
        boundary_points: Points on each side that has a penalty condition; null takes the 1 - 1/d power of the interior.
        clustering: c, from 0 (uniform) to 1 (Chebyshev's density, crowded at the boundary).
    """

    kind: ClassVar[str] = "sobol"

    density: float = 5.0
    points: int | None = None
    boundary_points: int | None = None
    clustering: float = 1.0

    def __post_init__(self) -> None:
        check_counts(self)
        if not 0 <= self.clustering <= 1:
            raise InputError(f"sampling.clustering must lie between 0 and 1; {self.clustering} came. Set it so.")

    def interior(self, box: Box, count: int, seed: int, periodic: tuple[int, ...] = ()) -> Sample:
        unit = sobol_unit(count, box.dimension, seed)
        crowded = (1 - torch.cos(torch.pi * unit)) / 2
        crowded[:, list(periodic)] = unit[:, list(periodic)]
        return _uniformly_weighted(placed((1 - self.clustering) * unit + self.clustering * crowded, box))

    def on_side(self, box: Box, side: Side, count: int, seed: int, periodic: tuple[int, ...] = ()) -> Sample:
        return pinned(self.interior(box, count, seed, periodic), box, side)


def _uniformly_weighted(points: Tensor) -> Sample:
    return Sample(points, torch.ones(len(points), dtype=points.dtype))
