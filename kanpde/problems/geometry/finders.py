"""Which triangle of a plane mesh, or tetrahedron of one in space, lies around a point."""

from __future__ import annotations

from functools import reduce

import numpy as np

ROUNDING = 1e-10
"""How far outside a simplex a point on its side may seem to lie, in the simplex's own coordinates."""

FINER = 1.5
"""Boxes along an axis, of as many as would make one box a simplex."""


class SimplexFinder:
    """Simplices sorted into the boxes of a grid that they may touch; only those in a point's box are tried on it.

    The grid's lines are quantiles of the simplices' centers, so that boxes are small where simplices are.

        x = x_0 + Σ_i λ_i (x_i - x_0),   inside where all λ_i and 1 - Σ λ_i are positive

    >>> square = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> SimplexFinder(square, np.array([[0, 1, 2], [3, 2, 1]]))(np.array([[0.2, 0.2], [0.9, 0.8], [2.0, 0.0]]))
    array([ 0,  1, -1])
    """

    def __init__(self, nodes: np.ndarray, corners: np.ndarray):  # [N, d], int [T, d+1]
        points, self.dimension = nodes[corners], nodes.shape[1]
        self.origins = points[:, 0]
        self.inverses = np.linalg.inv(np.swapaxes(points[:, 1:] - points[:, :1], 1, 2))
        self.side = max(int(FINER * len(corners) ** (1 / self.dimension)), 1)
        self.lines = np.quantile(points.mean(1), np.arange(1, self.side) / self.side, axis=0)  # [side-1, d]
        self.starts, self.simplices = self._sorted(self._box(points.min(1)), self._box(points.max(1)))

    def __call__(self, points: np.ndarray) -> np.ndarray:  # [n, d] -> int [n]
        """The simplex around each point, or -1 where there is none."""
        box = self._number(self._box(points))
        counts = self.starts[box + 1] - self.starts[box]
        point = np.repeat(np.arange(len(points)), counts)
        tried = self.simplices[np.repeat(self.starts[box], counts) + _places(counts)]
        inside = np.einsum("pij,pj->ip", self.inverses[tried], points[point] - self.origins[tried])
        depth = np.minimum(reduce(np.minimum, inside), 1 - inside.sum(0))
        held = np.flatnonzero(depth > -ROUNDING)
        held = held[np.argsort(depth[held])]  # of each point, the simplex it lies deepest in comes last
        found = np.full(len(points), -1)
        found[point[held]] = tried[held]
        return found

    def _box(self, points: np.ndarray) -> np.ndarray:  # [n, d] -> int [n, d]
        places = zip(self.lines.T, points.T, strict=True)
        return np.stack([np.searchsorted(lines, x, side="right") for lines, x in places], axis=1)

    def _number(self, boxes: np.ndarray) -> np.ndarray:  # int [n, d] -> int [n]
        return boxes @ self.side ** np.arange(self.dimension)[::-1]

    def _sorted(self, first: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # int [T, d] each
        """The simplices box by box, and where each box begins among them."""
        widths = last - first + 1
        simplex = np.repeat(np.arange(len(first)), widths.prod(1))
        place, boxes = _places(widths.prod(1)), np.empty((len(simplex), self.dimension), dtype=int)
        for axis in reversed(range(self.dimension)):
            boxes[:, axis] = first[simplex, axis] + place % widths[simplex, axis]
            place = place // widths[simplex, axis]
        box = self._number(boxes)
        starts = np.searchsorted(np.sort(box), np.arange(self.side**self.dimension + 1))
        return starts, simplex[np.argsort(box, kind="stable")]


def _places(counts: np.ndarray) -> np.ndarray:
    """0, 1, …, of each count in turn.

    >>> _places(np.array([2, 0, 3]))
    array([0, 1, 0, 1, 2])
    """
    found: np.ndarray = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return found
