"""What tetrahedra of a mesh fill: {x: x = Σ_i λ_i x_i, λ_i ≥ 0, Σ_i λ_i = 1 in one of them}, and its surface."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import scipy
import sympy
import torch
from sympy.printing.str import StrPrinter
from torch import Tensor

from kanpde.problems.geometry.finders import SimplexFinder
from kanpde.problems.geometry.shapes.interface import Facet, Misshapen, Shape
from kanpde.problems.language.arithmetic import number_of
from kanpde.problems.language.functions import Elementary, Evaluation

FLAT = 1e-10
"""Six times the volume of a tetrahedron, relative to its longest side's cube, below which it is none."""

CREASE = 0.766
"""Cosine of the angle between normals, 40°, from which two triangles of a surface are on different pieces."""

EVEN = 1e-9
"""Differences of normals below which a piece is plane."""

NEAR, ON = 16, 1e-9
CHUNK = 50_000
FACES = ((1, 2, 3), (0, 3, 2), (0, 1, 3), (0, 2, 1))
"""Of a tetrahedron with a positive volume: corners that go round counterclockwise as seen from outside."""


@dataclass(frozen=True, eq=False)
class Patch(Facet):
    """Triangles of a surface, each with its own normal; two with the same corners are equal."""

    corners: np.ndarray  # [F, 3, 3], counterclockwise as seen from outside

    @cached_property
    def key(self) -> bytes:
        return hashlib.sha256(np.ascontiguousarray(self.corners).tobytes()).digest()

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Patch) and self.key == other.key)

    def __hash__(self) -> int:
        return hash(self.key)

    @cached_property
    def _crossed(self) -> np.ndarray:  # [F, 3]
        a, b, c = self.corners.transpose(1, 0, 2)
        return np.cross(b - a, c - a)

    @cached_property
    def units(self) -> np.ndarray:  # [F, 3]
        """The normals of the triangles."""
        found: np.ndarray = self._crossed / np.linalg.norm(self._crossed, axis=1)[:, None]
        return found

    @cached_property
    def _sums(self) -> np.ndarray:  # [F]
        return np.cumsum(np.linalg.norm(self._crossed, axis=1) / 2)

    @property
    def measure(self) -> float:
        return float(self._sums[-1])

    def place(self, unit: Tensor) -> Tensor:  # [n, 2] in (0, 1) -> [n, 3]
        """Evenly by area: the first number chooses a triangle and a place in it, the second one a place across."""
        wanted = unit[:, 0].numpy() * self.measure
        chosen = np.minimum(np.searchsorted(self._sums, wanted), len(self._sums) - 1)
        areas = np.diff(self._sums, prepend=0.0)
        root = np.sqrt(np.clip(1 - (self._sums[chosen] - wanted) / areas[chosen], 0, 1))[:, None]
        across, (a, b, c) = unit[:, 1:].numpy(), self.corners[chosen].transpose(1, 0, 2)
        return torch.from_numpy((1 - root) * a + root * ((1 - across) * b + across * c))

    @cached_property
    def _plane(self) -> bool:
        return bool(np.ptp(self.units, axis=0).max() < EVEN)

    def normals(self, points: Tensor) -> Tensor:  # [n, 3] -> [n, 3]
        if self._plane:
            return torch.from_numpy(self.units.mean(0)).expand_as(points)
        return torch.from_numpy(self.units[self._nearest(points.numpy())[0]])

    def level(self, points: Tensor) -> Tensor:  # [n, 3] -> [n]
        nearest = self._nearest(points.numpy())[0]
        return torch.from_numpy(((points.numpy() - self.corners[nearest, 0]) * self.units[nearest]).sum(1))

    def normal_expressions(self, symbols: tuple[sympy.Symbol, ...]) -> tuple[sympy.Expr, ...]:
        if self._plane:
            return tuple(number_of(float(part)) for part in self.units.mean(0))
        return tuple(_normal(self, axis)(*symbols) for axis in range(3))

    def passes(self, points: Tensor) -> Tensor:  # [n, 3] -> bool [n]
        size = float(np.abs(self.corners).max())
        return torch.from_numpy(self._nearest(points.numpy())[1] <= ON * (1 + size))

    @cached_property
    def _centers(self) -> scipy.spatial.cKDTree:
        return scipy.spatial.cKDTree(self.corners.mean(1))

    @cached_property
    def _reach(self) -> float:
        """From the center of a triangle to its corners, at most."""
        return float(np.linalg.norm(self.corners - self.corners.mean(1, keepdims=True), axis=2).max())

    def _nearest(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # [n, 3] -> int [n], [n]
        """The triangle next to each point, and how far it is: of those with the nearest centers.

        Where these do not hold the point and others might, it is looked for among all.
        """
        count, near_one = len(self.corners), ON * (1 + np.abs(self.corners).max())
        away, near = (part.reshape(len(points), -1) for part in self._centers.query(points, k=min(NEAR, count))
                      ) if len(points) else (np.zeros((0, 1)), np.zeros((0, 1), dtype=int))  # fmt: skip
        found, gaps = _least(self.corners[near], points, near)
        left = np.flatnonzero((gaps > near_one) & (away[:, -1] <= self._reach)) if count > NEAR else np.zeros(0, int)
        for part in np.array_split(left, 1 + len(left) * count // CHUNK):
            every = np.broadcast_to(np.arange(count), (len(part), count))
            found[part], gaps[part] = _least(self.corners[every], points[part], every)
        return found, gaps


def _least(corners: np.ndarray, points: np.ndarray, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of triangles [n, k, 3, 3] the number of the one next to each point, and its distance."""
    a, b, c = np.moveaxis(corners, 2, 0)
    p = points[:, None]
    gaps = np.min([_from_edge(p, *ends) for ends in ((a, b), (b, c), (c, a))], axis=0)
    normal = np.cross(b - a, c - a)
    sides = [(np.cross(end - begin, p - begin) * normal).sum(2) for begin, end in ((a, b), (b, c), (c, a))]
    over = np.abs(((p - a) * normal).sum(2)) / np.linalg.norm(normal, axis=2)
    gaps = np.where(np.min(sides, axis=0) >= 0, over, gaps)
    place = gaps.argmin(1)
    rows = np.arange(len(points))
    return numbers[rows, place], gaps[rows, place]


def _from_edge(p: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    along = np.clip(((p - a) * (b - a)).sum(2) / ((b - a) ** 2).sum(2), 0, 1)
    found: np.ndarray = np.linalg.norm(p - a - along[..., None] * (b - a), axis=2)
    return found


class _Normal(Elementary):
    """One component of a patch's normal, of the space coordinates; its derivatives on a triangle are zero."""

    patch: Patch
    axis: int
    rough = True

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        return sympy.S.Zero

    def operation(self) -> Evaluation:
        def component(*columns: Tensor) -> Tensor:
            points = torch.stack(torch.broadcast_tensors(*map(torch.as_tensor, columns)), dim=-1)
            found = self.patch.normals(points.detach().double().cpu())[:, self.axis]
            return found.to(points)

        return component, self.args, ("patch", self.func)

    def _sympystr(self, printer: StrPrinter) -> str:
        return f"n_{'xyz'[self.axis]}"


_KNOWN: dict[tuple[Patch, int], type[_Normal]] = {}


def _normal(patch: Patch, axis: int) -> type[_Normal]:
    """The class of one component; the same one for equal patches, so that equal expressions compare equal."""
    if (patch, axis) not in _KNOWN:
        _KNOWN[patch, axis] = type(f"normal {axis}", (_Normal,), {"patch": patch, "axis": axis})
    return _KNOWN[patch, axis]


@dataclass(frozen=True, eq=False)
class Solid(Shape):
    """The union of tetrahedra; `groups` are triangles of its surface, by nodes, that a file gives a name."""

    nodes: np.ndarray  # [N, 3]
    cells: np.ndarray  # int [T, 4], of positive volume
    groups: Mapping[str, np.ndarray]  # int [F, 3]

    @classmethod
    def of_cells(cls, nodes: np.ndarray, cells: np.ndarray, groups: Mapping[str, np.ndarray]) -> Self:
        """The shape of tetrahedra, all turned one way.

        Raises:
            Misshapen: for tetrahedra that are flat, turned inside out, more than two on a face or lacking.
        """
        corners = nodes[cells]
        volumes = np.linalg.det(corners[:, 1:] - corners[:, :1])
        size = np.linalg.norm(corners[:, 1:] - corners[:, :1], axis=2).max(1) ** 3
        if (flat := np.abs(volumes) <= FLAT * size).any():
            raise Misshapen(f"tetrahedra with a volume; number {int(flat.argmax()) + 1} is flat")
        sign = 1 if (volumes > 0).sum() * 2 >= len(volumes) else -1
        if (turned := sign * volumes < 0).any():
            raise Misshapen(f"tetrahedra that all go round one way; number {int(turned.argmax()) + 1} is inverted")
        found = cls(nodes, cells if sign > 0 else cells[:, [0, 2, 1, 3]], groups)
        found._check_surface()
        return found

    @cached_property
    def key(self) -> bytes:
        found = hashlib.sha256(np.ascontiguousarray(self.nodes).tobytes())
        for name, own in (("", self.cells), *sorted(self.groups.items())):
            found.update(repr((name, own.shape)).encode() + np.ascontiguousarray(own, dtype="<i8").tobytes())
        return found.digest()

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Solid) and self.key == other.key)

    def __hash__(self) -> int:
        return hash(self.key)

    @cached_property
    def _ends(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        used = self.nodes[self.cells].reshape(-1, 3)
        return tuple(used.min(0).tolist()), tuple(used.max(0).tolist())

    @property
    def bounds(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return self._ends

    @cached_property
    def _finder(self) -> SimplexFinder:
        return SimplexFinder(self.nodes, self.cells)

    def contains(self, points: Tensor) -> Tensor:  # [n, 3] -> bool [n]
        places = points.detach().double().cpu().numpy()
        lower, upper = (np.array(end) for end in self.bounds)
        found = np.all((places >= lower) & (places <= upper), axis=1, keepdims=True)[:, 0]
        near = np.flatnonzero(found)
        for part in np.array_split(near, 1 + len(near) // CHUNK):
            found[part] = self._finder(places[part]) >= 0
        return torch.from_numpy(found).to(points.device)

    @cached_property
    def surface(self) -> np.ndarray:  # int [F, 3]
        """The faces that belong to one tetrahedron alone, counterclockwise as seen from outside."""
        faces = self.cells[:, FACES].reshape(-1, 3)
        _, first, counts = np.unique(np.sort(faces, axis=1), axis=0, return_index=True, return_counts=True)
        alone: np.ndarray = faces[np.sort(first[counts == 1])]
        return alone

    def _check_surface(self) -> None:
        faces = self.cells[:, FACES].reshape(-1, 3)
        turned = np.take_along_axis(faces, (faces.argmin(1)[:, None] + np.arange(3)) % 3, axis=1)
        distinct, counts = np.unique(turned, axis=0, return_counts=True)
        if (counts > 1).any():
            raise Misshapen(f"at most two tetrahedra on a face; there are more at nodes {_named(distinct[counts > 1])}")
        edges = np.sort(self.surface[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
        distinct, counts = np.unique(edges, axis=0, return_counts=True)
        if (counts > 2).any():
            raise Misshapen(f"a surface that does not touch itself; it does between {_named(distinct[counts > 2])}")
        joined, numbers = _components(self.surface, np.ones(len(self.surface) * 3 // 2, dtype=bool))
        for number in np.flatnonzero(np.bincount(numbers, minlength=joined) == 4):
            corners = np.unique(self.surface[numbers == number])
            own = self.nodes[self.surface[numbers == number]]
            if len(corners) == 4 and np.linalg.det(own - own.mean((0, 1))).sum() < 0:
                raise Misshapen(f"tetrahedra without gaps; one is missing between nodes {_named(corners[None])}")

    @cached_property
    def _names(self) -> list[str]:
        """What the groups of each triangle of the surface are called, each name with a comma after it."""
        names = [""] * len(self.surface)
        known = {tuple(sorted(own)): place for place, own in enumerate(self.surface.tolist())}
        for name, own in sorted(self.groups.items()):
            for corners in {tuple(sorted(corners)) for corners in own.tolist()}:
                if (place := known.get(corners)) is not None:
                    names[place] += f"{name},"
        return names

    @cached_property
    def pieces(self) -> np.ndarray:  # -> int [F]
        """The facet of each triangle of the surface: what has one name, or is parted by creases from the rest."""
        names = np.array(self._names)
        one, other = _neighbors(self.surface)
        normals = Patch(self.nodes[self.surface]).units
        plain, smooth = names == "", (normals[one] * normals[other]).sum(1) > CREASE
        count, piece = _components(self.surface, smooth & plain[one] & plain[other])
        label = np.where(plain, piece, count + np.unique(names, return_inverse=True)[1])
        order = {own: place for place, own in enumerate(dict.fromkeys(label.tolist()))}  # as they come in the file
        return np.array([order[own] for own in label.tolist()])

    @cached_property
    def _patches(self) -> tuple[Patch, ...]:
        return tuple(Patch(self.nodes[self.surface[self.pieces == own]]) for own in range(self.pieces.max() + 1))

    def facets(self) -> tuple[Facet, ...]:
        return self._patches

    def named(self) -> dict[str, tuple[Facet, ...]]:
        found: dict[str, tuple[Facet, ...]] = {}
        for own in np.unique(self.pieces, return_index=True)[1].tolist():
            for name in self._names[own].split(",")[:-1]:
                found[name] = (*found.get(name, ()), self._patches[self.pieces[own]])
        return found


def _neighbors(surface: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The two triangles at each edge."""
    edges = np.sort(surface[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    order = np.lexsort(edges.T)
    return order[::2] // 3, order[1::2] // 3


def _components(surface: np.ndarray, joined: np.ndarray) -> tuple[int, np.ndarray]:
    """How many parts the triangles fall into that are joined at some of the edges, and the part of each."""
    one, other = (own[joined] for own in _neighbors(surface))
    graph = scipy.sparse.coo_array((np.ones(len(one)), (one, other)), shape=(len(surface),) * 2)
    count, numbers = scipy.sparse.csgraph.connected_components(graph, directed=False)
    return int(count), numbers


def _named(rows: np.ndarray) -> str:
    return ", ".join(str(number + 1) for number in rows[0].tolist())
