"""Levenberg–Marquardt with geodesic acceleration, the default."""

import math
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from kanpde.errors import InputError
from kanpde.optimizers.interface import Ended, Iterate, Objective, Observer, Stop, StopReason

LARGEST_DAMPING = 1e12
SMALLEST_DAMPING = 1e-16


@dataclass(frozen=True)
class LevenbergMarquardt:
    """Damped Gauss–Newton steps in column-scaled parameters, y = D θ, J̃ = J D⁻¹.

        (J̃ᵀJ̃ + μ) v = -J̃ᵀ r                          velocity
        (J̃ᵀJ̃ + μ) a = -J̃ᵀ r_vv,   y ← y + v + a/2     acceleration, if 2‖a‖ ≤ ¾‖v‖

    with D the column norms, floored at `floor` times the largest, r_vv the second derivative of r along v by one
    further residual, and μ steered by the gain ratio ϱ (Nielsen): × max(⅓, 1 - (2ϱ-1)³), or × 2, 4, 8, … on failure.

    Args:
        solver: "cholesky" factors J̃ᵀJ̃ + μ; "qr" factors [J̃; √μ], which keeps twice the digits and costs more.
        geodesic: Whether to use the acceleration.
        damping: The first μ.
        floor: Smallest column norm relative to the largest.
        tolerance: The loss has stalled when twenty steps lower it by less than this factor altogether.

    Source: Transtrum and Sethna, arXiv:1201.5885; Nielsen, IMM-REP-1999-05, section 2.2.
    """

    solver: Literal["cholesky", "qr"] = "cholesky"
    geodesic: bool = True
    damping: float = 1e-2
    floor: float = 1e-2
    tolerance: float = 1e-3

    def __post_init__(self):
        if not (0 < self.damping < LARGEST_DAMPING and 0 <= self.floor < 1 and 0 <= self.tolerance < 1):
            raise InputError(
                f"Levenberg–Marquardt needs 0 < damping < {LARGEST_DAMPING:.0e} and 0 ≤ floor, tolerance < 1; "
                f"{self} came. Set them so."
            )

    def minimize(
        self, objective: Objective, theta: Tensor, steps: int, observe: Observer, state: dict | None = None
    ) -> Ended:
        memory, loss, reason = _Memory(**(state or {"mu": self.damping})), float("nan"), StopReason.STEPS
        for _ in range(steps):
            residual, jacobian = objective.linearize(theta)
            loss = _square(residual)
            found = self._step(objective, theta, residual, jacobian, memory) if math.isfinite(loss) else None
            if not isinstance(found, tuple):
                reason = found or StopReason.DIVERGED
                break
            theta, residual = found
            loss = _square(residual)
            try:
                observe(Iterate(theta, loss, residual, {"mu": memory.mu}))
            except Stop:
                reason = StopReason.OBSERVER
                break
            if memory.stalled(loss, self.tolerance):
                reason = StopReason.STALLED
                break
        return Ended(theta, loss, reason, memory.state)

    def _step(self, objective, theta, residual, jacobian, memory) -> tuple[Tensor, Tensor] | StopReason:
        """Raise the damping until a step lowers the loss."""
        loss = _square(residual)
        norms = jacobian.norm(dim=0)
        scale = norms.clamp(min=max(self.floor * norms.max().item(), 1e-300))
        jacobian = jacobian.div_(scale)
        system = _SYSTEMS[self.solver](jacobian, residual)
        if system.gradient.abs().max() <= 1e-15 * loss**0.5:
            return StopReason.FLAT
        while memory.mu < LARGEST_DAMPING:
            trial = self._trial(objective, theta, residual, system, scale, memory.mu)
            if trial is not None:
                candidate, at_candidate, predicted = trial
                gain = (loss - _square(at_candidate)) / predicted
                if gain > 0:
                    memory.accept(gain)
                    return candidate, at_candidate
            memory.reject()
        memory.mu, memory.growth = self.damping, 2.0
        return StopReason.NO_STEP

    def _trial(self, objective, theta, residual, system, scale, mu) -> tuple[Tensor, Tensor, float] | None:
        factor = system.factor(mu)
        if factor is None:
            return None
        velocity = system.solve(factor, residual)
        predicted = (velocity @ (mu * velocity - system.gradient)).item()
        if not predicted > 0:
            return None
        step = velocity
        if self.geodesic:
            acceleration = self._acceleration(objective, theta, residual, system, scale, factor, velocity)
            if acceleration is None or 2 * acceleration.norm() > 0.75 * velocity.norm():
                return None
            step = velocity + acceleration / 2
        candidate = theta + step / scale
        at_candidate = objective.residual(candidate)
        return (candidate, at_candidate, predicted) if bool(at_candidate.isfinite().all()) else None

    def _acceleration(self, objective, theta, residual, system, scale, factor, velocity, h: float = 0.1):
        """The second-order correction, r_vv ≈ 2/h [(r(θ + h v) - r)/h - J v]."""
        ahead = objective.residual(theta + h * velocity / scale)
        curvature = 2 / h * ((ahead - residual) / h - system.jacobian @ velocity)
        return system.solve(factor, curvature) if bool(curvature.isfinite().all()) else None


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

    def accept(self, gain: float) -> None:
        self.mu = max(self.mu * max(1 / 3, 1 - (2 * gain - 1) ** 3), SMALLEST_DAMPING)
        self.growth = 2.0

    def reject(self) -> None:
        self.mu *= self.growth
        self.growth *= 2

    def stalled(self, loss: float, tolerance: float, window: int = 20) -> bool:
        self.losses = [*self.losses[-window:], loss]
        return len(self.losses) > window and loss > (1 - tolerance) * self.losses[0]


class _NormalEquations:
    """(J̃ᵀJ̃ + μ) v = -J̃ᵀ b by Cholesky."""

    def __init__(self, jacobian: Tensor, residual: Tensor):
        self.jacobian = jacobian
        self.gram = jacobian.mT @ jacobian
        self.gradient = jacobian.mT @ residual

    def factor(self, mu: float) -> Tensor | None:
        damped = self.gram.clone()
        damped.diagonal().add_(mu)
        factor, failed = torch.linalg.cholesky_ex(damped)
        return None if failed else factor

    def solve(self, factor: Tensor, residual: Tensor) -> Tensor:
        return -torch.cholesky_solve((self.jacobian.mT @ residual)[:, None], factor)[:, 0]


class _Orthogonal:
    """The same minimizer from a QR factorization of [J̃; √μ], after one of J̃ alone."""

    def __init__(self, jacobian: Tensor, residual: Tensor):
        self.jacobian = jacobian
        self.gradient = jacobian.mT @ residual
        self.q, self.r = torch.linalg.qr(jacobian)

    def factor(self, mu: float) -> tuple[Tensor, Tensor]:
        root = mu**0.5 * torch.eye(self.r.shape[1], dtype=self.r.dtype, device=self.r.device)
        return torch.linalg.qr(torch.cat([self.r, root]))

    def solve(self, factor: tuple[Tensor, Tensor], residual: Tensor) -> Tensor:
        q, r = factor
        right = q[: self.r.shape[0]].mT @ (self.q.mT @ residual)
        return -torch.linalg.solve_triangular(r, right[:, None], upper=True)[:, 0]


_SYSTEMS = {"cholesky": _NormalEquations, "qr": _Orthogonal}


def _square(residual: Tensor) -> float:
    return residual.square().sum().item()
