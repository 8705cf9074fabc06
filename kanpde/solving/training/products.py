"""Spline products climbing: cells are halved along the axes that need it, until successive solutions agree.

Along an axis the k + 1st differences of the weights are h^(k+1) ∂^(k+1) u: with Favard's constant, what splines of
degree k cannot hold is about

    η = 4/π · max |Δ^(k+1) W| / π^(k+1) / max |W|,

so a function that oscillates along one axis alone gets its cells there.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from kanpde.models.jets import closure
from kanpde.models.learned_constants import learn, learned_vector
from kanpde.models.networks.products import ProductDesign, SplineProducts, box_knots
from kanpde.problems.geometry.cell_points import CellSampling
from kanpde.solving.optimizers import Iterate, Optimizer
from kanpde.solving.optimizers.sparse_systems import solved_sparsely
from kanpde.solving.training.ladder import NEWTON, Candidate, Clock, Rung, Way, rung_of
from kanpde.solving.training.setup import Setup

MOST_AXES = 3
"""Coordinates beyond which the products at a point are too many."""

DEGREES = {1: 11, 2: 9, 3: 7}
FIRST = {1: 8, 2: 6, 3: 2}
"""Degree and first number of cells along an axis, by coordinates."""

POINTS_PER_SPLINE = 2.0
LEAST_POINTS = 3
"""Gauss points along an axis for each spline, and in a cell at least."""

WORTH = 0.03
"""An axis is refined if what it misses is this share of what the worst one misses."""


def product_obstacle(setup: Setup) -> str:
    """Why spline products do not serve, in words that go on from `it`; empty if they do."""
    if setup.problem.domain.dimension > MOST_AXES:
        return f"has more than {MOST_AXES} coordinates"
    return "is not solved on the CPU" if setup.device.type != "cpu" else ""


def product_way(setup: Setup, method: Optimizer) -> Way:
    """Twice the cells along the axes that need it."""
    dimension = setup.problem.domain.dimension

    def following(rungs: Sequence[Rung]) -> Candidate:
        if not rungs:
            return Products(setup, method, (FIRST[dimension],) * dimension)
        network = rungs[-1].trained.network
        return Products(setup, method, refined(network, cells_of(network), setup.problem.region is not None))

    return following


def cells_of(network: SplineProducts) -> tuple[int, ...]:
    return tuple(len(network.breaks(axis)) - 1 for axis in range(len(network.sizes)))


def refined(network: SplineProducts, cells: Sequence[int], alike: bool = False) -> tuple[int, ...]:
    """Twice the cells where the splines miss most; along all axes if they are to be treated alike."""
    missed = [missing(network, axis) for axis in range(len(cells))]
    worst = max(missed)
    return tuple(2 * n if alike or eta >= WORTH * worst else n for n, eta in zip(cells, missed, strict=True))


def missing(network: SplineProducts, axis: int) -> float:
    """η along an axis."""
    weight, degree = network.weight.detach(), network.degree(axis)
    differences = weight.movedim(axis, 0)
    if axis in network.periodic:
        differences = torch.cat([differences, differences[: degree + 1]])
    order = min(degree + 1, len(differences) - 1)
    largest = weight.abs().max().clamp(min=1e-300)
    return (4 / math.pi * differences.diff(n=order, dim=0).abs().max() / math.pi**order / largest).item()


@dataclass(frozen=True)
class Products:
    """A candidate: equal cells along each axis."""

    setup: Setup
    method: Optimizer
    cells: tuple[int, ...]

    power: ClassVar[float] = 2.0
    largest: ClassVar[float] = math.inf

    @property
    def unknowns(self) -> int:
        degree = DEGREES[len(self.cells)]
        return math.prod(count + degree for count in self.cells) * len(self.setup.problem.fields)

    def solve(self, below: Sequence[Rung], clock: Clock) -> Rung:
        begun, setup, box = clock.elapsed(), self.setup, self.setup.problem.domain
        degree = DEGREES[box.dimension]
        knots = box_knots(box.lower, box.upper, self.cells, degree, setup.problem.periodic)
        network = SplineProducts(knots, [degree] * box.dimension, setup.problem.periodic, len(setup.problem.fields))
        network = learn(network.to(setup.dtype), setup.problem.learned)
        objective = setup.goal.objective(network, cell_points(network), setup.seed)
        if below:
            objective.checkpoint = clock.check
            if below[-1].steps > 1:
                begin_from(below[-1].trained.network, network, objective.points()["interior"])
        taken: list[Iterate] = []
        ended = self.method.minimize(objective, objective.theta, NEWTON, taken.append)
        objective.theta = ended.theta
        size = f"Spline products on {' x '.join(map(str, self.cells))} cells, degree {degree}"
        design = ProductDesign(self.cells, degree)
        return rung_of(setup, size, design, network, objective, ended.loss, len(taken), below, clock, begun)


def cell_points(network: SplineProducts, counts: dict[int, int] | None = None) -> CellSampling:
    """Gauss points in every cell, enough for the splines; `counts` says how many in a cell along some axes."""
    given = counts or {}
    cells = cells_of(network)
    needed = [math.ceil(POINTS_PER_SPLINE * size / count) for size, count in zip(network.sizes, cells, strict=True)]
    chosen = tuple(given.get(axis, max(count, LEAST_POINTS)) for axis, count in enumerate(needed))
    along = max(count * cell for count, cell in zip(chosen, cells, strict=True))
    breaks = tuple(tuple(network.breaks(axis).tolist()) for axis in range(len(cells)))
    return CellSampling(breaks, chosen, boundary_points=2 * along)


def begin_from(before: nn.Module, network: SplineProducts, points: Tensor) -> None:
    """Take over the outputs of another network and the constants it learned."""
    from_points: Any = closure((), points.shape[1])
    with torch.no_grad():
        features = network.features(points)
        for output, values in enumerate(before.jet(points, from_points)[:, 0].unbind(1)):
            weights, _ = solved_sparsely(features, -values, 0.0)
            network.weight.data[..., output] = weights.reshape(network.sizes)
        if (constants := learned_vector(network)) is not None:
            constants.copy_(learned_vector(before))
