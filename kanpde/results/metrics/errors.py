"""How far the solution is from the one it is measured against."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from kanpde.results.metrics.interface import Metric, MetricRow

if TYPE_CHECKING:
    from kanpde.results.measuring import Measurement


class Errors(Metric):
    name: ClassVar[str] = "errors"
    place: ClassVar[int] = 0
    rows: ClassVar[tuple[MetricRow, ...]] = (
        MetricRow("rel_l2", "relative L2 error", rank=0, headline=True),
        MetricRow("rel_l2_(.+)", r"relative L2 error of \1"),
        MetricRow("varying_error", "error of the worst field, relative to how it varies"),
        MetricRow("max_error", "largest error", rank=4, headline=True),
        MetricRow("h1", "relative H¹ error", rank=3),
        MetricRow("reference_error", "error of the reference", rank=1),
        MetricRow("reference_time_s", "seconds of the reference", rank=2),
        MetricRow("reference_unknowns", "unknowns of the reference", counted=True),
    )

    def of(self, run: Measurement) -> Mapping[str, float]:
        return run.errors()
