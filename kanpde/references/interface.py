"""What a classical solver is given and what it gives back; one method is one leaf of `methods`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

import numpy as np

from kanpde.problems.problem import Problem
from kanpde.references.interpolants import Function

Field = Callable[[np.ndarray], np.ndarray]
"""Points [n, d] -> values [n, fields]."""


class NotSolved(Exception):
    """Why a method cannot solve a problem, or did not converge; the end of a sentence that begins with the method."""


class OutOfMeans(NotSolved):
    """The time or the memory allowed does not suffice: what was found with less stands."""


@dataclass(frozen=True, eq=False)
class Solved:
    """A problem solved at one resolution.

    Attributes:
        values: The fields, as a function of points.
        unknowns: How many numbers were solved for.
        energies: Eigenvalues in increasing order, or the one minimum of an energy; empty for equations.
    """

    values: Function
    unknowns: int
    energies: np.ndarray = field(default_factory=lambda: np.empty(0))


Solver = Callable[[Problem, int], Solved]
"""A method at a resolution (its own unit: nodes an axis, cells, …); raises NotSolved."""

PATIENCE = 1.5
"""How many times the seconds of work may pass on the clock, where others are at work on the machine as well."""

_DEADLINE: ContextVar[tuple[float, float, float]] = ContextVar("deadline", default=(np.inf, np.inf, np.inf))


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Within it, `check_time` raises once this thread has worked for so many seconds, or half as many more passed."""
    token = _DEADLINE.set((time.thread_time() + seconds, time.monotonic() + PATIENCE * seconds, seconds))
    try:
        yield
    finally:
        _DEADLINE.reset(token)


def check_time() -> None:
    """To be called now and then by solvers that can take long.

    Raises:
        OutOfMeans: the time is up.
    """
    if time_left() < 0:
        raise OutOfMeans(f"did not come to an end within {_DEADLINE.get()[2]:g} s of work")


def time_left() -> float:
    """Seconds of work until `check_time` raises."""
    work, clock, _ = _DEADLINE.get()
    return min(work - time.thread_time(), clock - time.monotonic())
