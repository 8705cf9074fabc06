"""What a run took."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from kanpde.results.metrics.interface import Metric, MetricRow

if TYPE_CHECKING:
    from kanpde.results.measuring import Measurement


class Costs(Metric):
    name: ClassVar[str] = "costs"
    place: ClassVar[int] = 3
    rows: ClassVar[tuple[MetricRow, ...]] = (
        MetricRow("wall_time_s", "seconds of training", rank=8, headline=True),
        MetricRow("peak_memory_mb", "peak memory, MB"),
        MetricRow("flops_per_step", "FLOPs per step", counted=True),
    )

    def of(self, run: Measurement) -> Mapping[str, float]:
        return {"wall_time_s": run.trained.seconds, "peak_memory_mb": run.peak_memory_mb(), **run.flops()}
