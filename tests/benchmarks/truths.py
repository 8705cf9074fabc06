"""How far a run is from a second way to the truth."""

import math
from collections.abc import Mapping

import numpy as np


def relative_l2(found: Mapping[str, np.ndarray], known: Mapping[str, np.ndarray]) -> float:
    """Over all fields that are known, where the run has values: outside its domain it has none."""
    error = size = 0.0
    for name, values in known.items():
        gap = found[name] - values
        inside = np.isfinite(gap)
        error, size = error + np.sum(gap[inside] ** 2), size + np.sum(values[inside] ** 2)
    return math.sqrt(error / size)
