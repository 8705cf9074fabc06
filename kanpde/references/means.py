"""What a classical solver may take: the seconds it has, and what is raised where they or the method do not suffice."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class NotSolved(Exception):
    """Why a method cannot solve a problem, or did not converge; the end of a sentence that begins with the method."""


class NotOne(NotSolved):
    """The problem is at fault: it has more than one solution, or `none`."""

    def __init__(self, reason: str, none: bool = False):
        super().__init__(reason)
        self.none = none


class OutOfMeans(NotSolved):
    """The time or the memory allowed does not suffice: what was found with less stands."""


PATIENCE = 1.5
"""How many times the seconds of work may pass on the clock, where others are at work on the machine as well."""

_DEADLINE: ContextVar[tuple[float, float, float]] = ContextVar("deadline", default=(math.inf, math.inf, math.inf))


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
