"""What a solution is made of besides its network, so that conditions hold whatever the network is."""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from kanpde.models.jets import IndexSet
from kanpde.problems.problem import Condition


@dataclass(frozen=True)
class BoundAnsatz:
    """The affine map from network jets to field jets at fixed points: ∂_α u = ∂_α L + Σ_β M_αβ ∂_β N.

    Where shapes part the domain, a network has every field in every part that it lives in; each point takes those of
    its own part, and of fields that do not live there those of another.
    """

    lift: Tensor  # [n, s, fields]
    matrix: Tensor | None  # [n, fields or 1, s, s]; None is the identity
    columns: Tensor | None = None  # long [n, fields], of the network's outputs

    def __call__(self, network: Tensor) -> Tensor:  # [n, s, outputs] -> [n, s, fields]
        if self.columns is not None:
            network = network.take_along_dim(self.columns[:, None], dim=2)
        if self.matrix is None:
            return self.lift + network
        if self.matrix.shape[1] == 1:
            return self.lift + self.matrix[:, 0] @ network
        return self.lift + (self.matrix @ network.transpose(1, 2)[..., None])[..., 0].transpose(1, 2)


class Ansatz(Protocol):
    """A map from a network to fields that meet some conditions by themselves.

    penalties: The conditions that are left for the loss.
    warnings: Sentences on conditions that could have been exact but for their data.
    """

    @property
    def penalties(self) -> tuple[Condition, ...]: ...

    @property
    def warnings(self) -> tuple[str, ...]: ...

    def bind(self, points: Tensor, indices: IndexSet) -> BoundAnsatz:  # [n, d]
        """The map at fixed points, with the derivatives of a downward-closed set of multi-indices."""
