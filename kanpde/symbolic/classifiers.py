"""Networks that tell two classes apart, unnamed: several starts, the best of which is refined."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

from kanpde.models.networks import Chain, Design
from kanpde.models.networks.chains import Extensible, chain_of
from kanpde.solving.losses.cross_entropy import CrossEntropy
from kanpde.solving.optimizers import LevenbergMarquardt

RIDGE = 1e-4
STEPS = 100
FEW_STEPS = 40


def second_class(network: Chain, points: np.ndarray) -> np.ndarray:  # [n, d] -> bool [n]
    """Which points it takes for the second class."""
    with torch.no_grad():
        return (network(torch.from_numpy(points))[:, 0] > 0).numpy()


def train(
    design: Design,
    points: np.ndarray,
    labels: np.ndarray,
    chosen_by: tuple[np.ndarray, np.ndarray],
    seed: int,
    starts: int = 10,
) -> Chain:
    """Several short starts on a coarse grid, the best of which is refined grid by grid; the best stage is kept.

    Args:
        design: Of a KAN or an MLP.
        points, labels: To train on, shapes [n, d] and [n].
        chosen_by: Points and labels by whose loss starts and stages are chosen.
        seed: Of the starts.
        starts: How many.
    """
    x, y = torch.from_numpy(points), torch.from_numpy(labels.astype(float))
    grids = design.grids(2)
    generator = torch.Generator().manual_seed(seed)
    box = {"lower": points.min(0).tolist(), "upper": points.max(0).tolist(), "dtype": x.dtype}
    networks = [chain_of(design.build(points.shape[1], 1, grids[0], **box, generator=generator)) for _ in range(starts)]
    for network in networks:
        _minimize(network, x, y, FEW_STEPS)
    best = min(networks, key=lambda network: _loss_at(network, chosen_by))
    kept = _minimized_copy(best, x, y)
    for grid in grids[1:]:
        if grid != best.grid and isinstance(best, Extensible):  # an MLP has none, and goes on as it is
            best.extend(grid, x)
        kept = min((kept, _minimized_copy(best, x, y)), key=lambda network: _loss_at(network, chosen_by))
    return kept


def _minimized_copy(network: Chain, x: Tensor, y: Tensor) -> Chain:
    """Train on, and keep the network as it is then, whatever becomes of the original."""
    _minimize(network, x, y, STEPS)
    return copy.deepcopy(network)


def _minimize(network: Chain, x: Tensor, y: Tensor, steps: int) -> None:
    count = sum(parameter.numel() for parameter in network.parameters())
    objective = CrossEntropy(network, x, y, RIDGE**0.5 * torch.eye(count, dtype=x.dtype))
    ended = LevenbergMarquardt().minimize(objective, objective.theta, steps, lambda iterate: None)
    objective.value(ended.theta)


def _loss_at(network: Chain, chosen_by: Sequence[np.ndarray]) -> float:
    points, labels = torch.from_numpy(chosen_by[0]), torch.from_numpy(np.asarray(chosen_by[1], float))
    with torch.no_grad():
        logits = network(points)[:, 0]
    return (softplus(logits) - labels * logits).mean().item()
