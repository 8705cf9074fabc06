"""Moving a layer to another grid or interval while its edge functions stay what they are."""

import torch
from torch import Tensor, nn

from kanpde.models.bases import Basis, Joined
from kanpde.models.bases.interface import edge_values, fitted_weights
from kanpde.models.networks.chains import Layer

Interval = tuple[Tensor, Tensor]


def set_features(layer: Layer, moved: Basis) -> None:
    """Put other features in the place of the layer's ranged part; the weight's shape must fit."""
    if isinstance(layer.features, Joined):
        layer.features = Joined(moved, *list(layer.features.parts)[1:])
    else:
        layer.features = moved


def around(y: Tensor, margin: float = 0.1) -> Interval:  # [n, in]
    """Intervals that hold the activations seen and a margin, of a length that does not vanish."""
    lower, upper = y.min(0).values, y.max(0).values
    extra = margin * (upper - lower).clamp(min=1e-3)
    return lower - extra, upper + extra


def kept_or_moved(ranged: Basis, y: Tensor) -> Interval:
    """The present intervals where they still fit the activations, fitted ones elsewhere."""
    lower, upper = around(y, margin=0.04)
    length = ranged.upper - ranged.lower
    outgrown = ranged.outside(y).any(0)
    loose = (upper - lower) < length / 2
    move = outgrown | loose
    return torch.where(move, lower, ranged.lower), torch.where(move, upper, ranged.upper)


def refine(layer: Layer, finer: Basis) -> None:
    """Put other features in place of the ranged part, with the edges as near to what they were as can be."""
    old = layer.features
    set_features(layer, finer)
    nodes = finer.nodes()
    layer.weight = nn.Parameter(fitted_weights(layer.features, nodes, edge_values(old, layer.weight.data, nodes)))
