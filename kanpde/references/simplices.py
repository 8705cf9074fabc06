"""Lagrange's polynomials on simplices of any dimension and degree: triangles, tetrahedra and their faces.

    φ_i(λ_j) = δ_ij on the lattice λ = α/p, |α| = p,      ∫ f ≈ Σ_q w_q f(λ_q) by a collapsed Gauss–Jacobi rule

Source: Karniadakis and Sherwin, Spectral/hp Element Methods (2005), section 4.1 for the rule.
"""

from __future__ import annotations

import math
from functools import cache
from itertools import product

import numpy as np
import scipy


@cache
def lattice(dimension: int, degree: int) -> np.ndarray:  # -> int [m, d+1]
    """The multi-indices α with |α| = p, of a corner first that of corner 0.

    >>> lattice(1, 2).tolist()
    [[2, 0], [1, 1], [0, 2]]
    """
    tails = [tail for tail in product(range(degree + 1), repeat=dimension) if sum(tail) <= degree]
    return np.array([(degree - sum(tail), *tail) for tail in tails])


def count(dimension: int, degree: int) -> int:
    """How many polynomials there are.

    >>> count(2, 4), count(3, 3)
    (15, 20)
    """
    return math.comb(degree + dimension, dimension)


def degree_of(dimension: int, polynomials: int) -> int:
    """The degree of which there are so many."""
    return next(p for p in range(1, 20) if count(dimension, p) >= polynomials)


def functions(places: np.ndarray, degree: int) -> np.ndarray:  # [n, d] -> [n, m]
    """The polynomials at places λ_1 … λ_d."""
    return _monomials(places, degree) @ _coefficients(places.shape[1], degree)


def slopes(places: np.ndarray, degree: int) -> np.ndarray:  # [n, d] -> [n, m, d]
    """Their slopes along λ_1 … λ_d."""
    powers, found = lattice(places.shape[1], degree)[:, 1:], []
    for axis in range(places.shape[1]):
        lowered = powers.copy()
        lowered[:, axis] = np.maximum(lowered[:, axis] - 1, 0)
        derived = powers[:, axis] * (places[:, None, :] ** lowered).prod(2)
        found.append(derived @ _coefficients(places.shape[1], degree))
    return np.stack(found, axis=2)


def _monomials(places: np.ndarray, degree: int) -> np.ndarray:  # [n, d] -> [n, m]
    return (places[:, None, :] ** lattice(places.shape[1], degree)[:, 1:]).prod(2)


@cache
def _coefficients(dimension: int, degree: int) -> np.ndarray:
    return np.linalg.inv(_monomials(lattice(dimension, degree)[:, 1:] / degree, degree))


@cache
def gauss(dimension: int, points: int) -> tuple[np.ndarray, np.ndarray]:  # -> [q, d], [q]
    """Places and weights of a rule that is exact to the degree 2 points - 1; its weights sum to 1/d!.

    >>> places, weights = gauss(2, 2)
    >>> round(float(weights @ (places[:, 0] ** 2 * places[:, 1])), 12) == round(1 / 60, 12)
    True
    """
    if dimension == 0:
        return np.zeros((1, 0)), np.ones(1)
    lower, inner = gauss(dimension - 1, points)
    x, weights = scipy.special.roots_jacobi(points, dimension - 1, 0)
    x, weights = (1 + x) / 2, weights / 2**dimension
    places = np.concatenate([np.insert(lower * (1 - one), 0, one, axis=1) for one in x])
    return places, np.concatenate([weight * inner for weight in weights])


def numbered(cells: np.ndarray, degree: int) -> tuple[np.ndarray, np.ndarray]:  # int [T, d+1] -> int [T, m], [M]
    """Numbers of the lattice's places, one where cells share it; and where each is first, in the flat list of all.

    A place is known by the corners that weigh in it and their weights. Cells have their corners in rising order.
    """
    weights = lattice(cells.shape[1] - 1, degree)
    keys = np.where(weights > 0, cells[:, None, :] * (degree + 1) + weights, -1)  # [T, m, d+1]
    flat = np.ascontiguousarray(np.sort(keys.reshape(-1, cells.shape[1]), axis=1))
    _, first, inverse = np.unique(flat, axis=0, return_index=True, return_inverse=True)
    return inverse.reshape(len(cells), len(weights)), first


def faces(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # int [T, d+1] -> [F, d], [F], [F]
    """Faces that belong to one cell alone: their corners, the cell, and the number of the corner they lack."""
    size = cells.shape[1]
    kept = [[own for own in range(size) if own != lacking] for lacking in range(size)]
    corners = np.sort(cells[:, kept], axis=2).reshape(-1, size - 1)
    distinct, first, counts = np.unique(corners, axis=0, return_index=True, return_counts=True)
    rim = counts == 1
    return distinct[rim], first[rim] // size, first[rim] % size
