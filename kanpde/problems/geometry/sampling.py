"""Where residuals are taken: quasi-random points clustered toward the boundary, Gauss–Legendre points, sides."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from scipy.special import roots_legendre
from torch import Tensor
from torch.quasirandom import SobolEngine

from kanpde.errors import InputError
from kanpde.problems.geometry.boxes import Box, Side


class Sample(NamedTuple):
    """Points [n, d] with weights [n] of mean one."""

    points: Tensor
    weights: Tensor


@dataclass(frozen=True)
class SobolSampling:
    """Scrambled Sobol points, mapped by s ↦ (1 - c) s + c (1 - cos πs)/2 along each axis that is not periodic.

    Args:
        density: Points per trainable parameter and equation; 5 is enough for what was measured, 3.5 was not.
        points: A fixed number instead; null leaves it to `density`.
        boundary_points: Points on each side that has a penalty condition; null takes the 1 - 1/d power of the interior.
        clustering: c, from 0 (uniform) to 1 (Chebyshev's density, crowded at the boundary).
    """

    density: float = 5.0
    points: int | None = None
    boundary_points: int | None = None
    clustering: float = 1.0

    def __post_init__(self):
        _check_counts(self)
        if not 0 <= self.clustering <= 1:
            raise InputError(f"sampling.clustering must lie between 0 and 1; {self.clustering} came. Set it so.")

    def interior(self, box: Box, count: int, seed: int, periodic: tuple[int, ...] = ()) -> Sample:
        unit = sobol_unit(count, box.dimension, seed)
        crowded = (1 - torch.cos(torch.pi * unit)) / 2
        crowded[:, list(periodic)] = unit[:, list(periodic)]
        return _uniformly_weighted(_placed((1 - self.clustering) * unit + self.clustering * crowded, box))

    def on_side(self, box: Box, side: Side, count: int, seed: int, periodic: tuple[int, ...] = ()) -> Sample:
        return _pinned(self.interior(box, count, seed, periodic), box, side)


@dataclass(frozen=True)
class GaussSampling:
    """Gauss–Legendre points in each axis, with their weights: for boxes of three dimensions at most.

    Args:
        density: Points per trainable parameter and equation.
        points: A fixed number instead, rounded up to a full tensor grid.
        boundary_points: Points on each side that has a penalty condition.
    """

    density: float = 5.0
    points: int | None = None
    boundary_points: int | None = None

    def __post_init__(self):
        _check_counts(self)

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
        return _pinned(_gauss(box, orders), box, side)


Sampling = SobolSampling | GaussSampling
SAMPLINGS = {"sobol": SobolSampling, "gauss": GaussSampling}


def _check_counts(sampling: Sampling) -> None:
    if not 0 < sampling.density < float("inf"):
        raise InputError(f"sampling.density must be positive and finite; {sampling.density} came. Set it so.")
    for name in ("points", "boundary_points"):
        value = getattr(sampling, name)
        if value is not None and value < 1:
            raise InputError(f"sampling.{name} must be 1 or more, or null; {value} came. Set it so.")


def sobol_unit(count: int, dimension: int, seed: int) -> Tensor:  # -> [n, d] float64 in (0, 1)
    """Scrambled Sobol points; the global generator is left alone.

    The first point is left out because torch rounds it to the default precision, whatever is asked for.
    """
    points = SobolEngine(dimension, scramble=True, seed=seed).draw(count + 1, dtype=torch.float64)[1:]
    return points.clamp(1e-12, 1 - 1e-12)


def uniform_points(box: Box, count: int, seed: int, *sides: Side) -> Tensor:  # -> [n, d]
    """Evenly spread points of the box, of a side, or of where sides meet; for what is measured rather than trained."""
    points = _placed(sobol_unit(count, box.dimension, seed), box)
    for side in sides:
        points[:, side.axis] = side.level(box)
    return points


def interior_count(sampling: Sampling, parameters: int) -> int:
    """Collocation points for a network of so many parameters."""
    return sampling.points or max(64, int(sampling.density * parameters))


def side_count(sampling: Sampling, interior: int, dimension: int) -> int:
    """Points for a penalty on a side: as dense along it as the interior is along an axis, and twice that."""
    if dimension == 1:
        return 1
    return sampling.boundary_points or max(16, int(2 * interior ** (1 - 1 / dimension)))


def _placed(unit: Tensor, box: Box) -> Tensor:
    lower, upper = unit.new_tensor(box.lower), unit.new_tensor(box.upper)
    return lower + (upper - lower) * unit


def _uniformly_weighted(points: Tensor) -> Sample:
    return Sample(points, torch.ones(len(points), dtype=points.dtype))


def _pinned(sample: Sample, box: Box, side: Side) -> Sample:
    points = sample.points.clone()
    points[:, side.axis] = side.level(box)
    return Sample(points, sample.weights)


def _gauss(box: Box, orders: list[int]) -> Sample:
    nodes, weights = zip(*(roots_legendre(order) for order in orders), strict=True)
    grid = torch.cartesian_prod(*(torch.from_numpy((x + 1) / 2) for x in nodes)).reshape(-1, len(orders))
    measure = torch.cartesian_prod(*(torch.from_numpy(w * len(w) / 2) for w in weights)).reshape(-1, len(orders))
    return Sample(_placed(grid, box), measure.prod(1))
