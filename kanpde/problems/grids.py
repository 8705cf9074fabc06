"""The even grid on which solutions are archived, drawn and measured, and where they are measured beside it."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from kanpde.problems.geometry.regions import inside_points
from kanpde.problems.problem import Problem

PER_AXIS = {1: 1001, 2: 101, 3: 33, 4: 15, 5: 9}
"""Points per axis of the archive's grid, by dimension; about 10⁴ to 6·10⁴ in all."""


def grid_axes(problem: Problem, resolution: int | None = None) -> dict[str, np.ndarray]:
    """Evenly spaced coordinates of the archive's grid, ends included."""
    box = problem.domain
    count = resolution or PER_AXIS.get(box.dimension, max(2, int(5e4 ** (1 / box.dimension))))
    ends = zip(problem.coordinates, box.lower, box.upper, strict=True)
    return {name: np.linspace(lower, upper, count) for name, lower, upper in ends}


def grid_points(axes: Mapping[str, np.ndarray]) -> np.ndarray:  # -> [n, d]
    """All points of a grid, the first coordinate varying slowest."""
    return np.stack([x.ravel() for x in np.meshgrid(*axes.values(), indexing="ij")], axis=1)


def measuring_points(problem: Problem, resolution: int | None = None) -> Tensor:  # -> [n, d]
    """Where errors are measured: the archive's grid in up to three dimensions, 16384 Sobol points beyond."""
    if problem.domain.dimension <= 3:
        points = torch.from_numpy(grid_points(grid_axes(problem, resolution)))
        return points if problem.region.whole else points[problem.region.reaches(points)]
    return inside_points(problem.region, problem.domain, 2**14, seed=1)


def tracking_points(problem: Problem) -> Tensor:  # -> [n, d]
    """A smaller set, to follow the error during training."""
    return inside_points(problem.region, problem.domain, 2000, seed=2)
