"""Whether the activations stay where their splines have been trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from kanpde.results.metrics.interface import Metric, MetricRow

if TYPE_CHECKING:
    from kanpde.results.measuring import Measurement


class OutsideGrids(Metric):
    name: ClassVar[str] = "grids"
    place: ClassVar[int] = 4
    rows: ClassVar[tuple[MetricRow, ...]] = (MetricRow("outside_grid_fraction", "activations off their grids"),)

    def of(self, run: Measurement) -> Mapping[str, float]:
        outside = run.outside_fraction()
        return {} if outside is None else {"outside_grid_fraction": outside}
