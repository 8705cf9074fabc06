"""The localization landscape of a lattice: K u = 1, K the operator turned and shifted so that its inverse is positive.

    K = (z + V - min V) - |t|,    z = the largest Σ|t| at a site

On lattices of two sublattices (chains with open ends or an even number of sites, squares, cubes) K has the spectrum of
H - min V + z, so its least energies are those of H, shifted.

Source: Lyra, Mayboroda, Filoche, EPL 109, 47001 (2015); David, Filoche, Mayboroda, Adv. Math. 390 (2021).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.sparse.linalg import spsolve

from kanpde.lattices.operators import Hamiltonian


def landscape(hamiltonian: Hamiltonian) -> tuple[np.ndarray, float]:
    """u, shape [N], and the shift s: an energy E of H stands beside E + s of K."""
    reach = np.zeros(hamiltonian.count)
    np.add.at(reach, hamiltonian.first, np.abs(hamiltonian.amplitudes))
    np.add.at(reach, hamiltonian.second, np.abs(hamiltonian.amplitudes))
    shift = float(reach.max() - hamiltonian.onsite.min())
    turned = replace(hamiltonian, onsite=hamiltonian.onsite + shift, amplitudes=-np.abs(hamiltonian.amplitudes))
    return spsolve(turned.to_scipy().tocsc(), np.ones(hamiltonian.count)), shift


def minima(values: np.ndarray, periodic: bool) -> np.ndarray:
    """The local minima of 1/u on a grid [n_1, …], increasing."""
    lowest = np.ones(values.shape, bool)
    for axis in range(values.ndim):
        for step in (-1, 1):
            beside = np.roll(values, step, axis)
            if not periodic:
                edge: list[slice | int] = [slice(None)] * values.ndim
                edge[axis] = 0 if step == 1 else -1
                beside[tuple(edge)] = np.inf
            lowest &= values <= beside
    return np.sort(values[lowest])


def box_count(u: np.ndarray, energies: np.ndarray) -> np.ndarray:
    """N_u(E): boxes of side E^(-1/2) whose least 1/u is at most E, per site; u on its grid [n_1, …], E of K."""
    return np.array([_boxes(u, energy) for energy in energies])


def _boxes(u: np.ndarray, energy: float) -> float:
    if energy <= 0:
        return 0.0
    side = max(1, round(energy**-0.5))
    tops = u
    for axis in range(u.ndim):
        tops = np.maximum.reduceat(tops, np.arange(0, u.shape[axis], side), axis=axis)
    return float(np.sum(1 / tops <= energy) / u.size)
