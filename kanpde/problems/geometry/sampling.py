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

    def by_place(self) -> "Sample":
        """The same points in an order in which neighbors follow one another."""
        order = order_by_place(self.points)
        return Sample(self.points[order], self.weights[order])


NEIGHBORS = 64
"""Points that follow one another in any order."""


def order_by_place(points: Tensor) -> Tensor:  # [n, d] -> [n]
    """Halves along the axis on which the points reach farthest, in units of their box, and so on in each of them.

    >>> points = torch.rand(200, 1)
    >>> bool(points[order_by_place(points)][:100].max() < points[order_by_place(points)][100:].min())
    True
    """
    lower, upper = points.amin(0), points.amax(0)
    places = (points - lower) / (upper - lower).clamp(min=1e-300)

    def ordered(own: Tensor) -> Tensor:
        if len(own) <= NEIGHBORS:
            return own
        there = places[own]
        along = there[:, int((there.amax(0) - there.amin(0)).argmax())].argsort(stable=True)
        first, second = own[along].tensor_split(2)
        return torch.cat([ordered(first), ordered(second)])

    return ordered(torch.arange(len(points), device=points.device))


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
