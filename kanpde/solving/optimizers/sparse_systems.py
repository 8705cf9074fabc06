"""Least squares with a sparse matrix: normal equations, factored once and corrected by the residual.

    (J̃ᵀJ̃ + ε) d = -J̃ᵀ r,      J̃ = J D⁻¹,      d ← d - (J̃ᵀJ̃ + ε)⁻¹ J̃ᵀ (r + J̃ d)  a few times

The corrections give back most of the digits that forming J̃ᵀJ̃ loses. Rows whose derivatives lie in the same columns, as
those of one cell do, are multiplied as dense blocks, and where these add up is kept from step to step.

Source: Å. Björck, Linear Algebra and its Applications 88/89 (1987) 31, the corrected seminormal equations.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import scipy
import torch
from torch import Tensor

from kanpde.references.factoring import lu

CORRECTIONS = 3

FAINTEST = 1e-30
"""Of the largest column's norm, to which fainter columns are not raised: a function that the points touch by rounding
alone, as one beyond a wall that a knot lies on, would get any weight at all."""

LEAST_RIDGE = 1e-15
"""Of squares, below which a factorization would break down."""


def solved_sparsely(jacobian: scipy.sparse.csr_matrix, residual: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
    """The step d and r + J d."""
    count = jacobian.shape[1]
    norms = np.sqrt(np.bincount(jacobian.indices, jacobian.data**2, count))
    norms = norms.clip(max(FAINTEST * norms.max(), 1e-300))
    scaled = scipy.sparse.csr_matrix((jacobian.data / norms[jacobian.indices], jacobian.indices, jacobian.indptr))
    scaled.resize(jacobian.shape)
    transposed = scaled.T  # a view
    normal = (gram(scaled) + max(ridge, LEAST_RIDGE) * scipy.sparse.identity(count)).tocsc()
    factors = lu(
        normal, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True}, diag_pivot_thresh=0.0
    )
    r = residual.cpu().numpy()
    step = -factors.solve(transposed @ r)
    for _ in range(CORRECTIONS):
        step -= factors.solve(transposed @ (r + scaled @ step))
    return torch.from_numpy(step / norms).to(residual), torch.from_numpy(r + scaled @ step).to(residual)


MOST_PRODUCTS = 20_000_000
"""Of derivatives in blocks, whose places are kept; beyond, they are found anew by a general product."""


def gram(jacobian: scipy.sparse.csr_matrix) -> scipy.sparse.csc_matrix:
    """JᵀJ."""
    alike = _rows_alike(jacobian)
    if alike is None:
        return (jacobian.T.tocsr() @ jacobian).tocsc()
    columns, groups = alike
    values = torch.from_numpy(jacobian.data).reshape(-1, columns.shape[1])
    blocks = [values[torch.from_numpy(rows)] for rows in groups]  # [c, m, l], m alike
    products = torch.cat([torch.bmm(block.mT, block).reshape(-1) for block in blocks])
    places = _places(columns.tobytes(), columns.shape, columns.dtype.str, jacobian.shape[1])
    summed = np.bincount(places.target, products.numpy(), len(places.indices))
    return scipy.sparse.csc_matrix((summed, places.indices, places.starts), shape=(jacobian.shape[1],) * 2)


def _rows_alike(jacobian: scipy.sparse.csr_matrix) -> tuple[np.ndarray, list[np.ndarray]] | None:
    """The columns of each cell, [c, l], and its rows, [c', m] for each number of them; None if rows are not so."""
    lengths = np.diff(jacobian.indptr)
    if not len(lengths) or not lengths[0] or (lengths != lengths[0]).any():
        return None
    listed = jacobian.indices.reshape(-1, lengths[0])
    order = np.argsort(listed[:, 0], kind="stable")
    _, starts, counts = np.unique(listed[order, 0], return_index=True, return_counts=True)
    if len(starts) * lengths[0] ** 2 > MOST_PRODUCTS:
        return None
    groups = [order[starts[counts == m][:, None] + np.arange(m)] for m in np.unique(counts)]
    columns = [listed[rows[:, 0]] for rows in groups]
    if not all((listed[rows] == own[:, None]).all() for rows, own in zip(groups, columns, strict=True)):
        return None
    return np.concatenate(columns), groups


class _Places(NamedTuple):
    """A sparse matrix without its values, and which of them each product is added to."""

    starts: np.ndarray
    indices: np.ndarray
    target: np.ndarray


@lru_cache(maxsize=2)
def _places(columns: bytes, shape: tuple[int, int], dtype: str, count: int) -> _Places:
    listed = np.frombuffer(columns, dtype).reshape(shape).astype(np.int64)
    keys = (listed[:, None, :] * count + listed[:, :, None]).ravel()
    found, target = np.unique(keys, return_inverse=True)
    starts = np.searchsorted(found, np.arange(count + 1) * count)
    return _Places(starts, (found % count).astype(np.int32), target.astype(np.int32))
