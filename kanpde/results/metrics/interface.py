"""What a figure of a run is: how it is computed, and how people read it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:  # listing metrics loads no torch
    from kanpde.results.measuring import Measurement


@dataclass(frozen=True)
class MetricRow:
    """What people read of a metric.

    Args:
        name: As in the archive; a regular expression that matches the whole of it.
        title: What a report calls it, with \\1 for the first group of the name; empty for the name itself.
        digits: Digits in which it is worth seeing.
        rank: Its place when a run ends and its figures are printed; None leaves it after those that have one.
        headline: Whether it stands at the top of a report.
        counted: Whether it is a number of things, shown in full.
    """

    name: str
    title: str = ""
    digits: int = 4
    rank: int | None = None
    headline: bool = False
    counted: bool = False


class Metric(ABC):
    """One figure of a run, or several that are found together.

    name: Of the leaf.
    place: Where a report lists it among the others.
    rows: How its figures are shown; one without a row is shown under its own name.
    """

    name: ClassVar[str]
    place: ClassVar[int] = 100
    rows: ClassVar[tuple[MetricRow, ...]] = ()

    @abstractmethod
    def of(self, run: Measurement) -> Mapping[str, float]:
        """Name -> number, of a run that has been trained; nothing where it does not apply."""
