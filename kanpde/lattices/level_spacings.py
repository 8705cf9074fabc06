"""Do levels repel: the mean ratio of neighboring gaps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.polynomial.polynomial import polyval
from scipy.optimize import OptimizeResult, least_squares

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


@dataclass(frozen=True)
class Crossing:
    """Where curves of several sizes cross, W_c; its standard error; and χ² per degree of freedom of the fit."""

    strength: float
    error: float
    chi_square: float


def crossing(
    strengths: np.ndarray,
    sizes: np.ndarray,
    ratios: np.ndarray,
    errors: np.ndarray,
    exponent: float = 1.571,
    degree: int = 2,
    draws: int = 200,
) -> Crossing:
    """Finite-size scaling: r̃ = Σ_k a_k ((W - W_c) L^{1/ν})^k, by weighted least squares.

    Args:
        strengths: W, shape [w].
        sizes: L, shape [l].
        ratios, errors: r̃ and its standard errors, shape [l, w].
        exponent: ν, that of the orthogonal class in three dimensions unless given.
        degree: Of the polynomial.
        draws: Of all r̃ anew within their errors; the error of W_c is the spread of theirs.

    Source: Slevin and Ohtsuki, New J. Phys. 16, 015012 (2014), for ν; the fit has no corrections to scaling.
    """
    rng = np.random.default_rng(0)

    def fitted(values: np.ndarray) -> OptimizeResult:
        return _scaled(strengths[None, :], sizes[:, None] ** (1 / exponent), values, errors, degree)

    best = fitted(ratios)
    again = [fitted(ratios + errors * rng.standard_normal(ratios.shape)).x[0] for _ in range(draws)]
    return Crossing(float(best.x[0]), float(np.std(again, ddof=1)), 2 * best.cost / (ratios.size - len(best.x)))


def _scaled(
    strengths: np.ndarray, stretch: np.ndarray, ratios: np.ndarray, errors: np.ndarray, degree: int
) -> OptimizeResult:
    """The fit; W_c, a_0, a_1, …"""

    def rest(values: np.ndarray) -> np.ndarray:
        return ((polyval((strengths - values[0]) * stretch, values[1:]) - ratios) / errors).ravel()

    begin = [strengths.mean(), ratios.mean(), *[0.0] * degree]
    return least_squares(rest, begin, x_scale=[1.0, *(10.0 ** (-1 - k) for k in range(degree + 1))])
