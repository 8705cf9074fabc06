"""The goal of `eigen`: the sum of the lowest energies, states found together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from kanpde.models.jets import closure
from kanpde.models.networks import Chain
from kanpde.problems.grids import grid_axes, grid_points
from kanpde.references import Reference, turning
from kanpde.references.landscapes import bumps, landscape_of
from kanpde.solving.losses.energies import Integrals, RayleighQuotients, fit_outputs
from kanpde.solving.solution import Solution
from kanpde.solving.tasks.energy import LeastEnergy


@dataclass(frozen=True)
class LowestStates(LeastEnergy):
    """E_1 + … + E_m → min; states that begin as the highest bumps of the localization landscape."""

    key: ClassVar[str] = "eigen"
    integrals: ClassVar[type[Integrals]] = RayleighQuotients

    def begin(self, network: nn.Module) -> None:
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

    def nearest(self, known: Tensor, found: np.ndarray, reference: Reference | None) -> Tensor:
        """States are known up to their signs, and to rotations where energies agree."""
        if reference is None:
            return known
        return known @ torch.from_numpy(turning(known.numpy(), found, reference.energies))

    def turned(self, reference: Reference, solution: Solution, points: np.ndarray) -> Reference:
        return reference.turned(points, solution.values(points))
