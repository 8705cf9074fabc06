"""Radau IIA collocation in time: M y' = f(t, y), stiff, in steps whose polynomials are the dense output.

On a step [t, t + h], y is the polynomial of degree s through y(t) that satisfies the equation at the s Radau points
c_1 < … < c_s = 1. With Z the increments from y(t), the stages solve (A⁻¹/h) M Z = F(y + Z) by Newton's method, where
A⁻¹ = T Λ T⁻¹ takes the coupled systems apart into (λ_i/h M - J) w = r. M may be singular: the last stage is the end of
the step and meets what has no derivative, as div u = 0 of which a pressure is the multiplier (index 2).

The step is chosen by how fast the Legendre coefficients of the polynomial fall, so that the error stays below the
tolerance within a step too, not at its end alone. SciPy's Radau, on Burgers' equation at 300 points and equal error,
takes 663 steps where this takes 30, and seven times as long.

Source: Hairer and Wanner, Solving Ordinary Differential Equations II (1996), sections IV.8 and VII.4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Protocol

import numpy as np
from numpy.polynomial import legendre

from kanpde.references.factoring import Solve
from kanpde.references.means import NotSolved, OutOfMeans, check_time

STAGES = 7
MOST_ITERATIONS = 25
MOST_STEPS = 20_000
SHORTEST, HASTE = 1e-9, 1e3  # step relative to the whole time at which it gives up; how much sooner if need be
ROUNDING = 1e-12  # of the end of time, relative to the whole
NOISE = 1e-14  # of the largest part: what a part that stays zero has of rounding
SAFE = 0.8  # of the step that would just do
KEPT = (1.0, 1.5)  # changes of the step that are not worth new factors
WELL = 0.05  # rate of Newton's method at which old slopes are still good


class System(Protocol):
    """M y' = f(t, y) and its slopes."""

    @property
    def scales(self) -> tuple[slice, ...]: ...  # parts of y that are measured each by its own size; others are not

    def weighed(self, y: np.ndarray) -> np.ndarray:  # [s, N] -> [s, N]
        """M y."""

    def rates(self, t: np.ndarray, y: np.ndarray) -> np.ndarray:  # [s], [s, N] -> [s, N]
        """f at several times at once."""

    def slopes(self, t: float, y: np.ndarray) -> Callable[[complex], Solve]:
        """λ → (r → (λ M - J)⁻¹ r) with J = ∂f/∂y, or near it."""


@dataclass(frozen=True, eq=False)
class March:
    """The solution at the nodes of `Pieces(breaks, unit)`."""

    breaks: np.ndarray
    values: np.ndarray  # [nodes, N]


