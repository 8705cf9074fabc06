"""How much was computed with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from kanpde.results.metrics.interface import Metric, MetricRow

if TYPE_CHECKING:
    from kanpde.results.measuring import Measurement


class Sizes(Metric):
    name: ClassVar[str] = "sizes"
    place: ClassVar[int] = 2
    rows: ClassVar[tuple[MetricRow, ...]] = (
        MetricRow("n_parameters", "parameters", rank=6, headline=True, counted=True),
        MetricRow("n_points", "collocation points", rank=7, counted=True),
        MetricRow("steps", "steps", counted=True),
    )

    def of(self, run: Measurement) -> Mapping[str, float]:
        return {"n_parameters": run.parameters, "n_points": run.points, "steps": run.steps}
