"""The even grid on which solutions are archived, drawn and measured."""

from collections.abc import Mapping

import numpy as np

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
