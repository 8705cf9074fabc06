"""What a task asks of training, and what it is judged by: the other half of `kanpde/problems/tasks`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from kanpde.problems.geometry.samplings import Sampling
from kanpde.problems.problem import Problem
from kanpde.references import Reference
from kanpde.solving.adaptation import Density
from kanpde.solving.ansatz.interface import Ansatz
from kanpde.solving.losses.interface import Objective
from kanpde.solving.solution import Solution

HELD_OUT_POINTS = 2000
HELD_OUT_SEED = 10**6

BLOWN_UP = 1e3
"""Growth of the residual over a stage that counts as divergence."""


@dataclass(frozen=True)
class Measured:
    """What a task finds in a trained network besides errors and residuals.

    metrics: Name -> number.
    arrays: Columns for the archive, one entry a state.
    fault: A sentence if the result cannot be true; doubt: one if the problem has no such solution.
    """

    metrics: Mapping[str, float] = field(default_factory=dict)
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    fault: str | None = None
    doubt: str | None = None


@dataclass(frozen=True)
class Goal(ABC):
    """What is lowered and judged; the loss and the figure it is judged by need not be the same quantity.

    key: The key of the task in problem files.
    figure_name: What the history calls that figure.
    figure_digits: Digits in which it is worth seeing.
    names: Of the parts that the loss is made of.
    """

    problem: Problem
    ansatz: Ansatz

    key: ClassVar[str]
    figure_name: ClassVar[str]
    figure_digits: ClassVar[int] = 2

    @classmethod
    @abstractmethod
    def of(cls, problem: Problem, ansatz: Ansatz, weights: Sequence[float], dtype: torch.dtype) -> Self:
        """The goal of a problem; `weights` are those of a condition and of the data beside an equation's 1."""

    @property
    def names(self) -> tuple[str, ...]:
        return ()

    # training

    def begin(self, network: nn.Module) -> None:
        """Put a fresh network to a first guess, where there is one; else it stays as it was drawn."""
        return None

    @abstractmethod
    def objective(self, network: nn.Module, sampling: Sampling, seed: int) -> Objective:
        """The loss at points drawn with a seed."""

    @abstractmethod
    def judge(
        self, network: nn.Module, densities: Mapping[int, Density] | None = None, weighted: bool = True
    ) -> Objective:
        """The figure at points that no training has seen, more of them where the densities are high.

        Weighted, it is that of the whole domain all the same; otherwise of where training looks.
        """

    @abstractmethod
    def parting(self, figure: float, loss: float) -> float:
        """How far the figure is from what the loss promises; 1 where they agree."""

    @abstractmethod
    def blown_up(self, loss: float, figure: float) -> bool:
        """Whether the loss has left what the figure was before."""

    # measuring

    def nearest(self, known: Tensor, found: np.ndarray, reference: Reference | None) -> Tensor:  # [n, m] each
        """Of all that is the solution as well as the values known, those nearest to what was found."""
        return known

    def turned(self, reference: Reference, solution: Solution, points: np.ndarray) -> Reference:
        """Likewise of a reference, by values at points."""
        return reference

    def measured(self, network: nn.Module, reference: Reference | None) -> Measured:
        """What there is to say of a trained network beside its errors."""
        return Measured()


def parameter_count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
