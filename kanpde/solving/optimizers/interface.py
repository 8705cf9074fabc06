"""What an optimizer is given and what it gives back; one method is one leaf beside this file."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from torch import Tensor

from kanpde.solving.rows import DenseRows, Rows

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


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
    """The state after one accepted step; `note` holds the method's own number, mu or lr.

    `state` gives what the method needs to go on from here as if it had not been stopped; None where it cannot.
    """

    theta: Tensor
    loss: float
    residual: Tensor | None
    note: dict[str, float]
    state: Callable[[], dict[str, Any]] | None = None


@dataclass(frozen=True)
class Ended:
    """The last iterate's parameters, the reason, and what the method needs to go on from here."""

    theta: Tensor
    loss: float
    reason: StopReason
    state: dict[str, Any] = field(default_factory=dict)


class Loss(Protocol):
    """What is lowered, as far as a method has to know."""

    def gradient(self, theta: Tensor) -> tuple[float, Tensor]: ...


@runtime_checkable
class SumOfSquares(Protocol):
    """‖r(θ)‖²."""

    def residual(self, theta: Tensor) -> Tensor: ...

    def linearize(self, theta: Tensor) -> tuple[Tensor, Tensor]: ...


class SquaresByJacobian(ABC):
    """‖r(θ)‖² whose gradient is 2 Jᵀr."""

    @abstractmethod
    def residual(self, theta: Tensor) -> Tensor: ...

    @abstractmethod
    def linearize(self, theta: Tensor) -> tuple[Tensor, Tensor]: ...

    def gradient(self, theta: Tensor) -> tuple[float, Tensor]:
        residual, jacobian = self.linearize(theta)
        return float(residual @ residual), 2 * jacobian.mT @ residual


@runtime_checkable
class SparseSquares(SumOfSquares, Protocol):
    """‖r(θ)‖² with a Jacobian that can be had in compressed rows, which is the way where it is `sparse`."""

    @property
    def sparse(self) -> bool: ...

    def linearize_sparsely(self, theta: Tensor) -> tuple[Tensor, "csr_matrix"]: ...


@runtime_checkable
class Curved(Loss, Protocol):
    """A function f(θ) with an approximate second derivative, which need not be positive."""

    def value(self, theta: Tensor) -> float: ...

    def quadratic(self, theta: Tensor) -> tuple[float, Tensor, Tensor]: ...  # f, ∇f [P], ∇²f [P, P]


@runtime_checkable
class InRows(SumOfSquares, Protocol):
    """‖r(θ)‖² that chooses how the rows of its Jacobian are held."""

    def linearize_rows(self, theta: Tensor) -> tuple[Tensor, Rows]: ...


def linearized(objective: SumOfSquares, theta: Tensor) -> tuple[Tensor, Rows]:  # -> [N], [N, P]
    """r and J."""
    if isinstance(objective, InRows):
        return objective.linearize_rows(theta)
    residual, jacobian = objective.linearize(theta)
    return residual, DenseRows(jacobian)


Observer = Callable[[Iterate], None]


SECOND_ORDER = 1e-9
"""An energy errs by the square of the solution's error, and starts from no zero: its last digits matter."""


def stalling(objective: Loss, tolerance: float) -> float:
    """The relative fall of the loss over twenty steps at which it has stalled."""
    return tolerance * SECOND_ORDER if isinstance(objective, Curved) else tolerance


def squares(objective: object) -> SumOfSquares:
    """The objective, of which a method needs residuals.

    Raises:
        TypeError: It has none.
    """
    if not isinstance(objective, SumOfSquares):
        raise TypeError(f"The method lowers sums of squares; {type(objective).__name__} is none.")
    return objective


def sparse_squares(objective: object) -> SparseSquares:
    """Likewise, of which a method needs compressed rows."""
    if not isinstance(objective, SparseSquares):
        raise TypeError(f"The method takes sparse sums of squares; {type(objective).__name__} is none.")
    return objective


def has_stalled(losses: list[float], tolerance: float, window: int = 20) -> bool:
    """Whether the last `window` steps lowered the loss by less than this factor of its size."""
    return len(losses) > window and losses[-window - 1] - losses[-1] < tolerance * abs(losses[-window - 1])


class Optimizer(ABC):
    """Settings of one method; frozen, so the state of a minimization is passed along instead.

    kind: What configurations call it.
    forms_jacobian: Whether it holds the derivatives of all residuals by all parameters at once.
    chooses_model: Whether it may train another model than the one it is given.
    """

    kind: ClassVar[str]
    forms_jacobian: ClassVar[bool] = False
    chooses_model: ClassVar[bool] = False

    @abstractmethod
    def minimize(
        self, objective: Loss, theta: Tensor, steps: int, observe: Observer, state: dict[str, Any] | None = None
    ) -> Ended:
        """Lower the objective for at most `steps` steps, showing every accepted iterate to `observe`."""
