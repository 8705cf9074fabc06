"""Which triangle of a plane mesh lies around a point."""

from __future__ import annotations

import numpy as np

ROUNDING = 1e-10
"""How far outside a triangle a point on its side may seem to lie, in the triangle's own coordinates."""


class TriangleFinder:
    """Triangles sorted into the boxes of a grid that they may touch; only those in a point's box are tried on it.

    The grid's lines are quantiles of the triangles' centers, so that boxes are small where triangles are.

        x = x_0 + λ_1 (x_1 - x_0) + λ_2 (x_2 - x_0),   inside where λ_1, λ_2 and 1 - λ_1 - λ_2 are all positive

    >>> square = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> TriangleFinder(square, np.array([[0, 1, 2], [3, 2, 1]]))(np.array([[0.2, 0.2], [0.9, 0.8], [2.0, 0.0]]))
    array([ 0,  1, -1])
    """

    def __init__(self, nodes: np.ndarray, corners: np.ndarray):  # [N, 2], int [T, 3]
        points = nodes[corners]
        self.origins = points[:, 0]
        self.inverses = np.linalg.inv(np.stack([points[:, 1] - points[:, 0], points[:, 2] - points[:, 0]], axis=2))
        self.side = max(int(len(corners) ** 0.5), 1)
        self.lines = np.quantile(points.mean(1), np.arange(1, self.side) / self.side, axis=0)  # [side-1, 2]
        self.starts, self.triangles = self._sorted(self._box(points.min(1)), self._box(points.max(1)))

    def __call__(self, points: np.ndarray) -> np.ndarray:  # [n, 2] -> int [n]
        """The triangle around each point, or -1 where there is none."""
        x, y = self._box(points).T
        box = x * self.side + y
        counts = self.starts[box + 1] - self.starts[box]
        point = np.repeat(np.arange(len(points)), counts)
        tried = self.triangles[np.repeat(self.starts[box], counts) + _places(counts)]
        inside = np.einsum("pij,pj->pi", self.inverses[tried], points[point] - self.origins[tried])
        depth = np.minimum(inside.min(1), 1 - inside.sum(1))
        order = np.lexsort((depth, point))  # of each point, the triangle it lies deepest in comes last
        found = np.full(len(points), -1)
        found[point[order]] = np.where(depth > -ROUNDING, tried, -1)[order]
        return found

    def _box(self, points: np.ndarray) -> np.ndarray:  # [n, 2] -> int [n, 2]
        places = zip(self.lines.T, points.T, strict=True)
        return np.stack([np.searchsorted(lines, x, side="right") for lines, x in places], axis=1)

    def _sorted(self, first: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # int [T, 2] each
        """The triangles box by box, and where each box begins among them."""
        width, height = (last - first + 1).T
        triangle = np.repeat(np.arange(len(first)), width * height)
        place = _places(width * height)
        x = first[triangle, 0] + place // height[triangle]
        y = first[triangle, 1] + place % height[triangle]
        box = x * self.side + y
        starts = np.searchsorted(np.sort(box), np.arange(self.side**2 + 1))
        return starts, triangle[np.argsort(box, kind="stable")]


def _places(counts: np.ndarray) -> np.ndarray:
    """0, 1, …, of each count in turn.

    >>> _places(np.array([2, 0, 3]))
    array([0, 1, 0, 1, 2])
    """
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
