"""Levenberg–Marquardt with geodesic acceleration, the default."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from torch import Tensor

from kanpde.errors import InputError
from kanpde.solving.optimizers.damped_systems import SYSTEMS, Hessian, Iterated, floored
from kanpde.solving.optimizers.interface import (
    Curved,
    Ended,
    Iterate,
    Loss,
    Observer,
    Optimizer,
    Stop,
    StopReason,
    SumOfSquares,
    has_stalled,
    linearized,
    squares,
    stalling,
)

LARGEST_DAMPING = 1e12
SMALLEST_DAMPING = 1e-16

LARGEST_FACTORED = 6000
"""Parameters beyond which steps are found by iteration: a factorization takes seconds there, and 8 P² bytes twice."""


@dataclass(frozen=True)
class LevenbergMarquardt(Optimizer):
    """Damped Gauss–Newton steps in column-scaled parameters, y = D θ, J̃ = J D⁻¹.

        (J̃ᵀJ̃ + μ) v = -J̃ᵀ r                          velocity
        (J̃ᵀJ̃ + μ) a = -J̃ᵀ r_vv,   y ← y + v + a/2     acceleration, if 2‖a‖ ≤ ¾‖v‖

    of r and its Jacobian J; for an energy, half its gradient and curvature stand for Jᵀr and JᵀJ, without acceleration.
    D are the column norms, floored at `floor` times the largest, r_vv is the second derivative of r along v by one
    further residual, and μ is steered by the gain ratio ϱ (Nielsen): × max(⅓, 1 - (2ϱ-1)³), or × 2, 4, 8, … on failure.

    Args:
        solver: "cholesky" factors J̃ᵀJ̃ + μ, up to `LARGEST_FACTORED` parameters, beyond which it is "lsmr", which
            factors nothing and needs J v and Jᵀr alone; "qr" factors [J̃; √μ], twice the digits at a price.
        geodesic: Whether to use the acceleration; steps by iteration go without, since it takes as long as they do.
        damping: The first μ.
        floor: Smallest column norm relative to the largest.
        tolerance: The loss has stalled when twenty steps lower it by less than this factor altogether.

    Source: Transtrum and Sethna, arXiv:1201.5885; Nielsen, IMM-REP-1999-05, section 2.2.
    """

    kind: ClassVar[str] = "lm"
    forms_jacobian: ClassVar[bool] = True

    solver: Literal["cholesky", "qr", "lsmr"] = "cholesky"
    geodesic: bool = True
    damping: float = 1e-2
    floor: float = 1e-2
    tolerance: float = 1e-3

    def __post_init__(self) -> None:
        if not (0 < self.damping < LARGEST_DAMPING and 0 <= self.floor < 1 and 0 <= self.tolerance < 1):
            raise InputError(
                f"Levenberg–Marquardt needs 0 < damping < {LARGEST_DAMPING:.0e} and 0 ≤ floor, tolerance < 1; "
                f"{self} came. Set them so."
            )

    def solver_for(self, parameters: int) -> str:
        """Which of them serves so many parameters."""
        return "lsmr" if self.solver == "cholesky" and parameters > LARGEST_FACTORED else self.solver

    def minimize(
        self, objective: Loss, theta: Tensor, steps: int, observe: Observer, state: dict[str, Any] | None = None
    ) -> Ended:
        memory, loss, reason = _Memory(**(state or {"mu": self.damping})), float("nan"), StopReason.STEPS
        for _ in range(steps):
            local = self._local(objective, theta)
            loss = local.loss
            found = self._step(theta, local, memory) if math.isfinite(loss) else None
            if not isinstance(found, tuple):
                reason = found or StopReason.DIVERGED
                break
            theta, (loss, residual) = found
            stalled = memory.stalled(loss, stalling(objective, self.tolerance))
            try:
                observe(Iterate(theta, loss, residual, {"mu": memory.mu}, memory.whole))
            except Stop:
                reason = StopReason.OBSERVER
                break
            if stalled:
                reason = StopReason.STALLED
                break
        return Ended(theta, loss, reason, memory.state)

    def _local(self, objective: Loss, theta: Tensor) -> "_Local":
        if isinstance(objective, Curved):
            return _curved(objective, theta, self)
        return _squares(squares(objective), theta, self)

    def _step(
        self, theta: Tensor, local: "_Local", memory: "_Memory"
    ) -> tuple[Tensor, tuple[float, Tensor | None]] | StopReason:
        """Raise the damping until a step lowers the loss."""
        if local.system.gradient.abs().max() <= local.rounding * abs(local.loss) ** 0.5:
            return StopReason.FLAT
        while memory.mu < LARGEST_DAMPING:
            trial = self._trial(theta, local, memory.mu)
            if trial is not None:
                candidate, found, predicted = trial
                gain = (local.loss - found[0]) / predicted
                if gain > 0:
                    memory.accept(gain)
                    return candidate, found
            memory.reject()
        memory.mu, memory.growth = self.damping, 2.0
        return StopReason.NO_STEP

    def _trial(
        self, theta: Tensor, local: "_Local", mu: float
    ) -> tuple[Tensor, tuple[float, Tensor | None], float] | None:
        factor = local.system.factor(mu)
        if factor is None:
            return None
        velocity = local.system.velocity(factor)
        predicted = (velocity @ (mu * velocity - local.system.gradient)).item()
        if not predicted > 0:
            return None
        step = velocity
        if self.geodesic and local.residual is not None and not isinstance(local.system, Iterated):
            acceleration = self._acceleration(theta, local, local.residual, factor, velocity)
            if acceleration is None or 2 * acceleration.norm() > 0.75 * velocity.norm():
                return None
            step = velocity + acceleration / 2
        candidate = theta + step / local.scale
        found = local.evaluate(candidate)
        return (candidate, found, predicted) if math.isfinite(found[0]) else None

    def _acceleration(
        self, theta: Tensor, local: "_Local", residual: Tensor, factor: Any, velocity: Tensor, h: float = 0.1
    ) -> Tensor | None:
        """The second-order correction, r_vv ≈ 2/h [(r(θ + h v) - r)/h - J v]."""
        ahead = local.evaluate(theta + h * velocity / local.scale)[1]
        if ahead is None:
            raise TypeError("a residual here needs one there")
        curvature = 2 / h * ((ahead - residual) / h - local.system.along(velocity))
        if not bool(curvature.isfinite().all()):
            return None
        found: Tensor = local.system.solve(factor, curvature)
        return found


@dataclass(frozen=True)
class _Local:
    """The objective around one θ: its value, and the damped quadratic model in scaled parameters."""

    loss: float
    scale: Tensor  # [P]
    system: Any
    evaluate: Callable[[Tensor], tuple[float, Tensor | None]]  # θ -> loss, residual
    residual: Tensor | None = None
    rounding: float = 1e-15  # of the gradient, relative to the root of the loss


def _squares(objective: SumOfSquares, theta: Tensor, settings: LevenbergMarquardt) -> _Local:
    def evaluate(theta: Tensor) -> tuple[float, Tensor]:
        residual = objective.residual(theta)
        return _square(residual), residual

    residual, jacobian = linearized(objective, theta)
    system = SYSTEMS[settings.solver_for(theta.numel())](jacobian, residual, settings.floor)
    return _Local(_square(residual), system.scale, system, evaluate, residual)


def _curved(objective: Curved, theta: Tensor, settings: LevenbergMarquardt) -> _Local:
    loss, gradient, hessian = objective.quadratic(theta)
    scale = floored((hessian.diagonal() / 2).abs().sqrt(), settings.floor)
    system = Hessian(hessian / 2 / scale / scale[:, None], gradient / 2 / scale)
    return _Local(loss, scale, system, lambda theta: (objective.value(theta), None), rounding=1e-8)


@dataclass
class _Memory:
    """What one step hands to the next."""

    mu: float
    growth: float = 2.0
    losses: list[float] = field(default_factory=list)

    @property
    def state(self) -> dict[str, float]:
        """What a restart goes on with; its losses are its own, since the points may be others."""
        return {"mu": self.mu, "growth": self.growth}

    def whole(self) -> dict[str, float | list[float]]:
        """What the same minimization goes on with."""
        return {**self.state, "losses": [*self.losses]}

    def accept(self, gain: float) -> None:
        self.mu = max(self.mu * max(1 / 3, 1 - (2 * min(gain, 1.0) - 1) ** 3), SMALLEST_DAMPING)
        self.growth = 2.0

    def reject(self) -> None:
        self.mu *= self.growth
        self.growth *= 2

    def stalled(self, loss: float, tolerance: float) -> bool:
        self.losses.append(loss)
        return has_stalled(self.losses, tolerance)


def _square(residual: Tensor) -> float:
    return float(residual.square().sum())
