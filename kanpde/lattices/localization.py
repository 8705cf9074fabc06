"""How far states spread: inverse participation ratios and fractal dimensions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def participation(states: np.ndarray) -> np.ndarray:  # [N, m] -> [m]
    """IPR = Σ|ψ|⁴ / (Σ|ψ|²)²: 1/N for a plane wave, 1 for one site.

    >>> participation(np.array([[1.0, 0.5], [0.0, 0.5]]))
    array([1. , 0.5])
    """
    density = np.abs(states) ** 2
    return np.einsum("ij,ij->j", density, density) / density.sum(0) ** 2


def fractal_dimension(ratios: np.ndarray, count: int) -> np.ndarray:
    """D = -ln IPR / ln N: 0 localized, 1 extended in the limit of large N; .85 to .90 at N ≈ 1000."""
    return -np.log(ratios) / np.log(count)


def correlation_dimension(sizes: Sequence[int], ratios: Sequence[np.ndarray]) -> tuple[float, float]:
    """D₂, the slope of -ln⟨IPR⟩ against ln N by least squares, and its standard error (NaN for two sizes).

    Args:
        sizes: N, at least two of them.
        ratios: The IPRs of all states at each size.
    """
    x, y = np.log(sizes), np.array([-np.log(np.mean(values)) for values in ratios])
    slope, offset = np.polyfit(x, y, 1)
    if len(x) < 3:
        return float(slope), float("nan")
    spread = np.sqrt(np.sum((y - slope * x - offset) ** 2) / (len(x) - 2) / np.sum((x - x.mean()) ** 2))
    return float(slope), float(spread)
