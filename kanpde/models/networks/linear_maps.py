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


class Tap(Protocol):
    """What passes one linear map."""

    @property
    def outputs(self) -> Tensor: ...  # [n, s, out]

    def jacobian(self, adjoint: Tensor) -> Tensor:  # [n, s, out] -> [n, in*m*out]
        """∂r_n/∂W, flattened like W."""


class DenseTap(NamedTuple):
    """Z [n, s, in, m] at hand."""

    features: Tensor
    outputs: Tensor

    def jacobian(self, adjoint: Tensor) -> Tensor:
        return (self.features.detach().flatten(2).mT @ adjoint).flatten(1)


def dense_tap(features: Tensor, weight: Tensor) -> DenseTap:  # [n, s, in, m], [in, m, out]
    """One matrix product over all features."""
    return DenseTap(features, features.flatten(2) @ weight.flatten(0, 1))


@dataclass(frozen=True)
class LocalTap:
    """C [n, s, in, r] and the listed features' derivatives [n, in, r, l] and places [n, in, l] apart."""

    chain: Tensor
    derivatives: Tensor
    places: Tensor
    size: int
    outputs: Tensor

    def jacobian(self, adjoint: Tensor) -> Tensor:
        n, _, inputs, orders = self.chain.shape
        through = (self.chain.detach().flatten(2).mT @ adjoint).view(n, inputs, orders, -1)
        listed = self.derivatives.detach().mT @ through  # [n, in, l, out]
        rows = listed.new_zeros(n, inputs, self.size, listed.shape[-1])
        return rows.scatter_(2, self.places[..., None].expand_as(listed), listed).flatten(1)


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
    return dense_tap(laid_out(inner, indices, features, size), weight)


def laid_out(inner: Tensor, indices: IndexSet, features: Features, size: int) -> Tensor:  # -> [n, s, in, m]
    """Z, the jet of every feature of the inputs with the given jet."""
    if features.places is None and size == 1:
        return composed(inner, features.values[..., 0].unbind(-1), indices)[..., None]
    listed = chain_matrix(inner, indices).transpose(1, 2) @ features.values
    return spread(listed.transpose(1, 2), features.places, size)