@dataclass(frozen=True, eq=False)
class _Scheme:
    """The points of s stages, and what is computed from them once."""

    stages: int

    @cached_property
    def points(self) -> np.ndarray:  # [s] from above 0 to 1
        """Zeros of P_s - P_{s-1}."""
        coefficients = np.zeros(self.stages + 1)
        coefficients[-2:] = -1, 1
        found = legendre.legroots(coefficients)
        slope = legendre.legder(coefficients)
        for _ in range(3):
            found = found - legendre.legval(found, coefficients) / legendre.legval(found, slope)
        found = (1 + np.sort(found)) / 2
        found[-1] = 1.0
        return found

    @cached_property
    def inverse(self) -> np.ndarray:  # A⁻¹, A_ij = ∫_0^{c_i} ℓ_j
        vander = legendre.legvander(2 * self.points - 1, self.stages - 1)
        integrals = np.array([legendre.legint(row, lbnd=-1, scl=0.5) for row in np.eye(self.stages)])
        return np.linalg.inv(legendre.legval(2 * self.points - 1, integrals.T).T @ np.linalg.inv(vander))

    @cached_property
    def modes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Λ with Im ≥ 0, the rows of T⁻¹ to them, the columns of T, doubled where they stand for a pair."""
        values, vectors = np.linalg.eig(self.inverse)
        kept = values.imag > -1e-12
        inverse = np.linalg.inv(vectors)[kept]
        return values[kept], inverse, vectors[:, kept] * np.where(values[kept].imag > 1e-12, 2, 1)

    @cached_property
    def decay(self) -> np.ndarray:  # [3, s]: increments at the points → the last three Legendre coefficients
        unit = np.append(0.0, self.points)
        return np.linalg.inv(legendre.legvander(2 * unit - 1, self.stages))[-3:, 1:]

    def continued(self, ratio: float) -> np.ndarray:  # [s, s+1]
        """Values on the last step → values at the points of the next, `ratio` times as long."""
        unit = np.append(0.0, self.points)
        vander = legendre.legvander(2 * (1 + ratio * self.points) - 1, self.stages)
        return vander @ np.linalg.inv(legendre.legvander(2 * unit - 1, self.stages))


@lru_cache
def _scheme(stages: int) -> _Scheme:
    return _Scheme(stages)


def unit_nodes(stages: int = STAGES) -> np.ndarray:
    """Where the polynomial of a step is kept, from 0 to 1."""
    return np.append(0.0, _scheme(stages).points)


def march(
    system: System, start: np.ndarray, begin: float, end: float, tolerance: float, whole: bool = True,
    most: int = MOST_STEPS, sizes: np.ndarray | None = None,
) -> March:  # fmt: skip
    """Integrate from `begin` to `end`, each part's error relative to its largest size so far, or to `sizes` if larger.

    Where no step is short enough, what was found up to there is returned, if it need not be the `whole`.

    Raises:
        NotSolved: no step is short enough.
        OutOfMeans: the time is up, or `most` steps are.
    """
    least = np.zeros(len(system.scales)) if sizes is None else sizes
    return _March(system, _scheme(STAGES), tolerance, begin, end, least).run(start, whole, most)


class _March:
    def __init__(self, system: System, scheme: _Scheme, tolerance: float, begin: float, end: float,
                 sizes: np.ndarray):  # fmt: skip
        self.system, self.scheme, self.tolerance = system, scheme, tolerance
        self.t, self.begin, self.end = begin, begin, end
        # other tolerances have other steps from the first on, or two solutions could agree in one error
        self.h = 0.1 * (end - begin) * tolerance ** (1 / (scheme.stages + 1))
        self.shortest = SHORTEST * (end - begin)
        self.sizes = sizes
        self.factors: list[Solve] = []
        self.factored = 0.0  # the step they were made for
        self.slopes: Callable[[complex], Solve] | None = None
        self.last: np.ndarray | None = None  # values of the last step [s+1, N] and its length
        self.length = 0.0

    def run(self, y: np.ndarray, whole: bool, most: int) -> March:
        if not whole:
            self.shortest *= HASTE
        if not np.isfinite(y).all():
            raise NotSolved("needs finite initial values")
        breaks, kept = [self.t], [y[None]]
        while self.end - self.t > ROUNDING * (self.end - self.begin):
            if len(breaks) > most:
                raise OutOfMeans(f"did not come to the end of time in {most} steps")
            try:
                stages = self.step(y)
            except OutOfMeans:
                raise
            except NotSolved:
                if whole:
                    raise
                break
            y = stages[-1]
            breaks.append(self.t)
            kept.append(stages)
        else:
            breaks[-1] = self.end
        return March(np.array(breaks), np.concatenate(kept))

    def step(self, y: np.ndarray) -> np.ndarray:  # [N] -> [s, N]
        """One accepted step: t, h and the stage values."""
        fresh, order = False, self.scheme.stages + 1
        while True:
            check_time()
            if self.h < self.shortest:
                raise NotSolved(f"did not converge: the steps become too short at t = {self.t:.3g}")
            self.h = min(self.h, self.end - self.t)
            fresh |= self.renew(y)
            increments, rate = self.stages(y)
            if increments is None and fresh:
                self.h /= 4
            elif increments is None:
                self.slopes = None
            else:
                error = max(self.error(y, increments), 1e-3 * self.tolerance)
                wanted = SAFE * (self.tolerance / error) ** (1 / order)
                if wanted >= SAFE:
                    return self.accept(y, increments, wanted, rate)
                self.h *= max(wanted, 0.2)

    def accept(self, y: np.ndarray, increments: np.ndarray, wanted: float, rate: float) -> np.ndarray:
        values = y + increments
        self.last, self.length = np.vstack([y, values]), self.h
        self.t += self.h
        self.sizes = np.maximum(self.sizes, self.measured(values))
        if rate > WELL:
            self.slopes = None
        if not KEPT[0] <= wanted <= KEPT[1] or self.slopes is None:
            self.h *= float(np.clip(wanted, 0.2, 3.0))
        return values

    def renew(self, y: np.ndarray) -> bool:
        """New slopes where there are none, new factors where the step is another; whether slopes were made."""
        made, slopes = self.slopes is None, self.slopes or self.system.slopes(self.t, y)
        if made or self.factored != self.h:
            self.factors = [slopes(value / self.h) for value in self.scheme.modes[0]]
            self.factored = self.h
        self.slopes = slopes
        return made

    def stages(self, y: np.ndarray) -> tuple[np.ndarray | None, float]:
        """Increments of the stages by Newton's method and its last rate of convergence; None where it has none."""
        scheme, times = self.scheme, self.t + self.h * self.scheme.points
        _, inward, outward = scheme.modes
        z = self.predicted(y)
        before, rate = np.inf, 0.0
        for iteration in range(MOST_ITERATIONS):
            residual = self.system.rates(times, y + z) - self.system.weighed(scheme.inverse @ z / self.h)
            if not np.isfinite(residual).all():
                return None, rate
            parts = inward @ residual
            solved = np.array([solve(part) for solve, part in zip(self.factors, parts, strict=True)])
            change = (outward @ solved).real
            z = z + change
            size = self.relative(change, y + z)
            rate = size / before if iteration else 0.0
            if size == 0 or (iteration and rate < 1 and size * rate / (1 - rate) < 0.01 * self.tolerance):
                return z, rate
            if size < 1e-3 * self.tolerance:
                return z, min(rate, 1.0)
            hopeless = iteration > 2 and rate ** (MOST_ITERATIONS - iteration) * size > self.tolerance
            if not size < 2 * before or hopeless:
                return None, rate
            before = size
        return None, rate

    def predicted(self, y: np.ndarray) -> np.ndarray:
        """The last step's polynomial, continued, if it is not too far."""
        if self.last is None or self.h > 3 * self.length:
            return np.zeros((self.scheme.stages, len(y)))
        return self.scheme.continued(self.h / self.length) @ self.last - y

    def error(self, y: np.ndarray, increments: np.ndarray) -> float:
        """The first Legendre coefficient left out, as the last ones foretell it."""
        third, second, last = (self.relative(part[None], y + increments) for part in self.scheme.decay @ increments)
        if last == 0:
            return 0.0
        fall = max(last / max(second, 1e-300), second / max(third, 1e-300))
        return last * min(1.0, fall)

    def relative(self, parts: np.ndarray, values: np.ndarray) -> float:  # [k, N], [s, N]
        """The largest root mean square over a part, relative to the part's size; of one that stays zero, to all."""
        sizes = np.maximum(self.sizes, self.measured(values))
        largest = float(np.max(sizes)) or 1.0
        return float(np.max(self.measured(parts) / np.where(sizes > NOISE * largest, sizes, largest)))

    def measured(self, values: np.ndarray) -> np.ndarray:  # [k, N] -> [parts]
        return np.array([np.sqrt(np.mean(values[:, part] ** 2, axis=1)).max() for part in self.system.scales])
