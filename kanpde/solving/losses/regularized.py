"""A term in the parameters alone beside what a problem asks: more rows of a residual, or ‖rows‖² beside an energy.

    ‖r(θ)‖² + ‖ρ(θ)‖²        E(θ) + ‖ρ(θ)‖²

What is held out is judged without it.
"""

import math
from collections.abc import Callable
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from kanpde.models.networks import Rows
from kanpde.solving.losses.interface import EnergyObjective, Objective, SquaresObjective
from kanpde.solving.optimizers.interface import Curved, SumOfSquares

NAME = "regularizer"
"""What the history calls its loss."""


Own = TypeVar("Own", bound=Objective)


class Regularized(Generic[Own]):
    """An objective with a model's rows added to it; all else is the objective's own."""

    def __init__(self, objective: Own, network: nn.Module, rows: Rows):
        self.objective, self.network, self.rows = objective, network, rows

    @property
    def theta(self) -> Tensor:
        return self.objective.theta

    @theta.setter
    def theta(self, value: Tensor) -> None:
        self.objective.theta = value

    @property
    def size(self) -> int:
        return self.objective.size

    @property
    def checkpoint(self) -> Callable[[], None]:
        return self.objective.checkpoint

    @checkpoint.setter
    def checkpoint(self, value: Callable[[], None]) -> None:
        self.objective.checkpoint = value

    def points(self) -> dict[str, Tensor]:
        return self.objective.points()

    def losses(self, residual: Tensor | None) -> dict[str, float]:
        return self.objective.losses(residual)

    def figure(self) -> float:
        return self.objective.figure()

    def gradient(self, theta: Tensor) -> tuple[float, Tensor]:
        loss, gradient = self.objective.gradient(theta)
        rows, slopes = self.rows_at(theta)
        return loss + rows.square().sum().item(), gradient + 2 * slopes.mT @ rows

    def rows_at(self, theta: Tensor) -> tuple[Tensor, Tensor]:  # [P] -> [m], [m, P]
        """The rows; constants that are learned beside the network, last in θ, do not move them."""
        self.theta = theta
        rows, slopes = self.rows(self.network)
        constants = slopes.new_zeros(len(slopes), theta.numel() - slopes.shape[1])
        return rows.detach(), torch.cat([slopes.detach(), constants], dim=1)


class RegularizedSquares(Regularized[SquaresObjective]):
    """Rows of a residual, after those of the problem."""

    def residual(self, theta: Tensor) -> Tensor:
        return torch.cat([self.objective.residual(theta), self.rows_at(theta)[0]])

    def linearize(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        residual, jacobian = self.objective.linearize(theta)
        rows, slopes = self.rows_at(theta)
        return torch.cat([residual, rows]), torch.cat([jacobian, slopes])

    def losses(self, residual: Tensor | None) -> dict[str, float]:
        if residual is None:
            return self.objective.losses(None) | {NAME: math.nan}
        problem, own = residual[: self.size], residual[self.size :]
        return self.objective.losses(problem) | {NAME: own.square().sum().item()}


class RegularizedEnergy(Regularized[EnergyObjective]):
    """‖ρ‖², its gradient 2 Jᵀρ and its curvature 2 JᵀJ, beside those of an energy."""

    def value(self, theta: Tensor) -> float:
        return self.objective.value(theta) + self.rows_at(theta)[0].square().sum().item()

    def quadratic(self, theta: Tensor) -> tuple[float, Tensor, Tensor]:
        value, gradient, curvature = self.objective.quadratic(theta)
        rows, slopes = self.rows_at(theta)
        value += rows.square().sum().item()
        return value, gradient + 2 * slopes.mT @ rows, curvature + 2 * slopes.mT @ slopes


def regularized(objective: Objective, network: nn.Module, rows: Rows | None) -> Objective:
    """The objective, with a model's rows where it has any."""
    if rows is None:
        return objective
    if isinstance(objective, Curved):
        return RegularizedEnergy(objective, network, rows)
    if isinstance(objective, SumOfSquares):
        return RegularizedSquares(objective, network, rows)
    raise TypeError(f"{type(objective).__name__} is neither a sum of squares nor an energy.")
