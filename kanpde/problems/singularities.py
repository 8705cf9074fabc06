"""What a solution in the plane is like near its corners and holes: singular functions that solve its leading terms.

    lap(u) + …    r^a sin aθ where u is given on both edges of an angle ω, a = kπ/ω; cos where its normal derivative is;
                  a = (k - 1/2)π/ω where each is on one edge; and Im z^m log z where a would be a whole number m
    lap(u) + …    log r and r^-k cos kθ, r^-k sin kθ about disks that are cut out
    lap(lap(u)) + …    z^(λ+1) and z̄ z^λ where u and its normal derivative are given on both edges, sin²λω = λ² sin²ω;
                  and z^m log z, z̄ z^(m-1) log z where what is given does not fit together

Geometry comes from `vertices`, derivatives from `kanpde.models.singular_functions`, whose rows are given here.
Source: P. Grisvard, Elliptic Problems in Nonsmooth Domains (1985); R. Lehman, J. Math. Mech. 8 (1959) 727.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import sympy
import torch
from torch import Tensor

from kanpde.problems.geometry.boxes import Side
from kanpde.problems.geometry.regions import ShapeBoundary, SubSide, carrier_of, on_boundary, on_flat
from kanpde.problems.geometry.vertices import Vertex, bent_corners, holes, vertices
from kanpde.problems.language import (
    ExpressionError,
    compile_expression,
    coordinate_symbols,
    derivative,
    jet_slopes,
    jets_of,
)
from kanpde.problems.problem import Condition, Problem

HIGHEST = 6.0
"""Largest power of r at a corner: smoother ones are left to splines."""

WHOLE = 1e-9
"""Distance of an exponent from a whole number below which it is one."""

ALONG = 1e-3
"""Of the box's shorter side: how far from a corner it is looked what holds on its edges."""

SMALLEST, FEWEST, MOST = 1e-10, 4, 24
"""What the last of a hole's functions amounts to on the nearest boundary, and how many powers there are."""

SCANNED, BISECTIONS = 513, 52
"""Points of a side between which a part of it may end, and halvings until the end is known."""

JUMP = 1e-9
"""Relative difference of what two edges say of the same."""

Row = tuple[float, ...]
"""c_x, c_y, φ, ω, ρ, Re a, Im a, l, b, imaginary."""


@dataclass(frozen=True)
class Singularity:
    """A place where a solution is singular, or nearly.

    place: In words.
    rows: Of the table of its functions.
    law: The leading one, in words.
    strong: Whether it is there for certain: whatever the data are, or since they do not fit together.
    """

    place: str
    law: str
    rows: tuple[Row, ...]
    strong: bool

    def __str__(self) -> str:
        return f"{self.place}: {self.law}"


def singularities(problem: Problem) -> tuple[Singularity, ...]:
    """All of a problem with constant leading coefficients in the plane; none of others."""
    harmonic, biharmonic = _led(problem)
    return tuple(_found(problem, harmonic, biharmonic)) if harmonic or biharmonic else ()


def bare_corners(problem: Problem) -> tuple[str, ...]:
    """A sentence for each re-entrant corner of such a problem that has none, since an edge of it is curved."""
    if not any(_led(problem)):
        return ()
    unit = 1e-5 * min(problem.domain.lengths)  # they are known about so well
    return tuple(
        f"corner at ({round(x / unit) * unit:.4g}, {round(y / unit) * unit:.4g}) of about "
        f"{math.degrees(opening):.0f}°: it has no function of its own, since an edge of it is curved; "
        "corner functions need straight sides, or disks that are cut out whole"
        for (x, y), opening in bent_corners(problem.region)
    )


def _led(problem: Problem) -> tuple[list[str], list[str]]:
    """The fields that lap(u) leads, and those that lap(lap(u)) does, of a problem in the plane alone."""
    in_plane = len(problem.coordinates) == 2 and problem.time is None
    if not in_plane or problem.family or problem.periodic or problem.narrow:
        return [], []
    harmonic = [name for name in problem.fields if _leads(problem, name, LAPLACIAN)]
    return harmonic, [name for name in problem.fields if _leads(problem, name, BILAPLACIAN)]


def _found(problem: Problem, harmonic: Sequence[str], biharmonic: Sequence[str]) -> Iterator[Singularity]:
    corners = vertices(problem.region)
    for vertex in (*corners, *_switches(problem)):
        if clamped := [name for name in biharmonic if _is_clamped(problem, vertex, name)]:
            yield _at_clamped_corner(problem, vertex, clamped)
        alike: dict[tuple[bool, bool], list[str]] = {}
        for name in harmonic:
            if (kinds := _kinds(problem, vertex, name)) is not None:
                alike.setdefault(kinds, []).append(name)
        for kinds, names in alike.items():
            found = _at_corner(problem, vertex, kinds, names)
            yield from (one for one in found if one.strong or vertex in corners)
    for center, radius in holes(problem.region) if harmonic else ():
        yield _at_hole(problem, center, radius)


