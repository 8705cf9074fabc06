"""Points and weights for integrals over the domain of a problem.

    ∫ f dx ≈ Σ_n ω_n f(x_n)

In one and two dimensions, Gauss–Legendre points on panels that end where coefficients jump, and on slices between the
rims of plane shapes; beyond, scrambled Sobol points. Panels are of random lengths, others for every seed: a network
that has learned to be small at one rule's points is seen through by the next.
"""

import math
from itertools import pairwise

import numpy as np
import scipy
import sympy
import torch

from kanpde.problems.geometry.fillings import drawn_filling
from kanpde.problems.geometry.rims import rim_rule
from kanpde.problems.geometry.sampling import Sample, uniform_points
from kanpde.problems.problem import Problem

PANEL_POINTS = {1: 8, 2: 4}
"""Points of a panel along an axis, by dimension."""
FEWEST = {1: 24, 2: 8}
"""Points along an axis between two walls, by dimension: with 8 in one dimension a minimum was missed by 3.6 %."""
FEWEST_PANELS = 2
"""Panels between two walls: one alone has no end to move, and rules of all seeds would be the same."""
JITTER = 0.25
"""Largest shift of a panel's end, relative to the panel."""


def quadrature(problem: Problem, count: int, seed: int) -> Sample:
    """About `count` points, or more where walls ask for them, and weights that add up to the domain's measure."""
    box = problem.domain
    if not problem.region.whole and len(problem.region.axes) == box.dimension == 2:
        return drawn_filling(problem.region, problem.parts, count, seed)
    if not problem.region.whole or box.dimension not in FEWEST:
        return _sobol(problem, count, seed)
    generator = np.random.default_rng(seed)
    along = math.ceil(count ** (1 / box.dimension))
    rules = [_panels(problem, axis, along, generator) for axis in range(box.dimension)]
    points = torch.cartesian_prod(*(torch.from_numpy(x) for x, _ in rules)).reshape(-1, box.dimension)
    weights = torch.cartesian_prod(*(torch.from_numpy(w) for _, w in rules)).reshape(-1, box.dimension)
    return Sample(points, weights.prod(1))


def quadratures_around(problem: Problem, count: int, seed: int) -> list[tuple[sympy.Expr, Sample]]:
    """What is integrated over each piece of the boundary of shapes, and points and weights for it."""
    along = math.ceil(2 * math.sqrt(count))
    found = [(expr, rim_rule(problem.region, problem.domain, piece, along, seed))
             for piece, expr in problem.task.around(problem)]  # fmt: skip
    return [(expr, sample) for expr, sample in found if len(sample.points)]


def _sobol(problem: Problem, count: int, seed: int) -> Sample:
    points = uniform_points(problem.domain, count, seed)
    weight = math.prod(problem.domain.lengths) / len(points)
    if not problem.region.whole:
        points = points[problem.region.contains(points)]
    return Sample(points, torch.full((len(points),), weight, dtype=points.dtype))


def _panels(problem: Problem, axis: int, count: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Points and weights along one axis."""
    lower, upper = problem.domain.lower[axis], problem.domain.upper[axis]
    walls = [wall for wall in problem.walls(axis) if lower < wall < upper]
    ends = np.array([lower, *walls, upper])
    fewest = FEWEST[problem.domain.dimension] if walls else 0
    points = np.maximum(count * np.diff(ends) / (upper - lower), fewest)
    panel = PANEL_POINTS[problem.domain.dimension]
    counts = np.maximum(np.ceil(points / panel - 1e-9).astype(int), FEWEST_PANELS)
    parts = [_jittered(*cell, panels, generator) for cell, panels in zip(pairwise(ends), counts, strict=True)]
    breaks = np.concatenate([*parts, [upper]])
    nodes, weights = scipy.special.roots_legendre(panel)
    lengths = np.diff(breaks)[:, None]
    return (breaks[:-1, None] + lengths * (nodes + 1) / 2).ravel(), (lengths * weights / 2).ravel()


def _jittered(lower: float, upper: float, count: int, generator: np.random.Generator) -> np.ndarray:
    """The lower ends of `count` panels."""
    breaks = np.linspace(lower, upper, count + 1)[:-1]
    breaks[1:] += (upper - lower) / count * generator.uniform(-JITTER, JITTER, count - 1)
    return breaks
