"""What an optimizer is given and what it gives back; one method is one leaf beside this file."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from torch import Tensor


class StopReason(StrEnum):
    """Why an optimizer came to an end, in the sentence that the user reads."""

    STEPS = "all steps were taken"
    FLAT = "the gradient vanished to rounding"
    STALLED = "the loss no longer fell"
    NO_STEP = "no step, however short, lowered the loss"
    OBSERVER = "the observer asked for it"
    DIVERGED = "the loss is not a finite number"


class Stop(Exception):
    """Raised by an observer to end the optimization after the iterate it was shown."""


@dataclass(frozen=True)
class Iterate:
    """The state after one accepted step; `note` holds the method's own number, mu or lr."""

    theta: Tensor
    loss: float
    residual: Tensor | None
    note: dict[str, float]


@dataclass(frozen=True)
class Ended:
    """The last iterate's parameters, the reason, and what the method needs to go on from here."""

    theta: Tensor
    loss: float
    reason: StopReason
    state: dict = field(default_factory=dict)


class Objective(Protocol):
    """A sum of squares ‖r(θ)‖²."""

    def residual(self, theta: Tensor) -> Tensor: ...

    def linearize(self, theta: Tensor) -> tuple[Tensor, Tensor]: ...

    def gradient(self, theta: Tensor) -> tuple[float, Tensor]: ...


Observer = Callable[[Iterate], None]


class Optimizer(Protocol):
    """Settings of one method; frozen, so the state of a minimization is passed along instead."""

    def minimize(
        self, objective: Objective, theta: Tensor, steps: int, observe: Observer, state: dict | None = None
    ) -> Ended:
        """Lower ‖r(θ)‖² for at most `steps` steps, showing every accepted iterate to `observe`."""
