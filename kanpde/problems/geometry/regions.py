"""The part of the box in which a problem lives, the pieces of its boundary, and points in and on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self, TypeAlias

import numpy as np
import scipy.sparse.csgraph
import sympy
import torch
from torch import Tensor

from kanpde.problems.geometry.boxes import Box, Side
from kanpde.problems.geometry.sampling import Sample, sobol_unit, uniform_points
from kanpde.problems.geometry.samplings import Sampling
from kanpde.problems.geometry.shapes import Cuboid, Facet, Shape
from kanpde.problems.language import compile_expression

STEP = 1e-6
"""Length, relative to the box, of the steps to both sides of a boundary that tell where the region lies,"""
ROUNDED = 1e-12
"""and of those that only leave the boundary itself."""
WAYS = 32
"""Directions in which it is looked whether a region lies beside a point of its rim."""
FEWEST_TRIED = 2**13
"""Points of a carrier without one on the piece, after which the piece counts as empty."""

Tree: TypeAlias = "str | tuple[str, Tree, Tree]"

Parts: TypeAlias = tuple[tuple[str, Shape], ...]
"""Shapes by name that part a region; where they overlap, the first one has the points."""


@dataclass(frozen=True)
class Region:
    """A set of space points: shapes joined (+), cut out (-) and intersected (&), within the box.

    Attributes:
        tree: A shape's name, or (operator, left, right).
        shapes: By name; `box` is the box of the space coordinates.
        axes: The space coordinates' axes.
    """

    tree: Tree
    shapes: tuple[tuple[str, Shape], ...]
    axes: tuple[int, ...]
    box: Cuboid

    @classmethod
    def all_of(cls, box: Box, axes: tuple[int, ...]) -> Self:
        """All of a box, whose space coordinates have those axes."""
        return cls("box", (), axes, Cuboid(tuple(box.lower[a] for a in axes), tuple(box.upper[a] for a in axes)))

    @property
    def whole(self) -> bool:
        """Whether no shape takes part."""
        return not self.shapes

    def contains(self, points: Tensor) -> Tensor:  # [n, d] all coordinates -> bool [n]
        return self.holds(points[:, list(self.axes)])

    def reaches(self, points: Tensor) -> Tensor:  # [n, d] -> bool [n]
        """Which points it contains, but for rims that it has without anything beside them.

        Shapes hold their rims, so that of a box without a triangle at its side that side is left.
        """
        found = self.contains(points)
        lonely, space = torch.nonzero(found)[:, 0], points[:, list(self.axes)]
        step = STEP * max(b - a for a, b in zip(self.box.lower, self.box.upper, strict=True))
        for ways in torch.randn(WAYS, len(self.axes), generator=torch.Generator().manual_seed(0), dtype=points.dtype):
            lonely = lonely[~self.holds(space[lonely] + step * ways)]
        found[lonely] = False
        return found

    def touches(self, points: Tensor) -> Tensor:  # [n, d] -> bool [n]
        """Which points it reaches, and those on its rim, to rounding: some sides of polygons count as outside."""
        found = self.reaches(points)
        left, space = torch.nonzero(~found)[:, 0], points[:, list(self.axes)]
        step = STEP * max(b - a for a, b in zip(self.box.lower, self.box.upper, strict=True))
        for ways in torch.randn(WAYS, len(self.axes), generator=torch.Generator().manual_seed(0), dtype=points.dtype):
            near = self.holds(space[left] + step * ways)
            found[left[near]] = True
            left = left[~near]
        return found

    def holds(self, space: Tensor) -> Tensor:  # [n, space] -> bool [n]
        return self._holds(self.tree, space) & self.box.contains(space)

    def _holds(self, tree: Tree, space: Tensor) -> Tensor:
        if isinstance(tree, str):
            return (dict(self.shapes) | {"box": self.box})[tree].contains(space)
        operator, left, right = tree[0], self._holds(tree[1], space), self._holds(tree[2], space)
        return {"+": left | right, "-": left & ~right, "&": left & right}[operator]

    def signs(self, facet: Facet, space: Tensor) -> Tensor:  # [n, space] -> int [n]
        """1 where the facet's normal leaves the region, -1 where it enters it, 0 where the facet bounds nothing."""
        step = STEP * max(b - a for a, b in zip(self.box.lower, self.box.upper, strict=True))
        normals = facet.normals(space)
        return self.holds(space - step * normals).int() - self.holds(space + step * normals).int()

    def names(self) -> tuple[str, ...]:
        """The shapes that the region is made of."""
        return tuple(name for name, _ in self.shapes if name in _leaves(self.tree))

    @property
    def sides(self) -> tuple[int, ...]:
        """What `signs` may be beside 0: a normal of a single shape never enters what the shape leaves of the box."""
        return (1,) if isinstance(self.tree, str) else (1, -1)

    def parts(self, per_axis: dict[int, int]) -> int:
        """How many connected parts it has, on a grid of cells."""
        count = per_axis[len(self.axes)]
        middles = [a + (b - a) * (np.arange(count) + 0.5) / count for a, b in zip(*self.box.bounds, strict=True)]
        grid = np.stack([x.ravel() for x in np.meshgrid(*middles, indexing="ij")], axis=1)
        inside = self.holds(torch.from_numpy(grid)).numpy().reshape([count] * len(self.axes))
        if not inside.any():
            return 0
        numbers = np.cumsum(inside).reshape(inside.shape) - 1  # of cells in the region
        pairs = []
        for axis in range(inside.ndim):
            low, high = np.moveaxis(inside, axis, 0)[:-1], np.moveaxis(inside, axis, 0)[1:]
            moved = np.moveaxis(numbers, axis, 0)
            pairs += [np.stack([moved[:-1][low & high], moved[1:][low & high]])]
        size, (rows, columns) = int(inside.sum()), np.concatenate(pairs, axis=1)
        edges = scipy.sparse.coo_array((np.ones(len(rows)), (rows, columns)), shape=(size, size))
        return int(scipy.sparse.csgraph.connected_components(edges, directed=False)[0])


