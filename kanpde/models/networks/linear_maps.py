"""One linear map seen by a jet: its outputs, and the Jacobian rows that an adjoint makes of it.

    Y_α = Z_α W,        ∂r_n/∂W = Σ_α Z_{nα} ⊗ A_{nα},        A = ∂(Σ r)/∂Y

With Z_α = Σ_r C_{α,r} f^(r) by the chain rule, the sums can be taken in two orders. Dense: lay Z out among all m
features, then one product with W. Local: gather the l rows of W that a point touches, contract them with f^(r), then
with C; the layout among m features is needed for the Jacobian alone, once instead of |S| times. Where a basis knows the
values of its edges, φ_io^(r) = Σ_j W_ijo f_j^(r), by a faster way, the features themselves are for the Jacobian alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from kanpde.models.bases import FeatureMap, Features, spread
from kanpde.models.jets import IndexSet, chain_matrix, composed, composed_sum, highest_order, pulled_back


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
        features = self.features.detach().flatten(2)
        values = features.mT @ adjoint if adjoint.shape[-1] > FEW else _few_products(features, adjoint)
        return Entries(values.flatten(1), _columns(self.places, self.size, adjoint.shape[-1]))


FEW = 8
"""Outputs of a layer, up to which products point by point take less than small matrices, one for each point."""


def _few_products(left: Tensor, right: Tensor) -> Tensor:  # [..., s, l], [..., s, out] -> [..., l, out]
    """Σ_α Z_α ⊗ A_α."""
    pairs = zip(left.unsqueeze(-1).unbind(-3), right.unsqueeze(-2).unbind(-3), strict=True)
    (first, second), *rest = pairs
    found = first * second
    for z, a in rest:
        found.addcmul_(z, a)
    return found


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


@dataclass(frozen=True)
class EdgeTap:
    """Outputs by the values of edges; features are evaluated at the inner jet [n, s, in] where a Jacobian is wanted.

    The outputs are differentiable in the inner jet alone.
    """

    inner: Tensor
    indices: IndexSet
    features: FeatureMap
    outputs: Tensor

    def jacobian(self, adjoint: Tensor) -> Entries:
        inner, order = self.inner.detach(), highest_order(self.indices)
        values, places = self.features.listed(inner[:, 0], order)
        through = pulled_back(inner, adjoint, self.indices)  # Σ_α C_{α,r} A_α, [n, in, out] each
        listed = _few_products(values, torch.stack(through, dim=2))
        return Entries(listed.flatten(1), _columns(places, self.features.size, listed.shape[-1]))


def edge_tap(inner: Tensor, indices: IndexSet, features: FeatureMap, weight: Tensor) -> EdgeTap | None:  # [n, s, in]
    """By the values of edges, if the basis has them."""
    x = inner[:, 0]
    with torch.no_grad():
        found = features.edges(x, weight, highest_order(indices) + 1)
    if found is None:
        return None
    followed: Sequence[Tensor] = _Followed.apply(x, *found)  # type: ignore[no-untyped-call]  # torch's
    return EdgeTap(inner, indices, features, composed_sum(inner, followed, indices))


class _Followed(torch.autograd.Function):
    """φ^(0), …, φ^(R) [n, in, out] as functions of x [n, in], which φ^(R+1) makes differentiable."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, *derivatives: Tensor) -> tuple[Tensor, ...]:
        ctx.save_for_backward(*derivatives[1:])
        return tuple(part.view_as(part) for part in derivatives[:-1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        total = sum((g * slope for g, slope in zip(gradients, ctx.saved_tensors, strict=True)), start=torch.zeros(()))
        return total.sum(-1), *[None] * (len(gradients) + 1)


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
