"""Triangles that fill a plane region: nodes along its boundary, inner nodes from a graded quadtree, smoothed.

Edges have about the length

    h(x) = min(h₀, h₀ (|x - corner|/R)^0.8, κ (r + |x - piece|)),   h₀ = longest side/resolution,  κ = 3/resolution

with r the radius of a curved piece, or the width of the gap beside it: solutions vary there as log |x|. The same
problem gives the same mesh.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import scipy
import torch

from kanpde.problems.geometry.boxes import Side, box_sides
from kanpde.problems.geometry.regions import STEP, Seam, SubSide, on_boundary, seams_of
from kanpde.problems.geometry.shapes import Facet
from kanpde.problems.problem import Problem
from kanpde.references.means import NotSolved

ANGLE, GAP = 3.0, 2.0  # h = ANGLE radius / resolution along a curve, ANGLE GAP width / resolution beside a gap
STEEPNESS, REACH = 0.8, 0.3  # h falls toward a corner like distance^STEEPNESS, from REACH times the box on
UPON = 0.1  # of the smallest edge: how near nodes of two arcs that lie upon each other are
STEEPEST = 0.3  # of h; steeper, neighbors would differ too much in size
SMALLEST = 2e-5  # of the box: corners are known to about 1e-6
LOOKED_AT = 2000  # places along a line as long as the box at which a piece is asked whether it bounds the region
SMOOTHED, TRIED = 8, 3
MOST_NODES = 60_000


@dataclass(frozen=True)
class Arc:
    """The stretch of a side's or a shape's facet between two parameters; `carrier` is the side or the facet."""

    carrier: Side | Facet
    facet: Facet
    start: float
    end: float
    inner: bool = False  # parts of the region meet at it

    def place(self, s: np.ndarray) -> np.ndarray:  # [n] in [0, 1] -> [n, 2]
        along = self.start + (self.end - self.start) * s
        if self.facet.closed:
            along = np.mod(along, 1.0)
        return self.facet.place(torch.from_numpy(along[:, None])).numpy()

    @property
    def closed(self) -> bool:
        return self.facet.closed and self.end - self.start == 1.0


@dataclass(frozen=True)
class Face:
    """A face of the boundary, an edge in the plane, between nodes on one carrier, and a point of it in its middle."""

    carrier: Side | Facet
    nodes: tuple[int, ...]
    middle: tuple[float, ...]
    inner: bool = False


@dataclass(frozen=True, eq=False)
class Mesh:
    """Simplices by their corners, which of their faces lie on which piece of the boundary, and edges that are bent."""

    nodes: np.ndarray  # [N, d]
    cells: np.ndarray  # [T, d+1]
    faces: tuple[Face, ...]
    bends: Mapping[tuple[int, int], tuple[float, ...]]  # the middle of an edge between two nodes, the lower one first
    inner: tuple[Face, ...] = ()  # faces at which parts meet


def triangulate(problem: Problem, resolution: int) -> Mesh:
    """A mesh of the problem's plane region, finer with the resolution.

    Raises:
        NotSolved: the region has no such mesh within the allowed number of nodes.
    """
    return triangulated(problem, boundary_arcs(problem), resolution)


def triangulated(problem: Problem, arcs: tuple[Arc, ...], resolution: float) -> Mesh:
    """A mesh of the problem's plane region between arcs, those inside of it among them.

    Raises:
        NotSolved: the region has no such mesh within the allowed number of nodes.
    """
    for attempt in range(TRIED):
        mesh = _filled(problem, arcs, _sizes(problem, arcs, resolution * 1.25**attempt))
        rim, inner = _sides(mesh.cells)
        if rim == {tuple(sorted(face.nodes)) for face in mesh.faces} and mesh.bends.keys() <= rim | inner:
            return mesh
    raise NotSolved("finds no triangles that fill the region; a finer reference.resolution may have some")


def longest(problem: Problem) -> float:
    """The longest side of the box of the space coordinates."""
    lower, upper = problem.region.box.bounds
    return max(b - a for a, b in zip(lower, upper, strict=True))


def at_start(problem: Problem, space: np.ndarray) -> torch.Tensor:  # [n, space] -> [n, d]
    """Points of space, at the start of time where there is one."""
    if problem.time is None:
        return torch.from_numpy(space)
    return torch.from_numpy(np.insert(space, problem.time, problem.domain.lower[problem.time], axis=1))


def _filled(problem: Problem, arcs: tuple[Arc, ...], sizes: _Sizes) -> Mesh:
    boundary, edges = _boundary(arcs, sizes)
    nodes = np.concatenate([boundary, _inner(problem, boundary, sizes)])
    nodes = _smoothed(problem, nodes, len(boundary), sizes)
    bends = {(min(edge.nodes), max(edge.nodes)): edge.middle for edge in edges}
    faces, inner = (tuple(edge for edge in edges if edge.inner == own) for own in (False, True))
    return Mesh(nodes, _flipped(nodes, _triangles(problem, nodes), bends.keys()), faces, bends, inner)


# the boundary


def boundary_arcs(problem: Problem) -> tuple[Arc, ...]:
    """What bounds the region and its parts."""
    return *bounding_arcs(problem), *inner_arcs(problem, (seam for one in seams_of(problem.parts) for seam in one))


def bounding_arcs(problem: Problem) -> tuple[Arc, ...]:
    """What bounds the region, cut at corners, where a condition on a part of a side begins or ends, and at parts."""
    sides = [side for side in box_sides(problem.coordinates) if side.axis in problem.region.axes]
    carriers: list[tuple[Side | Facet, Facet]] = list(zip(sides, problem.region.box.facets(), strict=True))
    if not problem.region.whole:
        shapes = dict(problem.region.shapes)
        carriers += [(facet, facet) for name in problem.region.names() for facet in shapes[name].facets()]
    bounding = [_arcs(problem, carrier, facet, _labels(problem, carrier, facet)) for carrier, facet in carriers]
    return tuple(arc for arcs in bounding for arc in arcs)


def inner_arcs(problem: Problem, seams: Iterable[Seam]) -> tuple[Arc, ...]:
    """The stretches of facets inside the region."""
    meeting = [_arcs(problem, one.facet, one.facet, _divisions(problem, one), inner=True) for one in seams]
    return tuple(arc for arcs in meeting for arc in arcs)


def _arcs(
    problem: Problem, carrier: Side | Facet, facet: Facet, label: Callable[[np.ndarray], np.ndarray],
    inner: bool = False,
) -> list[Arc]:  # fmt: skip
    count = int(np.clip(LOOKED_AT * facet.measure / longest(problem), 50, 2 * LOOKED_AT))
    places = (np.arange(count) + 0.5) / count
    found = label(places)
    breaks = [_break(label, *places[[i, i + 1]]) for i in np.flatnonzero(np.diff(found))]
    if facet.closed:  # goes on where it began
        if found[-1] != found[0]:
            breaks.append(_break(label, places[-1], places[0] + 1))
        ends = [*breaks, breaks[0] + 1] if breaks else [0.0, 1.0]
    else:
        ends = [0.0, *breaks, 1.0]
    # Asked at two places, one of which may be where another piece touches this one.
    whole = [(a, b) for a, b in pairwise(ends) if label(a + (b - a) * np.array([0.31, 0.5])).all()]
    return [Arc(carrier, facet, a, b, inner) for a, b in whole]


def _labels(problem: Problem, carrier: Side | Facet, facet: Facet) -> Callable[[np.ndarray], np.ndarray]:
    """0 where the carrier bounds nothing, else a number that changes where another condition holds."""
    subs = [c.side for c in problem.conditions if isinstance(c.side, SubSide)]
    parts = [part for part in subs if carrier in (part.side, getattr(part.side, "facet", None))]

    def label(along: np.ndarray) -> np.ndarray:
        places = Arc(carrier, facet, 0.0, 1.0).place(along)
        points = at_start(problem, places)
        if isinstance(carrier, Side):
            bounds = on_boundary(problem.region, problem.domain, carrier, points)
        else:
            bounds = problem.region.signs(facet, torch.from_numpy(places)) != 0
        masks = sum(2 ** (i + 1) * part.covers(points).int() for i, part in enumerate(parts))
        return (bounds.int() * (1 + masks + _beside(problem, facet, torch.from_numpy(places)))).numpy()

    return label


def _divisions(problem: Problem, seam: Seam) -> Callable[[np.ndarray], np.ndarray]:
    """0 where no two parts meet at the facet, else a number that changes where other ones do."""

    def label(along: np.ndarray) -> np.ndarray:
        points = torch.from_numpy(Arc(seam.facet, seam.facet, 0.0, 1.0).place(along))
        return (seam.divides(problem.region, points).int() * (1 + _beside(problem, seam.facet, points))).numpy()

    return label


def _beside(problem: Problem, facet: Facet, points: torch.Tensor) -> torch.Tensor:  # [n, 2] -> int [n]
    """A number for the parts that lie on the two sides of a facet."""
    step, found = STEP * longest(problem) * facet.normals(points), torch.zeros(len(points), dtype=torch.long)
    numbers = np.random.default_rng(0).integers(1, 2**40, (2, len(problem.parts)))
    for own, moved in zip(numbers, (points - step, points + step), strict=True):
        for number, (_, shape) in zip(own.tolist(), problem.parts, strict=True):
            found += number * shape.contains(moved)
    return found


def _break(label: Callable[[np.ndarray], np.ndarray], low: float, high: float) -> float:
    """Where the label changes, by bisection."""
    before = label(np.array([low]))[0]
    for _ in range(50):
        middle = (low + high) / 2
        if label(np.array([middle]))[0] == before:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _boundary(arcs: tuple[Arc, ...], sizes: _Sizes) -> tuple[np.ndarray, tuple[Face, ...]]:
    """Nodes along all arcs, shared where arcs meet or lie upon each other, and the edges between them."""
    nodes: list[np.ndarray] = list(sizes.corners)
    edges = []
    for arc in arcs:
        places = _spaced(arc, sizes)
        # Inside an arc only what lies upon it is shared: in a sharp corner the next arc is as near as its first node.
        near = np.full(len(places), UPON * sizes.smallest)
        near[[0, -1]] = sizes.smallest
        ids = [_joined(nodes, point, own) for point, own in zip(arc.place(places), near.tolist(), strict=True)]
        middles = arc.place((places[1:] + places[:-1]) / 2)
        pairs = zip(pairwise(ids), middles.tolist(), strict=True)
        own = [(pair, tuple(middle)) for pair, middle in pairs if pair[0] != pair[1]]
        edges += [Face(arc.carrier, pair, middle, arc.inner) for pair, middle in own]
    return np.array(nodes), tuple(edges)


def _spaced(arc: Arc, sizes: _Sizes) -> np.ndarray:  # -> [n] from 0 to 1
    """Parameters with equal ∫ ds/h between them."""
    fine = np.linspace(0, 1, 1001)
    for _ in range(2):  # again on parameters crowded where h is small
        points = arc.place(fine)
        middles = arc.place((fine[1:] + fine[:-1]) / 2)
        steps = np.linalg.norm(np.diff(points, axis=0), axis=1) / sizes(middles)
        along = np.concatenate([[0.0], np.cumsum(steps)])
        count = max(int(np.ceil(along[-1])), 12 if arc.closed else 1)
        fine, crowded = np.interp(np.linspace(0, along[-1], 1001), along, fine), fine
    return np.interp(np.linspace(0, along[-1], count + 1), along, crowded)


def _joined(nodes: list[np.ndarray], point: np.ndarray, near: float) -> int:
    """The number of the node at a point, a new one where there is none."""
    gaps = np.linalg.norm(np.array(nodes) - point, axis=1) if nodes else np.array([])
    if len(gaps) and gaps.min() < near / 2:
        return int(gaps.argmin())
    nodes.append(point)
    return len(nodes) - 1


# sizes


@dataclass(frozen=True, eq=False)
class _Sizes:
    """h(x)."""

    largest: float
    smallest: float
    reach: float
    corners: np.ndarray  # [c, 2]
    slope: float
    sources: np.ndarray  # [s, 2]
    at_sources: np.ndarray  # [s]

    def __call__(self, points: np.ndarray) -> np.ndarray:  # [n, 2] -> [n]
        return np.concatenate([self._chunk(points[i : i + 2000]) for i in range(0, max(len(points), 1), 2000)])

    def _chunk(self, points: np.ndarray) -> np.ndarray:
        found = np.full(len(points), self.largest)
        if len(self.corners):
            away = np.linalg.norm(points[:, None] - self.corners, axis=2).min(1)
            found = np.minimum(found, np.maximum(self.largest * (away / self.reach) ** STEEPNESS, self.smallest))
        if len(self.sources):
            away = np.linalg.norm(points[:, None] - self.sources, axis=2)
            found = np.minimum(found, (self.at_sources + self.slope * away).min(1))
        return found


def _sizes(problem: Problem, arcs: tuple[Arc, ...], resolution: float) -> _Sizes:
    length = longest(problem)
    largest, reach = length / resolution, REACH * length
    corners: list[np.ndarray] = []
    for arc in arcs:
        for point in [] if arc.closed else arc.place(np.array([0.0, 1.0])):
            _joined(corners, point, 2 * SMALLEST * length)
    samples = [arc.place(np.linspace(0, 1, 200)) for arc in arcs]
    own = [_along(arc, resolution, largest) for arc in arcs]
    # Nearer to a corner than this, h would fall faster than the distance.
    smallest = min(max(0.4 * (2.5 * largest) ** 5 / reach**4, SMALLEST * length), min(own) / 2)
    gaps = [_gaps(samples, place, smallest) * (GAP * ANGLE / resolution) for place in range(len(arcs))]
    points, at = np.concatenate(samples), np.minimum(np.repeat(own, 200), np.concatenate(gaps))
    kept = at < largest
    slope = min(ANGLE / resolution, STEEPEST)
    return _Sizes(largest, smallest, reach, np.array(corners).reshape(-1, 2), slope, points[kept], at[kept])


def _along(arc: Arc, resolution: float, largest: float) -> float:
    """The size that an arc's curvature asks for."""
    return min(largest, ANGLE * arc.facet.smallest_radius / resolution)


