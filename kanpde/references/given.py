"""Tetrahedra that a mesh file gives, as they are and each split into eight, with polynomials of degree one to three.

A resolution is how many spaces of nodes an edge has: p on the mesh itself, 3·2^k where its edges are halved k times.

    corners and middles of edges (a b c d ab ac ad bc bd cd):   a, b, c, d with the middles beside them, and the
    octahedron between these, split along ac–bd, the shortest of its diagonals
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from kanpde.problems.geometry.boxes import Side, box_sides
from kanpde.problems.geometry.shapes import Facet, Solid
from kanpde.problems.problem import Problem
from kanpde.references.means import NotSolved
from kanpde.references.meshes import Face, Mesh, at_start, longest

RESOLUTIONS = (1, 2, 3, 6, 12)
MOST, MOST_IN_TIME = 50_000, 10_000
"""Unknowns, stationary and with time."""

PAIRS = tuple(combinations(range(4), 2))  # ab ac ad bc bd cd, numbers 4 to 9
CHILDREN = ((0, 4, 5, 6), (4, 1, 7, 8), (5, 7, 2, 9), (6, 8, 9, 3),
            (4, 5, 6, 8), (4, 5, 7, 8), (5, 6, 8, 9), (5, 7, 8, 9))  # fmt: skip
TURNS = ((0, 1, 2, 3), (0, 2, 1, 3), (0, 1, 3, 2))  # which bring ac–bd, ab–cd and ad–bc to ac–bd
OF_FACE = ((0, 3, 4), (1, 3, 5), (2, 4, 5), (3, 4, 5))  # corners, then ab ac bc


def is_given(problem: Problem) -> bool:
    """Whether the domain is what tetrahedra of a mesh fill, all of it inside the box."""
    return _solid(problem) is not None


def _solid(problem: Problem) -> Solid | None:
    region = problem.region
    shape = dict(region.shapes).get(region.tree) if isinstance(region.tree, str) else None
    if not isinstance(shape, Solid):
        return None
    near = 1e-9 * longest(problem)
    (low, high), (lower, upper) = shape.bounds, region.box.bounds
    inside = all(a >= b - near for a, b in zip(low, lower, strict=True))
    return shape if inside and all(a <= b + near for a, b in zip(high, upper, strict=True)) else None


def degree_of(resolution: int) -> int:
    """Of the polynomials.

    >>> [degree_of(resolution) for resolution in RESOLUTIONS]
    [1, 2, 3, 3, 3]
    """
    return min(resolution, 3)


def steps(problem: Problem) -> tuple[int, ...]:
    """The four finest resolutions with few enough unknowns."""
    solid, most = _solid(problem), MOST if problem.time is None else MOST_IN_TIME
    cells = 0 if solid is None else len(solid.cells)
    found = [own for own in RESOLUTIONS if len(problem.fields) * cells * own**3 / 6 <= most]
    return tuple(found[-4:]) if len(found) > 1 else RESOLUTIONS[:2]


def given_mesh(problem: Problem, resolution: int) -> Mesh | None:
    """The mesh of the file, its edges halved as often as the resolution says; None where the domain is none.

    Raises:
        NotSolved: there would be too many tetrahedra.
    """
    solid = _solid(problem)
    if solid is None:
        return None
    halved = int(np.log2(resolution / degree_of(resolution)) + 1e-9)
    most = 4 * (MOST if problem.time is None else MOST_IN_TIME)
    if len(problem.fields) * len(solid.cells) * resolution**3 / 6 > most:
        raise NotSolved(
            f"takes about {most} unknowns; {len(solid.cells)} tetrahedra have more, {resolution} spaces an edge"
        )
    used, numbers = np.unique(solid.cells, return_inverse=True)
    nodes, cells = solid.nodes[used], numbers.reshape(solid.cells.shape)
    faces, pieces = np.searchsorted(used, solid.surface), solid.pieces
    for _ in range(halved):
        nodes, cells, faces = _halved(nodes, cells, faces)
        pieces = np.repeat(pieces, 4)
    return Mesh(nodes, cells, tuple(_labeled(problem, solid, nodes, faces, pieces)), {})


def _halved(
    nodes: np.ndarray, cells: np.ndarray, faces: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # [N, 3], [T, 4], [F, 3] -> [N', 3], [8T, 4], [4F, 3]
    cells = _turned(nodes, cells)
    pairs = np.sort(cells[:, PAIRS].reshape(-1, 2), axis=1)
    edges, numbers = np.unique(pairs, axis=0, return_inverse=True)
    grown = np.concatenate([cells, len(nodes) + numbers.reshape(len(cells), 6)], axis=1)
    known = edges[:, 0] * len(nodes) + edges[:, 1]
    sides = np.sort(faces[:, [[0, 1], [0, 2], [1, 2]]], axis=2)
    middles = len(nodes) + np.searchsorted(known, sides[..., 0] * len(nodes) + sides[..., 1])
    return (
        np.concatenate([nodes, nodes[edges].mean(1)]), grown[:, CHILDREN].reshape(-1, 4),
        np.concatenate([faces, middles], axis=1)[:, OF_FACE].reshape(-1, 3),
    )  # fmt: skip


def _turned(nodes: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """The corners in an order in which the diagonal from ac to bd is the shortest."""
    ways = cells[:, TURNS]  # [T, 3, 4]
    a, b, c, d = np.moveaxis(nodes[ways], 2, 0)
    best = ((a + c - b - d) ** 2).sum(2).argmin(1)
    return ways[np.arange(len(cells)), best]


def _labeled(problem: Problem, solid: Solid, nodes: np.ndarray, faces: np.ndarray, pieces: np.ndarray) -> list[Face]:
    """Each face of the boundary on its facet, and on the side of the box that it lies on."""
    facets, near, corners = solid.facets(), 1e-9 * longest(problem), nodes[faces]
    carriers: list[list[Side | Facet]] = [[facets[piece]] for piece in pieces.tolist()]
    points = at_start(problem, corners.reshape(-1, 3)).numpy().reshape(*corners.shape[:2], -1)
    for side in box_sides(problem.coordinates):
        if side.axis in problem.region.axes:
            there = (np.abs(points[..., side.axis] - side.level(problem.domain)) < near).all(1)
            for number in np.flatnonzero(there).tolist():
                carriers[number].append(side)
    middles = corners.mean(1).tolist()
    return [Face(carrier, tuple(own), tuple(middle)) for own, middle, found in
            zip(faces.tolist(), middles, carriers, strict=True) for carrier in found]  # fmt: skip
