"""Classical solvers built from the same problem: independent of every network, with an error bar of their own.

A problem is solved at increasing resolutions until two agree, the last is reached or the time is up. The finest is the
reference, and its difference from the one before is its error bar. A family of problems is solved at increasing numbers
of nodes of its parameters.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from types import ModuleType

import numpy as np
import torch

from kanpde.problems.data_in_place import determined_by_data
from kanpde.problems.geometry.regions import inside_points
from kanpde.problems.geometry.sampling import uniform_points
from kanpde.problems.problem import Problem
from kanpde.problems.time_reversal import ends_alone, reversed_in_time
from kanpde.references.cache import NUMBERS, load_values, store_values
from kanpde.references.families import Family, combinations, family_axes, member, middle, node_counts
from kanpde.references.interface import Field, Solved
from kanpde.references.layers import Layers, has_layers, layered
from kanpde.references.means import NotSolved, OutOfMeans, check_time, time_left, time_limit
from kanpde.references.methods import METHODS
from kanpde.references.states import Turned, turning
from kanpde.references.tables import check_table, read_reference_table

__all__ = [
    "FILE", "METHODS", "NotSolved", "Reference", "applicable_method", "check_table", "method_for", "no_reference",
    "reference_of", "reference_sentence", "turning",
]  # fmt: skip

FILE = "file"
"""The method that reads values from a file instead of solving."""

AGREED = 1e-10
"""Relative difference of two resolutions at which no finer one is tried."""

ENOUGH = 1e-4
"""The same for resolutions that are dear: a solver's `further` ones."""

