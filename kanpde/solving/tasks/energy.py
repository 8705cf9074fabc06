"""The goal of `energy`: its value, judged on another and finer rule than it is lowered by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from kanpde.errors import InputError
from kanpde.problems.geometry.samplings import Sampling, interior_count
from kanpde.problems.problem import Problem
from kanpde.problems.quadrature import quadrature, quadratures_around
from kanpde.references import Reference
from kanpde.solving.adaptation import Density
from kanpde.solving.ansatz.interface import Ansatz
from kanpde.solving.held_out import HELDOUT_ENERGY
from kanpde.solving.losses.energies import Integrals, RitzEnergy
from kanpde.solving.tasks.interface import (
    BLOWN_UP,
    HELD_OUT_POINTS,
    HELD_OUT_SEED,
    Goal,
    Measured,
    parameter_count,
)
from kanpde.solving.tasks.spectra import spectrum_of

TRIAL_POINTS, MOST_POWER, TOLERATED = 2000, 6, 1e-3
"""Points and sizes, powers of ten, at which an energy is asked whether it is lower, and how much lower counts."""

HELD_OUT_SHARE = 2
"""A held-out integral has so many times the points of training along with others' places."""


@dataclass(frozen=True)
class LeastEnergy(Goal):
    """E(u) → min, with conditions built in."""

    key: ClassVar[str] = "energy"
    figure_name: ClassVar[str] = HELDOUT_ENERGY
    figure_digits: ClassVar[int] = 8  # the last digits of an energy are those that matter
    integrals: ClassVar[type[Integrals]] = RitzEnergy

    @classmethod
    def of(cls, problem: Problem, ansatz: Ansatz, weights: Sequence[float], dtype: torch.dtype) -> Self:
        return cls(problem, ansatz)

    def __post_init__(self) -> None:
        if self.ansatz.penalties:
            raise InputError(
                f"{self.problem.name}: an energy needs conditions that are built in, or its minimum would be another; "
                f"{self.ansatz.penalties[0].name} can be met by a penalty only. Give values on whole sides that agree "
                "at corners, with training.conditions=exact, or leave conditions out where the natural one holds."
            )

    def objective(self, network: nn.Module, sampling: Sampling, seed: int) -> Integrals:
        return self._integrals(network, interior_count(sampling, parameter_count(network)), seed)

    def judge(
        self, network: nn.Module, densities: Mapping[int, Density] | None = None, weighted: bool = True
    ) -> Integrals:
        return self._held_out(network, HELD_OUT_SEED)

    def _held_out(self, network: nn.Module, seed: int) -> Integrals:
        count = HELD_OUT_SHARE**self.problem.domain.dimension * max(HELD_OUT_POINTS, 5 * parameter_count(network))
        return self._integrals(network, count, seed)

    def energies(self, network: nn.Module) -> tuple[Tensor, Tensor]:  # [m] each
        """The energy, or each state's, on two held-out rules."""
        return self._held_out(network, HELD_OUT_SEED).energies(), self._held_out(network, HELD_OUT_SEED + 1).energies()

    def _integrals(self, network: nn.Module, count: int, seed: int) -> Integrals:
        sample, around = quadrature(self.problem, count, seed), quadratures_around(self.problem, count, seed)
        return self.integrals(network, self.problem, self.ansatz, sample, around)

    def parting(self, figure: float, loss: float) -> float:
        """1 + the relative gap of two energies in per cent: 2 for one per cent."""
        return 1 + 100 * abs(figure - loss) / (abs(figure) or 1.0)

    def blown_up(self, loss: float, figure: float) -> bool:
        return loss > figure + BLOWN_UP * (1 + abs(figure))

    def measured(self, network: nn.Module, reference: Reference | None) -> Measured:
        spectrum = spectrum_of(self.problem, self.ansatz, network, self.energies(network), reference)
        found = [spectrum.values, *([] if reference is None else [reference.energies])]
        least = float(np.concatenate(found).max())
        doubt = self.lower_elsewhere(least) if len(self.problem.task.integrals()) == 1 else None
        return Measured(spectrum.metrics(), spectrum.arrays(), None if doubt else spectrum.below(), doubt)

    def lower_elsewhere(self, least: float) -> str | None:
        """A sentence if far away, along a few functions, the energy is lower than what is taken for its least value."""
        for shape in (0, 1):
            trial = _Trial(self.problem, shape)
            judge = self._integrals(trial, TRIAL_POINTS, HELD_OUT_SEED)
            for size in (sign * 10.0**power for power in range(MOST_POWER) for sign in (1, -1)):
                with torch.no_grad():
                    trial.size.fill_(size)
                found = judge.figure()
                if found < least - TOLERATED * (1 + abs(least)):
                    return (
                        f"At functions of a size of {abs(size):g} the energy is {found:.2e}, below the {least:.2e} "
                        "that was taken for its least value: it has no least value, or a lower minimum elsewhere."
                    )
        return None


class _Trial(nn.Module):
    """A network that is one number, or that times cos(π x/L) along every axis."""

    def __init__(self, problem: Problem, shape: int):
        super().__init__()
        self.size, self.shape = nn.Parameter(torch.zeros((), dtype=torch.float64)), shape
        self.outputs = problem.outputs
        box = problem.domain
        self.lower = torch.tensor(box.lower, dtype=torch.float64)
        self.lengths = torch.tensor(box.lengths, dtype=torch.float64)

    def forward(self, x: Tensor) -> Tensor:  # [n, d] -> [n, m]
        waves = torch.cos(torch.pi * self.shape * (x - self.lower) / self.lengths).prod(-1, keepdim=True)
        return self.size * waves.expand(*waves.shape[:-1], self.outputs)
