"""The line that keeps a comparison of networks honest: classical solvers at several resolutions."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import torch

from kanpde.problems.grids import measuring_points
from kanpde.problems.problem import Problem
from kanpde.references import METHODS, NotSolved, Reference, method_for, reference_of
from kanpde.results.errors import known_values, relative_l2

LADDER = 6
COARSEST = 4
LONGEST, ENOUGH = 10.0, 1e-13
"""Seconds of a resolution after which, and error below which, no finer one is tried."""


@dataclass(frozen=True)
class Classical:
    """One classical solution: seconds are those of this resolution alone, on the machine of the study."""

    method: str
    unknowns: int
    error: float
    seconds: float


def classical_solutions(problem: Problem) -> list[Classical]:
    """What the first classical solver that can take the problem reaches, coarse to fine; empty if nothing is known."""
    points = measuring_points(problem)
    known = known_solution(problem, points)
    if known is None:
        return []
    method = next((name for name, solver in METHODS.items() if solver.applicable(problem)), None)
    return [] if method is None else _ladder(method, METHODS[method], problem, points, known)


def known_solution(problem: Problem, points: torch.Tensor) -> torch.Tensor | None:  # [n, d] -> [n, fields]
    """The exact solution, or else the reference; None where there is neither."""
    return known_values(problem, points, _reference(problem))


def _reference(problem: Problem) -> Reference | None:
    method = method_for(problem)
    try:
        return None if method is None else reference_of(problem, method)
    except NotSolved:
        return None


def _ladder(
    method: str, solver: ModuleType, problem: Problem, points: torch.Tensor, known: torch.Tensor
) -> list[Classical]:
    found, lives = list[Classical](), problem.lives(points)
    for resolution in _resolutions(solver.resolutions(problem)):
        begun = time.perf_counter()
        try:
            solved = solver.solve(problem, resolution)
        except NotSolved:
            continue
        seconds = time.perf_counter() - begun
        found_there = torch.from_numpy(np.asarray(solved.values(points.numpy())))
        error = relative_l2((found_there - known)[lives], known[lives])
        if math.isfinite(error) and error > 0 and solved.unknowns not in {one.unknowns for one in found}:
            found.append(Classical(method, solved.unknowns, error, seconds))
        if seconds > LONGEST or error < ENOUGH:
            break
    return found


def _resolutions(own: Sequence[int]) -> list[int]:
    """The solver's own resolutions, and from an eighth of the coarsest of them up to it.

    >>> _resolutions((28, 40))
    [4, 5, 8, 12, 18, 28, 40]
    """
    coarser = {max(COARSEST, round(own[0] * 8 ** (-step / (LADDER - 1)))) for step in range(LADDER)}
    return sorted({*coarser, *own})
