"""Spline products climbing: cells are halved where they need it along each axis, until successive solutions agree.

The k-th derivatives of a spline of degree k are constant in each cell of an axis, and jump by about h ∂^(k+1) u between
two. With Favard's constant, what splines of this degree cannot hold is about

    η = 4/π · h^k max |jump of ∂^k| / π^(k+1) / max |W|,

so a function that oscillates along one axis alone gets its cells there, and one with a front gets them at the front.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from kanpde.models.jets import closure
from kanpde.models.learned_constants import hand_on, learn
from kanpde.models.networks.products import ProductDesign, SplineProducts, axis_knots, equal_breaks, products_of
from kanpde.problems.geometry.cell_points import CellSampling
from kanpde.problems.problem import Problem
from kanpde.solving.losses.interface import squares_of
from kanpde.solving.optimizers import Iterate, Optimizer
from kanpde.solving.optimizers.sparse_systems import solved_sparsely
from kanpde.solving.training.ladder import NEWTON, Candidate, Clock, Rung, Way, fell, rung_of
from kanpde.solving.training.setup import Setup

MOST_AXES = 3
"""Coordinates beyond which the products at a point are too many."""

DEGREES = {1: 11, 2: 9, 3: 7}
FIRST = {1: 8, 2: 6, 3: 2}
"""Degree and first number of cells along an axis, by coordinates."""

POINTS_PER_SPLINE = 2.0
LEAST_POINTS = 3
"""Gauss points along an axis for each spline, and in a cell at least."""

WORTH = 0.01
"""A cell is halved if what it misses is this share of what the worst one misses, and so are those beside it."""

STEEPEST = 2.01
"""Of neighboring cells, how much longer one may be."""


def product_obstacle(setup: Setup) -> str:
    """Why spline products do not serve, in words that go on from `it`; empty if they do."""
    if setup.problem.domain.dimension > MOST_AXES:
        return f"has more than {MOST_AXES} coordinates"
    if setup.problem.joined > 1:
        return "has shapes with equations of their own"
    return "is not solved on the CPU" if setup.device.type != "cpu" else ""


def product_way(setup: Setup, method: Optimizer) -> Way:
    """Twice the cells along the axes that need it; along all while the last rung has lowered nothing."""
    dimension = setup.problem.domain.dimension

    def following(rungs: Sequence[Rung]) -> Candidate:
        box = setup.problem.domain
        if not rungs:
            equal = equal_breaks(box.lower, box.upper, (FIRST[dimension],) * dimension)
            first = tuple(with_walls(setup.problem, axis, ends) for axis, ends in enumerate(equal))
            return Products(setup, method, first)
        network = products_of(rungs[-1].trained.network)
        missed = [missing(network, axis) for axis in range(dimension)]
        told = setup.problem.region.whole and fell(rungs)  # what is missed says little while nothing is resolved
        least = WORTH * max(eta.max().item() for eta in missed) if told else 0.0
        return Products(setup, method, tuple(halved(network, axis, eta, least) for axis, eta in enumerate(missed)))

    return following


def with_walls(problem: Problem, axis: int, breaks: Tensor) -> Tensor:
    """The ends of cells along an axis, the nearest inner one moved to each wall; a further one where none is near."""
    walls = breaks.new_tensor(problem.fluxes_across(axis))
    if not len(walls):
        return breaks
    near = (breaks[:, None] - walls).abs().amin(1) < 0.3 * breaks.diff().min()
    near[0] = near[-1] = False
    return torch.cat([breaks[~near], walls]).sort().values


def cells_of(network: SplineProducts) -> tuple[int, ...]:
    return tuple(len(network.breaks(axis)) - 1 for axis in range(len(network.sizes)))


def halved(network: SplineProducts, axis: int, missed: Tensor, least: float) -> Tensor:  # [G], ≥ 2 -> [G'+1]
    """The breaks of an axis with those cells halved that miss so much, and those beside them."""
    breaks, marked = network.breaks(axis), missed >= least
    marked = _beside(marked, axis in network.periodic)
    while True:
        middles = ((breaks[:-1] + breaks[1:]) / 2)[marked]
        breaks = torch.cat([breaks, middles]).sort().values
        lengths = breaks.diff()
        shorter = torch.minimum(lengths.roll(1), lengths.roll(-1))
        if axis not in network.periodic:
            shorter[0], shorter[-1] = lengths[1], lengths[-2]
        marked = lengths > STEEPEST * shorter
        if not marked.any():
            return breaks


def _beside(marked: Tensor, periodic: bool) -> Tensor:
    before, after = marked.roll(1), marked.roll(-1)
    if not periodic:
        before[0] = after[-1] = False
    return marked | before | after


def missing(network: SplineProducts, axis: int) -> Tensor:  # -> [G]
    """η of each cell along an axis."""
    degree, knots, breaks = network.degree(axis), network.knots(axis), network.breaks(axis)
    weight = network.weight.detach().movedim(axis, 0).flatten(1)
    largest = weight.abs().max().clamp(min=1e-300)
    if axis in network.periodic:
        weight = torch.cat([weight, weight[:degree]])
    for order in range(degree):  # of the derivatives; the splines left have fewer knots on either side
        span = knots[degree + 1 : len(knots) - 1 - order] - knots[order + 1 : len(knots) - 1 - degree]
        slope = (degree - order) * weight.diff(dim=0)
        weight = torch.where(span[:, None] > 0, slope / span.clamp(min=1e-300)[:, None], 0.0)
    inner = knots[degree : len(knots) - degree]
    weight = weight[inner.diff() > 0]  # a wall's knots have no cells between them
    lengths = breaks.diff()
    if axis in network.periodic:
        weight, lengths = torch.cat([weight, weight[:1]]), torch.cat([lengths, lengths[:1]])
    jumps = weight.diff(dim=0).abs().amax(1) * ((lengths[:-1] + lengths[1:]) / 2) ** degree
    if len(inner) > len(breaks):  # at a wall even slopes may jump
        jumps[(inner == breaks[1:-1, None]).sum(1) > 1] = 0.0
    ends = (jumps[-1:], jumps) if axis in network.periodic else (jumps[:1], jumps, jumps[-1:])
    jumps = torch.cat(ends) * 4 / math.pi / math.pi ** (degree + 1) / largest
    return torch.maximum(jumps[:-1], jumps[1:])


@dataclass(frozen=True)
class Products:
    """A candidate: cells along each axis, by their ends."""

    setup: Setup
    method: Optimizer
    breaks: tuple[Tensor, ...]

    power: ClassVar[float] = 2.0
    largest: ClassVar[float] = math.inf

    @property
    def cells(self) -> tuple[int, ...]:
        return tuple(len(ends) - 1 for ends in self.breaks)

    @property
    def unknowns(self) -> int:
        degree = DEGREES[len(self.cells)]
        return math.prod(count + degree for count in self.cells) * self.setup.problem.outputs

    def solve(self, below: Sequence[Rung], clock: Clock) -> Rung:
        begun, setup, degree = clock.elapsed(), self.setup, DEGREES[len(self.breaks)]
        periodic = setup.problem.periodic
        walls = setup.problem.fluxes_across
        knots = [axis_knots(ends, degree, axis in periodic, walls(axis)) for axis, ends in enumerate(self.breaks)]
        bare = SplineProducts(knots, [degree] * len(knots), periodic, setup.problem.outputs)
        network = learn(bare.to(setup.dtype), setup.problem.learned, setup.problem.bounds)
        objective = squares_of(setup.goal.objective(network, cell_points(network), setup.seed))
        if below:
            objective.checkpoint = clock.check
            if below[-1].steps > 1:
                begin_from(products_of(below[-1].trained.network), network, objective.points()["interior"])
        taken: list[Iterate] = []
        ended = self.method.minimize(objective, objective.theta, NEWTON, taken.append)
        objective.theta = ended.theta
        size = f"Spline products on {' x '.join(map(str, self.cells))} cells, degree {degree}"
        design = ProductDesign(self.cells, degree)
        return rung_of(setup, size, design, network, objective, ended.loss, len(taken), below, clock, begun)


def cell_points(network: SplineProducts, counts: dict[int, int] | None = None) -> CellSampling:
    """Gauss points in every cell, enough for the splines; `counts` says how many in a cell along some axes.

    The k+1 splines of a cell are held by those beside it too, in the first and last by one side alone: with as few
    points as in the others they move the end itself, where no point is, to what noisy data like better.
    """
    given = counts or {}
    cells = cells_of(network)
    needed = [math.ceil(POINTS_PER_SPLINE * size / count) for size, count in zip(network.sizes, cells, strict=True)]
    chosen = tuple(given.get(axis, max(count, LEAST_POINTS)) for axis, count in enumerate(needed))
    along = max(count * cell for count, cell in zip(chosen, cells, strict=True))
    breaks = tuple(tuple(network.breaks(axis).tolist()) for axis in range(len(cells)))
    outer = tuple(0 if axis in network.periodic else (network.degree(axis) + 3) // 2 for axis in range(len(cells)))
    return CellSampling(breaks, chosen, outer, boundary_points=2 * along)


def begin_from(before: SplineProducts, network: SplineProducts, points: Tensor) -> None:
    """Take over the outputs of another network and the constants it learned."""
    values_alone = closure((), points.shape[1])
    with torch.no_grad():
        features = network.features(points)
        for output, values in enumerate(before.jet(points, values_alone)[:, 0].unbind(1)):
            weights, _ = solved_sparsely(features, -values, 0.0)
            network.weight.data[..., output] = weights.reshape(network.sizes)
    hand_on(before, network)
