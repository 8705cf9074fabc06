"""KANs fitted to values by Levenberg–Marquardt: accurate stand-ins for a function, with exact jets.

min Σ_n (N(x_n) - y_n)²/N        on grids 2, 4, 8, …, each from the one before
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from kanpde.models.networks import KAN, Chain
from kanpde.solving.optimizers.levenberg_marquardt import LevenbergMarquardt
from kanpde.symbolic.fitting import Values
from kanpde.symbolic.samples import sobol, toward_boundary

POINTS_PER_NUMBER = 5
HEALTHY = 1e-3
"""Relative error of a first grid's fit below which no other start is tried."""


def approximate(network: Chain, x: Tensor, y: Tensor, steps: int) -> float:
    """Train a chain on values y [n] at x [n, d], in place; returns the root of the mean square."""
    size = sum(parameter.numel() for parameter in network.parameters())
    objective = Values(network, x, y, torch.zeros(0, size, dtype=x.dtype))
    ended = LevenbergMarquardt().minimize(objective, objective.theta, steps, lambda iterate: None)
    objective.theta = ended.theta
    return ended.loss**0.5


def scattered(lower: Sequence[float], upper: Sequence[float], size: int, seed: int, toward: bool = True) -> Tensor:
    """Sobol points of a box, [size, d], toward its boundary unless told otherwise."""
    low, high = (torch.tensor(list(end), dtype=torch.float64) for end in (lower, upper))
    u = sobol(len(low), size, seed)
    return low + (high - low) * (toward_boundary(u) if toward else u)


def refined(
    build: Callable[[torch.Generator], KAN],
    data: Callable[[int], tuple[Tensor, Tensor]],
    grids: Sequence[int],
    seed: int = 0,
    starts: int = 3,
    steps: tuple[int, int] = (12, 30),
) -> Iterator[KAN]:
    """A network on finer and finer grids: a few short starts on the first, the best of them refined and trained on.

    Args:
        build: A random network on the first grid.
        data: n -> some n points and their values, standardized.
        grids: Cells, coarse to fine.
        steps: Of a start, and on every grid.

    Yields:
        The network after each grid, one of its own every time.
    """
    generator = torch.Generator().manual_seed(seed)
    best = build(generator)
    x, y = data(POINTS_PER_NUMBER * best.parameter_count())
    least = approximate(best, x, y, steps[0])
    for _ in range(starts - 1):
        if least < HEALTHY:
            break
        trial = build(generator)
        error = approximate(trial, x, y, steps[0])
        if error < least:
            best, least = trial, error
    for grid in grids:
        if grid != grids[0]:
            best.extend(grid, x)
            x, y = data(POINTS_PER_NUMBER * best.parameter_count())
        approximate(best, x, y, steps[1])
        yield copy.deepcopy(best)
