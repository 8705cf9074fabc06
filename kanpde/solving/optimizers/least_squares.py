"""Gauss–Newton by orthogonal factors: one step where the residual is linear, as it is in a network's last layer."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from kanpde.errors import InputError
from kanpde.solving.optimizers.interface import Ended, Iterate, Observer, Optimizer, Stop, StopReason, SumOfSquares

SHORTEST = 1e-3
"""Of a step, below which none is taken."""

STALLING = 0.9
"""Factor on the loss that a full step has to reach for another to be worth it."""

AS_PREDICTED = 1.05
"""Factor on the residual that a step promised within which the problem counts as linear."""


@dataclass(frozen=True)
class LeastSquares(Optimizer):
    """The exact last layer: hidden layers are directions that stay, the rest is solved for.

        min ‖r + J d‖² + ε ‖D d‖²,    D the column norms of J,    by QR of [J D⁻¹; √ε]

    with steps halved until they lower the residual. It is tried on ever more directions, cells and degrees until
    successive solutions agree.

    Args:
        ridge: ε, which keeps columns that depend on each other from large opposite weights.
        share: Of the time limit, for the ladder of sizes.

    Source: for the scaling, van der Sluis, Numerische Mathematik 14 (1969) 14.
    """

    kind: ClassVar[str] = "least_squares"
    chooses_model: ClassVar[bool] = True

    ridge: float = 1e-20
    share: float = 1.0

    def __post_init__(self):
        if not (0 <= self.ridge < 1 and 0 < self.share <= 1):
            raise InputError(f"Least squares need 0 ≤ ridge < 1 and 0 < share ≤ 1; {self} came. Set them so.")

    def minimize(
        self, objective: SumOfSquares, theta: Tensor, steps: int, observe: Observer, state: dict | None = None
    ) -> Ended:
        loss, reason = math.nan, StopReason.STEPS
        for _ in range(steps):
            residual, jacobian = objective.linearize(theta)
            loss = _square(residual)
            if not math.isfinite(loss) or not bool(jacobian.isfinite().all()):
                return Ended(theta, loss, StopReason.DIVERGED)
            step, promised = solved(jacobian, residual[:, None], self.ridge)
            found = _shortened(objective, theta, step[:, 0], loss)
            if found is None:
                return Ended(theta, loss, StopReason.NO_STEP)
            theta, residual, length = found
            before, loss = loss, _square(residual)
            try:
                observe(Iterate(theta, loss, residual, {"step_length": length}))
            except Stop:
                return Ended(theta, loss, StopReason.OBSERVER)
            if length == 1 and (loss <= AS_PREDICTED * promised or loss > STALLING * before):
                reason = StopReason.STALLED
                break
        return Ended(theta, loss, reason)


def solved(jacobian: Tensor, residual: Tensor, ridge: float) -> tuple[Tensor, float]:  # [N, P], [N, m] -> [P, m]
    """The steps d for one right side or several, and the ‖r + J d‖² that they promise altogether."""
    rows, count = jacobian.shape
    norms = jacobian.norm(dim=0).clamp(min=1e-300)
    system = jacobian.new_zeros(rows + count, count + residual.shape[1])
    torch.div(jacobian, norms, out=system[:rows, :count])
    system[:rows, count:] = residual
    system[rows:, :count].fill_diagonal_(ridge**0.5)
    triangle = torch.linalg.qr(system, mode="r").R
    scaled = torch.linalg.solve_triangular(triangle[:count, :count], triangle[:count, count:], upper=True)
    return -scaled / norms[:, None], _square(triangle[count:, count:])


def _shortened(
    objective: SumOfSquares, theta: Tensor, step: Tensor, loss: float
) -> tuple[Tensor, Tensor, float] | None:
    """The longest of the step, its half, its quarter, … that lowers the loss."""
    length = 1.0
    while length > SHORTEST:
        candidate = theta + length * step
        residual = objective.residual(candidate)
        if _square(residual) < loss:
            return candidate, residual, length
        length /= 2
    return None


def _square(residual: Tensor) -> float:
    return residual.square().sum().item()
