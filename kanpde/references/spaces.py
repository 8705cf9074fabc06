"""Spaces of continuous piecewise polynomials on meshes with quadratic sides, and rules to integrate over them.

    x(λ) = Σ_i x_i φ_i(λ),   ∇ψ = J⁻ᵀ ∇_λ ψ,   ∫ f dx = Σ_q w_q |det J_q| f(x_q)

Source: Brenner and Scott, The Mathematical Theory of Finite Element Methods (2008), chapter 10 for curved sides.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy

from kanpde.references import simplices
from kanpde.references.interpolants import Pieces
from kanpde.references.means import NotSolved
from kanpde.references.meshed import Meshed
from kanpde.references.meshes import Face, Mesh

Index = tuple[int, ...]
"""Of a derivative along the axes of space, of first order at most."""

Faces = tuple[np.ndarray, np.ndarray]
"""Of each face a simplex that it belongs to, and the number of the corner that it lacks: [F], [F]."""

LOOKED_AT, STRAIGHTENED = 6, 3
"""Points a direction at which sides are looked for that cross, and how often those are made straight."""


@dataclass(frozen=True, eq=False)
class Curved:
    """A mesh whose edges are quadratic curves."""

    places: np.ndarray  # [P, d]
    numbers: np.ndarray  # [T, m] of the places
    cells: np.ndarray  # [T, d+1], corners in rising order
    faces: tuple[Face, ...]
    inner: tuple[Face, ...] = ()  # at which parts meet

    @property
    def dimension(self) -> int:
        return self.places.shape[1]

    def at(self, inside: np.ndarray) -> np.ndarray:  # [q, d] -> [T, q, d]
        """Where places λ of every simplex lie."""
        return np.einsum("qi,tid->tqd", simplices.functions(inside, 2), self.places[self.numbers])

    def jacobians(self, inside: np.ndarray, cells: np.ndarray | slice) -> np.ndarray:  # [q, d] -> [t, q, d, d]
        """∂x_d/∂λ_e."""
        return np.einsum("qie,tid->tqde", simplices.slopes(inside, 2), self.places[self.numbers[cells]])

    def folded(self) -> np.ndarray:  # -> bool [T]
        """Which simplices their curved sides turn inside out somewhere."""
        determinants = np.linalg.det(self.jacobians(simplices.gauss(self.dimension, LOOKED_AT)[0], slice(None)))
        return determinants.min(1) * determinants.max(1) <= 0

    @cached_property
    def seams(self) -> tuple[np.ndarray, np.ndarray]:
        """Of each inner face, a simplex that it belongs to and the number of the corner that it lacks."""
        size = self.dimension + 1
        kept = [[own for own in range(size) if own != lacking] for lacking in range(size)]
        corners = self.cells[:, kept].reshape(-1, size - 1)  # in rising order, as those of cells
        known = {tuple(own): place for place, own in enumerate(corners.tolist())}
        places = np.array([known[tuple(sorted(face.nodes))] for face in self.inner], dtype=int)
        return places // size, places % size

    @cached_property
    def rim(self) -> tuple[np.ndarray, np.ndarray]:
        """Of each face, the simplex that it belongs to and the number of the corner that it lacks."""
        corners, owners, lacking = simplices.faces(self.cells)
        known = {tuple(own): place for place, own in enumerate(corners.tolist())}
        places = [known[tuple(sorted(face.nodes))] for face in self.faces]
        return owners[places], lacking[places]


def curved(mesh: Mesh) -> Curved:
    """A mesh with the middles of its bent edges moved to where the boundary has them, but where sides would cross.

    Raises:
        NotSolved: straight sides cross too.
    """
    cells, dimension = np.sort(mesh.cells, axis=1), mesh.nodes.shape[1]
    numbers, first = simplices.numbered(cells, 2)
    weights = simplices.lattice(dimension, 2)
    places = np.einsum("mi,tid->tmd", weights / 2, mesh.nodes[cells]).reshape(-1, dimension)[first]
    edges = [np.flatnonzero(row == 1) for row in weights]
    known: dict[tuple[int, ...], int] = {}
    for place, ends in enumerate(edges):
        if len(ends):
            known |= dict(zip(map(tuple, cells[:, ends].tolist()), numbers[:, place].tolist(), strict=True))
    straight, bent = places.copy(), {known[pair]: middle for pair, middle in mesh.bends.items()}
    places[list(bent)] = np.array(list(bent.values())).reshape(-1, dimension)
    found = Curved(places, numbers, cells, mesh.faces, mesh.inner)
    for _ in range(STRAIGHTENED):
        if not (folded := found.folded()).any():
            return found
        own = np.intersect1d(numbers[folded], list(bent))
        places[own] = straight[own]
    raise NotSolved("finds no simplices that fill the region; a finer reference.resolution may have some")


@dataclass(frozen=True, eq=False)
class Space:
    """Polynomials of one degree on a mesh."""

    mesh: Curved
    degree: int
    numbers: np.ndarray  # [T, m]
    nodes: np.ndarray  # [M, d]

    @property
    def size(self) -> int:
        return len(self.nodes)

    def on(self, faces: Faces) -> np.ndarray:  # -> int [M']
        """The nodes on faces."""
        owners, lacking = faces
        weights = simplices.lattice(self.mesh.dimension, self.degree)
        return np.unique(self.numbers[owners][weights[:, lacking].T == 0])

    def lifted(self, values: np.ndarray, higher: Space) -> np.ndarray:  # [M, …] -> [M', …]
        """The same polynomials by their values at the nodes of a space of higher degree."""
        lattice = simplices.lattice(self.mesh.dimension, higher.degree)[:, 1:] / higher.degree
        found = np.empty((higher.size, *values.shape[1:]))
        found[higher.numbers] = np.einsum("mj,tj...->tm...", simplices.functions(lattice, self.degree),
                                          values[self.numbers])  # fmt: skip
        return found

    def function(self, values: np.ndarray, axis: Pieces | None = None, time: int = -1) -> Meshed:
        """Fields by their values [fields, M] at the nodes, or [fields, M, K] at those of time too."""
        return Meshed(self.mesh.places, self.mesh.numbers, self.numbers, values, axis, time)


def space(mesh: Curved, degree: int) -> Space:
    numbers, first = simplices.numbered(mesh.cells, degree)
    lattice = simplices.lattice(mesh.dimension, degree)[:, 1:] / degree
    return Space(mesh, degree, numbers, mesh.at(lattice).reshape(-1, mesh.dimension)[first])


@dataclass(frozen=True, eq=False)
class Rule:
    """Quadrature points with weights, and the polynomials of each degree and their slopes there."""

    points: np.ndarray  # [n, d]
    weights: np.ndarray  # [n]
    matrices: dict[tuple[int, Index], scipy.sparse.csr_array]  # values at nodes → a derivative at the points, [n, M]

    def at(self, rows: np.ndarray) -> Rule:  # bool [n]
        """Some of the points alone."""
        matrices = {key: scipy.sparse.csr_array(matrix[rows]) for key, matrix in self.matrices.items()}
        return Rule(self.points[rows], self.weights[rows], matrices)


def inner_rule(spaces: tuple[Space, ...], points: int) -> Rule:
    """Inside all simplices, with so many points along each direction."""
    mesh, (inside, weights) = spaces[0].mesh, simplices.gauss(spaces[0].mesh.dimension, points)
    jacobians = mesh.jacobians(inside, slice(None))
    determinants = np.linalg.det(jacobians)
    inverses = np.linalg.inv(jacobians)
    matrices = {}
    for own in spaces:
        values = simplices.functions(inside, own.degree)
        values = np.broadcast_to(values, (len(mesh.cells), *values.shape))
        matrices[own.degree, (0,) * mesh.dimension] = _scattered(values, own.numbers, own.size)
        gradients = np.einsum("qme,tqed->tqmd", simplices.slopes(inside, own.degree), inverses)
        for axis, index in enumerate(first_orders(mesh.dimension)):
            matrices[own.degree, index] = _scattered(gradients[..., axis], own.numbers, own.size)
    return Rule(mesh.at(inside).reshape(-1, mesh.dimension), (np.abs(determinants) * weights).ravel(), matrices)


def point_rule(spaces: tuple[Space, ...], points: np.ndarray, weights: np.ndarray) -> Rule:
    """At any points [n, d] of the region."""
    mesh = spaces[0].mesh
    cells, inside = spaces[0].function(np.zeros((1, spaces[0].size))).located(points)
    corners = mesh.places[mesh.numbers[cells]]
    inverses = np.linalg.inv(np.einsum("nie,nid->nde", simplices.slopes(inside, 2), corners))
    matrices = {}
    for own in spaces:
        values = simplices.functions(inside, own.degree)[:, None]
        matrices[own.degree, (0,) * mesh.dimension] = _scattered(values, own.numbers[cells], own.size)
        gradients = np.einsum("nme,ned->nmd", simplices.slopes(inside, own.degree), inverses)
        for axis, index in enumerate(first_orders(mesh.dimension)):
            matrices[own.degree, index] = _scattered(gradients[:, None, :, axis], own.numbers[cells], own.size)
    return Rule(points, weights, matrices)


def face_rule(spaces: tuple[Space, ...], faces: Faces, points: int) -> Rule:
    """On faces of the boundary, or at which parts meet: values alone."""
    mesh, (within, weights) = spaces[0].mesh, simplices.gauss(spaces[0].mesh.dimension - 1, points)
    owners, lacking = faces
    corners = np.vstack([np.zeros(mesh.dimension), np.eye(mesh.dimension)])
    places, measures = [np.empty((0, mesh.dimension))], [np.empty(0)]
    parts: dict[int, list[scipy.sparse.csr_array]] = {own.degree: [] for own in spaces}
    for lack in np.unique(lacking):
        cells, (start, *ends) = owners[lacking == lack], np.delete(corners, lack, axis=0)
        spans = np.array(ends) - start
        inside = start + within @ spans
        tangents = np.einsum("tqde,se->tqsd", mesh.jacobians(inside, cells), spans)
        grown = np.sqrt(np.linalg.det(np.einsum("tqsd,tqrd->tqsr", tangents, tangents)))
        there = np.einsum("qi,tid->tqd", simplices.functions(inside, 2), mesh.places[mesh.numbers[cells]])
        places.append(there.reshape(-1, mesh.dimension))
        measures.append((grown * weights).ravel())
        for own in spaces:
            values = simplices.functions(inside, own.degree)
            values = np.broadcast_to(values, (len(cells), *values.shape))
            parts[own.degree].append(_scattered(values, own.numbers[cells], own.size))
    still = (0,) * mesh.dimension
    matrices = {(own.degree, still): scipy.sparse.csr_array(scipy.sparse.vstack(
        parts[own.degree] or [scipy.sparse.csr_array((0, own.size))])) for own in spaces}  # fmt: skip
    return Rule(np.concatenate(places), np.concatenate(measures), matrices)


def first_orders(dimension: int) -> tuple[Index, ...]:
    """The indices of the slopes along each axis.

    >>> first_orders(2)
    ((1, 0), (0, 1))
    """
    return tuple(tuple(int(axis == own) for axis in range(dimension)) for own in range(dimension))


def _scattered(values: np.ndarray, numbers: np.ndarray, size: int) -> scipy.sparse.csr_array:
    """Values [t, q, m] of the functions that have the numbers [t, m], as a matrix [t q, size]."""
    cells, points, width = values.shape
    columns = np.broadcast_to(numbers[:, None, :], values.shape).ravel()
    ends = np.arange(0, cells * points * width + 1, width)
    return scipy.sparse.csr_array((values.ravel(), columns, ends), shape=(cells * points, size))
