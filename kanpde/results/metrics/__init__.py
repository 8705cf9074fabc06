"""Figures of runs: each is whatever class of this folder derives from `Metric`, and no list names it."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from kanpde.files.discovery import leaves
from kanpde.results.metrics.interface import Metric, MetricRow

if TYPE_CHECKING:
    from kanpde.results.measuring import Measurement

__all__ = [
    "METRICS", "ROWS", "Metric", "MetricRow", "metric_digits", "metric_row", "metric_text", "metric_title",
    "metrics_of",
]  # fmt: skip

METRICS: list[Metric] = sorted(
    (kind() for kind in leaves(__name__, __path__, Metric, "name").values()), key=lambda metric: metric.place
)
ROWS: tuple[MetricRow, ...] = tuple(row for metric in METRICS for row in metric.rows)
"""In the order in which a report lists them."""


def metrics_of(run: Measurement) -> tuple[dict[str, float], list[str]]:
    """All figures of a run by name, and the names of those metrics for which there was no time."""
    found, missed = dict[str, float](), list[str]()
    for metric in METRICS:
        try:
            found |= metric.of(run)
        except run.out_of_time:
            missed.append(metric.name)
    return found, missed


def metric_row(name: str) -> MetricRow:
    """The row of a metric.

    >>> metric_row("rel_l2").title, metric_row("energy_1").digits, metric_row("my_own").title
    ('relative L2 error', 10, '')
    """
    return next((row for row in ROWS if re.fullmatch(row.name, name)), MetricRow(name))


def metric_title(name: str) -> str:
    """What people call a metric; its name where nobody has said.

    >>> metric_title("rel_l2"), metric_title("rel_l2_v"), metric_title("parameter_nu"), metric_title("my_own")
    ('relative L2 error', 'relative L2 error of v', 'nu, learned', 'my_own')
    """
    row = metric_row(name)
    found = re.fullmatch(row.name, name)
    return (found.expand(row.title) if found else row.title) or name


def metric_digits(name: str) -> int:
    """Digits in which a metric is shown: an energy to more than an error.

    >>> metric_digits("energy_1"), metric_digits("energy_1_error"), metric_digits("rel_l2")
    (10, 4, 4)
    """
    return metric_row(name).digits


def metric_text(name: str, value: float) -> str:
    """A metric as it is printed; what is counted as a whole number.

    >>> metric_text("n_parameters", 12345.0), metric_text("rel_l2", 1.23456e-4)
    ('12345', '0.0001235')
    """
    row = metric_row(name)
    if row.counted and math.isfinite(value) and float(value).is_integer():
        return f"{int(value)}"
    return f"{value:.{row.digits}g}"
