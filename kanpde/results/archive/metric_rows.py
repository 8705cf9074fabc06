"""How metrics are shown: a row each. One without a row is shown under its own name, after the others."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class MetricRow:
    """What people read of a metric.

    Args:
        name: As in the archive; a regular expression that matches the whole of it.
        title: What a report calls it; empty for the name itself.
        digits: Digits in which it is worth seeing.
        rank: Its place when a run ends and its figures are printed; None leaves it after those that have one.
        headline: Whether it stands at the top of a report.
    """

    name: str
    title: str = ""
    digits: int = 4
    rank: int | None = None
    headline: bool = False


ROWS = (
    MetricRow("rel_l2", "relative L2 error", rank=0, headline=True),
    MetricRow("max_error", "largest error", rank=4, headline=True),
    MetricRow("h1", "relative H¹ error", rank=3),
    MetricRow("heldout_residual_rms", "held-out residual", rank=5, headline=True),
    MetricRow("residual_rms", "training residual"),
    MetricRow("boundary_rms", "residual of conditions"),
    MetricRow("n_parameters", "parameters", rank=6, headline=True),
    MetricRow("n_points", "collocation points", rank=7),
    MetricRow("wall_time_s", "seconds of training", rank=8, headline=True),
    MetricRow("peak_memory_mb", "peak memory, MB"),
    MetricRow("flops_per_step", "FLOPs per step"),
    MetricRow("reference_error", "error of the reference", rank=1),
    MetricRow("reference_time_s", "seconds of the reference", rank=2),
    MetricRow("reference_unknowns", "unknowns of the reference"),
    MetricRow("outside_grid_fraction", "activations off their grids"),
    MetricRow("steps", "steps"),
    MetricRow(r"energy(_\d+)?(_reference)?", digits=10),
)
"""In the order in which a report lists them."""


def metric_row(name: str) -> MetricRow:
    """The row of a metric.

    >>> metric_row("rel_l2").title, metric_row("energy_1").digits, metric_row("overlap_1").title
    ('relative L2 error', 10, '')
    """
    return next((row for row in ROWS if re.fullmatch(row.name, name)), MetricRow(name))


def metric_digits(name: str) -> int:
    """Digits in which a metric is shown: an energy to more than an error.

    >>> metric_digits("energy_1"), metric_digits("energy_1_error"), metric_digits("rel_l2")
    (10, 4, 4)
    """
    return metric_row(name).digits
