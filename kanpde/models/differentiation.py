"""Two independent ways from a network's parameters to jets and to the Jacobian of a residual.

`ChainRoute`, for KAN and MLP: exact jets, and the Jacobian from one backward pass per equation,

    J_n = Σ_{α∈S} Z_{nα} ⊗ A_{nα},

Z the features that enter a linear map, A = ∂(Σ_n r_n)/∂Y the adjoints of what leaves it; residual n depends on point
n alone, so row n of A is that of r_n. `NestedRoute`, for any module: nested `torch.func` derivatives; slow, general,
and the oracle the first is tested against.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from kanpde.models.jets import IndexSet
from kanpde.models.learned_constants import PLACE
from kanpde.models.networks import Chain
from kanpde.models.networks.enriched import Enriched
from kanpde.models.networks.linear_maps import Entries, Lifted, Tap
from kanpde.models.networks.products import Listed, SplineProducts

Head = Callable[[Tensor], Tensor]
"""Network jets [n, s, out] to weighted residuals [n, q], each row from its own point."""


class OfParameters:
    """Something that depends on parameters, as a function of all their numbers."""

    parameters: Sequence[Tensor]

    @property
    def theta(self) -> Tensor:  # [P]
        """All numbers in a row, a copy."""
        return parameters_to_vector(self.parameters).detach().clone()

    @theta.setter
    def theta(self, value: Tensor) -> None:
        vector_to_parameters(value, self.parameters)


class Route(ABC):
    """How a network is differentiated."""

    def __init__(self, network: nn.Module):
        self.network = network
        self.parameters = [*self._named().values()]

    def _named(self) -> dict[str, Tensor]:
        """What the network's values depend on; constants that are learned beside it are not among them."""
        named = self.network.named_parameters()
        return {name: value for name, value in named if value.requires_grad and name != PLACE}

    @abstractmethod
    def prepare(self, points: Tensor, indices: IndexSet) -> Any:
        """What can be computed once for fixed points [n, d]."""

    @abstractmethod
    def jets(self, prepared: Any, indices: IndexSet) -> Tensor:
        """∂_α of the network's outputs, shape [n, s, out], differentiable with respect to its parameters."""

    @abstractmethod
    def jacobian(self, prepared: Any, indices: IndexSet, head: Head) -> tuple[Tensor, Tensor]:
        """Residuals [n, q] and their derivatives [n, q, P] with respect to the flat parameters."""


