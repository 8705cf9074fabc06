"""What a task measures itself, as energies and overlaps of states."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from kanpde.results.metrics.interface import Metric, MetricRow

if TYPE_CHECKING:
    from kanpde.results.measuring import Measurement


class OfTask(Metric):
    name: ClassVar[str] = "task"
    place: ClassVar[int] = 5
    rows: ClassVar[tuple[MetricRow, ...]] = (MetricRow(r"energy(_\d+)?(_reference)?", digits=10),)

    def of(self, run: Measurement) -> Mapping[str, float]:
        return run.measured.metrics
