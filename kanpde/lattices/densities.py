"""Densities of states of large lattices by the kernel polynomial method: matrix times vector, nothing else.

    μ_k = Tr T_k(H̃)/N,   ρ(E) = (μ_0 + 2 Σ g_k μ_k T_k(Ẽ)) / (π √(1 - Ẽ²)),   g: Jackson's kernel

Source: Weiße, Wellein, Alvermann, Fehske, Rev. Mod. Phys. 78, 275 (2006), equations (23), (29), (34), (71).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from kanpde.lattices.operators import Hamiltonian

MARGIN = 1.01


@dataclass(frozen=True, eq=False)
class DensityOfStates:
    """Damped Chebyshev moments g_k μ_k of a spectrum in [center - half, center + half]."""

    moments: np.ndarray
    center: float
    half: float

    def density(self, energies: np.ndarray) -> np.ndarray:
        """States per site and unit of energy, shape of `energies`; zero outside."""
        x = (energies - self.center) / self.half
        inside = np.abs(x) < 1
        angle = np.arccos(np.where(inside, x, 0.0))
        sums = self._sum(angle, np.cos)
        return np.where(inside, sums / (np.pi * np.sin(angle)) / self.half, 0.0)

    def integrated(self, energies: np.ndarray) -> np.ndarray:
        """The share of states below each energy, from 0 to 1."""
        angle = np.arccos(np.clip((energies - self.center) / self.half, -1.0, 1.0))
        orders = np.arange(1, len(self.moments))
        waves = np.array([np.dot(self.moments[1:] / orders, np.sin(orders * one)) for one in angle.ravel()])
        return np.clip((self.moments[0] * (np.pi - angle) - 2 * waves.reshape(angle.shape)) / np.pi, 0.0, 1.0)

    def _sum(self, angle: np.ndarray, wave: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        orders = np.arange(1, len(self.moments))
        flat = [self.moments[0] + 2 * np.dot(self.moments[1:], wave(orders * one)) for one in angle.ravel()]
        return np.array(flat).reshape(angle.shape)


def kernel_density(hamiltonian: Hamiltonian, moments: int, vectors: int = 4, seed: int = 0) -> DensityOfStates:
    """The density of states from random vectors of ±1; two moments a product, T_2k = 2 T_k T_k - 1.

    The error of μ is about 1/√(N·vectors), the resolution in energy π·half/moments.
    """
    low, high = hamiltonian.bounds()
    center, half = (high + low) / 2, MARGIN * max(high - low, 1e-12) / 2
    scaled = hamiltonian.to_scipy()
    scaled.data *= 2 / half
    rng = np.random.default_rng(seed)
    total = np.zeros(moments)
    for _ in range(vectors):
        total += _moments(scaled, 2 * center / half, rng.choice([-1.0, 1.0], hamiltonian.count), moments)
    return DensityOfStates(total / vectors / hamiltonian.count * jackson(moments), center, half)


def _moments(twice: sparse.csr_array, shift: float, start: np.ndarray, count: int) -> np.ndarray:
    """⟨start|T_k|start⟩ for k below `count`; `twice` less the shift is 2H̃."""
    before, here = start, 0.5 * (twice @ start - shift * start)
    found = np.empty(count + 2)
    found[0], found[1] = np.vdot(start, start).real, np.vdot(start, here).real
    for k in range(1, count // 2 + 1):
        found[2 * k] = 2 * np.vdot(here, here).real - found[0]
        ahead = twice @ here
        ahead -= shift * here
        ahead -= before
        before, here = here, ahead
        if 2 * k + 1 < count:
            found[2 * k + 1] = 2 * np.vdot(here, before).real - found[1]
    return found[:count]


def jackson(count: int) -> np.ndarray:
    """Jackson's damping factors, which keep the density positive."""
    k, n = np.arange(count), count + 1
    return ((n - k) * np.cos(np.pi * k / n) + np.sin(np.pi * k / n) / np.tan(np.pi / n)) / n
