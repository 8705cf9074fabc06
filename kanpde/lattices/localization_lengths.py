"""The localization length of a state, from its decay on both sides of its summit."""

from __future__ import annotations

import numpy as np

FLOOR = 1e-12
"""Of |ψ| over its summit, below which rounding rules."""


def decay_length(state: np.ndarray, periodic: bool) -> tuple[float, float]:
    """ξ of |ψ_n| ~ exp(-|n - n₀|/ξ), and its standard error, by least squares on ln|ψ| over the distance.

    Args:
        state: Of a chain, shape [N].
        periodic: Whether distances go around the ring.

    >>> x = np.abs(np.arange(101) - 50)
    >>> round(decay_length(np.exp(-x / 3.0), periodic=False)[0], 6)
    3.0
    """
    size = np.abs(state)
    summit = int(np.argmax(size))
    distance = np.abs(np.arange(len(size)) - summit)
    distance = np.minimum(distance, len(size) - distance) if periodic else distance
    kept = size > FLOOR * size[summit]
    x, y = distance[kept].astype(float), np.log(size[kept] / size[summit])
    if len(x) < 4 or np.ptp(x) == 0:
        return 0.0, float("nan")
    slope, offset = np.polyfit(x, y, 1)
    error = np.sqrt(np.sum((y - slope * x - offset) ** 2) / (len(x) - 2) / np.sum((x - x.mean()) ** 2))
    return (float(-1 / slope), float(error / slope**2)) if slope < 0 else (float("inf"), float("nan"))
