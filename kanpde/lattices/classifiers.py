"""Networks as classifiers: a fixed sigmoid behind the last layer, cross-entropy by the generalized Gauss-Newton method.

    p = σ(f(x; θ)),   L = mean(softplus(f) - y f) + |R θ|²/2,   G = Jᵀ diag(p(1 - p)) J / n + RᵀR

The rows R are linear in the parameters: √ridge times the unit matrix, or roughness and sparsity of splines.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from kanpde.models.jets import closure
from kanpde.models.networks import Chain
from kanpde.solving.optimizers import OPTIMIZERS

RIDGE = 1e-4
STEPS = 100
FEW_STEPS = 40


class CrossEntropy:
    """The loss of a chain's single output as logit, for optimizers that take a function and its curvature."""

    def __init__(self, network: Chain, points: Tensor, labels: Tensor, rows: Tensor):  # [n, d], [n], [R, P]
        self.network, self.points, self.labels = network, points, labels
        self.rows, self.gram = rows, rows.mT @ rows
        self.indices = closure((), points.shape[1])

    @property
    def theta(self) -> Tensor:
        return parameters_to_vector(self.network.parameters()).detach()

    def _set(self, theta: Tensor) -> None:
        vector_to_parameters(theta, self.network.parameters())

    def _loss(self, logits: Tensor, theta: Tensor) -> Tensor:
        return (softplus(logits) - self.labels * logits).mean() + (self.rows @ theta).square().sum() / 2

    def value(self, theta: Tensor) -> float:
        """L at θ."""
        self._set(theta)
        with torch.no_grad():
            return self._loss(self.network(self.points)[:, 0], theta).item()

    def gradient(self, theta: Tensor) -> tuple[float, Tensor]:
        """L and ∇L, shape [P]."""
        value, gradient, _ = self.quadratic(theta)
        return value, gradient

    def quadratic(self, theta: Tensor) -> tuple[float, Tensor, Tensor]:
        """L, ∇L [P] and the Gauss-Newton matrix [P, P], from one backward pass."""
        self._set(theta)
        logits, jacobian = self._linearized()
        p = torch.sigmoid(logits)
        gradient = jacobian.mT @ (p - self.labels) / len(p) + self.gram @ theta
        curvature = jacobian.mT @ (jacobian * (p * (1 - p) / len(p))[:, None])
        return self._loss(logits, theta).item(), gradient, curvature + self.gram

    def _linearized(self) -> tuple[Tensor, Tensor]:  # [n], [n, P]
        """Logits and their Jacobian: weights and biases of each layer in the order of the parameters."""
        network = self.network
        with torch.enable_grad():
            taps, jet = network.taps(network.first_features(self.points, self.indices), self.indices)
            adjoints = torch.autograd.grad(jet.sum(), [tap.outputs for tap in taps])
        rows = []
        for layer, tap, adjoint in zip(network.layers, taps, adjoints, strict=True):
            rows.append(tap.jacobian(adjoint))
            if layer.bias is not None:
                rows.append(adjoint[:, 0])
        return jet[:, 0, 0].detach(), torch.cat([row.detach() for row in rows], dim=1)


def localized(network: Chain, points: np.ndarray) -> np.ndarray:  # [n, d] -> bool [n]
    """Which points it calls localized."""
    with torch.no_grad():
        return (network(torch.from_numpy(points))[:, 0] > 0).numpy()


def train(
    design,
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
    networks = [design.build(points.shape[1], 1, grids[0], **box, generator=generator) for _ in range(starts)]
    for network in networks:
        _minimize(network, x, y, FEW_STEPS)
    best = min(networks, key=lambda network: _loss_at(network, chosen_by))
    kept = _minimized_copy(best, x, y)
    for grid in grids[1:]:
        if grid != best.grid:  # an MLP has none, and goes on as it is
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
    ended = OPTIMIZERS["lm"]().minimize(objective, objective.theta, steps, lambda iterate: None)
    objective.value(ended.theta)


def _loss_at(network: Chain, chosen_by: Sequence[np.ndarray]) -> float:
    points, labels = torch.from_numpy(chosen_by[0]), torch.from_numpy(np.asarray(chosen_by[1], float))
    with torch.no_grad():
        logits = network(points)[:, 0]
    return (softplus(logits) - labels * logits).mean().item()
