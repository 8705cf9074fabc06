"""Measured values of fields: what a problem's data are, and how noisy copies of an exact solution are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import sympy
import torch
from torch import Tensor

from kanpde.problems.language import jet_expression

MOST_FITTED = 50_000
"""Observations that a training looks at; of more, so many at random."""


@dataclass(frozen=True, eq=False)
class Data:
    """Values of fields, or of expressions in them, at points of the box; the loss takes (q(x_n) - d_n)² of the fitted.

    Attributes:
        fields: Which fields were measured, and the names of what else was.
        points: Coordinates of each observation, [n, d].
        values: Measured values, [n, fields].
        test: The observations left out of the fit, to test it with; indices.
        deviations: Standard deviation of each observation, [n]; None where all are alike.
        others: What the names that are no fields stand for, such as k u_x.
    """

    fields: tuple[str, ...]
    points: np.ndarray
    values: np.ndarray
    test: tuple[int, ...] = ()
    deviations: np.ndarray | None = None
    others: Mapping[str, sympy.Expr] = field(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Data):
            return NotImplemented
        same = (self.fields, self.test, self.others) == (other.fields, other.test, other.others)
        arrays = zip(self._arrays(), other._arrays(), strict=True)
        return same and all(np.array_equal(one, another) for one, another in arrays)

    def _arrays(self) -> tuple[np.ndarray, ...]:
        return self.points, self.values, np.empty(0) if self.deviations is None else self.deviations

    def measured(self, coordinates: tuple[str, ...]) -> tuple[sympy.Expr, ...]:
        """What each column of the values is of."""
        none = (0,) * len(coordinates)
        return tuple(self.others.get(name, jet_expression((name, none), coordinates)) for name in self.fields)

    def fitted(self) -> Observations:
        """What the fit sees."""
        return self._rows(self._kept())

    def drawn(self) -> Observations:
        """What one training looks at: all that the fit may see, or MOST_FITTED of it at random, the same each time."""
        rows = self._kept()
        if len(rows) > MOST_FITTED:
            rows = np.sort(np.random.default_rng(0).choice(rows, MOST_FITTED, replace=False))
        return self._rows(rows)

    def tested(self) -> Observations | None:
        """What it is tested with, if anything."""
        return self._rows(np.array(self.test)) if self.test else None

    def _kept(self) -> np.ndarray:
        """The observations that are not left out; indices."""
        return np.setdiff1d(np.arange(len(self.points)), self.test)

    def _rows(self, rows: np.ndarray) -> Observations:
        return Observations(
            torch.from_numpy(self.points[rows]), torch.from_numpy(self.values[rows]), self._weights(rows)
        )

    def _weights(self, rows: np.ndarray) -> Tensor:  # [n], of mean one
        """1/σ² of each observation, relative to their mean."""
        if self.deviations is None:
            return torch.ones(len(rows), dtype=torch.float64)
        weights = torch.from_numpy(self.deviations[rows]) ** -2.0
        return weights / weights.mean()


@dataclass(frozen=True, eq=False)
class Observations:
    """Data as tensors."""

    points: Tensor  # [n, d]
    values: Tensor  # [n, fields]
    weights: Tensor  # [n], of mean one


def left_out(count: int, fraction: float, seed: int) -> tuple[int, ...]:
    """A random choice of so many observations, at least one where the fraction is positive."""
    chosen = max(1, round(fraction * count)) if fraction else 0
    return tuple(sorted(np.random.default_rng(seed).permutation(count)[:chosen].tolist()))


def noisy(values: np.ndarray, noise: float, seed: int) -> np.ndarray:  # [n, fields]
    """Values with independent Gaussian noise of standard deviation `noise` times each field's root mean square."""
    sizes = np.sqrt(np.mean(values**2, axis=0))
    drawn = np.random.default_rng(seed).standard_normal(values.shape)
    return np.asarray(values + noise * sizes * drawn)
