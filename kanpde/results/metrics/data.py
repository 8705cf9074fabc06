"""Misfits to data, and the parameters learned from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from kanpde.results.metrics.interface import Metric

if TYPE_CHECKING:
    from kanpde.results.measuring import Measurement


class DataMetrics(Metric):
    name: ClassVar[str] = "data"
    place: ClassVar[int] = 6

    def of(self, run: Measurement) -> Mapping[str, float]:
        return run.data_metrics()
