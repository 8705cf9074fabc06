"""Fields that are polynomials on triangles or tetrahedra with quadratic sides, and polynomials in steps of time.

    x = Σ_i x_i φ_i(λ),   u = Σ_j u_j ψ_j(λ),   u_j(t) = Σ_k u_jk χ_k(t),    φ quadratic, ψ of any degree
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy

from kanpde.problems.geometry.finders import SimplexFinder
from kanpde.references import simplices
from kanpde.references.interpolants import Interpolant, Pieces, barycentric_matrix, chunks

OUTSIDE = 0.2
"""How far beyond a simplex its polynomials are continued, in its own coordinates: curves leave chords by less."""

BEYOND = 1e-9
"""How far outside of its simplex a point is when others near by are tried."""

NEAREST = 4
"""Of the rim's faces, from which the one is taken that a point outside of all simplices belongs to."""


@dataclass(frozen=True, eq=False)
class Meshed:
    """Fields by their values on the lattices of simplices; NaN away from them."""

    nodes: np.ndarray  # [N, d]
    cells: np.ndarray  # int [T, (d+1)(d+2)/2] of the nodes, on the lattice of degree 2
    numbers: np.ndarray  # int [T, m] of the values
    values: np.ndarray  # [fields, M], or [fields, M, nodes of time]
    axis: Pieces | None = None  # of time
    time: int = -1  # its place among the coordinates
    lives: np.ndarray | None = None  # 0 or 1 [fields, T]: on which simplices each field is given; None for all

    def __call__(self, points: np.ndarray) -> np.ndarray:  # [n, d] -> [n, fields]
        points = np.asarray(points, dtype=float)
        if self._homes:
            found = np.empty((len(points), len(self.values)))
            for fields, home in self._homes:
                found[:, fields] = home(points)
            return found
        parts = [self._evaluated(part) for part in chunks(points)]
        return np.concatenate(parts) if parts else np.empty((0, len(self.values)))

    @cached_property
    def _homes(self) -> list[tuple[np.ndarray, Meshed]]:
        """Fields that are given on the same simplices, by number, on these alone; they go on beyond by a little."""
        if self.lives is None:
            return []
        kinds, kind = np.unique(self.lives, axis=0, return_inverse=True)
        groups = [np.flatnonzero(kind.ravel() == number) for number in range(len(kinds))]
        return [(own, Meshed(self.nodes, self.cells[lives == 1], self.numbers[lives == 1], self.values[own], self.axis,
                             self.time)) for own, lives in zip(groups, kinds, strict=True)]  # fmt: skip

    def _evaluated(self, points: np.ndarray) -> np.ndarray:
        cell, inside = self.located(points if self.axis is None else np.delete(points, self.time, axis=1))
        functions = simplices.functions(inside, self._degree)
        found = self._combined(functions, self.numbers[cell], points)
        found[_depth(inside) < -OUTSIDE] = np.nan
        return found

    def located(self, space: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # [n, d] -> int [n], [n, d]
        """The simplex around each point and its place in it, λ_1 … λ_d."""
        cell = self._found(space)
        inside = _inverted(self.nodes[self.cells[cell]], space)
        self._settle(space, cell, inside)
        return cell, inside

    def _settle(self, points: np.ndarray, cell: np.ndarray, inside: np.ndarray) -> None:
        """Points that a curved side leaves to the simplex beyond it, where parts meet, go there."""
        out = np.flatnonzero(_depth(inside) < -BEYOND)
        if not len(out) or len(self.cells) < NEAREST:
            return
        for near in self._centers.query(points[out], k=NEAREST)[1].T:
            tried = _inverted(self.nodes[self.cells[near]], points[out])
            better = _depth(tried) > _depth(inside[out])
            cell[out[better]], inside[out[better]] = near[better], tried[better]

    @cached_property
    def _centers(self) -> scipy.spatial.cKDTree:
        return scipy.spatial.cKDTree(self.nodes[self._corners].mean(1))

    def _combined(self, functions: np.ndarray, numbers: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Σ_j ψ_j Σ_k χ_k u_jk, [n, fields]."""
        if self.axis is None:
            return np.einsum("nj,fnj->nf", functions, self.values[:, numbers])
        times, degree = points[:, self.time], len(self.axis.unit) - 1
        step = self.axis.cells_of(times)
        within = (times - self.axis.breaks[step]) / np.diff(self.axis.breaks)[step]
        kept = step[:, None] * degree + np.arange(degree + 1)
        values = self.values[:, numbers[:, :, None], kept[:, None, :]]
        return np.einsum("nj,nk,fnjk->nf", functions, barycentric_matrix(within, self.axis.unit), values, optimize=True)

    @property
    def _degree(self) -> int:
        return simplices.degree_of(self.nodes.shape[1], self.numbers.shape[1])

    @cached_property
    def _corners(self) -> np.ndarray:  # int [T, d+1]
        weights = simplices.lattice(self.nodes.shape[1], 2)
        return self.cells[:, [int(np.flatnonzero(weights[:, own] == 2)[0]) for own in range(weights.shape[1])]]

    def _found(self, points: np.ndarray) -> np.ndarray:  # -> [n]
        """The simplex around each point; outside all of them, between a side and its curve, one near by on the rim."""
        cell = self._finder(points)
        middles, owners = self._rim
        outside = np.flatnonzero(cell < 0)
        if len(outside):
            near = owners[middles.query(points[outside], k=min(NEAREST, len(owners)))[1]].reshape(len(outside), -1)
            depths = [_depth(_inverted(self.nodes[self.cells[one]], points[outside])) for one in near.T]
            cell[outside] = near[np.arange(len(near)), np.argmax(depths, axis=0)]
        return cell

    @cached_property
    def _finder(self) -> SimplexFinder:
        return SimplexFinder(self.nodes, self._corners)

    @cached_property
    def _rim(self) -> tuple[scipy.spatial.cKDTree, np.ndarray]:
        """The middles of faces that belong to one simplex only, and these simplices."""
        corners, owners, _ = simplices.faces(self._corners)
        return scipy.spatial.cKDTree(self.nodes[corners].mean(1)), owners


Function = Interpolant | Meshed
"""Fields by their values at nodes; what is kept from one run to the next."""


def _depth(inside: np.ndarray) -> np.ndarray:  # [n, d] -> [n]
    """The least of λ_0 … λ_d."""
    depth: np.ndarray = np.minimum(inside.min(1), 1 - inside.sum(1))
    return depth


def _inverted(corners: np.ndarray, points: np.ndarray) -> np.ndarray:  # [n, m, d], [n, d] -> [n, d]
    """λ_1 … λ_d of points, by Newton's method from the straight simplex's."""
    weights = simplices.lattice(points.shape[1], 2)
    ends = [int(np.flatnonzero(weights[:, own] == 2)[0]) for own in range(weights.shape[1])]
    straight = np.swapaxes(corners[:, ends[1:]] - corners[:, ends[:1]], 1, 2)
    inside = np.linalg.solve(straight, (points - corners[:, ends[0]])[..., None])[..., 0]
    near = np.abs(inside).max(1) < 2  # far away, the quadratic map may fold
    corners, points, found = corners[near], points[near], inside[near]
    for _ in range(6):
        miss = points - np.einsum("ni,nid->nd", simplices.functions(found, 2), corners)
        slopes = np.einsum("nie,nid->nde", simplices.slopes(found, 2), corners)
        found = found + np.linalg.solve(slopes, miss[..., None])[..., 0]
    inside[near] = found
    return inside