def _leaves(tree: Tree) -> set[str]:
    return {tree} if isinstance(tree, str) else _leaves(tree[1]) | _leaves(tree[2])


@dataclass(frozen=True)
class ShapeBoundary:
    """The part of one facet of a shape whose normal leaves (`sign` 1) or enters (-1) the region."""

    name: str
    facet: Facet
    sign: int
    axis = None  # along no coordinate

    def normal_expressions(self, symbols: tuple[sympy.Symbol, ...]) -> tuple[sympy.Expr, ...]:
        """The region's outward normal."""
        return tuple(self.sign * part for part in self.facet.normal_expressions(symbols))


@dataclass(frozen=True)
class SubSide:
    """The part of a side, or of a shape's facet, where `mask`, an expression of values 1 and 0, is 1."""

    side: Side | ShapeBoundary
    mask: sympy.Expr
    coordinates: tuple[str, ...]

    @property
    def axis(self) -> int | None:
        return self.side.axis

    @property
    def name(self) -> str:
        return self.side.name

    def covers(self, points: Tensor) -> Tensor:  # [n, d] -> bool [n]
        return compile_expression(self.mask, self.coordinates, ())(points) > 0.5


@dataclass(frozen=True)
class Place:
    """A point; None along coordinates that take any value, as time."""

    values: tuple[float | None, ...]
    name: str = "at"
    axis = None  # along no coordinate

    def fixed(self, points: Tensor) -> Tensor:  # [n, d] -> [n, d]
        """The points moved to the place."""
        for axis, value in enumerate(self.values):
            if value is not None:
                points[:, axis] = value
        return points if None in self.values else points[:1]


@dataclass(frozen=True)
class Seam:
    """Where two parts meet: the stretch of a shape's facet inside the region and outside of earlier shapes.

    beyond: All parts, and the number of the one that begins there, where the facet meets several.
    """

    name: str
    facet: Facet
    earlier: tuple[Shape, ...]
    beyond: tuple[Parts, int] | None = None
    axis = None  # along no coordinate

    def divides(self, region: Region, space: Tensor) -> Tensor:  # [n, space] -> bool [n]
        """Which points of the facet belong to it."""
        step = STEP * max(b - a for a, b in zip(region.box.lower, region.box.upper, strict=True))
        normals, found = self.facet.normals(space), torch.ones(len(space), dtype=torch.bool)
        for beside in (space - step * normals, space + step * normals):
            found &= region.holds(beside)
            for shape in self.earlier:
                found &= ~shape.contains(beside)
        if self.beyond is not None:
            parts, number = self.beyond
            found &= part_of(parts, space + step * normals) == number
        return found

    def normal_expressions(self, symbols: tuple[sympy.Symbol, ...]) -> tuple[sympy.Expr, ...]:
        """The shape's outward normal."""
        return self.facet.normal_expressions(symbols)


Piece = Side | SubSide | ShapeBoundary | Place | Seam


def stretches(region: Region, box: Box, parts: Parts, seam: Seam, count: int) -> tuple[tuple[Seam, int], ...]:
    """A seam cut where other parts begin beyond it, each piece with the number of that part."""
    space = piece_points(region, box, seam, count, 0)[:, list(region.axes)]
    beyond = space + STEP * max(box.lengths[axis] for axis in region.axes) * seam.facet.normals(space)
    numbers = part_of(parts, beyond).unique().tolist()
    return tuple((seam if len(numbers) == 1 else replace(seam, beyond=(parts, number)), number) for number in numbers)


