"""What triangles of a mesh fill: its outer polygon and those of its holes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import torch
from torch import Tensor

from kanpde.problems.geometry.shapes.interface import Facet, Flat, Misshapen, Shape
from kanpde.problems.geometry.shapes.polygon import Point

STRAIGHT = 1e-9
"""Sine of an angle below which two edges are one."""

FLAT = 1e-10
"""Twice the area of a triangle, relative to its longest side's square, below which it is none."""

CHUNK = 4096


@dataclass(frozen=True)
class Outline(Shape):
    """Polygons whose corners go round with the inside on the left: the outer one, and holes the other way."""

    loops: tuple[tuple[Point, ...], ...]

    @classmethod
    def around(cls, nodes: np.ndarray, triangles: np.ndarray) -> Self:  # [N, 2], int [T, 3]
        """The outline of triangles.

        Raises:
            Misshapen: for triangles that are flat, turned inside out, more than two on a side or lacking.
        """
        a, b, c = nodes[triangles.T]
        (ux, uy), (vx, vy) = (b - a).T, (c - a).T
        areas, size = ux * vy - uy * vx, np.max([ux**2 + uy**2, vx**2 + vy**2], axis=0)
        if (flat := np.abs(areas) <= FLAT * size).any():
            raise Misshapen(f"triangles with an area; number {int(flat.argmax()) + 1} is flat")
        sign = 1 if (areas > 0).sum() * 2 >= len(areas) else -1
        if (turned := sign * areas < 0).any():
            raise Misshapen(f"triangles that go round one way; number {int(turned.argmax()) + 1} is inverted")
        return cls(tuple(map(tuple, _loops(nodes, triangles[:, ::sign]))))

    @property
    def bounds(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        xs, ys = zip(*(corner for loop in self.loops for corner in loop), strict=True)
        return (min(xs), min(ys)), (max(xs), max(ys))

    @cached_property
    def _edges(self) -> tuple[tuple[Point, Point], ...]:
        return tuple(pair for loop in self.loops for pair in zip(loop, loop[1:] + loop[:1], strict=True))

    def contains(self, points: Tensor) -> Tensor:  # [n, 2] -> bool [n]
        """By the parity of edges that a ray to the right crosses."""
        (x1, y1), (x2, y2) = points.new_tensor(self._edges).permute(1, 2, 0)
        slope = (x2 - x1) / torch.where(y1 == y2, 1.0, y2 - y1)
        found = []
        for part in points.split(CHUNK):
            x, y = part[:, :1], part[:, 1:]
            found.append((((y1 > y) != (y2 > y)) & (x < x1 + (y - y1) * slope)).sum(1) % 2 == 1)
        return torch.cat(found) if found else torch.zeros(0, dtype=torch.bool)

    def facets(self) -> tuple[Facet, ...]:
        found = []
        for (x1, y1), (x2, y2) in self._edges:
            dx, dy = x2 - x1, y2 - y1
            length = math.hypot(dx, dy)
            found.append(Flat((x1, y1), ((dx, dy),), (dy / length, -dx / length)))
        return tuple(found)


def _loops(nodes: np.ndarray, triangles: np.ndarray) -> list[list[Point]]:
    """The sides that belong to one triangle alone, in the order in which they follow each other."""
    sides = triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    distinct, counts = np.unique(sides, axis=0, return_counts=True)
    if (counts > 1).any():
        one, other = distinct[counts.argmax()] + 1
        raise Misshapen(f"at most two triangles on a side; there are more between nodes {one} and {other}")
    known = set(map(tuple, sides.tolist()))
    follows: dict[int, int] = {}
    for start, end in sides.tolist():
        if (end, start) in known:
            continue
        if start in follows:
            raise Misshapen(f"a boundary that does not touch itself; it does at node {start + 1}")
        follows[start] = end
    found = []
    while follows:
        loop = [next(iter(follows))]
        while (after := follows.pop(loop[-1])) != loop[0]:
            loop.append(after)
        (x1, y1), (x2, y2), (x3, y3) = nodes[loop[:3]]
        if len(loop) == 3 and (x2 - x1) * (y3 - y1) < (y2 - y1) * (x3 - x1):
            named = ", ".join(str(number + 1) for number in loop)
            raise Misshapen(f"triangles without gaps; one is missing between nodes {named}")
        found.append(_cornered(nodes[loop]))
    return found


def _cornered(points: np.ndarray) -> list[Point]:  # [n, 2]
    """The corners alone of a polygon some of whose nodes lie on straight lines."""
    before, after = points - np.roll(points, 1, axis=0), np.roll(points, -1, axis=0) - points
    turn = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    corner = np.abs(turn) > STRAIGHT * np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    return [(float(x), float(y)) for x, y in points[corner]]