def _switches(problem: Problem) -> Iterator[Vertex]:
    """Points of a straight side between parts of it that have conditions of their own: angles of 180°."""
    found: list[Vertex] = []
    for condition in problem.conditions:
        piece = condition.side
        if isinstance(piece, SubSide) and isinstance(piece.side, Side):
            found += _switches_on(problem, piece, piece.side)
    for place, vertex in enumerate(found):
        if all(math.dist(vertex.point, other.point) > WHOLE for other in found[:place]):
            yield vertex


def _switches_on(problem: Problem, piece: SubSide, side: Side) -> Iterator[Vertex]:
    """Where a part of a side of the box begins and ends, inside the side."""
    along, box = 1 - side.axis, problem.domain
    outward = math.atan2(*reversed(side.normal(2)))

    def covered(s: Tensor) -> Tensor:
        points = torch.full((len(s), 2), side.level(box), dtype=torch.float64)
        points[:, along] = box.lower[along] + s * box.lengths[along]
        return piece.covers(points)

    grid = torch.linspace(0, 1, SCANNED, dtype=torch.float64)
    held = covered(grid)
    for place in torch.nonzero(held[1:] != held[:-1])[:, 0].tolist():
        low, high = grid[place], grid[place + 1]
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            low, high = (middle, high) if covered(middle[None])[0] == held[place] else (low, middle)
        point = [side.level(box)] * 2
        point[along] = box.lower[along] + float(high) * box.lengths[along]
        yield Vertex((point[0], point[1]), outward + math.pi / 2, math.pi)


# Which equations


LAPLACIAN: dict[tuple[int, ...], int] = {(2, 0): 1, (0, 2): 1}
BILAPLACIAN: dict[tuple[int, ...], int] = {(4, 0): 1, (2, 2): 2, (0, 4): 1}


def _leads(problem: Problem, name: str, operator: Mapping[tuple[int, ...], int]) -> bool:
    """Whether a field's highest derivatives stand as a multiple of an operator in one equation, and in no other."""
    order, found = sum(next(iter(operator))), []
    for residual in problem.equations.values():
        try:
            slopes = jet_slopes(residual, problem.coordinates)
        except ExpressionError:
            return False
        own = {index: slope for (field, index), slope in slopes.items() if field == name and sum(index) >= order}
        if own:
            found.append(own)
    if len(found) != 1 or {index for index, slope in found[0].items() if slope != 0} != set(operator):
        return False
    first = found[0][order, 0]
    return all(sympy.expand(slope - operator.get(index, 0) * first) == 0 for index, slope in found[0].items())


def is_pure(problem: Problem) -> bool:
    """Whether there is nothing but second derivatives and data, so that the functions solve the whole equation."""
    return all(sum(index) == 2 and not jets_of(slope) and not slope.free_symbols
               for residual in problem.equations.values()
               for (_, index), slope in jet_slopes(residual, problem.coordinates).items())  # fmt: skip


# Corners


def _kinds(problem: Problem, vertex: Vertex, name: str) -> tuple[bool, bool] | None:
    """Whether the field's value is given on each edge, or its normal derivative; None if neither is on one of them."""
    found = [_value_given(problem, vertex, end, name) for end in (0, 1)]
    return None if None in found else (bool(found[0]), bool(found[1]))


def _value_given(problem: Problem, vertex: Vertex, end: int, name: str) -> bool | None:
    orders = _orders(problem, vertex, end, name)
    return True if orders == {0} else False if orders == {1} else None


def _orders(problem: Problem, vertex: Vertex, end: int, name: str) -> set[int]:
    """Of the derivatives of a field that conditions on an edge give."""
    return {
        max(sum(index) for field, index in jets_of(condition.residual) if field == name)
        for condition in _on_edge(problem, vertex, end)
        if name in condition.fields
    }


def _on_edge(problem: Problem, vertex: Vertex, end: int) -> list[Condition]:
    """The conditions next to a corner on one of its edges."""
    point = torch.tensor([vertex.edge(end, ALONG * min(problem.domain.lengths))], dtype=torch.float64)
    return [one for one in problem.conditions if _reaches(problem, one, point)]


def _reaches(problem: Problem, condition: Condition, point: torch.Tensor) -> bool:
    """Whether a condition holds at a point of the boundary."""
    carrier = carrier_of(condition.side)
    if isinstance(carrier, Side):
        off = abs(float(point[0, carrier.axis]) - carrier.level(problem.domain))
        near = off <= 1e-9 * problem.domain.lengths[carrier.axis]
    else:
        near = isinstance(carrier, ShapeBoundary) and bool(on_flat(problem.region, carrier, point)[0])
    return near and bool(on_boundary(problem.region, problem.domain, condition.side, point)[0])


