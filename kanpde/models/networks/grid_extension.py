"""Moving a layer to another grid or interval while its edge functions stay what they are."""

import torch
from torch import Tensor, nn

from kanpde.models.bases import BSplines, FeatureMap, Joined, RangedFeatureMap
from kanpde.models.networks.chains import Layer, ranged_part
from kanpde.models.splines import uniform_grid

Interval = tuple[Tensor, Tensor]


def set_features(layer: Layer, moved: RangedFeatureMap) -> None:
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


def kept_or_moved(ranged: RangedFeatureMap, y: Tensor) -> Interval:
    """The present intervals where they still fit the activations, fitted ones elsewhere."""
    lower, upper = around(y, margin=0.04)
    length = ranged.upper - ranged.lower
    outgrown = ranged.outside(y).any(0)
    loose = (upper - lower) < length / 2
    move = outgrown | loose
    return torch.where(move, lower, ranged.lower), torch.where(move, upper, ranged.upper)


def refine(layer: Layer, finer: RangedFeatureMap) -> None:
    """Put other features in place of the ranged part, with the edges as near to what they were as can be."""
    old = layer.features
    set_features(layer, finer)
    nodes = fit_nodes(ranged_part(layer))
    layer.weight = nn.Parameter(fitted_weights(layer.features, nodes, edge_values(old, layer.weight.data, nodes)))


def fit_nodes(ranged: RangedFeatureMap) -> Tensor:  # -> [q, in]
    """Points that determine a function of the basis: a few Chebyshev nodes in every cell."""
    degree = getattr(ranged, "degree", 3)
    angles = (torch.arange(degree + 2, dtype=ranged.lower.dtype, device=ranged.lower.device) + 0.5) / (degree + 2)
    inner = (1 - torch.cos(torch.pi * angles)) / 2
    grid = ranged.grid if isinstance(ranged, BSplines) else uniform_grid(ranged.lower, ranged.upper, ranged.resolution)
    return (grid[:, :-1, None] + grid.diff(dim=1)[..., None] * inner).flatten(1).t()


def edge_values(features: FeatureMap, weight: Tensor, x: Tensor) -> Tensor:  # [q, in] -> [in, q, out]
    """Every edge function φ_io at its own points."""
    return features.dense(x)[:, 0].transpose(0, 1) @ weight


def fitted_weights(features: FeatureMap, x: Tensor, edges: Tensor, ridge: float = 1e-13) -> Tensor:
    """Weights [in, m, out] whose edges come closest to `edges` [in, q, out] at x [q, in], with a small ridge.

    The ridge is relative to the largest singular value; it makes the fit unique for bases that are nearly dependent
    and leaves a nested refinement exact to about 1e-12.
    """
    design = features.dense(x)[:, 0].transpose(0, 1)  # [in, q, m]
    u, s, vh = torch.linalg.svd(design, full_matrices=False)
    cutoff = ridge * s[:, :1]
    inverse = s / (s**2 + cutoff**2)
    return vh.mT @ (inverse[..., None] * (u.mT @ edges))
