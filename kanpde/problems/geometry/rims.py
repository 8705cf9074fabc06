"""Points and weights along the boundary of plane regions, for integrals over it: ∮ f ds ≈ Σ_q ω_q f(x_q).

Gauss–Legendre points on panels along each facet, which end where the region no longer lies beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import torch

from kanpde.problems.geometry.boxes import Box, Side, box_sides
from kanpde.problems.geometry.regions import Piece, Region, ShapeBoundary, on_boundary
from kanpde.problems.geometry.sampling import Sample
from kanpde.problems.geometry.shapes import Facet

LOOKED_AT, HALVINGS = 2000, 50
"""Places along a facet that tell where it bounds the region, and steps by which such ends are found."""
PANEL, FEWEST = 8, 4
"""Points of a panel, and panels of a stretch at least."""
JITTER = 0.25
"""Largest shift of a panel's end, relative to the panel."""


def rim_pieces(region: Region, coordinates: tuple[str, ...], name: str) -> tuple[Piece, ...]:
    """What a name stands for: a side of the box, or the boundary of a shape."""
    sides = {side.name: side for side in box_sides(coordinates)}
    if name in sides:
        return (sides[name],)
    return tuple(ShapeBoundary(name, facet, sign) for facet in dict(region.shapes)[name].facets() for sign in (1, -1))


def rim_rule(region: Region, box: Box, piece: Piece, count: int, seed: int) -> Sample:
    """About `count` points of a piece in the plane for its whole facet, and weights that add up to its length."""
    generator, facet = np.random.default_rng(seed), _facet(region, piece)
    points, weights = [torch.empty(0, 2, dtype=torch.float64)], [torch.empty(0, dtype=torch.float64)]
    nodes, own = np.polynomial.legendre.leggauss(PANEL)
    for low, high in _stretches(region, box, piece, facet):
        panels = max(FEWEST, math.ceil(count * (high - low) / PANEL))
        ends = np.linspace(low, high, panels + 1)
        ends[1:-1] += (high - low) / panels * generator.uniform(-JITTER, JITTER, panels - 1)
        for a, b in pairwise(ends):
            points.append(_placed(facet, (a + b) / 2 + (b - a) / 2 * nodes))
            weights.append(torch.from_numpy(own * (b - a) / 2 * facet.measure))
    return Sample(torch.cat(points), torch.cat(weights))


def _facet(region: Region, piece: Piece) -> Facet:
    if isinstance(piece, ShapeBoundary):
        return piece.facet
    if isinstance(piece, Side):
        return region.box.facets()[2 * region.axes.index(piece.axis) + piece.end]
    raise ValueError(f"{piece.name} is no side or boundary of a shape")


def _placed(facet: Facet, along: np.ndarray) -> torch.Tensor:  # [n] -> [n, 2]
    return facet.place(torch.from_numpy(np.mod(along, 1.0) if facet.closed else along)[:, None])


def _stretches(region: Region, box: Box, piece: Piece, facet: Facet) -> Iterator[tuple[float, float]]:
    """From where to where along a facet it belongs to the piece."""

    def own(along: np.ndarray) -> np.ndarray:  # [n] -> bool [n]
        return on_boundary(region, box, piece, _placed(facet, along)).numpy()

    places = (np.arange(LOOKED_AT) + 0.5) / LOOKED_AT
    found = own(places)
    low, high = (places[np.flatnonzero(np.diff(found)) + step] for step in (0, 1))
    before = own(low)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        same = own(middle) == before
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    ends = [0.0, *((low + high) / 2).tolist(), 1.0]
    for a, b in pairwise(ends):
        if own(np.array([a + (b - a) * 0.31]))[0] and own(np.array([(a + b) / 2]))[0]:
            yield a, b