def seams_of(parts: Parts) -> tuple[tuple[Seam, ...], ...]:
    """Of each part, the facets across which another one may begin."""
    before = [tuple(shape for _, shape in parts[:number]) for number in range(len(parts))]
    return tuple(
        tuple(Seam(name, facet, earlier) for facet in shape.facets())
        for (name, shape), earlier in zip(parts, before, strict=True)
    )


def part_of(parts: Parts, space: Tensor) -> Tensor:  # [n, space] -> long [n]
    """The number of the part that each point lies in: 0 outside of all shapes, else 1, 2, …"""
    found = torch.zeros(len(space), dtype=torch.long, device=space.device)
    for number, (_, shape) in reversed(list(enumerate(parts, 1))):
        found[shape.contains(space)] = number
    return found


def inward(parts: Parts, space: Tensor, step: float) -> Tensor:  # [n, space] -> [n, space]
    """The points, those on the rim of the part that they belong to moved into it by a step."""
    found, own = space.clone(), part_of(parts, space)
    for number, (_, shape) in enumerate(parts, 1):
        rows = torch.nonzero(own == number)[:, 0]
        for facet in shape.facets() if len(rows) else ():
            near = rows[facet.level(space[rows]).abs() <= step]
            found[near] -= step * facet.normals(space[near])
    return found


def carrier_of(piece: Piece) -> Side | ShapeBoundary | Place | Seam:
    """The whole side or facet that a piece is a part of."""
    return piece.side if isinstance(piece, SubSide) else piece


def on_boundary(region: Region, box: Box, piece: Piece, points: Tensor) -> Tensor:  # [n, d] -> bool [n]
    """Which points of a piece's carrier (a whole side, a whole facet) belong to the piece."""
    side = carrier_of(piece)
    if isinstance(side, Place):
        return torch.ones(len(points), dtype=torch.bool)
    if isinstance(side, Seam):
        return side.divides(region, points[:, list(region.axes)])
    if isinstance(side, ShapeBoundary):
        whole = region.signs(side.facet, points[:, list(region.axes)]) == side.sign
        return whole & piece.covers(points) if isinstance(piece, SubSide) else whole
    inside = piece.covers(points) if isinstance(piece, SubSide) else torch.ones(len(points), dtype=torch.bool)
    if region.whole:
        return inside
    if side.axis not in region.axes:
        return inside & region.contains(points)
    # The second keeps out where a disk that touches the side is nearer to it than the step.
    return inside & _inside(region, side, box, points, STEP) & _inside(region, side, box, points, ROUNDED)


def _inside(region: Region, side: Side, box: Box, points: Tensor, step: float) -> Tensor:  # [n, d] -> bool [n]
    """Whether the region has what lies a step within the box: at a side itself not all shapes hold their rims."""
    moved = points.clone()
    moved[:, side.axis] -= step * (2 * side.end - 1) * box.lengths[side.axis]
    return region.contains(moved)


def on_flat(region: Region, boundary: ShapeBoundary, points: Tensor) -> Tensor:  # [n, d] -> bool [n]
    """Which points lie on a shape's flat facet, as those of a side of the box that a polygon shares."""
    space = points[:, list(region.axes)]
    return boundary.facet.passes(space) & (region.signs(boundary.facet, space) == boundary.sign)


def on_side(side: Side, box: Box, points: Tensor) -> Tensor:  # [n, d] -> bool [n]
    """Which points lie on a side of the box, as those of a polygon's edge that it shares."""
    return (points[:, side.axis] - side.level(box)).abs() <= STEP * box.lengths[side.axis]


def piece_points(region: Region, box: Box, piece: Piece, count: int, seed: int) -> Tensor:  # -> [n, d]
    """Evenly spread points of a piece; fewer than `count`, or none, where the piece is tiny or empty."""
    if isinstance(piece, Place):
        return _carrier(region, box, piece, count, seed)
    return _kept(
        lambda n: _weightless(_carrier(region, box, piece, n, seed)),
        lambda points: on_boundary(region, box, piece, points),
        count,
    ).points


def in_domain(
    region: Region, box: Box, periodic: tuple[int, ...], points: Tensor
) -> Tensor:  # [n, d] -> bool [n]
    """Which points belong to a domain, its rim included; along what is periodic all do."""
    inside, lengths = in_box(box, periodic, points), torch.tensor(box.lengths, dtype=points.dtype)
    if region.whole or not inside.any():
        return inside
    return inside & _on_rim_or_in(region, points, STEP * lengths)


def in_box(box: Box, periodic: tuple[int, ...], points: Tensor) -> Tensor:  # [n, d] -> bool [n]
    """Which points belong to a box, its rim included; along what is periodic all do."""
    lower, upper = (torch.tensor(bound, dtype=points.dtype) for bound in (box.lower, box.upper))
    slack = 1e-9 * (upper - lower)
    axes = [axis for axis in range(box.dimension) if axis not in periodic]
    return ((points >= lower - slack) & (points <= upper + slack))[:, axes].all(1)


