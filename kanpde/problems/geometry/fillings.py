"""What fills a domain of shapes, or one shape in it, for integrals over it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import scipy
import torch
from torch import Tensor

from kanpde.problems.geometry.regions import Parts, Region, part_of
from kanpde.problems.geometry.sampling import Sample
from kanpde.problems.geometry.shapes import Shape
from kanpde.problems.geometry.shapes.solid import Solid
from kanpde.problems.geometry.slices import MORE, Slicer, slicer_of, turned
from kanpde.problems.language import ExpressionError, Filling

SOLID = ((4, 200), (3, 1000), (2, math.inf))
"""Points along each edge of a tetrahedron, for so many of them at most."""
PANEL, JITTER, FEWEST = 6, 0.25, 24
"""Points of a panel, the largest shift of a panel's end, relative to the panel, and points across a box at least: with
12, sixteen parameters made a disk's energy least 3e-3 away from where it is."""


def filling_of(
    region: Region, parts: Parts, names: tuple[str, ...], shapes: Mapping[str, Shape], name: str = ""
) -> Filling | None:
    """What fills a region, or a shape in it, by names of the space coordinates; None for a box in one piece.

    Raises:
        ExpressionError: it has no volume, or too many dimensions.
    """
    return _filling(region, parts, names, name, shapes[name] if name else None)


@lru_cache(maxsize=64)
def _filling(
    region: Region, parts: Parts, names: tuple[str, ...], name: str = "", shape: Shape | None = None
) -> Filling | None:
    if region.whole and not parts and shape is None:
        return None
    if len(names) not in MORE:
        raise ExpressionError(
            f"may have integrals over shapes of up to {max(MORE)} dimensions; there are {len(names)}. Take a box, or "
            "say what holds at a point (at:)."
        )

    solid = _given(region, shape)
    points, weights = _slicer(region, parts, shape).filled(np.empty(0)) if solid is None else _of_cells(solid)
    if not len(weights):
        raise ExpressionError(f"needs a shape that meets the domain; {name or 'it'} does not. Move or remove it.")
    return Filling(names, name, points, weights)


def _given(region: Region, shape: Shape | None) -> Solid | None:
    """The tetrahedra that make up all of the domain, or the shape in it."""
    whole = dict(region.shapes).get(region.tree) if isinstance(region.tree, str) else None
    own = whole if shape is None else shape
    return own if isinstance(own, Solid) and (whole is None or isinstance(whole, Solid)) else None


def _of_cells(solid: Solid) -> tuple[np.ndarray, np.ndarray]:  # -> [n, 3], [n]
    """Gauss–Jacobi points of a cube folded into each tetrahedron, fewer of many, for polynomials of degree 3 at least:

    λ = (r, (1 - r) s, (1 - r)(1 - s) t),   dλ = (1 - r)² (1 - s) dr ds dt
    """
    count = next(n for n, most in SOLID if len(solid.cells) <= most)
    rules = [scipy.special.roots_jacobi(count, power, 0) for power in (2, 1, 0)]
    r, s, t = (part.ravel() for part in np.meshgrid(*((nodes + 1) / 2 for nodes, _ in rules), indexing="ij"))
    shares = (own / 2 ** (power + 1) for (_, own), power in zip(rules, (2, 1, 0), strict=True))
    weights = np.prod(np.meshgrid(*shares, indexing="ij"), axis=0).ravel()
    places = np.stack([r, (1 - r) * s, (1 - r) * (1 - s) * t], axis=1)
    corners = solid.nodes[solid.cells]
    edges = corners[:, 1:] - corners[:, :1]
    points = corners[:, :1] + np.einsum("qe,ted->tqd", places, edges)
    return points.reshape(-1, 3), (np.linalg.det(edges)[:, None] * weights).ravel()


@lru_cache(maxsize=64)
def _slicer(region: Region, parts: Parts, shape: Shape | None) -> Slicer:
    def label(space: Tensor) -> Tensor:  # [n, space] -> int [n]
        inside = region.holds(space) if shape is None else region.holds(space) & shape.contains(space)
        return inside * (1 + part_of(parts, space))

    own = dict(region.shapes)
    bounding = [own[one] for one in region.names()] + [one for _, one in parts] + ([] if shape is None else [shape])
    return slicer_of(label, tuple(dict.fromkeys(bounding)), *region.box.bounds)


def drawn_filling(region: Region, parts: Parts, count: int, seed: int) -> Sample:
    """About `count` points that fill the box of a plane region, those inside, on panels of random lengths."""
    generator, along = np.random.default_rng(seed), max(FEWEST, math.sqrt(count))
    nodes, weights = np.polynomial.legendre.leggauss(PANEL)

    def rule(low: float, high: float, share: float, is_round: bool) -> tuple[np.ndarray, np.ndarray]:
        panels = max(1, math.ceil(along * share / PANEL))
        ends = np.linspace(-1, 1, panels + 1)
        ends[1:-1] += 2 / panels * generator.uniform(-JITTER, JITTER, panels - 1)
        middles, halves = (ends[1:] + ends[:-1])[:, None] / 2, np.diff(ends)[:, None] / 2
        return turned(low, high, (middles + halves * nodes).ravel(), (halves * weights).ravel(), is_round)

    points, found = dataclasses.replace(_slicer(region, parts, None), rule=rule).filled(np.empty(0))
    return Sample(torch.from_numpy(points), torch.from_numpy(found))


def volume_of(region: Region) -> float:
    """Length, area or volume of a region."""
    filling = filling_of(region, (), tuple(f"x{axis}" for axis in region.axes), {})
    return float(np.prod(np.subtract(*region.box.bounds[::-1]))) if filling is None else filling.volume
