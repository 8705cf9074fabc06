"""A chain as a classifier: a fixed sigmoid behind its output, cross-entropy by the generalized Gauss-Newton method.

    p = σ(f(x; θ)),   L = mean(softplus(f) - y f) + |R θ|²/2,   G = Jᵀ diag(p(1 - p)) J / n + RᵀR

The rows R are linear in the parameters: √ridge times the unit matrix, or roughness and sparsity of splines.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from kanpde.models.jets import closure
from kanpde.models.networks import Chain


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
            rows.append(tap.jacobian(adjoint).dense(layer.weight.numel()))
            if layer.bias is not None:
                rows.append(adjoint[:, 0])
        return jet[:, 0, 0].detach(), torch.cat([row.detach() for row in rows], dim=1)
