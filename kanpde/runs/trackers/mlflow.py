"""MLflow: a run in the experiment named after the problem, where MLFLOW_TRACKING_URI says."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

from kanpde.runs.trackers.interface import Tracked, Tracker

PAUSE = 1.0  # seconds between messages, each of which may go to a server
MOST_METRICS, MOST_SETTINGS = 1000, 100  # in one message, by MLflow's rules
LONGEST_VALUE = 500
STATUS = {"done": "FINISHED", "interrupted": "KILLED", "failed": "FAILED"}


class MlflowTracker(Tracker):
    """Metrics by step, sent together once a second; the settings as parameters."""

    def __init__(self, run: Tracked):
        import mlflow  # noqa: PLC0415

        self.entities = mlflow.entities
        self.client = mlflow.MlflowClient()
        self.run_id = self.client.create_run(self._experiment(run.problem), run_name=run.name).info.run_id
        self.waiting: list[Any] = []  # of its metrics
        self.sent, self.step = 0.0, 0
        settings = [self.entities.Param(name, value[:LONGEST_VALUE]) for name, value in run.settings.items()]
        for first in range(0, len(settings), MOST_SETTINGS):
            self.client.log_batch(self.run_id, params=settings[first : first + MOST_SETTINGS])

    def record(self, step: int, values: Mapping[str, float]) -> None:
        self.step = step
        self._put(values)
        if time.monotonic() - self.sent > PAUSE:
            self._send()

    def end(self, status: str, metrics: Mapping[str, float]) -> None:
        self._put({f"final/{name}": value for name, value in metrics.items()})
        self._send()
        self.client.set_terminated(self.run_id, STATUS[status])

    def _put(self, values: Mapping[str, float]) -> None:
        now = int(1000 * time.time())
        self.waiting += [self.entities.Metric(_allowed(name), value, now, self.step) for name, value in values.items()]

    def _send(self) -> None:
        for first in range(0, len(self.waiting), MOST_METRICS):
            self.client.log_batch(self.run_id, metrics=self.waiting[first : first + MOST_METRICS])
        self.waiting, self.sent = [], time.monotonic()

    def _experiment(self, name: str) -> str:
        """The experiment's number; another job of the same sweep may make it at the same moment."""
        found = self.client.get_experiment_by_name(name)
        if found is None:
            try:
                return self.client.create_experiment(name)
            except Exception:
                found = self.client.get_experiment_by_name(name)
                if found is None:
                    raise
        return found.experiment_id


def _allowed(name: str) -> str:
    """A name as MLflow takes it.

    >>> _allowed("loss_x+")
    'loss_x_'
    """
    return re.sub(r"[^\w\-. /]", "_", name)
