"""How a run's figures are printed."""

import math
from collections.abc import Mapping

from kanpde.results.metrics import ROWS, metric_text

_RANKED = [(row.rank, row.name) for row in ROWS if row.rank is not None]
FIRST_METRICS = tuple(name for _, name in sorted(_RANKED, key=lambda ranked: ranked[0]))


def metric_lines(metrics: Mapping[str, float]) -> list[str]:
    """The metrics that are numbers, a line each, the most asked for first."""
    names = [*(name for name in FIRST_METRICS if name in metrics), *(n for n in metrics if n not in FIRST_METRICS)]
    return [f"  {name:22} {metric_text(name, metrics[name])}" for name in names if not math.isnan(metrics[name])]
