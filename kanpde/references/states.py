"""States are known up to their sign, and those of equal energies up to a rotation among them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from kanpde.references.interface import Field

EQUAL = 1e-7
"""Relative difference of two energies that count as the same."""


@dataclass(frozen=True, eq=False)
class Turned:
    """Fields times a constant matrix."""

    values: Field
    matrix: np.ndarray  # [m, m]

    def __call__(self, points: np.ndarray) -> np.ndarray:  # [n, d] -> [n, m]
        return self.values(points) @ self.matrix


def groups(energies: np.ndarray) -> list[slice]:
    """Runs of equal energies.

    >>> groups(np.array([1.0, 2.0, 2.0, 3.0]))
    [slice(0, 1, None), slice(1, 3, None), slice(3, 4, None)]
    """
    ends = [0, *(np.flatnonzero(~equal(energies[:-1], energies[1:])) + 1).tolist(), len(energies)]
    return [slice(a, b) for a, b in pairwise(ends)]


def equal(one: np.ndarray | float, other: np.ndarray | float) -> np.ndarray:
    """Which energies are the same, to rounding and what a mesh may break."""
    return np.abs(np.subtract(other, one)) <= EQUAL * np.maximum(np.abs(one), np.abs(other))


def turning(known: np.ndarray, found: np.ndarray, energies: np.ndarray) -> np.ndarray:  # [n, m] twice -> [m, m]
    """The signs and rotations that bring known states nearest to those found: U Vᵀ of knownᵀ found = U S Vᵀ."""
    matrix = np.zeros((len(energies), len(energies)))
    for group in groups(energies):
        u, _, v = np.linalg.svd(known[:, group].T @ found[:, group])
        matrix[group, group] = u @ v
    return matrix
