"""What a problem asks training to lower, at points drawn anew, and what it is judged by."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn

from kanpde.errors import InputError
from kanpde.models.jets import closure
from kanpde.models.networks import Chain
from kanpde.problems.geometry.sampling import Sampling, SobolSampling, interior_count
from kanpde.problems.grids import grid_axes, grid_points
from kanpde.problems.problem import Problem
from kanpde.problems.quadrature import quadrature
from kanpde.references.landscapes import bumps, landscape_of
from kanpde.solving.adaptation import Density, following
from kanpde.solving.ansatz.exact_conditions import Ansatz
from kanpde.solving.losses.energies import Integrals, fit_outputs, integrals_of
from kanpde.solving.losses.residuals import Block, Residuals, bind, build_blocks, draw
from kanpde.solving.optimizers import Objective

HELD_OUT_POINTS = 2000
HELD_OUT_SEED = 10**6
HELD_OUT_SHARE = 2
"""A held-out integral has so many times the points of training along with others' places."""

BLOWN_UP = 1e3
"""Growth of the residual over a stage that counts as divergence."""


class Goal(Protocol):
    """What is lowered and judged; the loss and the figure it is judged by need not be the same quantity."""

    figure_name: str
    names: tuple[str, ...]

    def begin(self, network: nn.Module) -> None:
        """Put a fresh network to a first guess, where there is one."""

    def objective(self, network: nn.Module, sampling: Sampling, seed: int) -> Objective:
        """The loss at points drawn with a seed."""

    def judge(
        self, network: nn.Module, densities: Mapping[int, Density] | None = None, weighted: bool = True
    ) -> Objective:
        """The figure at points that no training has seen, more of them where the densities are high.

        Weighted, it is that of the whole domain all the same; otherwise of where training looks.
        """

    def parting(self, figure: float, loss: float) -> float:
        """How far the figure is from what the loss promises; 1 where they agree."""

    def blown_up(self, loss: float, figure: float) -> bool:
        """Whether the loss has left what the figure was before."""


@dataclass(frozen=True)
class Equations:
    """The residuals of equations, conditions and data; judged by the root of their mean square."""

    problem: Problem
    ansatz: Ansatz
    blocks: tuple[Block, ...]
    figure_name: ClassVar[str] = "heldout_residual"

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for block in self.blocks for name in block.names)

    def begin(self, network: nn.Module) -> None:
        """As it was drawn."""

    def objective(self, network: nn.Module, sampling: Sampling, seed: int) -> Residuals:
        samples = draw(self.problem, self.blocks, sampling, interior_count(sampling, _size(network)), seed)
        return bind(network, self.problem, self.ansatz, self.blocks, samples)

    def judge(
        self, network: nn.Module, densities: Mapping[int, Density] | None = None, weighted: bool = True
    ) -> Residuals:
        even = following(SobolSampling(clustering=0.0), densities, weighted)
        blocks = [block if block.tested is None else replace(block, observed=block.tested) for block in self.blocks]
        samples = draw(self.problem, blocks, even, HELD_OUT_POINTS, HELD_OUT_SEED)
        return bind(network, self.problem, self.ansatz, blocks, samples)

    def parting(self, figure: float, loss: float) -> float:
        return figure / loss**0.5 if loss > 0 else math.inf

    def blown_up(self, loss: float, figure: float) -> bool:
        return loss**0.5 > BLOWN_UP * figure


@dataclass(frozen=True)
class Minimum:
    """An energy, or the sum of the lowest eigenvalues; judged by its value on another and finer rule."""

    problem: Problem
    ansatz: Ansatz
    figure_name: ClassVar[str] = "heldout_energy"
    names: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self):
        if self.ansatz.penalties:
            raise InputError(
                f"{self.problem.name}: an energy needs conditions that are built in, or its minimum would be another; "
                f"{self.ansatz.penalties[0].name} can be met by a penalty only. Give values on whole sides that agree "
                "at corners, with training.conditions=exact, or leave conditions out where the natural one holds."
            )

    def begin(self, network: nn.Module) -> None:
        """States begin as the highest bumps of the localization landscape."""
        if self._bumps is not None and isinstance(network, Chain):
            points, values = self._bumps
            bound = self.ansatz.bind(points, closure((), points.shape[1]))
            factor = torch.ones(len(points)) if bound.matrix is None else bound.matrix[:, 0, 0, 0]
            fit_outputs(network, points, values, factor)

    @cached_property
    def _bumps(self) -> tuple[Tensor, Tensor] | None:  # [n, d], [n, m]
        landscape = landscape_of(self.problem)
        if landscape is None:
            return None
        axes = grid_axes(self.problem)
        points, shape = grid_points(axes), [len(axis) for axis in axes.values()]
        found = bumps(landscape(points).reshape(shape), len(self.problem.fields))
        return torch.from_numpy(points), torch.from_numpy(found.reshape(len(found), -1).T)

    def objective(self, network: nn.Module, sampling: Sampling, seed: int) -> Integrals:
        return self._integrals(network, interior_count(sampling, _size(network)), seed)

    def judge(
        self, network: nn.Module, densities: Mapping[int, Density] | None = None, weighted: bool = True
    ) -> Integrals:
        return self._held_out(network, HELD_OUT_SEED)

    def _held_out(self, network: nn.Module, seed: int) -> Integrals:
        count = HELD_OUT_SHARE**self.problem.domain.dimension * max(HELD_OUT_POINTS, 5 * _size(network))
        return self._integrals(network, count, seed)

    def energies(self, network: nn.Module) -> tuple[Tensor, Tensor]:  # [m] each
        """The energy, or each state's, on two held-out rules."""
        return tuple(self._held_out(network, HELD_OUT_SEED + rule).energies() for rule in (0, 1))

    def _integrals(self, network: nn.Module, count: int, seed: int) -> Integrals:
        return integrals_of(network, self.problem, self.ansatz, quadrature(self.problem, count, seed))

    def parting(self, figure: float, loss: float) -> float:
        """1 + the relative gap of two energies in per cent: 2 for one per cent."""
        return 1 + 100 * abs(figure - loss) / (abs(figure) or 1.0)

    def blown_up(self, loss: float, figure: float) -> bool:
        return loss > figure + BLOWN_UP * (1 + abs(figure))


def goal_of(problem: Problem, ansatz: Ansatz, weights: Sequence[float], dtype) -> Goal:
    """The goal of a problem; `weights` are those of a condition and of the data beside an equation's 1."""
    if problem.task.integrals():
        return Minimum(problem, ansatz)
    return Equations(problem, ansatz, build_blocks(problem, ansatz, weights[0], dtype, weights[1]))


def _size(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
