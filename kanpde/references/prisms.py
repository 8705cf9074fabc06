"""Tetrahedra that fill what is drawn out along a coordinate: a mesh of the plane in layers, each prism split in three.

    a < b < c:    (a₀ b₀ c₀ c₁),  (a₀ b₀ b₁ c₁),  (a₀ a₁ b₁ c₁)

All shapes have to be plane shapes between two heights. Layers end where one of them does; the plane mesh has all their
rims, and the prisms whose middles lie in the region are kept. Diagonals lead from the lower number below to the higher
one above, so that neighbors share them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import reduce
from itertools import combinations, pairwise

import numpy as np
import torch

from kanpde.problems.geometry.boxes import Box, Side, box_sides
from kanpde.problems.geometry.regions import Region, Seam, Tree, on_boundary
from kanpde.problems.geometry.shapes import Cuboid, Extrusion, Facet, Shape
from kanpde.problems.problem import Problem
from kanpde.references import simplices
from kanpde.references.means import NotSolved
from kanpde.references.meshes import Face, Mesh, at_start, bounding_arcs, inner_arcs, longest, triangulated

FLAT = 1.15
"""Of h, how high layers are at most."""

MOST_NODES = 8000
Edge = tuple[int, int]


@dataclass(frozen=True, eq=False)
class _Drawn:
    """A plane shape between two heights; what its facets become, and its ends."""

    base: Shape
    low: float
    high: float
    walls: tuple[tuple[Facet, Facet], ...]
    ends: tuple[Facet, Facet]

    @classmethod
    def of(cls, shape: Shape, axis: int) -> _Drawn | None:
        facets = shape.facets()
        if isinstance(shape, Extrusion) and shape.axis == axis:
            walls = tuple(zip(shape.base.facets(), facets[:-2], strict=True))
            return cls(shape.base, shape.low, shape.high, walls, (facets[-2], facets[-1]))
        if isinstance(shape, Cuboid):
            lower, upper = (end[:axis] + end[axis + 1 :] for end in shape.bounds)
            around = facets[: 2 * axis] + facets[2 * axis + 2 :]
            base = Cuboid(lower, upper)
            walls = tuple(zip(base.facets(), around, strict=True))
            return cls(base, shape.lower[axis], shape.upper[axis], walls, (facets[2 * axis], facets[2 * axis + 1]))
        return None


def is_drawn_out(problem: Problem) -> bool:
    """Whether all shapes of a region of space are drawn out along the same axis."""
    return len(problem.region.axes) == 3 and _layers(problem) is not None


def drawn_out(problem: Problem, resolution: float) -> Mesh | None:
    """A mesh of such a region; None for any other.

    Raises:
        NotSolved: the plane has no mesh, or there would be too many nodes.
    """
    layers = _layers(problem)
    return None if layers is None else layers.mesh(resolution)


def _layers(problem: Problem) -> _Layers | None:
    own = {name: shape for name, shape in problem.region.shapes if name in problem.region.names()}
    own |= dict(problem.parts)
    for place, axis in enumerate(problem.region.axes):
        drawn = {name: found for name, shape in own.items() if (found := _Drawn.of(shape, place)) is not None}
        if own and len(drawn) == len(own):
            return _Layers(problem, drawn, place, axis)
    return None


@dataclass(frozen=True, eq=False)
class _Layers:
    """The shapes of a problem, drawn out along a space coordinate: its place among them, and its axis of all."""

    problem: Problem
    drawn: dict[str, _Drawn]
    place: int
    axis: int

    @property
    def breaks(self) -> list[float]:
        """Heights at which a shape or the box ends."""
        low, high = (end[self.place] for end in self.problem.region.box.bounds)
        inside = {end for one in self.drawn.values() for end in (one.low, one.high) if low < end < high}
        return sorted({low, high, *inside})

    def heights(self, h: float) -> np.ndarray:
        parts = [np.linspace(a, b, int(np.ceil((b - a) / (FLAT * h))) + 1)[:-1] for a, b in pairwise(self.breaks)]
        return np.append(np.concatenate(parts), self.breaks[-1])

    def plane(self) -> Problem:
        """The problem's shadow in the plane: what lies in any layer."""
        problem, kept = self.problem, [place for place in range(3) if place != self.place]
        lower, upper = (tuple(end[place] for place in kept) for end in problem.region.box.bounds)
        trees = [_layer(problem.region.tree, self.drawn, (a + b) / 2) for a, b in pairwise(self.breaks)]
        tree = reduce(lambda one, other: ("+", one, other), trees)
        shapes = tuple((name, one.base) for name, one in self.drawn.items())
        region = Region(tree, shapes, (0, 1), Cuboid(lower, upper))
        names = tuple(problem.coordinates[problem.region.axes[place]] for place in kept)
        return replace(problem, coordinates=names, domain=Box(lower, upper), region=region, conditions=(), parts=shapes,
                       time=None)  # fmt: skip

    def mesh(self, resolution: float) -> Mesh:
        plane = self.plane()
        rims = [Seam(name, facet, ()) for name, one in self.drawn.items() for facet in one.base.facets()]
        arcs = (*bounding_arcs(plane), *inner_arcs(plane, rims))
        h = longest(self.problem) / resolution
        flat = triangulated(plane, arcs, max(longest(plane) / h, 2))
        heights = self.heights(h)
        if len(flat.nodes) * len(heights) > 2 * MOST_NODES:
            raise NotSolved(f"takes meshes of up to {MOST_NODES} nodes; this one has more")
        nodes, cells = self.split(flat, heights)
        if len(nodes) > MOST_NODES:
            raise NotSolved(f"takes meshes of up to {MOST_NODES} nodes; this one has {len(nodes)}")
        return self.labeled(flat, nodes, cells, heights)

    def split(self, flat: Mesh, heights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # -> [N, 3], [T, 4]
        """Nodes of all levels, one after the other, and the tetrahedra of prisms whose middles lie in the region."""
        count, (a, b, c) = len(flat.nodes), np.sort(flat.cells, axis=1).T
        above = [(a, b, c, c + count), (a, b, b + count, c + count), (a, a + count, b + count, c + count)]
        nodes = np.concatenate([np.insert(flat.nodes, self.place, z, axis=1) for z in heights])
        middles, kept = flat.nodes[flat.cells].mean(1), []
        for level, (low, high) in enumerate(pairwise(heights)):
            place = torch.from_numpy(np.insert(middles, self.place, (low + high) / 2, axis=1))
            inside = self.problem.region.holds(place).numpy()
            kept += [np.stack(own, axis=1)[inside] + level * count for own in above]
        return nodes, np.concatenate(kept)

    def labeled(self, flat: Mesh, nodes: np.ndarray, cells: np.ndarray, heights: np.ndarray) -> Mesh:
        """The mesh with the carriers of its boundary and the middles of edges along curved rims."""
        rim, _, _ = simplices.faces(cells)
        beside: dict[Edge, list[Face]] = {}
        for face in (*flat.faces, *flat.inner):
            a, b = sorted(face.nodes)
            beside.setdefault((a, b), []).append(face)
        faces = [face for corners in rim.tolist() for face in self.faces(corners, len(flat.nodes), beside, nodes)]
        bends = self.bends(flat, cells, heights)
        used, numbers = np.unique(cells, return_inverse=True)
        new = dict(zip(used.tolist(), range(len(used)), strict=True))
        faces = [replace(face, nodes=tuple(new[own] for own in face.nodes)) for face in faces]
        bends = {(new[a], new[b]): middle for (a, b), middle in bends.items()}
        return Mesh(nodes[used], numbers.reshape(cells.shape), tuple(faces), bends)

    def faces(
        self, corners: list[int], count: int, beside: dict[Edge, list[Face]], nodes: np.ndarray
    ) -> Iterator[Face]:
        """A face of the boundary on each piece that it lies on."""
        below, middle = sorted({own % count for own in corners}), nodes[corners].mean(0)
        if len(below) == 3:
            for carrier in self.carriers(self.ends(float(middle[self.place])), middle):
                yield Face(carrier, tuple(corners), tuple(middle.tolist()))
        for edge in beside[below[0], below[1]] if len(below) == 2 else ():
            place = np.insert(np.array(edge.middle), self.place, middle[self.place])
            for carrier in self.carriers(self.drawn_from(edge.carrier), place):
                yield Face(carrier, tuple(corners), tuple(place.tolist()))

    def carriers(self, candidates: list[Side | Facet], place: np.ndarray) -> Iterator[Side | Facet]:
        """Those that bound the region at a place."""
        problem = self.problem
        for carrier in candidates:
            if isinstance(carrier, Side):
                there = on_boundary(problem.region, problem.domain, carrier, at_start(problem, place[None]))
            else:
                there = problem.region.signs(carrier, torch.from_numpy(place[None])) != 0
            if there.any():
                yield carrier

    def ends(self, height: float) -> list[Side | Facet]:
        """The sides of the box and the ends of shapes at a height."""
        near = 1e-9 * longest(self.problem)
        low, high = (abs(height - end[self.place]) < near for end in self.problem.region.box.bounds)
        sides = [side for side in box_sides(self.problem.coordinates) if side.axis == self.axis]
        found: list[Side | Facet] = [side for side in sides if (low, high)[side.end]]
        for one in self.drawn.values():
            ends = zip(one.ends, (one.low, one.high), strict=True)
            found += [facet for facet, end in ends if abs(height - end) < near]
        return found

    def drawn_from(self, carrier: Side | Facet) -> list[Side | Facet]:
        """What a side of the plane's box, or a facet of a plane shape, becomes in space."""
        if isinstance(carrier, Side):
            return [side for side in box_sides(self.problem.coordinates) if side.name == carrier.name]
        return [wall for one in self.drawn.values() for base, wall in one.walls if base == carrier]

    def bends(self, flat: Mesh, cells: np.ndarray, heights: np.ndarray) -> dict[Edge, tuple[float, ...]]:
        """Middles of edges above and along the bent ones of the plane."""
        count, found = len(flat.nodes), {}
        known = {pair for a, b in combinations(range(4), 2) for pair in map(tuple, np.sort(cells[:, [a, b]]).tolist())}
        for (a, b), middle in flat.bends.items():
            for level, low in enumerate(heights.tolist()):
                ends = [low] if level + 1 == len(heights) else [low, float(heights[level + 1])]
                for up, high in enumerate(ends):
                    pair = a + level * count, b + (level + up) * count
                    if pair in known:
                        found[pair] = tuple(np.insert(np.array(middle), self.place, (low + high) / 2).tolist())
        return found


def _layer(tree: Tree, drawn: dict[str, _Drawn], height: float) -> Tree:
    """The region at a height: shapes that do not reach it are empty."""
    if not isinstance(tree, str):
        return tree[0], _layer(tree[1], drawn, height), _layer(tree[2], drawn, height)
    there = tree == "box" or drawn[tree].low < height < drawn[tree].high
    return tree if there else ("-", "box", "box")
