"""Functions along one axis, given by their values inside and by what conditions at the ends leave free.

Polynomials on cells: k Gauss points a cell, degree k + m - 1 and m continuous derivatives less one, for conditions of
number m: as many unknowns as points and conditions. One cell is Gauss collocation with Chebyshev polynomials.

    u(x) = Σ_j u(x_j) φ_j(x) + Σ_k s_k ψ_k(x),      φ_i(x_j) = δ_ij,  ψ_k(x_j) = 0

Along periodic axes: the trigonometric polynomial through equally spaced points.

Sources: de Boor and Swartz, Collocation at Gaussian points, SIAM J. Numer. Anal. 10 (1973); Driscoll and Hale,
Rectangular spectral collocation, IMA J. Numer. Anal. 36 (2016).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Protocol

import numpy as np
from numpy.polynomial import chebyshev as polynomials
from numpy.polynomial import legendre

from kanpde.references.interpolants import Axis, ChebyshevAxis, FourierAxis, Pieces, chebyshev_nodes

MOST_DENSE = 1e4
"""Largest density of cells, over the inverse length of the axis."""


class Line(Protocol):
    """One axis of a grid."""

    @property
    def inner(self) -> np.ndarray: ...  # [n] points where equations hold

    def values(self, x: np.ndarray, order: int, free: int) -> np.ndarray:  # [k] -> [k, n + free]
        """Derivatives at x of the n functions that are one at an inner point each, then of those that vanish there."""

    def axis(self, free: int) -> Axis:
        """Nodes that hold such functions, and the rule between them."""


@dataclass(frozen=True, eq=False)
class Cells:
    """Polynomials on the cells between `breaks`, with `gauss` points in each."""

    breaks: np.ndarray  # [cells + 1]
    gauss: int

    @cached_property
    def inner(self) -> np.ndarray:
        unit = (1 + legendre.leggauss(self.gauss)[0]) / 2
        return (self.breaks[:-1, None] + np.diff(self.breaks)[:, None] * unit).ravel()

    def axis(self, free: int) -> ChebyshevAxis | Pieces:
        nodes = max(self.gauss + free, 2)
        if len(self.breaks) == 2:
            return ChebyshevAxis(float(self.breaks[0]), float(self.breaks[1]), nodes)
        return Pieces(self.breaks, chebyshev_nodes(nodes))

    def values(self, x: np.ndarray, order: int, free: int) -> np.ndarray:
        return self._pieces(x, order, free) @ self._functions(free)

    def _pieces(self, x: np.ndarray, order: int, free: int) -> np.ndarray:  # [k] -> [k, cells · (gauss + free)]
        """Derivatives of every cell's Chebyshev polynomials, at points of that cell; zero elsewhere."""
        cell = np.clip(np.searchsorted(self.breaks, x, side="right") - 1, 0, len(self.breaks) - 2)
        return self._in_cells(x, cell, order, free)

    def _in_cells(self, x: np.ndarray, cell: np.ndarray, order: int, free: int) -> np.ndarray:
        degrees, length = self.gauss + free, np.diff(self.breaks)[cell]
        slopes = polynomials.chebder(np.eye(degrees), order)
        unit = 2 * (x - self.breaks[cell]) / length - 1
        local = polynomials.chebvander(unit, len(slopes) - 1) @ slopes * ((2 / length) ** order)[:, None]
        found = np.zeros((len(x), len(self.breaks) - 1, degrees))
        found[np.arange(len(x)), cell] = local
        return found.reshape(len(x), found.shape[1] * degrees)

    @cache  # noqa: B019 - as long as the axis lives, which is one solution
    def _functions(self, free: int) -> np.ndarray:  # [cells · (gauss + free), n + free]
        """Coefficients of φ and ψ; s_k are values and derivatives at the two ends in turn."""
        count, units = len(self.breaks) - 1, np.diff(self.breaks) / (self.gauss + free) ** 2  # slopes grow like that
        rows, inside = [self._pieces(self.inner, 0, free)], np.arange(count - 1)
        for order in range(free):  # one side of every break like the other
            left, right = (self._in_cells(self.breaks[1:-1], inside + end, order, free) for end in (0, 1))
            rows.append(units[:-1, None] ** order * (left - right))
        for k in range(free):
            end = [0, -1][k % 2]
            rows.append(self._pieces(self.breaks[[end]], k // 2, free) * units[end] ** (k // 2))
        matrix, right = np.concatenate(rows), np.zeros((count * (self.gauss + free), len(self.inner) + free))
        right[: len(self.inner), : len(self.inner)] = np.eye(len(self.inner))
        right[len(right) - free :, len(self.inner) :] = np.eye(free)
        return np.linalg.solve(matrix, right)


@dataclass(frozen=True, eq=False)
class Waves:
    """The trigonometric polynomial through an odd number of points."""

    fourier: FourierAxis

    @property
    def inner(self) -> np.ndarray:
        return self.fourier.nodes

    def axis(self, free: int) -> FourierAxis:
        return self.fourier

    def values(self, x: np.ndarray, order: int, free: int) -> np.ndarray:
        return self._waves(x, order) @ self._coefficients

    def _waves(self, x: np.ndarray, order: int) -> np.ndarray:  # 1, cos kθ, sin kθ; a derivative turns by a quarter
        length = self.fourier.upper - self.fourier.lower
        rate = 2 * np.pi / length * np.arange(1, self.fourier.count // 2 + 1)
        turned = rate * (x[:, None] - self.fourier.lower) + order * np.pi / 2
        constant = np.full((len(x), 1), float(order == 0))
        return np.hstack([constant, rate**order * np.cos(turned), rate**order * np.sin(turned)])

    @cached_property
    def _coefficients(self) -> np.ndarray:
        return np.linalg.inv(self._waves(self.inner, 0))


def equidistributed(breaks: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """As many cells again, half of them spread evenly, half by `sizes`, a density on each old cell.

    A density is no less than half of its neighbors', so that cells grow step by step, and bounded, so that none
    vanishes.
    """
    sizes = np.minimum(sizes, MOST_DENSE / (breaks[-1] - breaks[0]))
    for _ in range(len(sizes)):
        sizes = np.maximum(sizes, 0.5 * np.maximum(np.append(sizes[1:], 0), np.append(0, sizes[:-1])))
    lengths = np.diff(breaks)
    total = float(sizes @ lengths)
    density = 1 / lengths.sum() + (sizes / total if total > 0 else 1 / lengths.sum())
    reached = np.append(0.0, np.cumsum(density * lengths))
    new = np.interp(np.linspace(0, reached[-1], len(breaks)), reached, breaks)
    new[0], new[-1] = breaks[0], breaks[-1]
    return new
