"""What training lowers at fixed points: all that stages and their history ask of it."""

from collections.abc import Callable
from typing import Protocol

from torch import Tensor

from kanpde.solving.optimizers.interface import Curved, Loss, SumOfSquares


class Objective(Loss, Protocol):
    """A loss of one network's parameters, at points that do not change.

    size: How many residuals, or points of a rule.
    checkpoint: Called before each chunk of points; may raise, to end the work between two of them.
    """

    checkpoint: Callable[[], None]

    @property
    def size(self) -> int: ...

    @property
    def theta(self) -> Tensor:  # [P]
        """The network's parameters; setting them changes the network."""

    @theta.setter
    def theta(self, values: Tensor) -> None: ...

    def points(self) -> dict[str, Tensor]:  # [n, d] each
        """Where it is taken, by part."""

    def losses(self, residual: Tensor | None) -> dict[str, float]:
        """What each part adds to the loss, of the residual vector where the method shows one; NaN where not."""

    def figure(self) -> float:
        """What the network as it stands is judged by."""


class SquaresObjective(Objective, SumOfSquares, Protocol):
    """One that is ‖r(θ)‖²."""


def squares_of(objective: Objective) -> SquaresObjective:
    """The objective, of which a method needs residuals.

    Raises:
        TypeError: It has none.
    """
    if not isinstance(objective, SumOfSquares):
        raise TypeError(f"The method lowers sums of squares; {type(objective).__name__} is none.")
    return objective


class EnergyObjective(Objective, Curved, Protocol):
    """One that is no sum of squares."""
