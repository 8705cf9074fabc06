"""Tetrahedra that fill a region of space: nodes at corners, along creases and on faces of the boundary, then inside.

What bounds the region are level sets φ_k = 0. Creases are where two of them vanish, corners where three do; points of a
dense sample are brought there by Newton's method, dx = -Jᵀ (J Jᵀ)⁻¹ φ, and thinned out to the size h(x) wanted, the
farthest first. Inside, a lattice that is centered in its cells, finer where h is small. Delaunay's tetrahedra between
all of them are kept where they lie inside. The same problem gives the same mesh.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import scipy
import torch

from kanpde.problems.geometry.boxes import Side, box_sides
from kanpde.problems.geometry.regions import on_boundary
from kanpde.problems.geometry.shapes import Facet, facet_points
from kanpde.problems.problem import Problem
from kanpde.references import simplices
from kanpde.references.means import NotSolved, check_time
from kanpde.references.meshes import Face, Mesh, at_start, longest

DENSE = 40  # points of a sample for each node
SPACED = 0.8  # of h, between nodes on the boundary
AWAY = 0.55  # of h, of inner nodes from the boundary's
ANGLE, GROWS = 2.0, 0.4  # h = ANGLE radius / resolution where the boundary bends, and how it grows from there
FLAT = 0.02  # quality, 1 for equal sides, of tetrahedra that are not wanted
SMOOTHED, MENDED, TRIED = 3, 8, 3
MOST_NODES = 8000


@dataclass(frozen=True, eq=False)
class _Carrier:
    """A side or a facet, and points of it that bound the region."""

    carrier: Side | Facet
    facet: Facet
    points: np.ndarray  # [n, 3]
    size: float

    def level(self, points: np.ndarray) -> np.ndarray:  # [n, 3] -> [n]
        return self.facet.level(torch.from_numpy(points)).numpy()

    def normals(self, points: np.ndarray) -> np.ndarray:
        return self.facet.normals(torch.from_numpy(points)).numpy()


def fill(problem: Problem, resolution: float) -> Mesh:
    """A mesh of the problem's region of space, with about `resolution` edges along the box's longest side.

    Raises:
        NotSolved: the region has no such mesh within the allowed number of nodes.
    """
    for attempt in range(TRIED):
        mesh = _filled(problem, resolution * 1.15**attempt, attempt)
        if mesh is not None:
            return mesh
    raise NotSolved("finds no tetrahedra that fill the region; a finer reference.resolution may have some")


def _filled(problem: Problem, resolution: float, seed: int) -> Mesh | None:
    carriers = _carriers(problem, resolution)
    sizes = _Sizes(longest(problem) / resolution, carriers)
    nodes, owners = _boundary(carriers, sizes)
    fixed = len(nodes)
    nodes = np.concatenate([nodes, _inner(problem, nodes, sizes)])
    if len(nodes) > MOST_NODES:
        raise NotSolved(f"takes meshes of up to {MOST_NODES} nodes; this one has {len(nodes)}")
    owners = np.concatenate([owners, np.zeros((len(nodes) - fixed, len(carriers)), dtype=bool)])
    nodes, cells = _improved(problem, nodes, owners, fixed, sizes, np.random.default_rng(seed))
    rim, _, _ = simplices.faces(cells)
    shared = owners[rim].all(axis=1)  # [F, carriers]
    if not shared.any(axis=1).all():
        return None
    middles, faces = nodes[rim].mean(1), []
    levels = np.stack([np.abs(one.level(middles)) for one in carriers], axis=1)
    chosen = np.where(shared, levels, np.inf).argmin(1)
    for corners, own, middle in zip(rim.tolist(), chosen, middles, strict=True):
        place = _onto([carriers[own]], middle[None])[0]
        faces.append(Face(carriers[own].carrier, tuple(corners), tuple(place.tolist())))
    return Mesh(nodes, cells, tuple(faces), _bends(nodes, owners, carriers, rim, chosen))


def _bends(
    nodes: np.ndarray, owners: np.ndarray, carriers: list[_Carrier], rim: np.ndarray, chosen: np.ndarray
) -> dict[tuple[int, int], tuple[float, ...]]:
    """The middles of the rim's edges, on all the carriers of the faces beside them."""
    beside: dict[tuple[int, int], set[int]] = {}
    for corners, own in zip(rim.tolist(), chosen.tolist(), strict=True):
        for a, b in combinations(corners, 2):
            beside.setdefault((a, b), set()).add(own)
    found = {}
    for (a, b), own in beside.items():
        middle = (nodes[a] + nodes[b])[None] / 2
        moved = _onto([carriers[number] for number in sorted(own)], middle)
        if np.abs(moved - middle).max() > 1e-12:
            found[a, b] = tuple(moved[0].tolist())
    return found


