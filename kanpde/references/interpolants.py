"""Functions given by their values at nodes: polynomials, trigonometric or piecewise polynomials per axis."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import scipy

from kanpde.references.means import check_time

CHUNK = 4096
"""Points evaluated at once."""


def chunks(points: np.ndarray) -> Iterator[np.ndarray]:  # [n, d]
    """Parts of the points, for as long as there is time."""
    for begin in range(0, len(points), CHUNK):
        check_time()
        yield points[begin : begin + CHUNK]


class Axis(Protocol):
    """Nodes along one coordinate, and the rule between them."""

    @property
    def nodes(self) -> np.ndarray: ...  # [N]

    def matrix(self, x: np.ndarray) -> np.ndarray | scipy.sparse.csr_array:  # [n] -> [n, N]
        """Values at nodes → values at x."""


@dataclass(frozen=True, eq=False)
class ChebyshevAxis:
    """The polynomial through Chebyshev's extrema of [lower, upper]."""

    lower: float
    upper: float
    count: int

    @cached_property
    def nodes(self) -> np.ndarray:
        return self.lower + (self.upper - self.lower) * chebyshev_nodes(self.count)

    def matrix(self, x: np.ndarray) -> np.ndarray:
        return barycentric_matrix((x - self.lower) / (self.upper - self.lower), chebyshev_nodes(self.count))


@dataclass(frozen=True, eq=False)
class FourierAxis:
    """The trigonometric polynomial through equally spaced nodes of the period [lower, upper)."""

    lower: float
    upper: float
    count: int

    @cached_property
    def nodes(self) -> np.ndarray:
        return self.lower + (self.upper - self.lower) * np.arange(self.count) / self.count

    def matrix(self, x: np.ndarray) -> np.ndarray:
        """Dirichlet's kernel: sin(Nθ/2) / (N tan(θ/2)) for even N, with sin in place of tan for odd N."""
        theta = 2 * np.pi * ((x - self.lower) / (self.upper - self.lower))[:, None] - 2 * np.pi * (
            np.arange(self.count) / self.count
        )
        theta = np.mod(theta + np.pi, 2 * np.pi) - np.pi  # small where the node is near, so that the quotient is exact
        below = np.sin(theta / 2) if self.count % 2 else np.tan(theta / 2)
        with np.errstate(divide="ignore", invalid="ignore"):
            kernel = np.sin(self.count * theta / 2) / (self.count * below)
        return np.where(np.abs(theta) < 1e-14, 1.0, kernel)


@dataclass(frozen=True, eq=False)
class Pieces:
    """On each cell of `breaks`, the polynomial through the cell's nodes; neighbors share the node between them."""

    breaks: np.ndarray  # [cells+1], increasing
    unit: np.ndarray  # [p+1] nodes of a cell, from 0 to 1

    @cached_property
    def nodes(self) -> np.ndarray:  # [cells p + 1]
        inner = self.breaks[:-1, None] + np.diff(self.breaks)[:, None] * self.unit[:-1]
        return np.append(inner.ravel(), self.breaks[-1])

    def cells_of(self, x: np.ndarray) -> np.ndarray:  # [n] -> int [n]
        return np.clip(np.searchsorted(self.breaks, x, side="right") - 1, 0, len(self.breaks) - 2)

    def matrix(self, x: np.ndarray) -> scipy.sparse.csr_array:
        cell = self.cells_of(x)
        inside = (x - self.breaks[cell]) / np.diff(self.breaks)[cell]
        values = barycentric_matrix(inside, self.unit)
        columns = cell[:, None] * (len(self.unit) - 1) + np.arange(len(self.unit))
        rows = np.repeat(np.arange(len(x)), len(self.unit))
        return scipy.sparse.csr_array((values.ravel(), (rows, columns.ravel())), shape=(len(x), len(self.nodes)))


