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
    rows: ClassVar[tuple[MetricRow, ...]] = (
        MetricRow(r"energy_(\d+)", r"energy of state \1", digits=10),
        MetricRow(r"energy_(\d+)_reference", r"energy of state \1, of the reference", digits=10),
        MetricRow(r"energy_(\d+)_error", r"error of the energy of state \1, relative"),
        MetricRow(r"energy_(\d+)_spread", r"difference of the energy of state \1 by two rules of points"),
        MetricRow(r"overlap_(\d+)", r"overlap of state \1 with that of the reference"),
        MetricRow("energy", "energy", digits=10),
        MetricRow("energy_reference", "energy of the reference", digits=10),
        MetricRow("energy_error", "error of the energy, relative"),
        MetricRow("energy_spread", "difference of the energy by two rules of points"),
    )

    def of(self, run: Measurement) -> Mapping[str, float]:
        return run.measured.metrics
