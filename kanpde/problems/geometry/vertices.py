"""Corners of plane domains: where two straight pieces of the boundary meet, and what angle the domain has there.

Around a corner c the domain is the sector {c + r e^(iθ) : φ < θ < φ + ω} for small r. Candidates are the corners of the
box, the ends of segments and where segments cross; whether one is a corner, and of how many sectors, is found by asking
for the region at points of a small circle, whatever shapes the region is made of.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, product

import torch
from torch import Tensor

from kanpde.problems.geometry.regions import Region
from kanpde.problems.geometry.shapes import Facet, Flat, Round, Together

CIRCLE = 1e-4
"""Radius of the circle, of the box's shorter side."""

DIRECTIONS, BISECTIONS = 720, 40
"""Points of the circle that are asked for, and halvings of the step between two that differ."""

SCANNED, WIDER = 513, 0.05
"""Points of a curve between which it may begin to bound the domain, and radians above π from which a corner counts."""

NEAR = 1e-6
"""Radians within which an edge is that of a segment; farther ones are curved."""

Point = tuple[float, float]
Segment = tuple[Point, Point]


@dataclass(frozen=True)
class Vertex:
    """A corner of the domain.

    point: Where.
    direction: φ, the angle of the edge from which the domain lies counterclockwise.
    opening: ω, the domain's own angle.
    """

    point: Point
    direction: float
    opening: float

    @property
    def degrees(self) -> float:
        return math.degrees(self.opening)

    def edge(self, end: int, distance: float) -> Point:
        """The point at a distance on the first (0) or second (1) edge."""
        return self.at(end * self.opening, distance)

    def at(self, theta: float, distance: float) -> Point:
        """The point at an angle from the first edge."""
        x, y = self.point
        angle = self.direction + theta
        return x + distance * math.cos(angle), y + distance * math.sin(angle)


def vertices(region: Region) -> tuple[Vertex, ...]:
    """All corners between straight edges of a domain in the plane, those of the box among them."""
    segments = list(_segments(region))
    found = (vertex for point in _candidates(segments, region) for vertex in _sectors(region, segments, point))
    return tuple(sorted(set(found), key=lambda one: (one.point, one.direction)))


def bent_corners(region: Region) -> tuple[tuple[Point, float], ...]:
    """Re-entrant corners of a domain in the plane with a curved edge: where, and the angle to about a degree.

    A curve that bounds the domain has a corner where it ends, and where it begins or ceases to bound it.
    """
    found: list[tuple[Point, float]] = []
    radius = CIRCLE * min(_lengths(region))
    shapes = [shape for name, shape in region.shapes if name in region.names()]
    for curve in (facet for shape in shapes for facet in shape.facets() if not isinstance(facet, Flat)):
        for point in _ends(region, curve):
            opening = _widest(_held(region, point, radius, _directions()))
            new = all(math.dist(point, other) > radius for other, _ in found)
            if new and math.pi + WIDER < opening < 2 * math.pi:  # all around where it bounds nothing
                found.append((point, opening))
    return tuple(sorted(found))


def _ends(region: Region, curve: Facet) -> list[Point]:
    """Where a curve, or the part of it that bounds a region, ends."""
    grid = torch.linspace(0, 1, SCANNED, dtype=torch.float64)

    def signs(s: Tensor) -> Tensor:
        return region.signs(curve, curve.place(s[:, None]))

    held, found = signs(grid), [] if curve.closed else [0.0, 1.0]
    for place in torch.nonzero(held[1:] != held[:-1])[:, 0].tolist():
        low, high = grid[place], grid[place + 1]
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            low, high = (middle, high) if signs(middle[None])[0] == held[place] else (low, middle)
        found.append(float(high))
    points = curve.place(torch.tensor(found, dtype=torch.float64)[:, None]).tolist()
    return [(x, y) for x, y in points]


def _widest(held: Tensor) -> float:  # bool [n]
    """The longest run of directions around a point that lie in the domain, in radians."""
    longest = run = 0
    for one in torch.cat([held, held]).tolist():
        run = run + 1 if one else 0
        longest = max(longest, run)
    return 2 * math.pi * min(longest, len(held)) / len(held)


def holes(region: Region) -> tuple[tuple[Point, float], ...]:
    """Centers and radii of disks that are cut out whole."""
    found = []
    cut = [shape for name, shape in region.shapes if name in region.names()]
    for shape in (part for one in cut for part in (one.parts if isinstance(one, Together) else (one,))):
        if isinstance(shape, Round) and shape.axes[0] == shape.axes[1]:
            center, (radius, _) = shape.center, shape.axes
            angles = torch.linspace(0, 2 * math.pi, DIRECTIONS, dtype=torch.float64)[:-1, None]
            rim = torch.cat([angles.cos(), angles.sin()], 1) * radius + torch.tensor(center, dtype=torch.float64)
            if (region.signs(shape, rim) == -1).all():
                found.append(((float(center[0]), float(center[1])), float(radius)))
    return tuple(found)


