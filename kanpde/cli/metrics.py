"""How a run's figures are printed."""

import math
from collections.abc import Mapping

from kanpde.results.archive import metric_digits

FIRST_METRICS = (
    "rel_l2",
    "reference_error",
    "reference_time_s",
    "h1",
    "max_error",
    "heldout_residual_rms",
    "n_parameters",
    "n_points",
    "wall_time_s",
)


def metric_lines(metrics: Mapping[str, float]) -> list[str]:
    """The metrics that are numbers, a line each, the most asked for first."""
    names = [*(name for name in FIRST_METRICS if name in metrics), *(n for n in metrics if n not in FIRST_METRICS)]
    return [f"  {name:22} {metrics[name]:.{metric_digits(name)}g}" for name in names if not math.isnan(metrics[name])]
