"""Root mean squares of what equations and conditions leave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from kanpde.results.held_out import HELDOUT_RMS
from kanpde.results.metrics.interface import Metric, MetricRow

if TYPE_CHECKING:
    from kanpde.results.measuring import Measurement


class RootMeanSquares(Metric):
    name: ClassVar[str] = "residuals"
    place: ClassVar[int] = 1
    rows: ClassVar[tuple[MetricRow, ...]] = (
        MetricRow(HELDOUT_RMS, "held-out residual", rank=5, headline=True),
        MetricRow("residual_rms", "training residual"),
        MetricRow("boundary_rms", "residual of conditions"),
    )

    def of(self, run: Measurement) -> Mapping[str, float]:
        return {
            "residual_rms": run.residual_rms(run.trained_on),
            HELDOUT_RMS: run.residual_rms(run.held_out),
            "boundary_rms": run.conditions_rms(),
        }