def _gaps(samples: list[np.ndarray], place: int, near: float) -> np.ndarray:  # -> [200]
    """How far the arcs are that do not touch this one."""
    own, found = samples[place], np.full(len(samples[place]), np.inf)
    for other in samples[:place] + samples[place + 1 :]:
        ends = np.linalg.norm(own[[0, -1], None] - other[None, [0, -1]], axis=2)
        if ends.min() > near:
            found = np.minimum(found, scipy.spatial.cKDTree(other).query(own)[0])
    return found


# the inside


def _inner(problem: Problem, boundary: np.ndarray, sizes: _Sizes) -> np.ndarray:
    """Centers of a quadtree's leaves no larger than h, but those too near to the boundary's nodes."""
    lower, upper = map(np.array, problem.region.box.bounds)
    lengths = upper - lower
    counts = np.ceil(lengths / sizes.largest).astype(int)
    side, leaves = lengths / counts, []
    centers = lower + side * (0.5 + np.stack(np.meshgrid(*map(np.arange, counts), indexing="ij"), -1).reshape(-1, 2))
    while len(centers):
        split = side.max() > 1.2 * sizes(centers)
        leaves.append(centers[~split])
        quarters = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]]) / 4
        centers, side = (centers[split][:, None] + side * quarters).reshape(-1, 2), side / 2
        if len(centers) + sum(map(len, leaves)) > 4 * MOST_NODES:
            break
    points = np.concatenate(leaves)
    if len(points) > MOST_NODES:
        raise NotSolved(f"takes meshes of up to {MOST_NODES} nodes; this one has {len(points)} and more")
    return points[_free(problem, boundary, points, 0.7 * sizes(points))]


