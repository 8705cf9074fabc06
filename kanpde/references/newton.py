"""Newton's method for a classical solver: damped by a test that does not change with the scale of the equations.

Source: Deuflhard, Newton Methods for Nonlinear Problems (2004), section 3.3.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kanpde.references.means import NotSolved, check_time

MOST_STEPS = 40
SINGULAR = "did not converge: slopes are singular on the way, as where solutions meet"
Map = Callable[[np.ndarray], np.ndarray]

STEP = 1e-9  # relative; the next Newton step would be its square


def newton(values: Map, inverse_at: Callable[[np.ndarray], Map], c: np.ndarray) -> np.ndarray:
    """Solve values(c) = 0.

    Args:
        values: Residuals.
        inverse_at: Solves with the slopes at a point: right side → solution.
        c: Where to start.

    Raises:
        NotSolved: no step comes nearer to a solution, or there are too many.
        OutOfMeans: the time is up.
    """
    residual = values(c)
    for _ in range(MOST_STEPS):
        check_time()
        inverse = inverse_at(c)
        step = -inverse(residual)
        if np.abs(step).max() <= STEP * (1e-3 + np.abs(c).max()):
            return c + step
        c, residual = _line_search(values, inverse, c, step)
    raise NotSolved(f"did not converge in {MOST_STEPS} steps of Newton's method")


def _line_search(values: Map, inverse: Map, c: np.ndarray, step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Halve the step until the next, with the same slopes, is shorter; the new c and residual."""
    for length in 0.5 ** np.arange(16):
        residual = values(c + length * step)
        if np.isfinite(residual).all():
            after = np.linalg.norm(inverse(residual))
            if after <= (1 - length / 4) * np.linalg.norm(step):
                return c + length * step, residual
    raise NotSolved("did not converge: no step of Newton's method comes nearer to a solution")