def _lengths(region: Region) -> list[float]:
    return [high - low for low, high in zip(*region.box.bounds, strict=True)]


def _segments(region: Region) -> Iterator[Segment]:
    """The sides of the box and all straight facets."""
    shapes = [region.box, *(shape for name, shape in region.shapes if name in region.names())]
    for facet in (facet for shape in shapes for facet in shape.facets()):
        if isinstance(facet, Flat):
            (x, y), (dx, dy) = facet.origin, facet.spans[0]
            yield (x, y), (x + dx, y + dy)


def _candidates(segments: list[Segment], region: Region) -> list[Point]:
    """Ends and crossings, those that are the same up to rounding once."""
    points = [end for segment in segments for end in segment]
    points += [point for a, b in combinations(segments, 2) if (point := _crossing(a, b)) is not None]
    kept: list[Point] = []
    for point in points:
        inside = all(low - 1e-9 * (high - low) <= x <= high + 1e-9 * (high - low)
                     for x, low, high in zip(point, *region.box.bounds, strict=True))  # fmt: skip
        if inside and all(math.dist(point, other) > 1e-9 * max(_lengths(region)) for other in kept):
            kept.append(point)
    return kept


def _crossing(a: Segment, b: Segment) -> Point | None:
    (x, y), (u, v) = a[0], b[0]
    (p, q), (s, t) = ((end[0] - begin[0], end[1] - begin[1]) for begin, end in (a, b))
    determinant = p * t - q * s
    if abs(determinant) <= 1e-12 * math.hypot(p, q) * math.hypot(s, t):
        return None
    along = ((u - x) * t - (v - y) * s) / determinant
    across = ((u - x) * q - (v - y) * p) / determinant
    return (x + along * p, y + along * q) if -1e-9 <= along <= 1 + 1e-9 and -1e-9 <= across <= 1 + 1e-9 else None


def _sectors(region: Region, segments: list[Segment], point: Point) -> Iterator[Vertex]:
    """The domain's sectors about a point that are not straight angles, between straight edges."""
    radius = CIRCLE * min(_lengths(region))
    steps = _directions()
    held = _held(region, point, radius, steps)
    changes = [place for place in range(DIRECTIONS) if held[place] != held[place - 1]]
    edges = []
    for place in changes:
        enters, before = bool(held[place]), float(steps[place - 1])
        edges.append((_edge(region, segments, point, radius, before, enters), enters))
    for place, (begin, enters) in enumerate(edges):
        end = edges[(place + 1) % len(edges)][0]
        if enters and begin is not None and end is not None:
            opening = (end - begin) % (2 * math.pi)
            if abs(opening - math.pi) > NEAR:
                yield Vertex(point, begin, opening)


def _directions() -> Tensor:
    """Angles of the circle, none of them along an axis."""
    return (torch.arange(DIRECTIONS, dtype=torch.float64) + 0.37) * 2 * math.pi / DIRECTIONS


def _held(region: Region, point: Point, radius: float, angles: Tensor) -> Tensor:  # -> bool [n]
    around = torch.stack([angles.cos(), angles.sin()], 1) * radius + torch.tensor(point, dtype=torch.float64)
    held: Tensor = region.holds(around)
    return held


def _edge(
    region: Region, segments: list[Segment], point: Point, radius: float, low: float, enters: bool
) -> float | None:
    """The direction of the segment at which the region begins or ends after an angle; None where none lies there."""
    high = low + 2 * math.pi / DIRECTIONS
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        if bool(_held(region, point, radius, torch.tensor([middle], dtype=torch.float64))[0]) == enters:
            high = middle
        else:
            low = middle
    for (begin, end), sign in product(segments, (1, -1)):
        angle = math.atan2(sign * (end[1] - begin[1]), sign * (end[0] - begin[0]))
        if abs(math.remainder(angle - high, 2 * math.pi)) < NEAR and _ahead((begin, end), point, angle, radius):
            return angle
    return None


def _ahead(segment: Segment, point: Point, angle: float, radius: float) -> bool:
    """Whether a segment goes on from a point in a direction."""
    at = point[0] + radius * math.cos(angle), point[1] + radius * math.sin(angle)
    length = math.dist(*segment)
    return math.dist(segment[0], at) + math.dist(at, segment[1]) <= length * (1 + 1e-9)
