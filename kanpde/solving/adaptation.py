"""Where a solution bends: densities along each axis, by which knots and points are placed.

    w(x) = 1 + max |∂_xx u|^½,    x in half-lengths of the box, u in units of its root mean square,

the largest over the other coordinates. Equal shares of ∫w make cells of about equal error for splines of a low order
and crowd in layers; neighboring cells are kept from differing by more than `GROWTH`.

Source: de Boor, Good approximation by splines with variable knots (1973), for the equidistribution.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kanpde.models.jets import closure
from kanpde.models.networks.chains import Inputs
from kanpde.problems.geometry.boxes import Box, Side
from kanpde.problems.geometry.regions import inside_points
from kanpde.problems.geometry.sampling import Sample, uniform_points
from kanpde.problems.geometry.samplings import Sampling
from kanpde.solving.solution import Solution

CELLS = 2000
"""Equal cells along an axis on which a density is constant."""
ACROSS = 24
"""Places in the other coordinates at which the largest curvature is sought."""
GROWTH = 0.5
"""By how much the length of a cell may change over its own length."""
FOLLOWING = 0.7
"""Share of the points that follow a density; the others are even."""


@dataclass(frozen=True)
class Density:
    """A piecewise constant density on equal cells of [lower, upper], of mean one."""

    lower: float
    upper: float
    values: np.ndarray  # [cells]

    @property
    def ends(self) -> np.ndarray:  # [cells + 1]
        return np.linspace(self.lower, self.upper, len(self.values) + 1)

    @property
    def shares(self) -> np.ndarray:  # [cells + 1]
        """The share of the density below each end of a cell, from 0 to 1."""
        shares = np.concatenate([[0.0], np.cumsum(self.values)])
        return np.asarray(shares / shares[-1])

    def quantiles(self, shares: np.ndarray) -> np.ndarray:
        """Where so large a share of it lies below."""
        return np.asarray(np.interp(shares, self.shares, self.ends))

    def at(self, x: np.ndarray) -> np.ndarray:
        """Its value."""
        cell = ((x - self.lower) / (self.upper - self.lower) * len(self.values)).astype(int)
        return np.asarray(self.values[cell.clip(0, len(self.values) - 1)])

    def mixed(self, share: float) -> "Density":
        """So much of it, the rest even."""
        return Density(self.lower, self.upper, share * self.values + 1 - share)


def density_of(weight: np.ndarray, lower: float, upper: float, cells: int) -> Density:
    """The density proportional to a weight on equal cells, graded so that `cells` equal shares of it change slowly.

    With s = ∫w / (cells · w) the length of a cell, s(x) ← min_y s(y) + GROWTH |x - y|.
    """
    h = (upper - lower) / len(weight)
    x = h * np.arange(len(weight))
    for _ in range(3):  # grading adds to ∫w, and so to all lengths
        length = weight.sum() * h / (cells * weight)
        up = np.minimum.accumulate(length - GROWTH * x) + GROWTH * x
        down = np.minimum.accumulate((length + GROWTH * x)[::-1])[::-1] - GROWTH * x
        weight = 1 / np.minimum(up, down)
    return Density(lower, upper, weight / weight.mean())


def densities_of(solution: Solution, cells: int) -> dict[int, Density]:
    """The density along each space axis, as a solution is now."""
    problem = solution.problem
    space = [axis for axis in range(len(problem.coordinates)) if axis != problem.time and axis not in problem.family]
    size = solution.values(inside_points(problem.region, problem.domain, 2000, seed=4)) ** 2
    scale = np.sqrt(size.mean(axis=0)).clip(1e-300)
    return {axis: _density_along(solution, axis, scale, cells) for axis in space}


def _density_along(solution: Solution, axis: int, scale: np.ndarray, cells: int) -> Density:
    box = solution.problem.domain
    lower, upper = box.lower[axis], box.upper[axis]
    across = uniform_points(box, ACROSS, seed=5)
    if solution.problem.time is not None:  # layers are sharpest at the ends of time, if anywhere
        across[0, solution.problem.time] = box.lower[solution.problem.time]
        across[1, solution.problem.time] = box.upper[solution.problem.time]
    middles = lower + (upper - lower) * (np.arange(CELLS) + 0.5) / CELLS
    points = across[:, None].repeat(1, CELLS, 1)
    points[:, :, axis] = torch.from_numpy(middles)
    second = tuple(2 if a == axis else 0 for a in range(box.dimension))
    indices = closure((second,), box.dimension)
    points = points.flatten(0, 1)
    bend = solution.jets(points, indices)[:, indices.index(second)].cpu().double().abs().nan_to_num(0.0, 0.0)
    if not solution.problem.region.whole:
        bend[~solution.problem.region.contains(points)] = 0
    bend = bend.numpy().reshape(ACROSS, CELLS, -1).max(axis=0) * ((upper - lower) / 2) ** 2 / scale
    return density_of(1 + np.sqrt(bend.max(axis=1)), lower, upper, cells)


@dataclass(frozen=True)
class FollowingSampling(Sampling):
    """Another sampling, carried along by densities: what is even in it follows them.

    `weighted` counts each point by the room it stands for, so that means are those over the box.
    """

    base: Sampling
    densities: Mapping[int, Density]
    weighted: bool = False

    @property
    def density(self) -> float:
        return self.base.density

    @property
    def points(self) -> int | None:
        return self.base.points

    @property
    def boundary_points(self) -> int | None:
        return self.base.boundary_points

    def interior(self, box: Box, count: int, seed: int, periodic: tuple[int, ...] = ()) -> Sample:
        return self._followed(self.base.interior(box, count, seed, periodic))

    def on_side(self, box: Box, side: Side, count: int, seed: int, periodic: tuple[int, ...] = ()) -> Sample:
        sample = self._followed(self.base.on_side(box, side, count, seed, periodic))
        sample.points[:, side.axis] = side.level(box)
        return sample

    def _followed(self, sample: Sample) -> Sample:
        points, weights = sample.points.clone(), sample.weights
        for axis, density in self.densities.items():
            mixed = density.mixed(FOLLOWING)
            even = (points[:, axis].numpy() - mixed.lower) / (mixed.upper - mixed.lower)
            x = mixed.quantiles(even)
            points[:, axis] = torch.from_numpy(x)
            if self.weighted:
                weights = weights / torch.from_numpy(mixed.at(x))
        return Sample(points, weights / weights.mean())


def followed(sampling: Sampling, densities: Mapping[int, Density] | None, weighted: bool = False) -> Sampling:
    """The sampling as it is, or carried along by densities where there are some."""
    return FollowingSampling(sampling, densities, weighted) if densities else sampling


def first_knots(inputs: Inputs, densities: Mapping[int, Density], cells: int) -> Tensor:  # -> [in, cells + 1]
    """Knots for each input of a network, with equal shares of its coordinate's density between neighbors.

    For an input that is linear in its coordinate as for cos and sin of it; even where there is no density.
    """
    rows = [np.linspace(-1, 1, cells + 1)] * inputs.size
    for axis, density in densities.items():
        x = inputs.lower[None].repeat(len(density.values), 1)
        x[:, axis] = torch.from_numpy((density.ends[1:] + density.ends[:-1]) / 2)
        values = inputs(x).cpu().double().numpy()
        for column in inputs.columns(axis):
            rows[column] = _equal_shares(values[:, column], density.values, cells)
    return torch.from_numpy(np.stack(rows)).to(inputs.lower)


def _equal_shares(values: np.ndarray, weights: np.ndarray, cells: int) -> np.ndarray:  # [m], [m] -> [cells + 1]
    order = np.argsort(values, kind="stable")
    shares = np.cumsum(weights[order]) - weights[order] / 2
    inner = np.interp(np.arange(1, cells) / cells, shares / weights.sum(), values[order])
    return np.concatenate([[-1.0], inner, [1.0]])