def _on_rim_or_in(region: Region, points: Tensor, step: Tensor) -> Tensor:
    """In the region, or within a step along one of its axes."""
    found = region.contains(points)
    for axis in region.axes:
        for sign in (-1, 1):
            moved = points[~found]
            moved[:, axis] += sign * step[axis]
            found[~found] = region.contains(moved)
    return found


def inside_points(region: Region, box: Box, count: int, seed: int) -> Tensor:  # -> [n, d]
    """Evenly spread points of the region."""
    if region.whole:
        return uniform_points(box, count, seed)
    return _kept(lambda n: _weightless(uniform_points(box, n, seed)), region.contains, count).points


def sampled_inside(
    sampling: Sampling, region: Region, box: Box, count: int, seed: int, periodic: tuple[int, ...]
) -> Sample:
    """The sampling's points that lie in the region, their weights of mean one again."""
    if region.whole:
        return sampling.interior(box, count, seed, periodic)
    return _kept(lambda n: sampling.interior(box, n, seed, periodic), region.contains, count)


def sampled_parts(
    sampling: Sampling, region: Region, box: Box, parts: Parts, count: int, seed: int, periodic: tuple[int, ...],
    numbers: tuple[int, ...] | None = None,
) -> Sample:  # fmt: skip
    """As many points in each part, however small it is, drawn in the least box around it: in all, or those numbered.

    `count` is that of all parts.
    """
    boxes = [box, *(_around(box, region, shape) for _, shape in parts)]
    share = -(-count // len(boxes))

    def of_part(number: int) -> Sample:
        return _kept(
            lambda n: sampling.interior(boxes[number], n, seed, periodic),
            lambda points: _in_part(region, parts, number, points),
            share,
        )

    found = [of_part(number) for number in (range(len(boxes)) if numbers is None else numbers)]
    return Sample(torch.cat([one.points for one in found]), torch.cat([one.weights for one in found]))


def _in_part(region: Region, parts: Parts, number: int, points: Tensor) -> Tensor:  # [n, d] -> bool [n]
    space = points[:, list(region.axes)]
    return region.holds(space) & (part_of(parts, space) == number)


def _around(box: Box, region: Region, shape: Shape) -> Box:
    lower, upper = list(box.lower), list(box.upper)
    for axis, low, high in zip(region.axes, *shape.bounds, strict=True):
        lower[axis], upper[axis] = max(lower[axis], low), min(upper[axis], high)
    return Box(tuple(lower), tuple(upper))


def sampled_on(
    sampling: Sampling, region: Region, box: Box, piece: Piece, count: int, seed: int, periodic: tuple[int, ...]
) -> Sample:
    """The sampling's points on a piece: those of the whole side that belong to it, even ones on a shape."""
    if isinstance(piece, Side) and region.whole:
        return sampling.on_side(box, piece, count, seed, periodic)
    side = carrier_of(piece)
    if not isinstance(side, Side):
        return _weightless(piece_points(region, box, piece, count, seed))
    return _kept(
        lambda n: sampling.on_side(box, side, n, seed, periodic),
        lambda points: on_boundary(region, box, piece, points),
        count,
    )


def _carrier(region: Region, box: Box, piece: Piece, count: int, seed: int) -> Tensor:  # -> [n, d]
    piece = carrier_of(piece)
    if isinstance(piece, Place):
        return piece.fixed(uniform_points(box, count, seed))
    if isinstance(piece, Side):
        return uniform_points(box, count, seed, piece)
    unit = sobol_unit(count, box.dimension, seed)
    points = torch.zeros_like(unit) if len(region.axes) == box.dimension else uniform_points(box, count, seed)
    across = len(region.axes) - 1  # Sobol's first columns place the point on the facet, the others stay time's
    points[:, list(region.axes)] = piece.facet.place(unit[:, list(region.axes)[:across]])
    return points


def _kept(draw: Callable[[int], Sample], chosen: Callable[[Tensor], Tensor], count: int) -> Sample:
    """`count` points by rejection: more are drawn until enough lie where they should."""
    tried, most = count, max(FEWEST_TRIED, 64 * count)
    while True:
        sample = draw(tried)
        keep = chosen(sample.points)
        found = int(keep.sum())
        if found >= count or tried >= most:
            break
        tried = min(most, max(2 * tried, int(1.1 * tried * count / max(found, 1))))
    even = bool((sample.weights == 1).all())
    points, weights = (part[keep][: count if even else None] for part in sample)
    return Sample(points, weights / weights.mean() if len(weights) else weights)


def _weightless(points: Tensor) -> Sample:
    return Sample(points, torch.ones(len(points), dtype=points.dtype))
