"""Gauss–Newton by orthogonal factors: one step where the residual is linear, as it is in a network's last layer."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from kanpde.errors import InputError
from kanpde.solving.optimizers.interface import (
    Ended,
    Iterate,
    Loss,
    Observer,
    Optimizer,
    SparseSquares,
    Stop,
    StopReason,
    SumOfSquares,
    linearized,
    squares,
)
from kanpde.solving.optimizers.sparse_systems import FAINTEST, solved_sparsely
from kanpde.solving.processes import SharedRows

SHORTEST = 1e-3
"""Of a step, below which none is taken."""

STALLING = 0.9
"""Factor on the loss that a full step has to reach for another to be worth it."""

LINEAR = 1e-8
"""How far from what a step promised the residual may come, relative to what it was, if no further one is needed."""

FEW = 0.2
"""Of the derivatives, which may be other than zero for a sparse factorization to be the faster one."""

AS_PROMISED = 1.05
"""Factor on the loss that a step promised within which there is nothing left to lower."""


@dataclass(frozen=True)
class LeastSquares(Optimizer):
    """The exact last layer: hidden layers are directions that stay, the rest is solved for.

        min ‖r + J d‖² + ε ‖D d‖²,    D the column norms of J, by FAINTEST at least,    by QR of [J D⁻¹; √ε]

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

    def __post_init__(self) -> None:
        if not (0 <= self.ridge < 1 and 0 < self.share <= 1):
            raise InputError(f"Least squares need 0 ≤ ridge < 1 and 0 < share ≤ 1; {self} came. Set them so.")

    def minimize(
        self, objective: Loss, theta: Tensor, steps: int, observe: Observer, state: dict[str, Any] | None = None
    ) -> Ended:
        loss, reason, problem = math.nan, StopReason.STEPS, squares(objective)
        for _ in range(steps):
            residual, step, promised = self._step(problem, theta)
            begin, loss = residual, _square(residual)
            if not math.isfinite(loss) or not bool(step.isfinite().all()):
                return Ended(theta, loss, StopReason.DIVERGED)
            found = _shortened(problem, theta, step, loss)
            if found is None:
                lowest = loss <= AS_PROMISED * _square(promised)
                return Ended(theta, loss, StopReason.STALLED if lowest else StopReason.NO_STEP)
            theta, residual, length = found
            before, loss = loss, _square(residual)
            try:
                observe(Iterate(theta, loss, residual, {"step_length": length}))
            except Stop:
                return Ended(theta, loss, StopReason.OBSERVER)
            as_promised = (residual - promised).norm() <= LINEAR * begin.norm()
            if length == 1 and (as_promised or loss > STALLING * before):
                reason = StopReason.STALLED
                break
        return Ended(theta, loss, reason)

    def _step(self, objective: SumOfSquares, theta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """r, the full step d and r + J d; a step that is not finite where derivatives are not."""
        if isinstance(objective, SparseSquares) and objective.sparse:
            residual, jacobian = objective.linearize_sparsely(theta)
            if not np.isfinite(jacobian.data).all():
                return residual, torch.full_like(theta, math.nan), residual
            if jacobian.nnz < FEW * math.prod(jacobian.shape):
                return residual, *solved_sparsely(jacobian, residual, self.ridge)
            dense = torch.from_numpy(jacobian.toarray())
        else:
            residual, found = linearized(objective, theta)
            if isinstance(found, SharedRows):
                step = found.step(residual, self.ridge)
                return residual, step, residual + found.along(step)
            dense = found.whole()
        if not bool(dense.isfinite().all()):
            return residual, torch.full_like(theta, math.nan), residual
        step = solved(dense, residual[:, None], self.ridge)[:, 0]
        return residual, step, residual + dense @ step


def solved(jacobian: Tensor, residual: Tensor, ridge: float) -> Tensor:  # [N, P], [N, m] -> [P, m]
    """The steps d for one right side or several."""
    rows, count = jacobian.shape
    norms: Tensor = jacobian.norm(dim=0)
    norms = norms.clamp(min=max(FAINTEST * float(norms.max()), 1e-300))
    system = jacobian.new_zeros(rows + count, count + residual.shape[1])
    torch.div(jacobian, norms, out=system[:rows, :count])
    system[:rows, count:] = residual
    system[rows:, :count].fill_diagonal_(ridge**0.5)
    triangle = torch.linalg.qr(system, mode="r").R
    scaled: Tensor = torch.linalg.solve_triangular(triangle[:count, :count], triangle[:count, count:], upper=True)
    return -scaled / norms[:, None]


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
    return float(residual.square().sum())
