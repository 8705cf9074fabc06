"""Conditions on disks, ellipses and balls met exactly, through functions that measure the distance to them.

    δ = ± (|(x - c)/a|² - 1) a_min/2,   φ = δ/(δ + ℓ)

δ is zero on the boundary, positive in the region, smooth, and near a disk the distance; ℓ is half of the box's
shortest side, so that φ has the slope there that the box's own envelope has. With b the envelope of the box's sides
and a lift L of their conditions, the shapes i with data g_i are added by inverse distances,

    L ← L + Σ_i w_i (g_i - L)∘p_i,   w_i = (1/φ_i) / (1/b + Σ_j 1/φ_j),        E ← E Π_i φ_i,

where p_i leads to the boundary along the ray from the center. Only values that are the same all over a shape are
built in. Measured against penalties of weight 100: a ring with u = log r 8e-8 against 5e-6, a grounded cylinder in a
uniform field 6e-7 against 1e-5; but where values vary around the shape, and in tests the solution has no trace of it,
3e-7 against 8e-12 (disk), 3e-5 against 3e-10 (ellipse), 1e-5 against 4e-10 (ball).

Source: Rvachev and Sheiko, Applied Mechanics Reviews 48 (1995): normalized functions and transfinite interpolation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeGuard

import sympy
import torch
from sympy import Expr

from kanpde.problems.geometry.boxes import box_sides
from kanpde.problems.geometry.regions import ShapeBoundary, on_boundary, piece_points
from kanpde.problems.geometry.shapes import Round, facet_points
from kanpde.problems.language import compile_expression, coordinate_symbols
from kanpde.problems.language.functions import sqrt
from kanpde.problems.problem import Problem

LOOKED_AT = 256
APART = 0.01
"""Of the box: boundaries nearer to each other leave no room for a smooth lift between them."""


def measurable(piece: object, problem: Problem) -> TypeGuard[ShapeBoundary]:
    """Whether a piece is the whole of a smooth closed boundary inside the box, apart from all others."""
    if not isinstance(piece, ShapeBoundary) or not isinstance(piece.facet, Round):
        return False
    region, box = problem.region, problem.domain
    points = torch.zeros(LOOKED_AT, box.dimension, dtype=torch.float64)
    points[:, list(region.axes)] = own = facet_points(piece.facet, len(region.axes), LOOKED_AT, 0)
    if not on_boundary(region, box, piece, points).all():
        return False
    sides = [side for side in box_sides(problem.coordinates) if side.axis in region.axes]
    gaps = [(points[:, side.axis] - side.level(box)).abs().min().item() for side in sides
            if len(piece_points(region, box, side, 4, 0))]  # fmt: skip
    for name in region.names():
        others = [facet for facet in dict(region.shapes)[name].facets() if facet != piece.facet]
        gaps += [torch.cdist(own, facet_points(facet, len(region.axes), LOOKED_AT, 0)).min().item() for facet in others]
    return min(gaps, default=math.inf) > APART * min(box.lengths[axis] for axis in region.axes)


def round_facet(piece: ShapeBoundary) -> Round:
    """The facet of a piece that is `measurable`."""
    if not isinstance(piece.facet, Round):
        raise TypeError(f"{piece.name} is not round")
    return piece.facet


def even_over(problem: Problem, piece: ShapeBoundary, data: Expr) -> Expr | None:
    """What is given on a piece if it is the same all over it, a number or a function of time; None if it varies."""
    space = {coordinate_symbols(problem.coordinates)[axis] for axis in problem.region.axes}
    if not data.free_symbols & space:
        return data
    if data.free_symbols - space:
        return None
    points = piece_points(problem.region, problem.domain, piece, LOOKED_AT, 0)
    values = compile_expression(data, problem.coordinates, ())(points)
    middle = values.mean().item()
    return sympy.Float(middle) if (values - middle).abs().max() <= 1e-12 * max(abs(middle), 1) else None


def with_shapes(
    problem: Problem, lift: Expr, envelope: Expr, between: Expr, data: Mapping[ShapeBoundary, Expr]
) -> tuple[Expr, Expr]:
    """Lift and envelope that meet the data on shapes beside what they meet already.

    Args:
        lift, envelope: Of the box's sides.
        between: The part of the envelope that belongs to sides in space, made positive; 1 where there is none.
        data: What the field is on each piece.
    """
    pieces = list(data)
    levels = [_level(problem, piece) for piece in pieces]
    others = [sympy.Mul(*(level for place, level in enumerate(levels) if place != own)) for own in range(len(levels))]
    total = sympy.Add(*(between * other for other in others))
    if between != 1:  # else no side takes part
        total += sympy.Mul(*levels)
    gaps = {piece: even_over(problem, piece, data[piece] - lift) for piece in pieces}
    missing = [_carried(problem, p, data[p] - lift) if gap is None else gap for p, gap in gaps.items()]
    added = [between * other / total * miss for other, miss in zip(others, missing, strict=True)]
    return lift + sympy.Add(*added), envelope * sympy.Mul(*levels)


def _level(problem: Problem, piece: ShapeBoundary) -> Expr:
    """φ: 0 on the piece, toward 1 far inside the region."""
    length = min(problem.domain.lengths[axis] for axis in problem.region.axes) / 2
    distance = -piece.sign * sympy.Float(min(round_facet(piece).axes) / 2) * (_ratio_squared(problem, piece) - 1)
    return distance / (distance + sympy.Float(length))


def _carried(problem: Problem, piece: ShapeBoundary, expr: Expr) -> Expr:
    """The value at the boundary's point on the same ray from the center."""
    ratio = sqrt(_ratio_squared(problem, piece))
    symbols = coordinate_symbols(problem.coordinates)
    places = zip(problem.region.axes, round_facet(piece).center, strict=True)
    center = {symbols[axis]: sympy.Float(c) for axis, c in places}
    return expr.xreplace({x: c + (x - c) / ratio for x, c in center.items()})


def _ratio_squared(problem: Problem, piece: ShapeBoundary) -> Expr:
    symbols, facet = coordinate_symbols(problem.coordinates), round_facet(piece)
    parts = zip(problem.region.axes, facet.center, facet.axes, strict=True)
    return sympy.Add(*(((symbols[axis] - sympy.Float(c)) / sympy.Float(a)) ** 2 for axis, c, a in parts))