# the boundary


def _carriers(problem: Problem, resolution: float) -> list[_Carrier]:
    """What bounds the region; samples are dense for the size that each piece asks for."""
    largest = longest(problem) / resolution
    sides = [side for side in box_sides(problem.coordinates) if side.axis in problem.region.axes]
    pieces: list[tuple[Side | Facet, Facet]] = list(zip(sides, problem.region.box.facets(), strict=True))
    shapes = dict(problem.region.shapes)
    pieces += [(facet, facet) for name in problem.region.names() for facet in shapes[name].facets()]
    found = []
    for carrier, facet in pieces:
        size = min(largest, ANGLE * facet.smallest_radius / resolution)
        count = int(np.clip(DENSE * facet.measure / size**2, 500, 30_000))
        points = facet_points(facet, 3, count, 0)
        if isinstance(carrier, Side):
            there = on_boundary(problem.region, problem.domain, carrier, at_start(problem, points.numpy()))
        else:
            there = problem.region.signs(facet, points) != 0
        if there.any():
            found.append(_Carrier(carrier, facet, points[there].numpy(), size))
    return found


class _Sizes:
    """h(x) = min(h₀, min_k h_k + GROWS · distance to the piece k)."""

    def __init__(self, largest: float, carriers: list[_Carrier]):
        self.largest = largest
        self.small = [(scipy.spatial.cKDTree(one.points), one.size) for one in carriers if one.size < largest]

    def __call__(self, points: np.ndarray) -> np.ndarray:  # [n, 3] -> [n]
        found = np.full(len(points), self.largest)
        for tree, size in self.small:
            found = np.minimum(found, size + GROWS * tree.query(points)[0])
        return found


def _onto(carriers: list[_Carrier], points: np.ndarray) -> np.ndarray:  # [n, 3] -> [n, 3]
    """Points where all levels vanish, near those given."""
    for _ in range(30):
        levels = np.stack([one.level(points) for one in carriers], axis=1)
        slopes = np.stack([one.normals(points) for one in carriers], axis=1)
        points = points - np.einsum("ndk,nk->nd", np.linalg.pinv(slopes, rcond=1e-3), levels)
        if np.abs(levels).max(initial=0.0) < 1e-13:
            break
    return points


def _boundary(carriers: list[_Carrier], sizes: _Sizes) -> tuple[np.ndarray, np.ndarray]:
    """Nodes [n, 3] at corners, along creases and on faces in turn, and which carriers they lie on, bool [n, c]."""
    nodes, owners = np.empty((0, 3)), np.empty((0, len(carriers)), dtype=bool)
    trees = [scipy.spatial.cKDTree(one.points) for one in carriers]
    creases: dict[tuple[int, ...], np.ndarray] = {}
    for pair in combinations(range(len(carriers)), 2):
        creases[pair] = _meeting(carriers, trees, pair, np.concatenate([carriers[own].points for own in pair]), sizes)
    corners = {three: _meeting(carriers, trees, three, creases[three[:2]], sizes)
               for three in combinations(range(len(carriers)), 3) if len(creases[three[:2]])}  # fmt: skip
    faces = {(own,): one.points for own, one in enumerate(carriers)}
    for kind in (corners, creases, faces):
        for own, candidates in kind.items():
            check_time()
            chosen = _thinned(nodes, candidates, sizes)
            marks = np.isin(np.arange(len(carriers)), own)
            nodes = np.concatenate([nodes, chosen])
            owners = np.concatenate([owners, np.broadcast_to(marks, (len(chosen), len(carriers)))])
    return nodes, owners


def _meeting(
    carriers: list[_Carrier], trees: list[scipy.spatial.cKDTree], own: tuple[int, ...], near: np.ndarray, sizes: _Sizes
) -> np.ndarray:  # -> [n, 3]
    """Points where several carriers meet."""
    parts, h = [carriers[number] for number in own], sizes(near) / 2
    near = near[np.all([np.abs(one.level(near)) < h for one in parts], axis=0)]
    if not len(near):
        return near
    found, h = _onto(parts, near), sizes(near)
    good = np.linalg.norm(found - near, axis=1) < h
    for number, one in zip(own, parts, strict=True):
        reach = 3 * np.sqrt(one.size**2 / DENSE)
        good &= (np.abs(one.level(found)) < 1e-10) & (trees[number].query(found)[0] < reach)
    return found[good]


