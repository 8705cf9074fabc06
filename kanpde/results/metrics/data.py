"""Misfits to data, and the parameters learned from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from kanpde.results.metrics.interface import Metric, MetricRow

if TYPE_CHECKING:
    from kanpde.results.measuring import Measurement


class DataMetrics(Metric):
    name: ClassVar[str] = "data"
    place: ClassVar[int] = 6
    rows: ClassVar[tuple[MetricRow, ...]] = (
        MetricRow("data_misfit", "what is missed of the data that were fitted, relative"),
        MetricRow("test_error", "what is missed of the data left out of the fit, relative"),
        MetricRow("parameter_(.+)_error", r"error of \1, relative"),
        MetricRow("parameter_(.+)_interval95", r"half of the 95 % interval of \1"),
        MetricRow("parameter_(.+)", r"\1, learned"),
    )

    def of(self, run: Measurement) -> Mapping[str, float]:
        return run.data_metrics()
