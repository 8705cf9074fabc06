"""L-BFGS-B from SciPy: for models too large for a Jacobian."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import scipy
import torch
from torch import Tensor

from kanpde.errors import InputError
from kanpde.solving.optimizers.interface import (
    Ended,
    Iterate,
    Loss,
    Observer,
    Optimizer,
    Stop,
    StopReason,
    has_stalled,
    stalling,
)


@dataclass(frozen=True)
class LBFGS(Optimizer):
    """Limited-memory BFGS with a line search.

    Args:
        memory: Pairs of steps and gradient differences that are kept.
        tolerance: The loss has stalled when twenty steps lower it by less than this factor altogether.
    """

    kind: ClassVar[str] = "lbfgs"

    memory: int = 50
    tolerance: float = 1e-3

    def __post_init__(self) -> None:
        if self.memory < 1 or not 0 <= self.tolerance < 1:
            raise InputError(f"L-BFGS needs memory ≥ 1 and 0 ≤ tolerance < 1; {self} came. Set them so.")

    def minimize(
        self, objective: Loss, theta: Tensor, steps: int, observe: Observer, state: dict[str, Any] | None = None
    ) -> Ended:
        course = _Course(theta, objective.gradient(theta)[0], observe, stalling(objective, self.tolerance))
        if not math.isfinite(course.loss):
            return Ended(theta, course.loss, StopReason.DIVERGED)
        unit = abs(course.loss) or 1.0  # SciPy's tests assume a loss of order one

        def value(x: np.ndarray) -> tuple[float, np.ndarray]:
            loss, gradient = objective.gradient(torch.from_numpy(x).to(theta))
            return loss / unit, gradient.double().cpu().numpy() / unit

        def callback(intermediate_result: scipy.optimize.OptimizeResult) -> None:
            course.accept(torch.from_numpy(intermediate_result.x).to(theta).clone(), unit * intermediate_result.fun)

        options = {"maxiter": steps, "maxfun": 20 * steps, "maxcor": self.memory, "ftol": 0.0, "gtol": 0.0}
        start = theta.double().cpu().numpy()
        result = scipy.optimize.minimize(value, start, jac=True, method="L-BFGS-B", callback=callback, options=options)
        return Ended(course.theta, course.loss, course.reason or _REASONS.get(result.status, StopReason.NO_STEP))


_REASONS = {0: StopReason.FLAT, 1: StopReason.STEPS}


class _Course:
    """Follows SciPy's iterates, and ends them in the way its callback provides for."""

    def __init__(self, theta: Tensor, loss: float, observe: Observer, tolerance: float):
        self.theta, self.loss, self.observe, self.tolerance = theta, loss, observe, tolerance
        self.losses = [loss]
        self.reason: StopReason | None = None

    def accept(self, theta: Tensor, loss: float) -> None:
        self.theta, self.loss = theta, float(loss)
        self.losses = [*self.losses[-20:], self.loss]
        try:
            self.observe(Iterate(theta, self.loss, None, {}))
        except Stop:
            self.reason = StopReason.OBSERVER
        if has_stalled(self.losses, self.tolerance):
            self.reason = self.reason or StopReason.STALLED
        if self.reason:
            raise StopIteration