def _thinned(nodes: np.ndarray, candidates: np.ndarray, sizes: _Sizes) -> np.ndarray:
    """Candidates no nearer than SPACED h to nodes and each other, the farthest first."""
    if not len(candidates):
        return candidates
    h, chosen = SPACED * sizes(candidates), []
    gaps = scipy.spatial.cKDTree(nodes).query(candidates)[0] / h if len(nodes) else np.full(len(candidates), np.inf)
    while gaps.max() > 1:
        best = int(gaps.argmax())
        chosen.append(candidates[best])
        gaps = np.minimum(gaps, np.linalg.norm(candidates - candidates[best], axis=1) / h)
        if len(chosen) > MOST_NODES:
            raise NotSolved(f"takes meshes of up to {MOST_NODES} nodes; this one has more")
    return np.array(chosen).reshape(-1, 3)


# the inside


def _inner(problem: Problem, boundary: np.ndarray, sizes: _Sizes) -> np.ndarray:
    """The centers and lower corners of an octree's leaves no larger than h, but those too near to the boundary."""
    lower, upper = map(np.array, problem.region.box.bounds)
    counts = np.ceil((upper - lower) / (1.15 * sizes.largest)).astype(int)
    side, leaves = (upper - lower) / counts, []
    centers = lower + side * (0.5 + np.stack(np.meshgrid(*map(np.arange, counts), indexing="ij"), -1).reshape(-1, 3))
    eighths = np.array(np.meshgrid(*[[-0.25, 0.25]] * 3)).reshape(3, -1).T
    while len(centers):
        split = side.max() > 1.5 * sizes(centers)
        leaves += [centers[~split], centers[~split] - side / 2]
        centers, side = (centers[split][:, None] + side * eighths).reshape(-1, 3), side / 2
        if len(centers) + sum(map(len, leaves)) > 20 * MOST_NODES:
            raise NotSolved(f"takes meshes of up to {MOST_NODES} nodes; this one has more")
    points = np.concatenate(leaves)
    return points[_free(problem, boundary, points, AWAY * sizes(points))]


def _free(problem: Problem, boundary: np.ndarray, points: np.ndarray, apart: np.ndarray) -> np.ndarray:
    inside = problem.region.holds(torch.from_numpy(points)).numpy()
    return inside & (scipy.spatial.cKDTree(boundary).query(points)[0] > apart)


def _improved(
    problem: Problem, nodes: np.ndarray, owners: np.ndarray, fixed: int, sizes: _Sizes, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Inner nodes in the middle of their neighbors; those of flat tetrahedra moved by chance while that helps."""
    apart = 0.8 * AWAY * sizes(nodes[fixed:])
    for _ in range(SMOOTHED):
        cells = _cells(problem, nodes, owners)
        sums, counts = np.zeros_like(nodes), np.zeros(len(nodes))
        for a, b in combinations(range(4), 2):
            for one, other in ((a, b), (b, a)):
                np.add.at(sums, cells[:, one], nodes[cells[:, other]])
                np.add.at(counts, cells[:, one], 1.0)
        moved = (nodes[fixed:] + sums[fixed:] / np.maximum(counts[fixed:], 1)[:, None]) / 2
        good = _free(problem, nodes[:fixed], moved, apart) & (counts[fixed:] > 0)
        nodes = np.concatenate([nodes[:fixed], np.where(good[:, None], moved, nodes[fixed:])])
    cells = _cells(problem, nodes, owners)
    for _ in range(MENDED):
        flat = _quality(nodes, cells) < 5 * FLAT
        if not flat.any():
            break
        touched = np.unique(cells[flat])
        touched, tried = touched[touched >= fixed], nodes.copy()
        tried[touched] += 0.15 * sizes(nodes[touched])[:, None] * random.uniform(-1, 1, (len(touched), 3))
        again = _cells(problem, tried, owners)
        if (_quality(tried, again) < 5 * FLAT).sum() < flat.sum():
            nodes, cells = tried, again
    return nodes, cells


def _cells(problem: Problem, nodes: np.ndarray, owners: np.ndarray) -> np.ndarray:  # -> [T, 4]
    """Delaunay's tetrahedra with an inner node, and those between nodes of the boundary whose center is inside.

    Flat ones are left out, and those between four nodes of one piece of the boundary.
    """
    cells = scipy.spatial.Delaunay(nodes).simplices
    inside = problem.region.holds(torch.from_numpy(nodes[cells].mean(1))).numpy()
    inner: np.ndarray = ~np.any(owners, axis=1)
    inside |= inner[cells].any(1)
    return cells[inside & ~owners[cells].all(1).any(1) & (_quality(nodes, cells) > 1e-6)]


def _quality(nodes: np.ndarray, cells: np.ndarray) -> np.ndarray:  # -> [T]
    """6√2 volume / (root mean square of the edges)³."""
    corners = nodes[cells]
    volumes = np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1])) / 6
    edges = np.stack([corners[:, a] - corners[:, b] for a, b in combinations(range(4), 2)], axis=1)
    return 6 * np.sqrt(2) * volumes / np.mean((edges**2).sum(2), axis=1) ** 1.5
