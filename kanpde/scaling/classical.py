"""The line that keeps a comparison of networks honest: classical solvers at several resolutions."""

import math
import time
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import torch

from kanpde.metrics import known_values, measuring_points, relative_l2
from kanpde.references import METHODS, NotSolved, Reference, method_for, reference_of
from kanpde.statements import Problem

LADDER = 6
COARSEST = 4
LONGEST = 10.0
"""Seconds after which no finer resolution is tried."""


@dataclass(frozen=True)
class Classical:
    """One classical solution: seconds are those of this resolution alone, on the machine of the study."""

    method: str
    unknowns: int
    error: float
    seconds: float


def classical_solutions(problem: Problem) -> list[Classical]:
    """What each classical solver that can take the problem reaches, coarse to fine; empty where nothing is known."""
    points = measuring_points(problem)
    known = known_values(problem, points, _reference(problem))
    if known is None:
        return []
    return [one for method, solver in METHODS.items() if solver.applicable(problem)
            for one in _ladder(method, solver, problem, points, known)]  # fmt: skip


def _reference(problem: Problem) -> Reference | None:
    method = method_for(problem)
    try:
        return None if method is None else reference_of(problem, method)
    except NotSolved:
        return None


def _ladder(
    method: str, solver: ModuleType, problem: Problem, points: torch.Tensor, known: torch.Tensor
) -> list[Classical]:
    found = []
    for resolution in _resolutions(solver.resolutions(problem)[0]):
        begun = time.perf_counter()
        try:
            solved = solver.solve(problem, resolution)
        except NotSolved:
            continue
        seconds = time.perf_counter() - begun
        error = relative_l2(torch.from_numpy(np.asarray(solved.values(points.numpy()))) - known, known)
        if math.isfinite(error) and error > 0:
            found.append(Classical(method, solved.unknowns, error, seconds))
        if seconds > LONGEST:
            break
    return found


def _resolutions(coarse: int) -> list[int]:
    """From an eighth of the solver's own coarse resolution up to it.

    >>> _resolutions(28)
    [4, 5, 8, 12, 18, 28]
    """
    return sorted({max(COARSEST, round(coarse * 8 ** (-step / (LADDER - 1)))) for step in range(LADDER)})
