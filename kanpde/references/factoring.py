"""Sparse matrices factored by SuperLU, with the memory that it needs."""

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy

from kanpde.files.memory import free_memory
from kanpde.references.means import NotOne, NotSolved

SYMMETRIC: dict[str, Any] = {
    "permc_spec": "MMD_AT_PLUS_A", "diag_pivot_thresh": 0.1, "options": {"SymmetricMode": True},
}  # entries lie symmetrically: a third of the numbers in the factors of four fields  # fmt: skip

LOST = 1e-9
"""Of a right side, what factors may miss."""

FILL = 33
"""Times the numbers of a matrix for which SuperLU sets memory aside, in either triangle, and a tenth. Where it does not
get it, it asks for half as much, and may then never end."""


def lu(matrix: scipy.sparse.csc_array, **options: Any) -> scipy.sparse.linalg.SuperLU:
    """P A Q = L U; `options` are those of `scipy.sparse.linalg.splu`.

    Raises:
        MemoryError: less is free than is set aside.
        RuntimeError: the matrix is exactly singular.
    """
    free, needed = free_memory(), FILL * 2 * (matrix.dtype.itemsize + 4) * matrix.nnz
    if free is not None and free < needed:
        raise MemoryError(f"a factorization sets {needed / 2**20:.0f} MB aside; {free / 2**20:.0f} MB are free")
    return scipy.sparse.linalg.splu(matrix, **options)


Solve = Callable[[np.ndarray], np.ndarray]


def factored(matrix: scipy.sparse.csc_array, symmetric: bool | None = True) -> Solve:
    """Right side → solution, rows brought to one size.

    Where it is not known whether entries lie symmetrically (None), they are first taken as if they did: a channel with
    70,000 numbers takes 2 s so, and more than a minute with columns in any order.

    Raises:
        NotOne: the matrix is singular.
    """
    if not np.isfinite(matrix.data).all():
        raise NotSolved("did not converge: the slopes are no longer finite")
    weights = 1 / np.maximum(abs(matrix).max(axis=1).toarray().ravel(), 1e-300)
    scaled = scipy.sparse.csc_array(scipy.sparse.diags_array(weights) @ matrix)
    factors = _factors(scaled, {} if symmetric is False else SYMMETRIC)
    if symmetric is None and (factors is None or not _inverts(factors, scaled)):
        factors = _factors(scaled, {})
    if factors is None:
        raise NotOne("finds more than one solution: the conditions do not determine it")
    return lambda right: factors.solve(weights * right)


def _factors(matrix: scipy.sparse.csc_array, options: dict[str, Any]) -> scipy.sparse.linalg.SuperLU | None:
    """None of a matrix that is singular."""
    try:
        factors = lu(matrix, **options)
    except RuntimeError:  # exactly singular
        return None
    pivots = np.abs(factors.U.diagonal())
    return None if pivots.min() < 1e-13 * pivots.max() else factors


def _inverts(factors: scipy.sparse.linalg.SuperLU, matrix: scipy.sparse.csc_array) -> bool:
    """Whether small pivots have left the digits that are needed."""
    right = (1 + np.sin(np.arange(matrix.shape[0]))).astype(matrix.dtype)
    return bool(np.linalg.norm(matrix @ factors.solve(right) - right) < LOST * np.linalg.norm(right))