def _free(problem: Problem, boundary: np.ndarray, points: np.ndarray, apart: np.ndarray) -> np.ndarray:  # -> bool [n]
    return _within(problem, points) & (scipy.spatial.cKDTree(boundary).query(points)[0] > apart)


def _within(problem: Problem, points: np.ndarray) -> np.ndarray:  # [n, 2] -> bool [n]
    return problem.region.holds(torch.from_numpy(points)).numpy()


def _smoothed(problem: Problem, nodes: np.ndarray, fixed: int, sizes: _Sizes) -> np.ndarray:
    """Move each inner node to the mean of its neighbors, where it keeps away from the boundary."""
    apart = 0.55 * sizes(nodes[fixed:])
    for _ in range(SMOOTHED):
        cells = _triangles(problem, nodes)
        pairs = np.concatenate([cells[:, [0, 1]], cells[:, [1, 2]], cells[:, [2, 0]]])
        sums, counts = np.zeros_like(nodes), np.zeros(len(nodes))
        for a, b in (pairs.T, pairs.T[::-1]):
            np.add.at(sums, a, nodes[b])
            np.add.at(counts, a, 1.0)
        moved = sums[fixed:] / np.maximum(counts[fixed:], 1)[:, None]
        good = _free(problem, nodes[:fixed], moved, apart) & (counts[fixed:] > 0)
        nodes = np.concatenate([nodes[:fixed], np.where(good[:, None], moved, nodes[fixed:])])
    return nodes


