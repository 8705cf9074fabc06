"""A network and singular functions beside it, whose weights are linear: y_o = N_o(x) + Σ_k c_ko s_k(x)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from kanpde.models.jets import IndexSet, closure
from kanpde.models.networks.chains import Chain
from kanpde.models.singular_functions import singular_jets

TABLE = "singular"
"""The name of the functions' table among a network's arrays."""


class Enriched(nn.Module):
    """A chain with singular functions of two coordinates.

    Args:
        base: The network beside them.
        table: [K, 10], the functions, by `kanpde.models.singular_functions.COLUMNS`.
        outputs: Of the network.

    >>> from kanpde.models.networks.ridge import RidgeSplines
    >>> log_r = torch.tensor([[0.0, 0, 0, 0, 1, 0, 0, 1, 0, 0]])
    >>> net = Enriched(RidgeSplines([2, 6, 1]), log_r, 1)
    >>> net.coefficients.shape
    torch.Size([1, 1])
    """

    singular: Tensor  # [K, 10]

    def __init__(self, base: Chain, table: Tensor, outputs: int):
        super().__init__()
        self.base = base
        like = next(base.parameters())
        self.register_buffer(TABLE, table.to(like))
        self.coefficients = nn.Parameter(torch.zeros(len(table), outputs).to(like))

    @property
    def grid(self) -> int:
        return self.base.grid

    def features(self, x: Tensor, indices: IndexSet) -> Tensor:  # [n, 2] -> [n, s, K]
        """The singular functions' derivatives."""
        return singular_jets(x, self.singular, indices)

    def jet(self, x: Tensor, indices: IndexSet) -> Tensor:  # [n, 2] -> [n, s, out]
        """∂_α of every output for α in a downward-closed set."""
        return self.base.jet(x, indices) + self.features(x, indices) @ self.coefficients

    def forward(self, x: Tensor) -> Tensor:  # [..., 2] -> [..., out]
        rows = x.reshape(-1, x.shape[-1])
        added = self.features(rows, closure((), 2))[:, 0] @ self.coefficients
        y: Tensor = self.base(x)
        return y + added.reshape(*x.shape[:-1], -1)


def beside(network: Chain, arrays: Mapping[str, Any], outputs: int) -> nn.Module:
    """The network with as many singular functions as are archived."""
    if TABLE not in arrays:
        return network
    return Enriched(network, torch.as_tensor(arrays[TABLE], dtype=torch.float64), outputs)