class ChainRoute(Route):
    """Faà di Bruno forward, one backward pass per equation."""

    network: Chain

    def prepare(self, points: Tensor, indices: IndexSet) -> Lifted:
        first: Lifted = self.network.first_features(points, indices)
        return first

    def jets(self, prepared: Lifted, indices: IndexSet) -> Tensor:
        return self.network.outputs(prepared, indices)

    def jacobian(self, prepared: Lifted, indices: IndexSet, head: Head) -> tuple[Tensor, Tensor]:
        residuals, taps, adjoints = self._adjoints(prepared, indices, head)
        jacobian = residuals.new_empty(*residuals.shape, self._columns())
        for equation, by_equation in enumerate(adjoints):
            self._fill(jacobian[:, equation], taps, by_equation)
        return residuals, self._of_trained(jacobian)

    @property
    def listed_share(self) -> float:
        """Of a row of the Jacobian, what `sparse_jacobian` lists."""
        if not all(parameter.requires_grad for parameter in self.network.layers.parameters()):
            return 1.0
        layers = self.network.layers
        vanishing = sum((1 - layer.listed / layer.features.size) * layer.weight.numel() for layer in layers)
        return 1 - vanishing / self._columns()

    def sparse_jacobian(self, prepared: Lifted, indices: IndexSet, head: Head) -> tuple[Tensor, Tensor, Tensor]:
        """Residuals [n, q], the derivatives that need not vanish [n, q, l], and by which parameters [n, l]."""
        residuals, taps, adjoints = self._adjoints(prepared, indices, head)
        found = [[*self._parts(taps, by_equation)] for by_equation in adjoints]
        ends = [0, *accumulate(entries.values.shape[1] for _, _, entries in found[0])]
        rows = residuals.new_empty(*residuals.shape, ends[-1])
        columns = torch.empty(len(residuals), ends[-1], dtype=torch.int32, device=rows.device)
        for equation, parts in enumerate(found):
            for (column, size, (values, places)), first, last in zip(parts, ends, ends[1:], strict=False):
                rows[:, equation, first:last] = values
                if not equation:
                    listed = torch.arange(size, device=rows.device) if places is None else places
                    columns[:, first:last].copy_(listed).add_(column)
        return residuals, rows, columns

    def _adjoints(
        self, prepared: Lifted, indices: IndexSet, head: Head
    ) -> tuple[Tensor, Sequence[Tap], list[tuple[Tensor, ...]]]:
        """Residuals [n, q], what passed each linear map, and ∂(Σ_n r_n)/∂Y of every one, for each equation."""
        with torch.enable_grad(), _all_tracked(self.network):
            taps, jets = self.network.taps(prepared, indices)
            columns = head(jets).unbind(1)
        outputs = [tap.outputs for tap in taps]
        adjoints = [
            torch.autograd.grad(column.sum(), outputs, retain_graph=place < len(columns) - 1)
            for place, column in enumerate(columns)
        ]
        return torch.stack(columns, dim=1).detach(), taps, adjoints

    def _columns(self) -> int:
        return sum(parameter.numel() for parameter in self.network.layers.parameters())

    def _of_trained(self, jacobian: Tensor) -> Tensor:  # [n, q, all] -> [n, q, P]
        """Without the columns of frozen parameters."""
        named = [*self.network.layers.parameters()]
        if all(parameter.requires_grad for parameter in named):
            return jacobian
        parts = jacobian.split([parameter.numel() for parameter in named], dim=-1)
        return torch.cat([part for part, own in zip(parts, named, strict=True) if own.requires_grad], dim=-1)

    def _fill(self, rows: Tensor, taps: Sequence[Tap], adjoints: Sequence[Tensor]) -> None:  # [n, all]
        for first, size, entries in self._parts(taps, adjoints):
            part = rows[:, first : first + size]
            if entries.columns is None:
                part.copy_(entries.values)
            else:
                part.zero_().scatter_(1, entries.columns, entries.values)

    def _parts(self, taps: Sequence[Tap], adjoints: Sequence[Tensor]) -> Iterator[tuple[int, int, Entries]]:
        """Weights and biases of each layer: their first column, how many there are, and the entries among them."""
        column = 0
        for layer, tap, adjoint in zip(self.network.layers, taps, adjoints, strict=True):
            entries = tap.jacobian(adjoint)
            size = entries.values.shape[1] if entries.columns is None else layer.weight.numel()
            yield column, size, entries
            column += size
            if layer.bias is not None:
                yield column, adjoint.shape[-1], Entries(adjoint[:, 0], None)
                column += adjoint.shape[-1]


@contextmanager
def _all_tracked(network: nn.Module) -> Iterator[None]:
    """Adjoints are wanted at every linear map, behind frozen parameters too."""
    frozen = [parameter for parameter in network.parameters() if not parameter.requires_grad]
    for parameter in frozen:
        parameter.requires_grad_(True)
    try:
        yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(False)


class ProductRoute(Route):
    """A network that is linear in its weights, few of which matter at a point: J_n = Σ_α Z_{nα} ⊗ A_{nα}, sparse."""

    network: SplineProducts

    def prepare(self, points: Tensor, indices: IndexSet) -> Listed:
        return self.network.listed(points, indices)

    def jets(self, prepared: Listed, indices: IndexSet) -> Tensor:
        return self.network.combined(prepared)

    def jacobian(self, prepared: Listed, indices: IndexSet, head: Head) -> tuple[Tensor, Tensor]:
        residuals, rows, columns = self.sparse_jacobian(prepared, indices, head)
        n, q = residuals.shape
        dense = residuals.new_zeros(n, q, self.network.weight.numel())
        return residuals, dense.scatter_add_(2, columns[:, None].expand_as(rows), rows)

    def sparse_jacobian(self, prepared: Listed, indices: IndexSet, head: Head) -> tuple[Tensor, Tensor, Tensor]:
        """Residuals [n, q], the derivatives that need not vanish [n, q, l·out], and by which weights [n, l·out]."""
        with torch.enable_grad():
            jets = self.network.combined(prepared).detach().requires_grad_()
            residuals = head(jets)
        columns = residuals.unbind(1)
        adjoints = [torch.autograd.grad(c.sum(), jets, retain_graph=True, materialize_grads=True)[0] for c in columns]
        rows = torch.stack([(prepared.jets.mT @ adjoint).flatten(1) for adjoint in adjoints], dim=1)
        outputs = jets.shape[-1]
        weights = (prepared.columns[..., None] * outputs + torch.arange(outputs, device=jets.device)).flatten(1)
        return residuals.detach(), rows, weights


