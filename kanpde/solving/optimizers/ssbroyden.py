"""Self-scaled Broyden: a quasi-Newton method that needs gradients alone, and keeps the inverse Hessian whole."""

import math
import warnings
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

LARGEST = 10_000
"""Parameters whose matrix is 0.8 GB."""


@dataclass(frozen=True)
class SSBroyden(Optimizer):
    """Steps d = -H g by a line search with strong Wolfe conditions, s = αd, y the change of the gradient g.

        H ← (H - H y yᵀH / yᵀHy + φ v vᵀ) / τ + s sᵀ / sᵀy,    v = √(yᵀHy) (s / sᵀy - H y / yᵀHy)

    With h = yᵀHy / sᵀy, b = -α sᵀg / sᵀy, a = h b - 1, of the family's members θ between those that keep H positive
    the one nearest to (1 - b)/b is taken, φ = (1 - θ)/(1 + aθ), and τ ≤ 1 shrinks what is too large.

    Args:
        tolerance: The loss has stalled when twenty steps lower it by less than this factor altogether.

    Source: Al-Baali and Khalfan, Investigación Operacional 25 (2005) 40; Urbán, Stefanou and Pons, arXiv:2405.04230.
    """

    kind: ClassVar[str] = "ssbroyden"

    tolerance: float = 1e-3

    def __post_init__(self) -> None:
        if not 0 <= self.tolerance < 1:
            raise InputError(f"Self-scaled Broyden needs 0 ≤ tolerance < 1; {self.tolerance} came. Set it so.")

    def minimize(
        self, objective: Loss, theta: Tensor, steps: int, observe: Observer, state: dict[str, Any] | None = None
    ) -> Ended:
        if theta.numel() > LARGEST:
            raise InputError(
                f"optimizer=ssbroyden keeps a matrix of all parameters by all, up to {LARGEST}; the model has "
                f"{theta.numel()}. Use optimizer=lbfgs, or lm, which then iterates."
            )
        course = _Course(objective, theta)
        loss, losses, reason = course.loss, [course.loss], StopReason.STEPS
        if not math.isfinite(loss):
            return Ended(theta, loss, StopReason.DIVERGED)
        for _ in range(steps):
            if not course.step():
                reason = StopReason.NO_STEP if np.abs(course.g).max() > 0 else StopReason.FLAT
                break
            found, loss = torch.from_numpy(course.x).to(theta).clone(), course.loss
            losses = [*losses[-20:], loss]
            try:
                observe(Iterate(found, loss, None, {"step_length": course.length}))
            except Stop:
                reason = StopReason.OBSERVER
                break
            if has_stalled(losses, stalling(objective, self.tolerance)):
                reason = StopReason.STALLED
                break
        return Ended(torch.from_numpy(course.x).to(theta).clone(), loss, reason)


class _Course:
    """Where the minimization is: x, f, g and H, of the loss in units of its first value."""

    def __init__(self, objective: Loss, theta: Tensor):
        self.objective, self.like = objective, theta
        self.x = theta.double().cpu().numpy().copy()
        self.unit, self.length = 1.0, math.nan
        value, self.g = self._evaluated(self.x)
        if math.isfinite(value) and value:
            self.unit, self.g = abs(value), self.g / abs(value)
        self.f, self.H = value / self.unit, np.eye(len(self.x))
        self.seen: dict[bytes, tuple[float, np.ndarray]] = {}

    @property
    def loss(self) -> float:
        return self.f * self.unit

    def _evaluated(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        loss, gradient = self.objective.gradient(torch.from_numpy(x).to(self.like))
        return loss / self.unit, gradient.double().cpu().numpy() / self.unit

    def _at(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Value and gradient, which a line search asks for one after the other."""
        key = x.tobytes()
        if key not in self.seen:
            self.seen[key] = self._evaluated(x)
        return self.seen[key]

    def step(self) -> bool:
        """Whether there was one that lowers the loss; steepest descent anew where H has led astray."""
        self.seen.clear()
        for H in (self.H, np.eye(len(self.x))):
            d = -H @ self.g
            found = _searched(self._at, self.x, d, self.f, self.g)
            if found is not None and self._at(self.x + found * d)[0] < self.f:
                self.H = H
                self._accept(found, d)
                return True
        return False

    def _accept(self, length: float, d: np.ndarray) -> None:
        f, g = self._at(self.x + length * d)
        s, y = length * d, g - self.g
        if (curvature := s @ y) > 0:
            self.H = updated(self.H, s, y, -length * (s @ self.g) / curvature)
        self.x, self.f, self.g, self.length = self.x + s, f, g, length


def _searched(at: Any, x: np.ndarray, d: np.ndarray, f: float, g: np.ndarray) -> float | None:
    """A length with strong Wolfe conditions; the longest of 1, ½, ¼, … that lowers the loss where none is found."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # that there is none
        found = scipy.optimize.line_search(lambda x: at(x)[0], lambda x: at(x)[1], x, d, g, f)[0]
    if found is not None:
        return float(found)
    return next((2.0**-k for k in range(30) if at(x + 2.0**-k * d)[0] < f), None)


def updated(H: np.ndarray, s: np.ndarray, y: np.ndarray, b: float) -> np.ndarray:
    """The next H; b = sᵀH⁻¹s / sᵀy."""
    curvature, Hy = s @ y, H @ y
    yHy = y @ Hy
    h = yHy / curvature
    a = max(h * b - 1, 1e-14)
    c = math.sqrt(a / (1 + a))
    low = min(1.0, h * (1 - c))
    theta = max((low - 1) / a, min(1 / low, (1 - b) / b))
    sigma = 1 + a * theta
    root = sigma ** (-1 / max(len(s) - 1, 1))
    tau = min(1.0, 1 / b)
    tau = min(tau * root, sigma) if theta <= 0 else tau * min(root, 1 / theta)
    v = math.sqrt(yHy) * (s / curvature - Hy / yHy)
    phi = (1 - theta) / (1 + a * theta)
    found: np.ndarray = (H - np.outer(Hy, Hy) / yHy + phi * np.outer(v, v)) / tau + np.outer(s, s) / curvature
    return found