@dataclass(frozen=True, eq=False)
class Interpolant:
    """Fields on the tensor grid of `axes`, shape [fields, N_1, …, N_d], callable anywhere.

    >>> line = Interpolant((ChebyshevAxis(0.0, 2.0, 3),), np.array([[0.0, 1.0, 4.0]]))
    >>> line(np.array([[1.5]]))
    array([[2.25]])
    """

    axes: tuple[Axis, ...]
    values: np.ndarray

    def __call__(self, points: np.ndarray) -> np.ndarray:  # [n, d] -> [n, fields]
        points = np.asarray(points, dtype=float)
        if (grid := _grid_of(points)) is not None:
            return self._on_grid(grid)
        parts = [self._evaluated(part) for part in chunks(points)]
        return np.concatenate(parts) if parts else np.empty((0, len(self.values)))

    def _on_grid(self, grid: list[np.ndarray]) -> np.ndarray:  # d axes -> [Π n_i, fields]
        """Axis by axis: a grid of n^d points costs about as much as n^(d-1) nodes more do."""
        found = self.values
        for place, (axis, x) in enumerate(zip(self.axes, grid, strict=True), 1):
            moved = np.moveaxis(found, place, 0)
            between = axis.matrix(x) @ moved.reshape(len(moved), -1)
            found = np.moveaxis(between.reshape(-1, *moved.shape[1:]), 0, place)
        return found.reshape(len(found), -1).T

    def _evaluated(self, points: np.ndarray) -> np.ndarray:
        pieces = [(place, axis) for place, axis in enumerate(self.axes) if isinstance(axis, Pieces)]
        if not pieces or len(self.axes) == 1:
            return self._contracted(points)
        return self._cell_by_cell(points, *pieces[0])

    def _cell_by_cell(self, points: np.ndarray, place: int, axis: Pieces) -> np.ndarray:
        """Only a cell's own nodes count in it, along one axis in pieces."""
        found = np.empty((len(points), len(self.values)))
        cells, degree = axis.cells_of(points[:, place]), len(axis.unit) - 1
        for cell in np.unique(cells):
            own = np.flatnonzero(cells == cell)
            piece = Pieces(axis.breaks[cell : cell + 2], axis.unit)
            values = np.take(self.values, np.arange(degree * cell, degree * (cell + 1) + 1), axis=place + 1)
            part = Interpolant((*self.axes[:place], piece, *self.axes[place + 1 :]), values)
            found[own] = part._contracted(points[own])
        return found

    def _contracted(self, points: np.ndarray) -> np.ndarray:
        first, *rest = (axis.matrix(x) for axis, x in zip(self.axes, points.T, strict=True))
        shape = self.values.shape
        found = self.values.transpose(1, 0, *range(2, self.values.ndim)).reshape(shape[1], -1)
        found = np.asarray(first @ found).reshape(len(points), shape[0], *shape[2:])
        for matrix in rest:  # [n, fields, N_i, …], contracted point by point
            dense = matrix if isinstance(matrix, np.ndarray) else matrix.toarray()
            found = np.einsum("nfi...,ni->nf...", found, dense)
        return found


def _grid_of(points: np.ndarray) -> list[np.ndarray] | None:  # [n, d]
    """The axes of points that are a whole grid, the last coordinate running fastest; None for any others."""
    if points.ndim != 2 or points.shape[1] < 2 or len(points) < 2:
        return None
    axes = [np.unique(column) for column in points.T]
    if math.prod(map(len, axes)) != len(points):
        return None
    grid = np.stack([x.ravel() for x in np.meshgrid(*axes, indexing="ij")], axis=1)
    return axes if np.array_equal(grid, points) else None


def chebyshev_nodes(count: int) -> np.ndarray:
    """Chebyshev's extrema brought to [0, 1], increasing; symmetric to rounding."""
    return (1 + np.sin(np.pi * (np.arange(count) / (count - 1) - 0.5))) / 2


def barycentric_weights(nodes: np.ndarray) -> np.ndarray:
    """1 / Π_{k≠j} (x_j - x_k), scaled to a largest of one."""
    differences = nodes[:, None] - nodes
    np.fill_diagonal(differences, 1.0)
    logarithms = -np.log(np.abs(differences)).sum(1)
    signs = np.prod(np.sign(differences), axis=1)
    return signs * np.exp(logarithms - logarithms.max())


def barycentric_matrix(x: np.ndarray, nodes: np.ndarray) -> np.ndarray:  # [n], [N] -> [n, N]
    """Values at nodes → values at x of the polynomial through them.

    Source: Berrut and Trefethen, SIAM Review 46 (2004), equation (4.2).
    """
    differences = x[:, None] - nodes
    at, node = np.nonzero(differences == 0)
    differences[at, node] = 1.0
    terms = barycentric_weights(nodes) / differences
    matrix = terms / terms.sum(1, keepdims=True)
    matrix[at] = 0.0
    matrix[at, node] = 1.0
    return matrix
