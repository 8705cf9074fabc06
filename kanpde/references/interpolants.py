"""Functions given by their values at nodes: polynomials, trigonometric or piecewise polynomials per axis; triangles."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import scipy

from kanpde.references.means import check_time
from kanpde.references.triangulations import TriangleFinder

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


@dataclass(frozen=True, eq=False)
class Triangles:
    """Fields that are polynomials on triangles with quadratic sides; NaN away from the triangles.

    x = Σ_i x_i φ_i(λ),  u = Σ_j u_j ψ_j(λ),   φ quadratic, ψ through the lattice `unit` below λ_1 + λ_2 = 1
    """

    nodes: np.ndarray  # [N, 2]
    cells: np.ndarray  # [T, 6] of the nodes: corners 0, 1, 2, then the middles of their sides 01, 12, 02
    unit: np.ndarray  # [m, 2], all places of a lattice
    numbers: np.ndarray  # [T, m] of the values
    values: np.ndarray  # [fields, M]

    def __call__(self, points: np.ndarray) -> np.ndarray:  # [n, 2] -> [n, fields]
        points = np.asarray(points, dtype=float)
        parts = [self._evaluated(part) for part in chunks(points)]
        return np.concatenate(parts) if parts else np.empty((0, len(self.values)))

    def _evaluated(self, points: np.ndarray) -> np.ndarray:
        cell = self._found(points)
        inside = _inverted(self.nodes[self.cells[cell]], points)
        functions = _monomials(inside, self._degree) @ np.linalg.inv(_monomials(self.unit, self._degree))
        found = np.einsum("nj,fnj->nf", functions, self.values[:, self.numbers[cell]])
        rest = 1 - inside.sum(1, keepdims=True)
        found[np.hstack([inside, rest]).min(1) < -OUTSIDE] = np.nan
        return found

    @property
    def _degree(self) -> int:
        return round((2 * len(self.unit) + 0.25) ** 0.5 - 1.5)  # (p+1)(p+2)/2 places

    def _found(self, points: np.ndarray) -> np.ndarray:  # -> [n]
        """The triangle around each point; outside all of them, between a side and its curve, the nearest on the rim."""
        cell = self._finder(points)
        middles, owners = self._rim
        outside = cell < 0
        cell[outside] = owners[middles.query(points[outside])[1]]
        return cell

    @cached_property
    def _finder(self) -> TriangleFinder:
        return TriangleFinder(self.nodes, self.cells[:, :3])

    @cached_property
    def _rim(self) -> tuple[scipy.spatial.cKDTree, np.ndarray]:
        """The middles of sides that belong to one triangle only, and these triangles."""
        middles, first, counts = np.unique(self.cells[:, 3:], return_index=True, return_counts=True)
        return scipy.spatial.cKDTree(self.nodes[middles[counts == 1]]), first[counts == 1] // 3


Function = Interpolant | Triangles
"""Fields by their values at nodes; what is kept from one run to the next."""

OUTSIDE = 0.2
"""How far beyond a triangle its polynomials are continued, in its own coordinates: curves leave chords by less."""


def _inverted(corners: np.ndarray, points: np.ndarray) -> np.ndarray:  # [n, 6, 2], [n, 2] -> [n, 2]
    """λ_1 and λ_2 of points, by Newton's method from the straight triangle's."""
    straight = np.stack([corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]], axis=2)
    inside = np.linalg.solve(straight, (points - corners[:, 0])[..., None])[..., 0]
    near = np.abs(inside).max(1) < 2  # far away, the quadratic map may fold
    corners, points, found = corners[near], points[near], inside[near]
    for _ in range(4):
        miss = points - np.einsum("ni,nid->nd", _quadratics(found), corners)
        slopes = np.einsum("nie,nid->nde", _quadratic_slopes(found), corners)
        found = found + np.linalg.solve(slopes, miss[..., None])[..., 0]
    inside[near] = found
    return inside


def _monomials(inside: np.ndarray, degree: int) -> np.ndarray:  # [n, 2] -> [n, (p+1)(p+2)/2]
    b, c = inside.T
    return np.stack([b**i * c**j for i in range(degree + 1) for j in range(degree + 1 - i)], axis=1)


def _quadratics(inside: np.ndarray) -> np.ndarray:  # [n, 2] -> [n, 6]
    b, c = inside.T
    a = 1 - b - c
    return np.stack([a * (2 * a - 1), b * (2 * b - 1), c * (2 * c - 1), 4 * a * b, 4 * b * c, 4 * a * c], axis=1)


def _quadratic_slopes(inside: np.ndarray) -> np.ndarray:  # [n, 2] -> [n, 6, 2]
    b, c = inside.T
    a, zero = 1 - b - c, np.zeros(len(inside))
    along_b = [1 - 4 * a, 4 * b - 1, zero, 4 * (a - b), 4 * c, -4 * c]
    along_c = [1 - 4 * a, zero, 4 * c - 1, -4 * b, 4 * b, 4 * (a - c)]
    return np.stack([np.stack(along_b, axis=1), np.stack(along_c, axis=1)], axis=2)


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