def _at_corner(
    problem: Problem, vertex: Vertex, kinds: tuple[bool, bool], names: Sequence[str]
) -> Iterator[Singularity]:
    """r^a and z^m log z up to the highest power."""
    value, same, pure = kinds[0], kinds[0] == kinds[1], is_pure(problem)
    step = math.pi / vertex.opening
    exponents = [(k if same else k - 0.5) * step for k in range(1, int(HIGHEST / step) + 2)]
    powers = [a for a in exponents if a <= HIGHEST and abs(a - round(a)) > WHOLE]
    whole = [0] * all(kinds) + [round(a) for a in exponents if a <= HIGHEST and abs(a - round(a)) <= WHOLE]
    length = min(problem.domain.lengths)
    shifts = (0,) if pure else (0, 1)
    rows = [_row(vertex, length, a + b, 0, b, value) for a in powers for b in shifts]
    rows += [_row(vertex, length, m + b, 1, b, value) for m in whole for b in shifts]
    broken = [order for name in names if (order := _disagreement(problem, vertex, name, kinds)) is not None]
    jump = 0 in broken
    kept = tuple(row for row in rows if jump or row[5] != row[8] or row[7] == 0)
    laws = ["a jump, θ"] * jump
    if powers:
        laws.append(f"r^{_said(powers[0])} {'sin' if value else 'cos'}")
    else:
        laws += [f"r^{order} log r" for order in broken if order]
    if kept:
        place = f"corner at ({vertex.point[0]:g}, {vertex.point[1]:g}) of {vertex.degrees:.4g}°"
        law = ", ".join(dict.fromkeys(laws)) or "at most high powers with log r"
        yield Singularity(place, law, kept, bool(powers or broken))


# Corners of clamped plates and of flows by their stream function


def _is_clamped(problem: Problem, vertex: Vertex, name: str) -> bool:
    return all(_orders(problem, vertex, end, name) == {0, 1} for end in (0, 1))


def _at_clamped_corner(problem: Problem, vertex: Vertex, names: Sequence[str]) -> Singularity:
    """Pairs (z^(λ+1), z̄ z^λ), real and imaginary parts of both; with log z where the edges do not fit together."""
    about = (*vertex.point, vertex.direction, vertex.opening, min(problem.domain.lengths))
    broken = [order for name in names if (order := _disagreement(problem, vertex, name, (True, False))) is not None]
    lowest = min(broken, default=0)
    roots = clamped_exponents(vertex.opening)
    pairs = [(root.real, sign * root.imag) for root in roots for sign in ((1, -1) if root.imag else (1,))]
    rows = [(*about, a + 1 - b, im, 0.0, b, part) for a, im in pairs for b in (0.0, 1.0) for part in (0.0, 1.0)]
    if lowest:
        rows += [(*about, m - b, 0.0, 1.0, b, part) for m in range(lowest, int(HIGHEST) + 1)
                 for b in (0.0, 1.0) for part in (0.0, 1.0)]  # fmt: skip
    first = min(roots, key=lambda root: root.real, default=0j).real + 1
    law = f"r^{lowest} log r of its conditions, " if lowest else ""
    place = f"corner at ({vertex.point[0]:g}, {vertex.point[1]:g}) of {vertex.degrees:.4g}°"
    return Singularity(place, f"{law}r^{first:.4g} with sin and cos of log r", tuple(rows), bool(lowest) or first < 3)


def clamped_exponents(opening: float) -> tuple[complex, ...]:
    """λ with sin²λω = λ² sin²ω, 0 < Re λ < 6 - 1 and Im λ ≥ 0, but for whole numbers.

    >>> [complex(round(a.real, 4), round(a.imag, 4)) for a in clamped_exponents(math.pi / 2)][0]
    (2.7396+1.119j)
    """
    found: list[complex] = []
    for sign, real, imaginary in product((1, -1), range(1, 4 * int(HIGHEST)), range(0, 9)):
        root = _newton(complex(real / 4 + 0.01, imaginary / 4), opening, sign)
        near_whole = abs(root.imag) < 1e-9 and abs(root.real - round(root.real)) < 1e-9
        if 1e-6 < root.real < HIGHEST - 1 and root.imag > -1e-9 and not near_whole:
            root = complex(root.real, root.imag if root.imag > 1e-9 else 0.0)
            if all(abs(root - other) > 1e-6 for other in found):
                found.append(root)
    return tuple(sorted(found, key=lambda root: root.real))


def _newton(start: complex, opening: float, sign: int) -> complex:
    """A root of sin λω = ± λ sin ω; 0 where none is found."""
    root, slope = start, sign * math.sin(opening)
    for _ in range(40):
        f, df = cmath.sin(root * opening) - slope * root, opening * cmath.cos(root * opening) - slope
        if df == 0 or abs(root.imag) > 20:
            return 0j
        root -= f / df
    return root if abs(cmath.sin(root * opening) - slope * root) < 1e-10 else 0j


