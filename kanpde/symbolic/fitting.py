"""Least squares of a network of edges to values, by the solver's own Levenberg–Marquardt.

    min Σ_n (N(x_n) - y_n)²/N + ‖R θ‖²

The rows R are linear in the weights: faint roughness, so that nothing is left undetermined in cells without data,
and sparsity (`sparsity.sparse_rows`).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from kanpde.models.differentiation import ChainRoute, OfParameters
from kanpde.models.networks import Chain
from kanpde.models.networks.edges import EdgeNetwork, roughness
from kanpde.solving.optimizers.interface import SquaresByJacobian
from kanpde.solving.optimizers.levenberg_marquardt import LevenbergMarquardt
from kanpde.symbolic.samples import Samples

VAST = 1e6
"""Stands for what is not a number in a residual, so that a step there is refused."""

CLEAN = 1e-4
"""Relative error below which a fit has no noise to speak of."""

GENTLE = LevenbergMarquardt(floor=1e-6)
FINAL = LevenbergMarquardt(solver="qr", damping=1e-4, floor=1e-9, tolerance=1e-9)


def rough_rows(network: EdgeNetwork, weight: float) -> Tensor:  # -> [R, P]
    """weight · D³ w for every spline."""
    blocks = [torch.zeros(0, network.jacobian_width, dtype=torch.float64)]
    for _, columns, values in network.spline_columns():
        rows = roughness(len(values), values)
        block = rows.new_zeros(len(rows), network.jacobian_width)
        block[:, columns] = weight * rows
        blocks.append(block)
    return torch.cat(blocks)


class Values(OfParameters, SquaresByJacobian):
    """The residual (N(x) - y)/√n, and rows below it."""

    def __init__(self, network: Chain, x: Tensor, y: Tensor, rows: Tensor):
        self.route, self.y, self.rows = ChainRoute(network), y, rows
        self.parameters = self.route.parameters
        self.root = math.sqrt(len(y))
        self.indices = ((0,) * x.shape[1],)
        self.first = self.route.prepare(x, self.indices)

    def residual(self, theta: Tensor) -> Tensor:
        self.theta = theta
        with torch.no_grad():
            found = (self.route.jets(self.first, self.indices)[:, 0, 0] - self.y) / self.root
        found = torch.nan_to_num(found, nan=VAST, posinf=VAST, neginf=-VAST)
        return torch.cat([found, self.rows @ theta])

    def linearize(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        self.theta = theta
        r, J = self.route.jacobian(
            self.first, self.indices, lambda jets: (jets[:, 0, :1] - self.y[:, None]) / self.root
        )
        return torch.cat([r[:, 0], self.rows @ theta]), torch.cat([J[:, 0], self.rows])


def fit(
    network: EdgeNetwork,
    samples: Samples,
    steps: int,
    rough: float = 1e-6,
    rows: Tensor | None = None,
    optimizer: LevenbergMarquardt = GENTLE,
) -> float:
    """Train in place; returns the root of the loss."""
    below = [rough_rows(network, rough)] if rough else []
    below += [] if rows is None else [rows]
    empty = torch.zeros(0, network.jacobian_width, dtype=torch.float64)
    objective = Values(network, samples.x, samples.y, torch.cat([empty, *below]))
    ended = optimizer.minimize(objective, objective.theta, steps, lambda iterate: None)
    objective.theta = ended.theta
    return ended.loss**0.5


def residuals(network: EdgeNetwork, x: Tensor, y: Tensor) -> Tensor:  # -> [n]
    with torch.no_grad():
        return network(x)[:, 0] - y


def rms(network: EdgeNetwork, samples: Samples) -> float:
    """The held-out error, relative to the values' spread; infinite where the network is not defined."""
    found = residuals(network, samples.held_x, samples.held_y)
    return float(found.square().mean().sqrt()) if bool(found.isfinite().all()) else math.inf


def allowed(error: float, floor: float = 1e-6) -> float:
    """The error up to which a simpler network is taken in place of one with this error.

    Three times what a clean fit leaves; an error that is noise or a singularity may rise by a fifth.
    """
    return max(3 * error if error < CLEAN else 1.2 * error, floor)


def robust_error(network: EdgeNetwork, samples: Samples) -> float:
    """The held-out error that four points of five keep: rms is ruled by end cells."""
    found = residuals(network, samples.held_x, samples.held_y).abs()
    return float(found.quantile(0.8)) if bool(found.isfinite().all()) else math.inf
