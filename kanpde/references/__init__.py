"""Classical solvers built from the same problem: independent of every network, with an error bar of their own.

A problem is solved at increasing resolutions until two agree, or the last is reached. The finest is the reference, and
its difference from the one before is its error bar.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from kanpde.references import chebyshev, elements, finite_elements
from kanpde.references.cache import NUMBERS, Function, load_interpolant, store_interpolant
from kanpde.references.interface import NotSolved, Solved
from kanpde.regions import inside_points
from kanpde.statements import Problem

__all__ = ["METHODS", "NotSolved", "Reference", "method_for", "reference_of"]

METHODS: dict[str, ModuleType] = {
    "chebyshev": chebyshev, "elements": elements, "finite_elements": finite_elements,
}  # fmt: skip
"""By name; each has `applicable(problem)`, `resolutions(problem)` and `solve(problem, resolution)`."""

AGREED = 1e-10
"""Relative difference of two resolutions at which no finer one is tried."""

POINTS = 4000


@dataclass(frozen=True, eq=False)
class Reference:
    """A classical solution with its error bar.

    Attributes:
        method: Name of the solver.
        values: The fields, as a function of points [n, d] -> [n, fields].
        error: Relative L2 difference from the next coarser resolution.
        seconds: Time it took to solve at all resolutions, when it was solved.
        unknowns: Numbers solved for at the finest resolution.
        energies: Eigenvalues, or the minimum of an energy; empty for equations.
        energy_errors: Their differences from the next coarser resolution.
    """

    method: str
    values: Function
    error: float
    seconds: float
    unknowns: int
    energies: np.ndarray
    energy_errors: np.ndarray


def method_for(problem: Problem) -> str | None:
    """The solver that the file asks for, else the first that can take the problem; none for an exact solution."""
    asked = problem.source.get("reference") or {}
    name = asked.get("method") if isinstance(asked, dict) else asked
    if problem.exact and name in (None, "exact"):
        return None
    if name is not None:
        return name
    return next((name for name, solver in METHODS.items() if solver.applicable(problem)), None)


def reference_of(problem: Problem, method: str) -> Reference:
    """Solve by a classical method, or read what an earlier run found.

    Raises:
        NotSolved: the method cannot take the problem or did not converge.
    """
    if method not in METHODS:
        raise NotSolved(f"is not in this version, which has {', '.join(METHODS)}")
    ladder = _ladder(problem, METHODS[method])
    known = load_interpolant(problem, method, ladder)
    if known is not None:
        values, numbers = known
        return Reference(method, values, **numbers)
    found = _solved(problem, method, ladder)
    store_interpolant(problem, method, ladder, found.values, {name: getattr(found, name) for name in NUMBERS})
    return found


def _ladder(problem: Problem, solver: ModuleType) -> tuple[int, ...]:
    """Resolutions to try: the solver's, or half of what the file asks for and that."""
    asked = problem.source.get("reference")
    own = asked.get("resolution") if isinstance(asked, dict) else None
    return (max(own // 2, 4), own) if own else tuple(solver.resolutions(problem))


def _solved(problem: Problem, method: str, ladder: tuple[int, ...]) -> Reference:
    solver, points = METHODS[method], inside_points(problem.region, problem.domain, POINTS, seed=5).numpy()
    begun, fine = time.perf_counter(), solver.solve(problem, ladder[0])
    for resolution in ladder[1:]:
        coarse, fine = fine, solver.solve(problem, resolution)
        error = _difference(coarse, fine, points)
        if error < AGREED:
            break
    if not np.isfinite(error):
        raise NotSolved("did not converge: its values are not finite")
    seconds = time.perf_counter() - begun
    gaps = np.abs(fine.energies - coarse.energies)
    return Reference(method, fine.values, error, seconds, fine.unknowns, fine.energies, gaps)


def _difference(coarse: Solved, fine: Solved, points: np.ndarray) -> float:
    before, after = coarse.values(points), fine.values(points)
    size = np.linalg.norm(after)
    return float(np.linalg.norm(after - before) / (size if size > 0 else 1.0))