def _said(exponent: float) -> str:
    """The exponent as a fraction where it is one."""
    fraction = sympy.Rational(exponent).limit_denominator(24)
    return f"({fraction})" if abs(float(fraction) - exponent) < 1e-9 else f"{exponent:.4g}"


def _row(vertex: Vertex, length: float, a: float, logs: int, conjugates: int, imaginary: bool) -> Row:
    return (*vertex.point, vertex.direction, vertex.opening, length, a, 0.0, logs, conjugates, float(imaginary))


def _disagreement(problem: Problem, vertex: Vertex, name: str, kinds: tuple[bool, bool]) -> int | None:
    """The lowest power of r at which what is given on the edges, and the equation, do not fit together; None if none.

    Values that differ are one at any angle. Where edges lie along the axes, derivatives along them are compared too: at
    order 1 those of values with a normal derivative, at order 2 the mixed ones of two normal derivatives, or the second
    ones of values with the equation.
    """
    edges = [_given(problem, vertex, end, name) for end in (0, 1)]
    if not all(edges):
        return None
    known = {index: value for edge in edges for index, value in edge.items()}
    off = [index for index in edges[0] if index in edges[1] and _differ(edges[0][index], edges[1][index])]
    if off:
        return min(map(sum, off))
    equation = [_defect(problem, vertex, name, known)] if kinds == (True, True) else []
    return 2 if any(equation) else None


def _given(problem: Problem, vertex: Vertex, end: int, name: str) -> dict[tuple[int, ...], float]:
    """The derivatives of a field at a corner that a condition on one of its edges gives, by their orders."""
    point = torch.tensor([vertex.point], dtype=torch.float64)
    dx, dy = (abs(b - a) for a, b in zip(vertex.edge(end, 0.0), vertex.edge(end, 1.0), strict=True))
    axis = 0 if dy <= WHOLE else 1 if dx <= WHOLE else None
    found: dict[tuple[int, ...], float] = {}
    for condition in _on_edge(problem, vertex, end):
        solved = condition.solved(problem.coordinates)
        if solved is None or solved[0][0] != name or problem.learns(solved[1]):
            continue
        (_, (i, j)), value = solved
        for order in range(3 - i - j if axis is not None else 1):
            along = value if axis is None else derivative(value, coordinate_symbols(problem.coordinates)[axis], order)
            at = (i + order, j) if axis == 0 else (i, j + order)
            number = float(compile_expression(along, problem.coordinates)(point)[0])
            if math.isfinite(number):
                found[at] = number
    return found


def _differ(a: float, b: float) -> bool:
    return not abs(a - b) <= JUMP * max(1.0, abs(a), abs(b))


def _defect(problem: Problem, vertex: Vertex, name: str, known: Mapping[tuple[int, ...], float]) -> bool:
    """Whether an equation that needs no more than these derivatives is not met by them."""
    point = torch.tensor([vertex.point], dtype=torch.float64)
    for residual in problem.equations.values():
        formula = compile_expression(residual, problem.coordinates, problem.fields)
        if not all(field == name and index in known for field, index in formula.jets):
            continue
        jets = {(name, index): torch.tensor([known[index]], dtype=torch.float64) for _, index in formula.jets}
        size = max(1.0, *(abs(value) for value in known.values()))
        if not abs(float(formula(point, jets, problem.learned)[0])) <= JUMP * size:
            return True
    return False


# Holes


def _at_hole(problem: Problem, center: tuple[float, float], radius: float) -> Singularity:
    """log r, and r^-k cos kθ and sin kθ until they have died away on the nearest boundary."""
    ratio = radius / _room(problem, center)
    count = min(MOST, max(FEWEST, math.ceil(math.log(SMALLEST) / math.log(ratio)))) if ratio < 1 else MOST
    about = (*center, 0.0, 0.0, radius)
    rows = [(*about, 0.0, 0.0, 1.0, 0.0, 0.0)]
    rows += [(*about, -float(k), 0.0, 0.0, 0.0, part) for k in range(1, count + 1) for part in (0.0, 1.0)]
    place = f"hole at ({center[0]:g}, {center[1]:g}) of radius {radius:g}"
    return Singularity(place, f"log r and r^-k up to k = {count}", tuple(rows), True)


def _room(problem: Problem, center: tuple[float, float]) -> float:
    """Distance from a hole's center to the nearest other boundary."""
    box = problem.domain
    room = min(min(x - low, high - x) for x, low, high in zip(center, box.lower, box.upper, strict=True))
    for other, radius in holes(problem.region):
        if other != center:
            room = min(room, math.dist(center, other) - radius)
    return room
