"""How well the minima of an effective potential are met."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from kanpde.results.metrics.interface import Metric

if TYPE_CHECKING:
    from kanpde.results.measuring import Measurement


class Wells(Metric):
    name: ClassVar[str] = "wells"
    place: ClassVar[int] = 7

    def of(self, run: Measurement) -> Mapping[str, float]:
        return run.wells_metrics()