SECONDS = 60.0
"""After which no finer resolution is tried, or the problem counts as not solved."""

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
        cut: Why it stopped below the finest resolution, in words that go on from the method's name; mostly nothing.
    """

    method: str
    values: Field
    error: float
    seconds: float
    unknowns: int
    energies: np.ndarray
    energy_errors: np.ndarray
    cut: str = ""

    def turned(self, points: np.ndarray, found: np.ndarray) -> Reference:  # [n, d], [n, m]
        """The same states, with the signs and rotations that are nearest to those found at points."""
        return replace(self, values=Turned(self.values, turning(self.values(points), found, self.energies)))


def method_for(problem: Problem) -> str | None:
    """The solver that the file asks for, else the first that can take the problem; none for an exact solution.

    Nor, unless asked for, where a parameter is learned: its true value need not be known.
    """
    asked = problem.source.get("reference") or {}
    name = asked.get("method") if isinstance(asked, dict) else asked
    if problem.exact and name in (None, "exact"):
        return None
    if name is not None:
        return name
    return None if problem.learned else applicable_method(problem)


def applicable_method(problem: Problem) -> str | None:
    """The first solver that can take the problem, or each problem of a family."""
    try:
        one = _forward(middle(problem))
        one = layered(one)[0] if has_layers(one) else one
    except NotSolved:
        return None
    return next((name for name, solver in METHODS.items() if not _reason_against(one, solver)), None)


def _reason_against(problem: Problem, solver: ModuleType) -> str:
    """Why a method cannot take a problem; empty if it can."""
    if determined_by_data(problem):
        return "takes no data in place of equations and conditions"
    if problem.remotes() and not getattr(solver, "ELSEWHERE", False):
        return "takes no integrals, shifts and delays of fields"
    return "" if solver.applicable(problem) else "does not take this problem"


def reference_sentence(problem: Problem) -> str:
    """What the error will be measured against, said before anything is trained."""
    if problem.exact:
        return "errors are measured against the exact solution"
    method = method_for(problem)
    if method is None:
        return no_reference(problem)
    source = "values read from a file" if method == FILE else f"a classical solution by {method}"
    return f"errors are measured against {source}"


def no_reference(problem: Problem) -> str:
    """Why a problem has no reference, in a sentence."""
    if problem.learned:
        return "There is no reference, so no error is measured: the true values of learned parameters are not known."
    if determined_by_data(problem):
        return "There is no reference, so no error is measured: classical solvers take no data in place of conditions."
    return (
        f"There is no reference, so no error is measured: no classical solver here ({', '.join(METHODS)}) takes this "
        "problem. Give exact: or reference: {method: file, …} if you have values to compare with."
    )


def reference_of(problem: Problem, method: str, seconds: float = SECONDS) -> Reference:
    """Solve by a classical method within so many seconds of work, or read what an earlier run found, or a file.

    Raises:
        NotSolved: the method cannot take the problem or did not converge.
        InputError: the file cannot be used.
    """
    if method == FILE:
        return _from_file(problem)
    if method not in METHODS:
        raise NotSolved(f"is not in this version, which has {', '.join(METHODS)}")
    if (forward := _forward(problem)) is not problem:
        found = reference_of(forward, method, seconds)
        return replace(found, values=Backward(found.values, problem.time_axis, sum(_ends(problem))))
    if has_layers(problem):
        plain, axis, ends, columns = layered(problem)
        found = reference_of(plain, method, seconds)
        return replace(found, values=Layers(found.values, axis, ends, columns))
    one = middle(problem)
    if (problem.remotes() or determined_by_data(problem)) and (reason := _reason_against(one, METHODS[method])):
        raise NotSolved(reason)
    ladder = _ladder(one, METHODS[method], single=not problem.family)
    known = load_values(problem, method, ladder)
    if known is not None:
        values, numbers = known
        return Reference(method, values, **numbers)
    allowed = min(seconds, SECONDS)
    with time_limit(allowed):
        found = _family(problem, method, ladder) if problem.family else _solved(problem, method, ladder)
    if allowed == SECONDS or not found.cut:  # else more time would have found more
        store_values(problem, method, ladder, found.values, {name: getattr(found, name) for name in NUMBERS})
    return found


@dataclass(frozen=True, eq=False)
class Backward:
    """A field of a problem run backward in time: t → total - t."""

    values: Field
    time: int
    total: float

    def __call__(self, points: np.ndarray) -> np.ndarray:  # [n, d] -> [n, fields]
        points = np.array(points, dtype=float)
        points[:, self.time] = self.total - points[:, self.time]
        return self.values(points)


def _forward(problem: Problem) -> Problem:
    """With conditions at the start of time, where they stand at its end alone."""
    return reversed_in_time(problem) if ends_alone(problem) and not problem.remotes() else problem


def _ends(problem: Problem) -> tuple[float, float]:
    return problem.domain.lower[problem.time_axis], problem.domain.upper[problem.time_axis]


def _from_file(problem: Problem) -> Reference:
    begun = time.perf_counter()
    values, error = read_reference_table(problem)
    return Reference(FILE, values, error, time.perf_counter() - begun, values.unknowns, np.empty(0), np.empty(0))


def _ladder(problem: Problem, solver: ModuleType, single: bool = True) -> tuple[int, ...]:
    """Resolutions to try: the solver's, dear ones not for the many members of a family; or half the file's and that."""
    asked = problem.source.get("reference")
    own = asked.get("resolution") if isinstance(asked, dict) else None
    if own:
        return (max(own // 2, 4), own)
    return (*solver.resolutions(problem), *(_further(problem, solver) if single else ()))


def _further(problem: Problem, solver: ModuleType) -> tuple[int, ...]:
    """Finer ones, which are tried while the error is not small enough."""
    return solver.further(problem) if hasattr(solver, "further") else ()


def _solved(problem: Problem, method: str, ladder: tuple[int, ...]) -> Reference:
    """Up the ladder until two agree; rungs that do not converge are passed over, unless two in turn fail alike.

    What two rungs below have found stands, whatever becomes of finer ones.
    """
    solver, points = METHODS[method], inside_points(problem.region, problem.domain, POINTS, seed=5).numpy()
    lives = problem.lives(torch.from_numpy(points)).numpy() if problem.homes else True
    begun, error = time.perf_counter(), np.nan
    coarse: Solved | None = None
    fine: Solved | None = None
    reason: NotSolved | None = None
    took = 0.0
    before: int | None = None
    dear = _further(problem, solver)
    for resolution in ladder:
        if error < (ENOUGH if resolution in dear else AGREED):
            break
        try:
            _check_forecast(problem, solver, took, before, resolution)
            started = time.thread_time()
            start = [fine.values] if fine is not None and hasattr(solver, "FROM_COARSER") else []
            finer: Solved = solver.solve(problem, resolution, *start)
            known, found = None if fine is None else _nearest(fine, finer, points), finer.values(points)
            found = np.where(lives, found, 0.0)
            known = None if known is None else np.where(lives, known, 0.0)
            took, before = time.thread_time() - started, resolution
        except OutOfMeans as limit:
            reason = limit
            break
        except MemoryError as want:
            reason = OutOfMeans(f"has too little memory ({want})" if str(want) else "has too little memory")
            break
        except NotSolved as failure:
            if np.isfinite(error):
                break
            if str(failure) == str(reason):
                raise
            reason, fine = failure, None
            continue
        coarse, fine = fine, finer
        if coarse is not None and known is not None:
            error = _difference(known, found)
            gaps = np.abs(fine.energies - coarse.energies)
    if fine is None or not np.isfinite(error):
        raise reason or NotSolved("did not converge: its values are not finite")
    cut, seconds = str(reason) if isinstance(reason, OutOfMeans) else "", time.perf_counter() - begun
    return Reference(method, fine.values, error, seconds, fine.unknowns, fine.energies, gaps, cut)


def _check_forecast(problem: Problem, solver: ModuleType, took: float, before: int | None, resolution: int) -> None:
    """That the time left is enough for a resolution, as far as the one before tells.

    Raises:
        OutOfMeans: it is not.
    """
    check_time()
    if before is None:
        return
    axes = problem.domain.dimension - int(problem.time is not None)
    needed = took * (resolution / before) ** (getattr(solver, "POWER", 1.0) * max(axes, 1))
    if needed > time_left():
        raise OutOfMeans(
            f"would take about {needed:.0f} s at a resolution of {resolution}, after {took:.1f} s at {before}; "
            f"{max(time_left(), 0):.0f} s of its time are left"
        )


def _family(problem: Problem, method: str, ladder: tuple[int, ...]) -> Reference:
    """At more and more nodes of the parameters, until two sets agree as well as their members do."""
    points, begun = uniform_points(problem.domain, POINTS, seed=5).numpy(), time.perf_counter()
    known: dict[tuple[float, ...], Reference] = {}
    found: Reference | None = None
    coarse: np.ndarray | None = None
    for count in node_counts(problem):
        try:
            family, members = _members(problem, method, ladder, count, known)
        except OutOfMeans as limit:
            if found is None:
                raise
            found = replace(found, cut=str(limit))
            break
        fine, own = family(points), max(one.error for one in members)
        if coarse is not None:
            error = own + _difference(coarse, fine)
            unknowns = sum(one.unknowns for one in members)
            seconds = time.perf_counter() - begun
            cut = next((one.cut for one in members if one.cut), "")
            found = Reference(method, family, error, seconds, unknowns, np.empty(0), np.empty(0), cut)
            if error < max(AGREED, 2 * own):
                break
        coarse = fine
    if found is None:
        raise ValueError("a family needs two sets of nodes, to be compared")
    return found


def _members(
    problem: Problem, method: str, ladder: tuple[int, ...], count: int, known: dict[tuple[float, ...], Reference]
) -> tuple[Family, list[Reference]]:
    """The family on so many nodes of each parameter, and its members; those solved before are taken from `known`."""
    axes = family_axes(problem, count)
    for values in combinations(axes):
        if values not in known:
            known[values] = _solved(member(problem, values), method, ladder)
    members = [known[values] for values in combinations(axes)]
    return Family(axes, tuple(one.values for one in members)), members


def _nearest(coarse: Solved, fine: Solved, points: np.ndarray) -> np.ndarray:
    """The coarser values; states with the signs and rotations that are nearest to the finer ones."""
    before = coarse.values(points)
    if before.shape[1] == len(fine.energies):
        return before @ turning(before, fine.values(points), fine.energies)
    return before


def _difference(before: np.ndarray, after: np.ndarray) -> float:
    size = np.linalg.norm(after)
    return float(np.linalg.norm(after - before) / (size if size > 0 else 1.0))
