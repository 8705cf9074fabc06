"""What training lowers at fixed points: all that stages and their history ask of it."""

from collections.abc import Callable
from typing import Protocol

from torch import Tensor

from kanpde.solving.optimizers.interface import Loss


class Objective(Loss, Protocol):
    """A loss of one network's parameters, at points that do not change.

    size: How many residuals, or points of a rule.
    checkpoint: Called before each chunk of points; may raise, to end the work between two of them.
    """

    size: int
    checkpoint: Callable[[], None]

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
