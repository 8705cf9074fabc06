"""What triangles of a mesh fill: its outer polygon and those of its holes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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
Names = tuple[str, ...]


@dataclass(frozen=True)
class Outline(Shape):
    """Polygons whose corners go round with the inside on the left: the outer one, and holes the other way.

    Attributes:
        loops: Their corners.
        names: Of each polygon's edges, by their first corners, what a file calls them; none where it names nothing.
    """

    loops: tuple[tuple[Point, ...], ...]
    names: tuple[tuple[Names, ...], ...] = ()

    @classmethod
    def around(
        cls, nodes: np.ndarray, triangles: np.ndarray, groups: Mapping[str, np.ndarray] | None = None
    ) -> Self:  # [N, 2], int [T, 3], int [F, 2] each
        """The outline of triangles, cut where another group of its sides begins.

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
        loops, known = _loops(nodes, triangles[:, ::sign]), _called(groups or {})
        names = [[known.get(frozenset(pair), ()) for pair in zip(loop, loop[1:] + loop[:1], strict=True)]
                 for loop in loops]  # fmt: skip
        kept = [_corners(nodes[loop], own) for loop, own in zip(loops, names, strict=True)]
        corners = tuple(tuple((float(x), float(y)) for x, y in nodes[np.array(loop)[own]])
                        for loop, own in zip(loops, kept, strict=True))  # fmt: skip
        if not known:
            return cls(corners)
        return cls(corners, tuple(tuple(own[place] for place in np.flatnonzero(at).tolist())
                                  for own, at in zip(names, kept, strict=True)))  # fmt: skip

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

    def named(self) -> dict[str, tuple[Facet, ...]]:
        edges = list(zip((own for loop in self.names for own in loop), self.facets(), strict=False))
        known = dict.fromkeys(name for own, _ in edges for name in own)
        return {name: tuple(facet for own, facet in edges if name in own) for name in known}


def _called(groups: Mapping[str, np.ndarray]) -> dict[frozenset[int], Names]:
    """The names of each side, by its nodes."""
    found: dict[frozenset[int], Names] = {}
    for name, sides in sorted(groups.items()):
        for pair in {frozenset(side) for side in sides.tolist()}:
            found[pair] = (*found.get(pair, ()), name)
    return found


def _loops(nodes: np.ndarray, triangles: np.ndarray) -> list[list[int]]:
    """The nodes of sides that belong to one triangle alone, in the order in which they follow each other."""
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
        found.append(loop)
    return found


def _corners(points: np.ndarray, names: Sequence[Names]) -> np.ndarray:  # [n, 2] -> bool [n]
    """Which nodes of a polygon are corners, or lie where an edge of other names begins."""
    before, after = points - np.roll(points, 1, axis=0), np.roll(points, -1, axis=0) - points
    turn = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    bent: np.ndarray = np.abs(turn) > STRAIGHT * np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    bent |= np.array([names[place - 1] != own for place, own in enumerate(names)])
    return bent
