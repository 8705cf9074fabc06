"""Evenly spread points, from which everything is sampled or measured."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.quasirandom import SobolEngine

from kanpde.problems.geometry.boxes import Box, Side


class Sample(NamedTuple):
    """Points [n, d] with weights [n] of mean one."""

    points: Tensor
    weights: Tensor


def sobol_unit(count: int, dimension: int, seed: int) -> Tensor:  # -> [n, d] float64 in (0, 1)
    """Scrambled Sobol points; the global generator is left alone.

    The first point is left out because torch rounds it to the default precision, whatever is asked for.
    """
    points = SobolEngine(dimension, scramble=True, seed=seed).draw(count + 1, dtype=torch.float64)[1:]
    return points.clamp(1e-12, 1 - 1e-12)


def uniform_points(box: Box, count: int, seed: int, *sides: Side) -> Tensor:  # -> [n, d]
    """Evenly spread points of the box, of a side, or of where sides meet; for what is measured rather than trained."""
    points = placed(sobol_unit(count, box.dimension, seed), box)
    for side in sides:
        points[:, side.axis] = side.level(box)
    return points


def placed(unit: Tensor, box: Box) -> Tensor:  # [n, d] -> [n, d]
    """Points of the unit cube at their places in a box."""
    lower, upper = unit.new_tensor(box.lower), unit.new_tensor(box.upper)
    return lower + (upper - lower) * unit
