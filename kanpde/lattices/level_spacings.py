"""Do levels repel: the mean ratio of neighboring gaps."""

from __future__ import annotations

import numpy as np

POISSON, GOE, GUE = 0.386294, 0.5307, 0.5996
"""r̃ of uncorrelated levels, 2 ln 2 - 1, and of random matrices (Atas et al., PRL 110, 084101)."""


def gap_ratios(energies: np.ndarray) -> np.ndarray:  # [m], increasing -> [m - 2]
    """min(s_n, s_{n+1}) / max(s_n, s_{n+1}) of neighboring gaps s; gaps that are both zero are left out.

    >>> gap_ratios(np.array([0.0, 1.0, 3.0, 4.0]))
    array([0.5, 0.5])
    """
    gaps = np.diff(energies)
    larger, smaller = np.maximum(gaps[1:], gaps[:-1]), np.minimum(gaps[1:], gaps[:-1])
    return smaller[larger > 0] / larger[larger > 0]


def middle(energies: np.ndarray, share: float = 0.5) -> np.ndarray:
    """The levels of the middle of a spectrum, without its tails."""
    cut = int(len(energies) * (1 - share) / 2)
    return energies[cut : len(energies) - cut]


def crossing(strengths: np.ndarray, curves: np.ndarray, degree: int = 3) -> tuple[float, float]:
    """Where curves of several sizes meet: the strength at which their fitted polynomials spread least, and its error.

    Every pair of curves crosses somewhere; the mean of the crossings and its standard error are returned.

    Args:
        strengths: W, shape [w].
        curves: r̃, shape [sizes, w], sizes increasing.
    """
    fine = np.linspace(strengths[0], strengths[-1], 2001)
    fits = [np.polynomial.Polynomial.fit(strengths, curve, min(degree, len(strengths) - 1))(fine) for curve in curves]
    found = []
    for small in range(len(fits)):
        for large in range(small + 1, len(fits)):
            gap = fits[large] - fits[small]
            turns = np.flatnonzero((gap[:-1] > 0) & (gap[1:] <= 0))
            found += [fine[turns[np.argmin(np.abs(fine[turns] - fine.mean()))]]] if len(turns) else []
    if not found:
        return float("nan"), float("nan")
    return float(np.mean(found)), float(np.std(found) / max(len(found) - 1, 1) ** 0.5)
