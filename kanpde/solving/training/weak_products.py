"""Spline products whose residual is tested against products, where pointwise ones say little: Galerkin's method.

    r_i = ∫ R(u) v_i / ‖v_i‖,    ‖v_i‖² = |∫ v_i ∂R(0) v_i|,    beside the conditions, which are left to the loss

For an equation led by lap(lap(u)) in a box, third derivatives are unbounded at the corners of nearly every flow, and
R(u) at points falls slowly or not at all while the solution converges. Splines of degree 7 have the derivatives that R
asks for, so that nothing is integrated by parts; v_i are those that vanish on the walls with their slopes. Norms of r
over many v are those of the error's second derivatives, up to a factor. A classical method in every respect.

Source: for the equivalence of errors and tested residuals, arXiv:2507.06017.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from scipy.sparse import csr_matrix, diags, vstack
from torch import Tensor

from kanpde.models.networks.products import ProductDesign, SplineProducts, axis_knots, equal_breaks, products_of
from kanpde.problems.problem import Problem
from kanpde.solving.losses.residuals import Residuals
from kanpde.solving.optimizers import Ended, Iterate, Optimizer, StopReason
from kanpde.solving.optimizers.interface import SquaresByJacobian
from kanpde.solving.tasks import goal_of
from kanpde.solving.training.continuation import continued, softened
from kanpde.solving.training.ladder import EMPHASIS, NEWTON, Candidate, Clock, Rung, Stuck, Way, emphasized, rung_of
from kanpde.solving.training.products import Products, begin_from, cell_points, halved, missing
from kanpde.solving.training.setup import Setup

DEGREE, FIRST = 7, 12
"""Of the splines, and cells along each axis that are begun with."""

ORDER = 4
"""Of the equation along each axis."""

WORTH = 0.01
"""A cell is halved if what it misses is this share of what the worst one misses."""


def is_weak(setup: Setup) -> bool:
    """Whether one equation of fourth order, which is not linear, holds in a plane box.

    What is linear is better served by ridge splines that have the singular functions of its corners beside them.
    """
    problem = setup.problem
    plain = problem.region.whole and not (problem.periodic or problem.learned or problem.data or problem.remotes())
    if not plain or len(problem.fields) != 1 or problem.domain.dimension != 2 or len(problem.equations) != 1:
        return False
    if any(problem.order_along(problem.fields[0], axis) != ORDER for axis in range(2)):
        return False
    return problem.time is None and setup.device.type == "cpu" and softened(problem, 0.5) is not None


def weak_way(setup: Setup, method: Optimizer) -> Way:
    """Cells are halved where the splines miss most."""

    def following(rungs: Sequence[Rung]) -> Candidate:
        box = setup.problem.domain
        if not rungs:
            return WeakProducts(setup, method, tuple(equal_breaks(box.lower, box.upper, (FIRST, FIRST))))
        network = products_of(rungs[-1].trained.network)
        missed = [missing(network, axis) for axis in range(2)]
        least = WORTH * max(eta.max().item() for eta in missed) if len(rungs) > 1 else 0.0
        return WeakProducts(setup, method, tuple(halved(network, axis, eta, least) for axis, eta in enumerate(missed)))

    return following


@dataclass(frozen=True)
class WeakProducts(Products):
    """A candidate whose residual is tested."""

    power: ClassVar[float] = 1.5

    @property
    def unknowns(self) -> int:
        return math.prod(count + DEGREE for count in self.cells)

    def solve(self, below: Sequence[Rung], clock: Clock) -> Rung:
        begun, network = clock.elapsed(), self._network(self.breaks)
        tested = Tested(network, self._objective(network))
        if below:
            tested.objective.checkpoint = clock.check
            begin_from(products_of(below[-1].trained.network), network, tested.objective.points()["interior"])
        taken: list[Iterate] = []
        ended = self.method.minimize(tested, tested.theta, NEWTON, taken.append)
        if ended.reason is not StopReason.STALLED and not below:
            ended = self._continued(network, clock, taken)
        return self._rung(network, tested, ended, len(taken), below, clock, begun)

    def _continued(self, network: SplineProducts, clock: Clock, taken: list[Iterate]) -> Ended:
        """The first solution by way of easier equations."""

        def tested_of(problem: Problem) -> Tested:
            weights = self.setup.settings.boundary_weight, self.setup.settings.data_weight
            goal = goal_of(problem, self.setup.goal.ansatz, weights, self.setup.dtype)
            own = replace(self, setup=replace(self.setup, problem=problem, goal=goal))
            return Tested(network, own._objective(network))

        clock.check()
        start = torch.zeros_like(network.weight.detach()).flatten()
        found = continued(self.setup.problem, tested_of, self.method, start, NEWTON, taken.append)
        if found is None:
            raise Stuck("Newton's method did not come to an end")
        return found

    def _rung(
        self, network: SplineProducts, tested: "Tested", ended: Ended, steps: int, below: Sequence[Rung],
        clock: Clock, begun: float,
    ) -> Rung:  # fmt: skip
        tested.objective.theta = ended.theta
        size = f"Tested spline products on {' x '.join(map(str, self.cells))} cells, degree {DEGREE}"
        design = ProductDesign(self.cells, DEGREE)
        rung = rung_of(self.setup, size, design, network, tested.objective, ended.loss, steps, below, clock, begun)
        heldout = self._heldout(network)
        parting = self.setup.goal.parting(heldout, ended.loss)
        return replace(rung, trained=replace(rung.trained, heldout=heldout, parting=parting))

    def _heldout(self, network: SplineProducts) -> float:
        """‖r‖ by the products on halved cells, in which there are functions that nothing was tested against."""
        finer = self._network([halved(network, axis, missing(network, axis), 0.0) for axis in range(2)])
        begin_from(network, finer, cell_points(finer).interior(self.setup.problem.domain, 0, 0, ()).points)
        tested = Tested(finer, self._objective(finer))
        return float(tested.residual(tested.theta).norm())

    def _network(self, breaks: Sequence[Tensor]) -> SplineProducts:
        knots = [axis_knots(ends, DEGREE, False) for ends in breaks]
        return SplineProducts(knots, [DEGREE, DEGREE], (), 1, self.setup.dtype)

    def _objective(self, network: SplineProducts) -> Residuals:
        objective = self.setup.goal.objective(network, cell_points(network), self.setup.seed)
        if not isinstance(objective, Residuals):
            raise TypeError(f"{type(objective).__name__} has no residuals to test")
        emphasized(objective, EMPHASIS)
        return objective


class Tested(SquaresByJacobian):
    """r of one network, from its residuals at Gauss points."""

    sparse = True

    def __init__(self, network: SplineProducts, objective: Residuals):
        self.objective = objective
        inner = [bound for bound in objective.blocks if bound.block.side is None]
        points = torch.cat([bound.points for bound in inner])
        factors = torch.cat([bound.factors[:, 0] for bound in inner])
        self.count = len(points)
        weighted = diags(factors.numpy()) @ network.features(points)
        kept = _inner(network.sizes)
        tests = weighted.T.tocsr()[kept]
        start = objective.theta
        with_zero = objective.linearize_sparsely(torch.zeros_like(start))[1][: self.count]
        objective.theta = start
        energies = np.asarray(tests.multiply(with_zero[:, kept].T.tocsr()).sum(1)).ravel()
        self.tests = diags(1 / np.sqrt(np.abs(energies).clip(1e-300))) @ tests

    @property
    def theta(self) -> Tensor:
        return self.objective.theta

    def residual(self, theta: Tensor) -> Tensor:
        return self._tested(self.objective.residual(theta))

    def linearize_sparsely(self, theta: Tensor) -> tuple[Tensor, csr_matrix]:
        residual, jacobian = self.objective.linearize_sparsely(theta)
        rows = vstack([self.tests @ jacobian[: self.count], jacobian[self.count :]])
        return self._tested(residual), rows.tocsr()

    def linearize(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        residual, jacobian = self.linearize_sparsely(theta)
        return residual, torch.from_numpy(jacobian.toarray())

    def _tested(self, residual: Tensor) -> Tensor:
        inside = torch.from_numpy(self.tests @ residual[: self.count].numpy())
        return torch.cat([inside, residual[self.count :]])


def _inner(sizes: tuple[int, ...]) -> np.ndarray:  # bool [products]
    """Those that vanish on all walls with their slopes."""
    along = [np.isin(np.arange(size), (0, 1, size - 2, size - 1), invert=True) for size in sizes]
    return np.logical_and.outer(*along).ravel()

