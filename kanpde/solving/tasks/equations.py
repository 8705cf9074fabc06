"""The goal of `equations`: the residuals of equations, conditions and data; judged by the root of their mean square."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from torch import nn

from kanpde.problems.geometry.samplings import Sampling, SobolSampling, interior_count
from kanpde.problems.problem import Problem
from kanpde.solving.adaptation import Density, followed
from kanpde.solving.ansatz.interface import Ansatz
from kanpde.solving.held_out import HELDOUT_RESIDUAL
from kanpde.solving.losses.residuals import Block, Residuals, bind, build_blocks, draw
from kanpde.solving.tasks.interface import BLOWN_UP, HELD_OUT_POINTS, HELD_OUT_SEED, Goal, parameter_count


@dataclass(frozen=True)
class LeastResiduals(Goal):
    """‖r‖² → min, in blocks."""

    blocks: tuple[Block, ...]

    key: ClassVar[str] = "equations"
    figure_name: ClassVar[str] = HELDOUT_RESIDUAL

    @classmethod
    def of(cls, problem: Problem, ansatz: Ansatz, weights: Sequence[float], dtype: torch.dtype) -> Self:
        return cls(problem, ansatz, build_blocks(problem, ansatz, weights[0], dtype, weights[1]))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for block in self.blocks for name in block.names)

    def objective(self, network: nn.Module, sampling: Sampling, seed: int) -> Residuals:
        count = interior_count(sampling, parameter_count(network))
        samples = draw(self.problem, self.blocks, sampling, count, seed)
        return bind(network, self.problem, self.ansatz, self.blocks, samples)

    def judge(
        self, network: nn.Module, densities: Mapping[int, Density] | None = None, weighted: bool = True
    ) -> Residuals:
        even = followed(SobolSampling(clustering=0.0), densities, weighted)
        blocks = [block if block.tested is None else replace(block, observed=block.tested) for block in self.blocks]
        samples = draw(self.problem, blocks, even, HELD_OUT_POINTS, HELD_OUT_SEED)
        return bind(network, self.problem, self.ansatz, blocks, samples)

    def parting(self, figure: float, loss: float) -> float:
        return figure / loss**0.5 if loss > 0 else math.inf if figure > 0 else 1.0

    def blown_up(self, loss: float, figure: float) -> bool:
        return bool(loss**0.5 > BLOWN_UP * figure)
