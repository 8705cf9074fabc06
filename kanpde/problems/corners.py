"""Where the boundary of a shape meets a side of the box, another shape or the start of time, and what is set there.

In the plane a facet is a curve p(s), 0 ≤ s ≤ 1. It meets a side x = c where p_x(s) - c changes sign or is zero, another
facet where that one's level set φ(p(s)) does and is not far from the facet itself, and another part of itself where the
part ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations

import sympy
import torch
from torch import Tensor

from kanpde.problems.geometry.boxes import Side
from kanpde.problems.geometry.regions import (
    Piece,
    ShapeBoundary,
    SubSide,
    carrier_of,
    in_box,
    on_boundary,
    piece_points,
)
from kanpde.problems.geometry.sampling import uniform_points
from kanpde.problems.language import compile_expression
from kanpde.problems.problem import Condition, Problem

SCANNED = 513
"""Points of a facet between which it is looked for the side that it crosses."""

BISECTIONS = 50
NEAR, APART = 1e-9, 1e-4
"""Of the box: what counts as the same point, and how far from a corner it is looked whether both sides are there."""

LOOKED_AT, SEED = 16, 3
TOLERANCE = 1e-9

LINES = 4
"""Along each direction of a side, on which it is looked where one of its parts ends and another begins."""

SetValue = tuple[Condition, str, sympy.Expr]


def examined(problem: Problem) -> bool:
    """Whether all that meets is compared: boxes, and shapes in the plane."""
    return problem.region.whole or len(problem.region.axes) == 2


def shape_corner_warnings(problem: Problem) -> Iterator[str]:
    """Where boundaries of shapes meet other ones, the values that conditions set for a field agree."""
    if problem.region.whole or not examined(problem):
        return
    for a, b in combinations(_set_values(problem), 2):
        shapes = [isinstance(carrier_of(one[0].side), ShapeBoundary) for one in (a, b)]
        if a[1] == b[1] and any(shapes):
            points = _meeting(problem, a[0].side, b[0].side)
            if len(points) and (sentence := _disagreement(problem, a, b, points)):
                yield sentence


def switch_points(problem: Problem, a: Condition, b: Condition) -> Tensor:  # -> [n, d]
    """Where a part of a side of the box that has one condition ends, and one that has another begins."""
    box, (one, other), side = problem.domain, (a.side, b.side), carrier_of(a.side)
    if not isinstance(one, SubSide) or not isinstance(other, SubSide):
        return torch.empty(0, box.dimension)
    if not isinstance(side, Side) or side != carrier_of(other):
        return torch.empty(0, box.dimension)
    found = []
    for axis in (axis for axis in range(box.dimension) if axis != side.axis):
        for start in uniform_points(box, LINES, SEED, side):
            points = start.expand(SCANNED, -1).clone()
            points[:, axis] = torch.linspace(box.lower[axis], box.upper[axis], SCANNED, dtype=torch.float64)
            here, there = one.covers(points), other.covers(points)
            passes = (here[:-1] & there[1:] & ~here[1:]) | (here[1:] & there[:-1] & ~here[:-1])
            found += [_switch(one, points[k], points[k + 1]) for k in torch.nonzero(passes)[:, 0].tolist()]
    points = torch.stack(found) if found else torch.empty(0, box.dimension)
    return points if problem.region.whole else points[problem.region.contains(points)]


def _switch(piece: SubSide, low: Tensor, high: Tensor) -> Tensor:  # each [d]
    """Where a part ends between two points."""
    first = piece.covers(low[None])[0]
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if piece.covers(middle[None])[0] == first else (low, middle)
    return high


def _set_values(problem: Problem) -> Iterator[SetValue]:
    for condition in problem.conditions:
        solved = condition.solved(problem.coordinates)
        on_side = isinstance(carrier_of(condition.side), (Side, ShapeBoundary))
        if solved is not None and not any(solved[0][1]) and on_side:
            yield condition, solved[0][0], solved[1]


def _disagreement(problem: Problem, a: SetValue, b: SetValue, points: Tensor) -> str:
    one, other = (compile_expression(value, problem.coordinates)(points) for _, _, value in (a, b))
    worst, scale = int((one - other).abs().argmax()), max(float(one.abs().max()), float(other.abs().max()), 1e-3)
    if float((one - other).abs()[worst]) <= TOLERANCE * scale:
        return ""
    pairs = zip(problem.coordinates, points[worst].tolist(), strict=True)
    place = ", ".join(f"{name} = {value:.4g}" for name, value in pairs)
    return (
        f"{a[0].name} and {b[0].name} set different values of {a[1]} where they meet "
        f"({apart(float(one[worst]), float(other[worst]))} at {place}): the solution has a jump there."
    )


def apart(one: float, other: float) -> str:
    """Two numbers with as many digits as tell them apart."""
    digits = next((n for n in range(4, 17) if f"{one:.{n}g}" != f"{other:.{n}g}"), 17)
    return f"{one:.{digits}g} and {other:.{digits}g}"


def _meeting(problem: Problem, a: Piece, b: Piece) -> Tensor:  # -> [n, d]
    """Points where two pieces meet, at several times."""
    if problem.time is not None and problem.time in (a.axis, b.axis):
        shape = b if a.axis == problem.time else a
        points = piece_points(problem.region, problem.domain, shape, 64, SEED)
        points[:, problem.time] = problem.domain.lower[problem.time]
        return points
    facet, other = (a, b) if isinstance(carrier_of(a), ShapeBoundary) else (b, a)
    found = ((s, _full(problem, s, facet)) for s in _parameters(problem, facet, carrier_of(other)))
    kept = [x for s, x in found if _reached(problem, facet, s) and _touches(problem, other, x)]
    return torch.cat(kept) if kept else torch.empty(0, problem.domain.dimension)


def _boundary(facet: Piece) -> ShapeBoundary:
    """The shape's boundary that a piece is of."""
    carrier = carrier_of(facet)
    if not isinstance(carrier, ShapeBoundary):
        raise TypeError(f"{facet.name} is of no shape")
    return carrier