class EnrichedRoute(Route):
    """A network by its own route, and functions beside it: ∂r_n/∂c = Σ_α s_{nα} ⊗ A_{nα}."""

    network: Enriched

    def __init__(self, network: Enriched):
        super().__init__(network)
        self.base = route_for(network.base)
        self.parameters = [*self.base.parameters, network.coefficients]

    def prepare(self, points: Tensor, indices: IndexSet) -> tuple[Any, Tensor]:
        return self.base.prepare(points, indices), self.network.features(points, indices)

    def jets(self, prepared: tuple[Any, Tensor], indices: IndexSet) -> Tensor:
        return self.base.jets(prepared[0], indices) + prepared[1] @ self.network.coefficients

    def jacobian(self, prepared: tuple[Any, Tensor], indices: IndexSet, head: Head) -> tuple[Tensor, Tensor]:
        inner, features = prepared
        added = (features @ self.network.coefficients).detach()
        residuals, jacobian = self.base.jacobian(inner, indices, lambda jets: head(jets + added))
        with torch.enable_grad():
            jets = self.jets(prepared, indices).detach().requires_grad_()
            columns = head(jets).unbind(1)
            adjoints = [
                torch.autograd.grad(c.sum(), jets, retain_graph=True, materialize_grads=True)[0] for c in columns
            ]
        own = [(features.mT @ adjoint).flatten(1) for adjoint in adjoints]
        return residuals, torch.cat([jacobian, torch.stack(own, dim=1)], dim=-1)


class NestedRoute(Route):
    """Nested reverse-mode differentiation of an arbitrary module that maps [n, d] to [n, out]."""

    chunk = 512  # points per Jacobian, for the memory's sake

    def prepare(self, points: Tensor, indices: IndexSet) -> Tensor:
        return points

    def jets(self, prepared: Tensor, indices: IndexSet) -> Tensor:
        return vmap(lambda x: self._jet(self._named(), x, indices), randomness="error")(prepared)

    def jacobian(self, prepared: Tensor, indices: IndexSet, head: Head) -> tuple[Tensor, Tensor]:
        """∂r_n/∂θ = Σ_α A_{nα} · ∂(jet of point n)_α/∂θ, the second factor by `jacrev` point by point."""
        parameters = {name: parameter.detach() for name, parameter in self._named().items()}
        slope = jacrev(lambda weights, x: self._jet(weights, x, indices))
        slopes = vmap(slope, (None, 0), randomness="error", chunk_size=self.chunk)(parameters, prepared)
        flat = torch.cat([slopes[name].flatten(3) for name in parameters], dim=-1)  # [n, s, out, P]
        with torch.enable_grad():
            jets = self.jets(prepared, indices).detach().requires_grad_()
            residuals = head(jets)
            adjoints = [torch.autograd.grad(column.sum(), jets, retain_graph=True)[0] for column in residuals.unbind(1)]
        jacobian = torch.stack([torch.einsum("nso,nsop->np", adjoint, flat) for adjoint in adjoints], dim=1)
        return residuals.detach(), jacobian.detach()

    def _jet(self, parameters: dict[str, Tensor], x: Tensor, indices: IndexSet) -> Tensor:  # [d] -> [s, out]
        def value(point: Tensor) -> Tensor:
            outputs: Tensor = functional_call(self.network, parameters, (point[None],))
            return outputs[0]

        return torch.stack([_partial(value, index)(x) for index in indices])


def _partial(function: Callable[[Tensor], Tensor], index: tuple[int, ...]) -> Callable[[Tensor], Tensor]:
    """∂_α of a function of one point, one coordinate at a time."""
    for axis, order in enumerate(index):
        for _ in range(order):
            function = _first(function, axis)
    return function


def _first(function: Callable[[Tensor], Tensor], axis: int) -> Callable[[Tensor], Tensor]:
    return lambda x: jacrev(function)(x)[..., axis]


def listed_share(network: nn.Module) -> float:
    """Of a row of the Jacobian, what can be other than zero and be listed as such."""
    route = route_for(network)
    return route.listed_share if isinstance(route, ChainRoute) else 1.0


def route_for(network: nn.Module) -> Route:
    """The fast route for a chain, parts of it frozen or not, and for products; the general one for the rest."""
    if isinstance(network, SplineProducts):
        return ProductRoute(network)
    if isinstance(network, Enriched):
        return EnrichedRoute(network)
    return ChainRoute(network) if isinstance(network, Chain) else NestedRoute(network)