def _triangles(problem: Problem, nodes: np.ndarray) -> np.ndarray:  # -> [T, 3]
    """Delaunay's triangles whose centers are inside, but the flat ones that rounding makes of nodes on a line."""
    cells = scipy.spatial.Delaunay(nodes).simplices
    a, b, c = nodes[cells.T]
    (ux, uy), (vx, vy), (wx, wy) = (b - a).T, (c - a).T, (c - b).T
    area, longest = np.abs(ux * vy - uy * vx), np.max([ux**2 + uy**2, vx**2 + vy**2, wx**2 + wy**2], axis=0)
    cells = cells[area > 1e-6 * longest]
    return cells[_within(problem, nodes[cells].mean(1))]


def _flipped(nodes: np.ndarray, cells: np.ndarray, kept: Collection[tuple[int, int]]) -> np.ndarray:
    """No triangle keeps two sides on the rim, whose curves would be one line at their corner: its third side is turned.

    Of (a, b, c) with the sides ab and bc on the rim, and (a, c, d) next to it, become (a, b, d) and (b, c, d); sides
    that are `kept`, since parts meet there, stay, and so do those whose triangles would overlap after it.
    """
    (rim, _), cells = _sides(cells), cells.copy()
    sides = np.sort(cells[:, [[1, 2], [0, 2], [0, 1]]], axis=2)
    owners: dict[tuple[int, int], list[int]] = {}
    for cell, own in enumerate(sides.tolist()):
        for side in own:
            owners.setdefault((side[0], side[1]), []).append(cell)
    touched: set[int] = set()
    for cell, own in enumerate(sides.tolist()):
        inner = [place for place, side in enumerate(own) if tuple(side) not in rim]
        if len(inner) != 1:
            continue
        a, c = own[inner[0]]
        other = sum(owners[a, c]) - cell
        if touched & {cell, other} or (a, c) in kept:
            continue
        b, d = cells[cell, inner[0]], cells[other].sum() - a - c
        if not _crosses(*nodes[[a, c, b, d]]):
            continue
        cells[cell], cells[other] = (a, b, d), (b, c, d)
        touched |= {cell, other}
    return cells


def _crosses(a: np.ndarray, c: np.ndarray, b: np.ndarray, d: np.ndarray) -> bool:
    """Whether the line through b and d passes between a and c, well away from both."""
    (ux, uy), (vx, vy), (wx, wy) = d - b, a - b, c - b
    left, right = ux * vy - uy * vx, ux * wy - uy * wx
    return bool(left * right < 0 and min(abs(left), abs(right)) > 0.05 * max(abs(left), abs(right)))


def _sides(cells: np.ndarray) -> tuple[set[tuple[int, int]], set[tuple[int, int]]]:
    """Edges of one triangle only, and of two."""
    pairs = np.sort(np.concatenate([cells[:, [0, 1]], cells[:, [1, 2]], cells[:, [2, 0]]]), axis=1)
    distinct, counts = np.unique(pairs, axis=0, return_counts=True)
    rim, inner = (set(map(tuple, distinct[counts == count].tolist())) for count in (1, 2))
    return rim, inner
