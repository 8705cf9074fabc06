"""Energies and states: all of them for small lattices, those next to an energy by shift and invert for large ones."""

from __future__ import annotations

import numpy as np
from scipy import linalg
from scipy.sparse.linalg import eigsh

from kanpde.lattices.operators import Hamiltonian


def full_spectrum(hamiltonian: Hamiltonian) -> tuple[np.ndarray, np.ndarray]:
    """All energies, increasing, shape [N], and the states as columns, shape [N, N].

    Chains that join neighbors are found as tridiagonal matrices, rings of them as bands of width 2 (sites folded
    0, N-1, 1, N-2, …), others as dense ones.
    """
    if hamiltonian.nearest and not hamiltonian.periodic:
        return linalg.eigh_tridiagonal(hamiltonian.onsite, hamiltonian.hops, lapack_driver="stevd")
    if hamiltonian.nearest and hamiltonian.count > 4:
        order = _folded(hamiltonian.count)
        energies, states = linalg.eig_banded(_folded_bands(hamiltonian, order), overwrite_a_band=True)
        unfolded = np.empty_like(states)
        unfolded[order] = states
        return energies, unfolded
    return linalg.eigh(hamiltonian.to_scipy().toarray(), driver="evd", overwrite_a=True)


def energies_of(hamiltonian: Hamiltonian) -> np.ndarray:
    """All energies alone, increasing, shape [N]."""
    if hamiltonian.nearest and not hamiltonian.periodic:
        return linalg.eigvalsh_tridiagonal(hamiltonian.onsite, hamiltonian.hops)
    if hamiltonian.nearest and hamiltonian.count > 4:
        return linalg.eig_banded(_folded_bands(hamiltonian, _folded(hamiltonian.count)), eigvals_only=True)
    return linalg.eigvalsh(hamiltonian.to_scipy().toarray(), overwrite_a=True)


def window(hamiltonian: Hamiltonian, near: float, states: int) -> tuple[np.ndarray, np.ndarray]:
    """The `states` energies next to `near`, increasing, and their states [N, states], by shift and invert."""
    if states >= hamiltonian.count - 1 or hamiltonian.count <= 300:
        energies, vectors = full_spectrum(hamiltonian)
        chosen = np.sort(np.argsort(np.abs(energies - near), kind="stable")[:states])
        return energies[chosen], vectors[:, chosen]
    low, high = hamiltonian.bounds()
    shift = near + 1e-9 * (high - low) * np.pi  # off an energy that is met exactly, as E = 0 is
    start = np.random.default_rng(0).standard_normal(hamiltonian.count)
    energies, vectors = eigsh(hamiltonian.to_scipy().tocsc(), states, sigma=shift, v0=start)
    order = np.argsort(energies)
    return energies[order], vectors[:, order]


def _folded(count: int) -> np.ndarray:
    """0, N-1, 1, N-2, …: neighbors on a ring come to lie two apart at most."""
    order = np.empty(count, int)
    order[0::2] = np.arange((count + 1) // 2)
    order[1::2] = np.arange(count - 1, (count + 1) // 2 - 1, -1)
    return order


def _folded_bands(hamiltonian: Hamiltonian, order: np.ndarray) -> np.ndarray:  # [3, N], upper form
    place = np.empty(hamiltonian.count, int)
    place[order] = np.arange(hamiltonian.count)
    bands = np.zeros((3, hamiltonian.count))
    bands[2] = hamiltonian.onsite[order]
    one, other = place[hamiltonian.first], place[hamiltonian.second]
    np.add.at(bands, (2 - np.abs(one - other), np.maximum(one, other)), hamiltonian.amplitudes)
    return bands
