"""pykan as in its tutorial on Poisson's equation: widths [d, 2, 1], degree 3, grids 5, 10, 20, its own L-BFGS.

    0.01 · mean (residual at 51² points)² + mean (error at 51 points a side)²

50 steps a grid, grids moved after the samples at every fifth of them. Derivatives are PyTorch's, numbers are single.
"""

import importlib
from typing import Any

import numpy as np
import torch

from kanpde.studies.peers.statements import Index, Statement, Watch

PACKAGE = "kan"
GRIDS, STEPS, EVERY = (5, 10, 20), 50, 5
INSIDE, SIDE, WEIGHT = 51**2, 51, 0.01


def train(statement: Statement, seed: int, watch: Watch) -> None:
    peer, optimizers = importlib.import_module("kan"), importlib.import_module("kan.LBFGS")
    inside = torch.tensor(statement.inside(INSIDE, seed), dtype=torch.float32)
    rim, value = (torch.tensor(part, dtype=torch.float32) for part in statement.known(SIDE, seed))
    residual = statement.residual(torch)

    def entering(points: torch.Tensor) -> torch.Tensor:
        return torch.stack(statement.inputs(points.unbind(dim=1), torch), dim=1)

    network = peer.KAN(width=[statement.width, 2, 1], grid=GRIDS[0], k=3, seed=seed, auto_save=False)
    for grid in GRIDS:
        if grid != GRIDS[0]:
            network.save_act = True
            network.get_act(entering(inside))
            network = network.refine(grid)
        network = network.speed()
        optimizer = optimizers.LBFGS(
            network.parameters(), lr=1, history_size=10, line_search_fn="strong_wolfe",
            tolerance_grad=1e-32, tolerance_change=1e-32, tolerance_ys=1e-32,
        )  # fmt: skip

        def closure(network: Any = network, optimizer: Any = optimizer) -> torch.Tensor:
            optimizer.zero_grad()
            points = inside.clone().requires_grad_()
            jets = _jets(network(entering(points))[:, 0], points, statement.indices)
            loss = WEIGHT * residual(points.unbind(dim=1), jets).square().mean()
            loss = loss + (network(entering(rim))[:, 0] - value).square().mean()
            loss.backward()
            return loss

        def values(points: np.ndarray, network: Any = network) -> np.ndarray:
            with torch.no_grad():
                return network(entering(torch.tensor(points, dtype=torch.float32)))[:, 0].numpy()

        for step in range(STEPS):
            if step % EVERY == 0:
                network.update_grid_from_samples(entering(inside))
            optimizer.step(closure)
            if not watch(values):
                return


def _jets(field: torch.Tensor, points: torch.Tensor, indices: tuple[Index, ...]) -> dict[Index, torch.Tensor]:
    """Derivatives by nested automatic differentiation; each row depends on its own point alone."""
    found = {(0,) * points.shape[1]: field}

    def derivative(index: Index) -> torch.Tensor:
        if index not in found:
            axis = next(place for place, order in enumerate(index) if order)
            lower = tuple(order - (place == axis) for place, order in enumerate(index))
            (slopes,) = torch.autograd.grad(derivative(lower).sum(), points, create_graph=True)
            found[index] = slopes[:, axis]
        return found[index]

    return {index: derivative(index) for index in indices}