def _space(problem: Problem) -> list[int]:
    """The axes of the region."""
    return [] if problem.region.whole else list(problem.region.axes)


def _curve(facet: Piece, s: float | list[float] | Tensor) -> Tensor:  # -> [n, 2]
    return _boundary(facet).facet.place(torch.as_tensor(s, dtype=torch.float64).reshape(-1, 1))


def _parameters(problem: Problem, facet: Piece, other: Piece) -> list[float]:
    """s where a facet meets a side of the box, another facet or another part of itself."""
    gap = _gap(problem, facet, other)
    grid = torch.linspace(0, 1, SCANNED, dtype=torch.float64)
    gaps, near = gap(grid), NEAR * max(problem.domain.lengths)
    small = gaps.abs() <= near
    if small.all():
        return []  # it lies on the other
    found = grid[small].tolist()
    for place in torch.nonzero((gaps[:-1] * gaps[1:] < 0) & ~small[:-1] & ~small[1:])[:, 0].tolist():
        found.append(_bisected(gap, float(grid[place]), float(grid[place + 1])))
    return found


def _gap(problem: Problem, facet: Piece, other: Piece) -> Callable[[Tensor], Tensor]:
    """A function of s that changes its sign, or is zero, where the facet meets the other."""
    carrier = carrier_of(other)
    if isinstance(carrier, Side):
        column, level = _space(problem).index(carrier.axis), carrier.level(problem.domain)
        return lambda s: _curve(facet, s)[:, column] - level
    if not isinstance(carrier, ShapeBoundary):
        return torch.ones_like
    if carrier.facet == _boundary(facet).facet:
        return lambda s: 2.0 * _covered(problem, facet, s) - 1
    return lambda s: carrier.facet.level(_curve(facet, s))


def _covered(problem: Problem, facet: Piece, s: Tensor) -> Tensor:  # [n] -> [n]
    """1 where a piece covers its facet, at the start of time."""
    points = uniform_points(problem.domain, 1, SEED).expand(len(s), -1).clone()
    points[:, _space(problem)] = _curve(facet, s)
    return facet.covers(points).double() if isinstance(facet, SubSide) else torch.ones_like(s)


def _bisected(gap: Callable[[Tensor], Tensor], low: float, high: float) -> float:
    def below(s: float) -> bool:
        return bool(gap(torch.tensor([s], dtype=torch.float64))[0] < 0)

    first = below(low)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        if below(middle) == first:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _full(problem: Problem, s: float, facet: Piece) -> Tensor:  # -> [n, d]
    """The point at several values of the other coordinates."""
    others = problem.domain.dimension > len(_space(problem))
    points = uniform_points(problem.domain, LOOKED_AT if others else 1, SEED)
    points[:, _space(problem)] = _curve(facet, s)
    return points


def _reached(problem: Problem, facet: Piece, s: float, apart: float = APART) -> bool:
    """Whether the facet bounds the region next to a point of it."""
    ends = (s - apart, s + apart)
    around = [near % 1 for near in ends] if _boundary(facet).facet.closed else [near for near in ends if 0 <= near <= 1]
    points = torch.cat([_full(problem, near, facet)[:1] for near in around])
    return bool(on_boundary(problem.region, problem.domain, facet, points).any())


def _touches(problem: Problem, other: Piece, points: Tensor) -> bool:
    """Whether a side of the box, or another facet, bounds the region next to points of it."""
    carrier = carrier_of(other)
    if isinstance(carrier, ShapeBoundary):
        grid = torch.linspace(0, 1, SCANNED, dtype=torch.float64)
        gaps = torch.linalg.norm(_curve(other, grid) - points[:1, _space(problem)], dim=1)
        near = float(gaps.min()) <= 2 * carrier.facet.measure / SCANNED
        return near and _reached(problem, other, float(grid[gaps.argmin()]), 2 / SCANNED)
    moved = []
    for axis in _space(problem):
        for sign in (-1, 1) if axis != carrier.axis else ():
            point = points[:1].clone()
            point[:, axis] += sign * APART * problem.domain.lengths[axis]
            moved.append(point)
    near_by = torch.cat(moved)
    near_by = near_by[in_box(problem.domain, (), near_by)]
    return bool(on_boundary(problem.region, problem.domain, other, near_by).any())
