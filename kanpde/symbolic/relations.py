"""Which variables of a table are tied, without saying which depends on which: relations Σ_j φ_j(x_j) = 0.

    min ‖Σ_j φ_j‖²   with   Σ_j ‖φ_j‖² = 1,   φ_j splines of mean zero

is the least eigenvalue of a pencil: one layer of a KAN, trained to its minimum without a start. Near 0, the variables
are tied: z = xy by log x + log y - log z, z = exp(sin x + y²) by its log. A set is
taken as small as it goes. What is left is checked on rows held out.

Source: Donnell, Buja and Stuetzle, Analysis of additive dependencies and concurvities using smallest additive
principal components, Annals of Statistics 22 (1994).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from kanpde.errors import InputError
from kanpde.models.bases import BSplines
from kanpde.models.splines import uniform_grid

CELLS, DEGREE = 10, 5
TIED = 0.05
"""Held-out rms of Σφ_j relative to that of its parts below which variables are tied: five per cent of noise."""
LARGEST = 4
"""Variables of one relation at most."""
FEWEST = 50


@dataclass(frozen=True)
class Tie:
    """One relation: the variables, how far it is from holding on rows held out, and in how many seeds it was found."""

    names: tuple[str, ...]
    figure: float
    seeds: int = 1

    def __str__(self) -> str:
        return f"{', '.join(self.names)}: tied to {self.figure:.1e} ({self.seeds} seeds)"


def tied(X: ArrayLike, names: Sequence[str] | None = None, seeds: int = 5) -> list[Tie]:
    """The smallest sets of variables that are tied, the closest first; in more than half of the seeds.

    Args:
        X: Numbers, shape [n, d], d at least 2.
        names: Of the columns.
        seeds: Ways to hold rows out.

    Raises:
        InputError: There are too few rows or columns, or numbers that are not finite.

    >>> draw = np.random.default_rng(0)
    >>> x, y, z = draw.uniform(1, 2, (3, 400))
    >>> [tie.names for tie in tied(np.stack([x, y, x * y, z], axis=1), "xyuz")]
    [('x', 'y', 'u')]
    """
    table = np.asarray(X, dtype=float)
    if table.ndim != 2 or table.shape[1] < 2 or len(table) < FEWEST or not np.isfinite(table).all():
        raise InputError(
            f"Relations need a table of finite numbers of at least {FEWEST} rows and 2 columns; shape "
            f"{list(table.shape)} came. Remove rows with missing values."
        )
    labels = list(names) if names is not None else [f"x{j + 1}" for j in range(table.shape[1])]
    found: dict[tuple[int, ...], list[float]] = {}
    for seed in range(seeds):
        for own, figure in _tied_in(torch.from_numpy(table), seed):
            found.setdefault(own, []).append(figure)
    ties = [Tie(tuple(labels[j] for j in own), float(np.median(figures)), len(figures))
            for own, figures in found.items() if len(figures) > seeds / 2]  # fmt: skip
    return sorted(ties, key=lambda tie: tie.figure)


def _tied_in(table: Tensor, seed: int) -> list[tuple[tuple[int, ...], float]]:
    """Minimal tied sets, small ones first."""
    features, held = _features(table, seed)
    found: list[tuple[tuple[int, ...], float]] = []
    for size in range(2, min(LARGEST, table.shape[1]) + 1):
        for own in combinations(range(table.shape[1]), size):
            if not any(set(known) <= set(own) for known, _ in found):
                figure = _figure(features, held, own)
                if figure < TIED:
                    found.append((own, figure))
    return found


def _features(table: Tensor, seed: int) -> tuple[list[Tensor], list[Tensor]]:  # -> [n, m] each
    """Centered splines of every variable's rank-like scale, made orthonormal on the rows that are fitted."""
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(table)))
    cut = max(len(table) * 7 // 10, 1)
    grid = torch.quantile(table, torch.linspace(0, 1, CELLS + 1, dtype=table.dtype), dim=0).mT
    even = uniform_grid(table.min(0).values, table.max(0).values, CELLS)
    dense = BSplines(0.5 * (grid + even), DEGREE).dense(table)[:, 0]  # [n, d, m]
    fitted, held = [], []
    for j in range(table.shape[1]):
        own, other = dense[order[:cut], j], dense[order[cut:], j]
        mean = own.mean(0)
        _, s, v = torch.linalg.svd((own - mean) / cut**0.5, full_matrices=False)
        keep = s > 1e-4 * s[0]
        rotated = v[keep].mT / s[keep]
        fitted.append((own - mean) @ rotated)
        held.append((other - mean) @ rotated)
    return fitted, held


def _figure(features: Sequence[Tensor], held: Sequence[Tensor], own: Sequence[int]) -> float:
    """rms of Σφ_j over that of the largest φ_j, held out; every variable of a relation has to have a part in it."""
    stacked = torch.cat([features[j] for j in own], dim=1) / len(features[0]) ** 0.5
    vector = torch.linalg.eigh(stacked.mT @ stacked)[1][:, 0]
    parts = vector.split([features[j].shape[1] for j in own])
    values = [held[j] @ part for j, part in zip(own, parts, strict=True)]
    sizes = [float(value.square().mean().sqrt()) for value in values]
    if min(sizes) < TIED * max(sizes):
        return 1.0
    return float(sum(values).square().mean().sqrt()) / max(sizes)
