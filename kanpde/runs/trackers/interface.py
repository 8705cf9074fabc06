"""What a tracker can do, and how the events of a training reach it."""

import abc
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kanpde.solving.training.events import Started, Step


@dataclass(frozen=True)
class Tracked:
    """A run as a tracker knows it: where it is, what it is called, and with what settings it was made."""

    folder: Path
    problem: str
    name: str
    settings: Mapping[str, str]


class Tracker(abc.ABC):
    """Takes numbers by name; made with a `Tracked` once a run begins."""

    @abc.abstractmethod
    def record(self, step: int, values: Mapping[str, float]) -> None:
        """Numbers of one step, all of them finite."""

    @abc.abstractmethod
    def end(self, status: str, metrics: Mapping[str, float]) -> None:
        """The run has ended: done, interrupted or failed; called at most once, and last."""


class FollowingTracker:
    """Calls a tracker with the events of a run. Should it fail, that is said once, and the run goes on without it."""

    def __init__(self, make: Callable[[], Tracker] | None):
        self.make = make
        self.tracker: Tracker | None = None

    def __call__(self, event: object) -> None:
        make, tracker = self.make, self.tracker
        if isinstance(event, Started) and make is not None:
            self._try(lambda: self._begin(make))
        elif isinstance(event, Step) and tracker is not None:
            values = {name: value for name, value in event.record.items() if name != "step"}
            self._try(lambda: tracker.record(int(event.record["step"]), finite(values)))

    def ended(self, status: str, metrics: Mapping[str, float]) -> None:
        tracker = self.tracker
        if tracker is not None:
            self._try(lambda: tracker.end(status, finite(metrics)))
        self.tracker = None

    def close(self) -> None:
        """For a run that ended by an error, before there were metrics."""
        self.ended("failed", {})

    def _begin(self, make: Callable[[], Tracker]) -> None:
        self.tracker = make()

    def _try(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as error:
            self.make = self.tracker = None
            reason = " ".join(str(error).split())[:300]
            print(f"warning: the tracker failed and follows no more: {reason}", file=sys.stderr, flush=True)


def finite(values: Mapping[str, float]) -> dict[str, float]:
    """The numbers among values, without those that were not measured.

    >>> finite({"loss": 0.1, "rel_l2": float("nan"), "reason": "stalled"})
    {'loss': 0.1}
    """
    return {name: value for name, value in values.items() if isinstance(value, (int, float)) and math.isfinite(value)}
