"""One linear map seen by a jet: its outputs, and the Jacobian rows that an adjoint makes of it.

    Y_α = Z_α W,        ∂r_n/∂W = Σ_α Z_{nα} ⊗ A_{nα},        A = ∂(Σ r)/∂Y

With Z_α = Σ_r C_{α,r} f^(r) by the chain rule, the sums can be taken in two orders. Dense: lay Z out among all m
features, then one product with W. Local: gather the l rows of W that a point touches, contract them with f^(r), then
with C; the layout among m features is needed for the Jacobian alone, once instead of |S| times.
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from kanpde.models.bases import Features, spread
from kanpde.models.jets import IndexSet, chain_matrix, composed


class Entries(NamedTuple):
    """Those of a matrix's rows that need not vanish, [n, l], and in which columns, [n, l]; None if all are listed."""

    values: Tensor
    columns: Tensor | None

    def dense(self, size: int) -> Tensor:  # -> [n, size]
        """The rows."""
        if self.columns is None:
            return self.values
        return self.values.new_zeros(len(self.values), size).scatter_(1, self.columns, self.values)


class Tap(Protocol):
    """What passes one linear map."""

    @property
    def outputs(self) -> Tensor: ...  # [n, s, out]

    def jacobian(self, adjoint: Tensor) -> Entries:  # [n, s, out] -> of [n, in*m*out]
        """∂r_n/∂W, flattened like W."""


class Lifted(NamedTuple):
    """Z at points: of all features [n, s, in, m], and of those that do not vanish [n, s, in, l], at [n, in, l]."""

    features: Tensor
    listed: Tensor
    places: Tensor | None


@dataclass(frozen=True)
class DenseTap:
    """Z [n, s, in, l] at hand, of all features unless `places` [n, in, l] says which of so many they are."""

    features: Tensor
    outputs: Tensor
    places: Tensor | None
    size: int

    def jacobian(self, adjoint: Tensor) -> Entries:
        values = (self.features.detach().flatten(2).mT @ adjoint).flatten(1)
        return Entries(values, _columns(self.places, self.size, adjoint.shape[-1]))


def dense_tap(lifted: Lifted, weight: Tensor) -> DenseTap:  # [n, s, in, m], [in, m, out]
    """One matrix product over all features."""
    outputs = lifted.features.flatten(2) @ weight.flatten(0, 1)
    return DenseTap(lifted.listed, outputs, lifted.places, weight.shape[1])


def _columns(places: Tensor | None, size: int, outputs: int) -> Tensor | None:  # [n, in, l] -> [n, in*l*out]
    """Where the weights of listed features are among all, W [in, m, out]."""
    if places is None:
        return None
    inputs = torch.arange(places.shape[1], device=places.device)[:, None]
    first = (inputs * size + places) * outputs
    return (first[..., None] + torch.arange(outputs, device=places.device)).flatten(1)


@dataclass(frozen=True)
class LocalTap:
    """C [n, s, in, r] and the listed features' derivatives [n, in, r, l] and places [n, in, l] apart."""

    chain: Tensor
    derivatives: Tensor
    places: Tensor
    size: int
    outputs: Tensor

    def jacobian(self, adjoint: Tensor) -> Entries:
        n, _, inputs, orders = self.chain.shape
        through = (self.chain.detach().flatten(2).mT @ adjoint).view(n, inputs, orders, -1)
        listed = self.derivatives.detach().mT @ through  # [n, in, l, out]
        return Entries(listed.flatten(1), _columns(self.places, self.size, listed.shape[-1]))


def local_tap(chain: Tensor, derivatives: Tensor, places: Tensor, weight: Tensor) -> LocalTap:
    """Gather, then contract; C has shape [n, s, in, r]."""
    n, listed = chain.shape[0], derivatives.shape[-1]
    inputs, size, outputs = weight.shape
    offsets = torch.arange(inputs, device=weight.device)[:, None] * size
    touched = weight.flatten(0, 1).index_select(0, (places + offsets).flatten())
    edges = derivatives @ touched.view(n, inputs, listed, outputs)  # φ_io^(r), [n, in, r, out]
    return LocalTap(chain, derivatives, places, size, chain.flatten(2) @ edges.flatten(1, 2))


def jet_tap(inner: Tensor, indices: IndexSet, features: Features, weight: Tensor) -> Tap:  # [n, s, in]
    """The order that moves fewer numbers: n·in·l·out gathered or n·s·in·m laid out."""
    size, outputs = weight.shape[1:]
    values, places = features
    if places is not None and values.shape[-1] * outputs <= len(indices) * size:
        return local_tap(chain_matrix(inner, indices), values, places, weight)
    return dense_tap(lifted(inner, indices, features, size), weight)


def lifted(inner: Tensor, indices: IndexSet, features: Features, size: int) -> Lifted:  # [n, s, in]
    """Z, the jet of every feature of the inputs with the given jet."""
    if features.places is None and size == 1:
        single = composed(inner, features.values[..., 0].unbind(-1), indices)[..., None]
        return Lifted(single, single, None)
    listed = (chain_matrix(inner, indices).transpose(1, 2) @ features.values).transpose(1, 2)
    return Lifted(spread(listed, features.places, size), listed, features.places)
