"""Programs that follow runs while they go on; `history.jsonl` is written whether or not one is chosen.

A tracker is a leaf here and a row in `TRACKERS`; its package is imported when it is chosen, and only then.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from kanpde.errors import InputError
from kanpde.runs.trackers.interface import FollowingTracker, Tracked, Tracker
from kanpde.runs.trackers.mlflow import MlflowTracker
from kanpde.runs.trackers.tensorboard import TensorboardTracker

__all__ = ["TRACKERS", "Following", "Tracked", "Tracker", "check_tracker", "following"]

NONE = "none"


@dataclass(frozen=True)
class Choice:
    """How to make a tracker; the modules of which it needs one; the package that brings it."""

    make: Callable[[Tracked], Tracker]
    modules: tuple[str, ...]
    package: str


TRACKERS = {
    "tensorboard": Choice(TensorboardTracker, ("tensorboard", "tensorboardX"), "tensorboard"),
    "mlflow": Choice(MlflowTracker, ("mlflow",), "mlflow"),
}


def check_tracker(name: str) -> None:
    """Raise an InputError with the command that installs it, where a tracker's package is missing."""
    choice = TRACKERS.get(name)
    if choice is not None and not any(map(importlib.util.find_spec, choice.modules)):
        raise InputError(
            f"tracker={name} needs the package {choice.package}; it is not installed. Run: pip install {choice.package}"
        )


@contextmanager
def following(name: str, run: Tracked) -> Iterator[FollowingTracker]:
    """What to call with a run's events, and with its metrics when it has ended."""
    follow = FollowingTracker(None if name == NONE else lambda: TRACKERS[name].make(run))
    try:
        yield follow
    finally:
        follow.close()
