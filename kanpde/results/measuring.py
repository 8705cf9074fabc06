"""A run that has been trained, as its figures are taken from it (`kanpde/results/metrics`)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from kanpde.models.networks import Chain
from kanpde.problems.geometry.regions import inside_points
from kanpde.problems.grids import measuring_points, tracking_points
from kanpde.problems.problem import Problem
from kanpde.references import Reference
from kanpde.references.means import OutOfMeans, time_limit
from kanpde.results.errors import conditions_rms, equations_rms, errors
from kanpde.results.flops import flops_per_step
from kanpde.results.known_functions import wells_metrics
from kanpde.results.learned_parameters import data_metrics
from kanpde.solving.solution import Solution
from kanpde.solving.tasks import Measured
from kanpde.solving.time_windows import Windows
from kanpde.solving.training.memory import peak_memory_mb
from kanpde.solving.training.setup import Setup, Trained

MEASURED_POINTS = 4096
"""At how many points, training or held out, the root mean square of a residual is taken."""


@dataclass(frozen=True, eq=False)
class Measurement:
    """What figures are computed from; metrics ask it for what takes torch, so that listing them loads none.

    Attributes:
        reference: A classical solution, turned to what was found, if there is one.
        measured: What the task itself has measured.
        fields: Every field on the archive's grid, and what it is compared with.
        steps: How many were recorded.
        resolution: Of that grid; None for the usual one.
    """

    out_of_time: ClassVar[type[Exception]] = OutOfMeans
    """What a figure raises for which there is no time."""

    setup: Setup
    trained: Trained
    solution: Solution
    reference: Reference | None
    measured: Measured
    fields: Mapping[str, np.ndarray]
    steps: int
    resolution: int | None = None

    @property
    def problem(self) -> Problem:
        return self.solution.problem

    @cached_property
    def held_out(self) -> Tensor:  # [n, d]
        """Points that no training has seen."""
        return inside_points(self.problem.region, self.problem.domain, MEASURED_POINTS, seed=3)

    @property
    def _inside(self) -> Tensor:
        return self.trained.points.get("interior", self.held_out)

    @property
    def trained_on(self) -> Tensor:  # [n, d]
        """Points of training, no more of them than are held out."""
        points = self._inside
        if len(points) <= MEASURED_POINTS:
            return points
        chosen = torch.randperm(len(points), generator=torch.Generator().manual_seed(3))[:MEASURED_POINTS]
        return points[chosen.to(points.device)]

    @property
    def points(self) -> int:
        """How many were trained on."""
        return len(self._inside)

    @property
    def parameters(self) -> int:
        """How many were trained."""
        return sum(p.numel() for p in self.trained.network.parameters()) if self.trained.objective else 0

    def errors(self) -> dict[str, float]:
        """On the grid; at the points that are followed in training where there is no time for that."""
        try:
            return errors(self.solution, measuring_points(self.problem, self.resolution), self.reference)
        except OutOfMeans:
            with time_limit(math.inf):
                return errors(self.solution, tracking_points(self.problem), self.reference)

    def residual_rms(self, points: Tensor) -> float:  # [n, d]
        return equations_rms(self.solution, points)

    def conditions_rms(self) -> float:
        return conditions_rms(self.solution)

    def data_metrics(self) -> dict[str, float]:
        return data_metrics(self.setup, self.solution)

    def wells_metrics(self) -> dict[str, float]:
        return wells_metrics(self.problem, self.fields)

    def peak_memory_mb(self) -> float:
        return peak_memory_mb()

    def flops(self) -> dict[str, float]:
        """Of one step of what trains layers; NaN where none was left, nothing where the last one was solved for."""
        solved_for = self.trained.design is not None
        if solved_for or self.trained.objective is None or self.trained.outcome.status != "done":
            return {}
        return {"flops_per_step": flops_per_step(self.setup.optimizer, self.trained.objective) or math.nan}

    def outside_fraction(self) -> float | None:
        return outside_fraction(self.trained.network, self.held_out)


def outside_fraction(network: nn.Module, points: Tensor) -> float | None:
    """The largest share of hidden activations that lie off their grids, of each network in its own part."""
    parts = [*network.networks] if isinstance(network, Windows) else [network]
    chains = [part for part in parts if isinstance(part, Chain)]
    if len(chains) < len(parts):
        return None
    placed = [points.to(chain.inputs.lower) for chain in chains]
    own = [((x >= c.inputs.lower) & (x <= c.inputs.upper)).all(1) for x, c in zip(placed, chains, strict=True)]
    return max(chain.outside_fraction(x[inside]) for chain, x, inside in zip(chains, placed, own, strict=True))
