"""The Aubry-André chain as a functional equation on the circle, solved as a residual; its best residual has a kink.

    e^{ik} Φ(θ + 2πb) + e^{-ik} Φ(θ - 2πb) + 2λ cos θ Φ(θ) = E Φ(θ),   ψ_n = e^{ikn} Φ(2πbn + φ)

An extended state has a smooth hull Φ, so its best residual falls with the number of modes M like λ^M; a localized one
has none, and the residual stays. The network is one edge of Fourier modes, periodic and linear in its weights: for each
E the best residual is a least singular value, here of values at equidistant points.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import least_squares

NEAREST = 4
"""Energies at which the residual is tried, those of the equation cut to its own modes."""


def best_residual(lam: float, b: float, k: float, modes: int, near: float = 0.0) -> tuple[float, float]:
    """min over E and Φ of ‖LΦ - EΦ‖/‖Φ‖ for energies next to one, and the energy E.

    Args:
        lam: Of the chain; states are extended below 1.
        b, k: The potential's frequency and the state's wave number.
        modes: M; Φ = Σ c_m e^{imθ} over |m| ≤ M.
        near: Energies next to it are tried.
    """
    return hull(lam, b, k, modes, near)[:2]


def hull(lam: float, b: float, k: float, modes: int, near: float = 0.0) -> tuple[float, float, np.ndarray]:
    """The same, and the weights c_m of that Φ, shape [2M + 1]."""
    m = np.arange(-modes, modes + 1)
    theta = 2 * np.pi * np.arange(2 * modes + 4) / (2 * modes + 4)  # enough for products with cos θ
    phi = _modes(theta, m)
    turned = np.exp(1j * k) * _modes(theta + 2 * np.pi * b, m) + np.exp(-1j * k) * _modes(theta - 2 * np.pi * b, m)
    applied = turned + 2 * lam * np.cos(theta)[:, None] * phi
    own = np.linalg.eigvalsh(phi.conj().T @ applied)
    tried = own[np.argsort(np.abs(own - near))[:NEAREST]]
    return min((_least(applied - energy * phi, float(energy)) for energy in tried), key=lambda found: found[0])


def _least(operator: np.ndarray, energy: float) -> tuple[float, float, np.ndarray]:
    _, sizes, rows = np.linalg.svd(operator, full_matrices=False)
    return float(sizes[-1]), energy, rows[-1].conj()


def _modes(theta: np.ndarray, m: np.ndarray) -> np.ndarray:  # [n], [2M + 1] -> [n, 2M + 1]
    """e^{imθ}/√n: orthonormal columns over equidistant points."""
    return np.exp(1j * np.outer(theta, m)) / np.sqrt(len(theta))


def kink(strengths: np.ndarray, residuals: np.ndarray) -> tuple[float, float]:
    """Where log r as two lines in ln λ turns, λ_c, and its standard error by least squares.

        log r = a + s·min(ln λ - ln λ_c, 0) + t·max(ln λ - ln λ_c, 0)

    Args:
        strengths: λ, shape [l], on both sides.
        residuals: Best residuals, shape [l], all above rounding.
    """
    x, y = np.log(strengths), np.log(residuals)

    def rest(values: np.ndarray) -> np.ndarray:
        level, below, above, place = values
        return level + below * np.minimum(x - place, 0.0) + above * np.maximum(x - place, 0.0) - y

    starts = (least_squares(rest, [y.max(), np.ptp(y) / np.ptp(x), 0.0, place]) for place in x[1:-1])
    best = min(starts, key=lambda solved: solved.cost)
    variance = 2 * best.cost / max(len(x) - 4, 1)
    spread = np.sqrt(variance * np.linalg.pinv(best.jac.T @ best.jac)[3, 3])
    place = float(np.exp(best.x[3]))
    return place, float(spread) * place
