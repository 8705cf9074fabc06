"""What formulas are sought for: points and values, some of them held out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from kanpde.errors import InputError

Function = Callable[[Tensor], Tensor]
"""[n, d] -> [n]"""

FEWEST = 20
"""Rows of a table."""

OUTER: dict[str, Function] = {
    "f": lambda y: y,
    "log f": torch.log,
    "f^2": lambda y: y * y,
    "1/f": lambda y: 1 / y,
    "logit f": torch.logit,
}
"""What may be fitted in place of f; named after what is a sum."""


def outers(y: Tensor) -> tuple[str, ...]:
    """What may be fitted in place of f with these values: logarithms and the like of positive ones, log f/(1 - f) of
    those between 0 and 1."""
    low, high = float(y.min()), float(y.max())
    return ("log f", "f^2", "1/f", *(("logit f",) if high < 1 else ())) if low > 0 else ()


@dataclass(frozen=True, eq=False)
class Samples:
    """Points x [n, d] with values y [n], and held-out ones; y is what is fitted, standardized: f ~ shift + scale·y."""

    x: Tensor
    y: Tensor
    held_x: Tensor
    held_y: Tensor
    shift: float = 0.0
    scale: float = 1.0
    outer: str = "f"

    @property
    def lower(self) -> list[float]:
        return torch.cat([self.x, self.held_x]).min(0).values.tolist()

    @property
    def upper(self) -> list[float]:
        return torch.cat([self.x, self.held_x]).max(0).values.tolist()

    def under(self, outer: str) -> Samples:
        """The same for h(f), standardized."""
        y, held = OUTER[outer](self.y), OUTER[outer](self.held_y)
        shift, scale = float(y.mean()), float(y.std())
        return replace(
            self, y=(y - shift) / scale, held_y=(held - shift) / scale, shift=shift, scale=scale, outer=outer
        )


def drawn(function: Function, lower: Sequence[float], upper: Sequence[float], seed: int, count: int = 1000) -> Samples:
    """Values of a function at Sobol points, every second one drawn toward the boundary, and at twice as many others."""
    low, high = torch.tensor(lower, dtype=torch.float64), torch.tensor(upper, dtype=torch.float64)
    x = low + (high - low) * _clustered(sobol(len(low), count, seed))
    held = low + (high - low) * sobol(len(low), 2 * count, seed + 1000)
    return Samples(x, function(x), held, function(held))


def split(x: Tensor, y: Tensor, seed: int, share: float = 0.3, most: int = 3000) -> Samples:
    """A table divided at random; no more rows than formulas need.

    Raises:
        InputError: There are too few rows, or some are not finite.
    """
    if len(x) < FEWEST:
        raise InputError(f"A formula needs at least {FEWEST} rows; {len(x)} came. Give more data.")
    if not bool(x.isfinite().all()) or not bool(y.isfinite().all()):
        raise InputError("A formula needs finite numbers; some values are missing or infinite. Remove those rows.")
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(x)))
    held = order[: max(5, math.ceil(share * len(x)))][:most]
    own = order[max(5, math.ceil(share * len(x))) :][:most]
    return Samples(x[own], y[own], x[held], y[held])


def sobol(dimension: int, count: int, seed: int) -> Tensor:  # -> [count, dimension]
    """Scrambled Sobol points of the unit cube."""
    return torch.quasirandom.SobolEngine(dimension, scramble=True, seed=seed).draw(count, dtype=torch.float64)


def toward_boundary(u: Tensor) -> Tensor:
    """Points of the unit cube drawn toward its boundary."""
    return 0.5 - 0.5 * torch.cos(torch.pi * u)


def _clustered(u: Tensor) -> Tensor:
    half = (torch.arange(len(u)) % 2 == 0)[:, None]
    return torch.where(half, toward_boundary(u), u)
