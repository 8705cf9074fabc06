"""A KAN of degree-1 splines is an MLP of ReLUs: the exact conversion.

A piecewise linear function with breakpoints t_0 < … < t_G and slopes s_1 … s_G, continued outside, is

    φ(x) = φ(t_0) + s_1 relu(x - t_0) - s_1 relu(t_0 - x) + Σ_{j=1}^{G-1} (s_{j+1} - s_j) relu(x - t_j)

so a layer is a linear map to n(G + 1) shifted copies, ReLU, and a linear map back, which joins the next layer's first.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kanpde.errors import InputError
from kanpde.models.bases import BSplines
from kanpde.models.bases.activations import Activation, Identity, ReLU
from kanpde.models.networks.chains import Chain, Layer

Affine = tuple[Tensor, Tensor]
"""W [in, out] and b [out]."""


def relu_form(kan: Chain) -> Chain:
    """The MLP that equals a degree-1 KAN everywhere, outside of its grids too.

    Raises:
        InputError: The KAN has other features than splines of degree 1.
    """
    maps = []
    for layer in kan.layers:
        splines = layer.features
        if not isinstance(splines, BSplines) or splines.degree != 1:
            what = "edges beside splines, such as SiLU," if not isinstance(splines, BSplines) else (
                f"splines of degree {splines.degree}")  # fmt: skip
            raise InputError(
                f"An exact ReLU form needs splines of degree 1 alone; this network has {what} which are not piecewise "
                "linear. Build it with degree=1, base='none'."
            )
        maps.append(_linear_maps(splines.grid, layer.weight.detach()))
    joined = [maps[0][0]]
    for (_, back), (forth, _) in zip(maps, maps[1:], strict=False):
        joined.append((back[0] @ forth[0], back[1] @ forth[0] + forth[1]))
    joined.append(maps[-1][1])
    layers = [_layer(Identity if depth == 0 else ReLU, *affine) for depth, affine in enumerate(joined)]
    return Chain(kan.inputs, layers)


def _linear_maps(grid: Tensor, values: Tensor) -> tuple[Affine, Affine]:  # [n, G+1], at breakpoints [n, G+1, out]
    """To the shifted copies of the inputs, and from their ReLUs to the sums of edges."""
    n, count = grid.shape
    slopes = values.diff(dim=1) / grid.diff(dim=1)[..., None]
    forth = torch.zeros(n, n, count, dtype=grid.dtype, device=grid.device)
    signs = torch.ones(count, dtype=grid.dtype, device=grid.device)
    signs[1] = -1
    forth[range(n), range(n)] = signs
    shifts = torch.cat([-grid[:, :1], grid[:, :1], -grid[:, 1:-1]], dim=1)
    back = torch.cat([slopes[:, :1], -slopes[:, :1], slopes.diff(dim=1)], dim=1)
    return (forth.flatten(1), shifts.flatten()), (back.flatten(0, 1), values[:, 0].sum(0))


def _layer(kind: type[Activation], weight: Tensor, bias: Tensor) -> Layer:
    layer = Layer(kind(weight.shape[0]), weight.shape[1], True, weight.dtype)
    layer.weight.data = weight[:, None, :].clone()
    layer.bias = nn.Parameter(bias.clone())
    return layer
