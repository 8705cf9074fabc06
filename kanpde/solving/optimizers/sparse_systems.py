"""Least squares with a sparse matrix: normal equations, factored once and corrected by the residual.

    (J̃ᵀJ̃ + ε) d = -J̃ᵀ r,      J̃ = J D⁻¹,      d ← d - (J̃ᵀJ̃ + ε)⁻¹ J̃ᵀ (r + J̃ d)  a few times

The corrections give back most of the digits that forming J̃ᵀJ̃ loses.

Source: Å. Björck, Linear Algebra and its Applications 88/89 (1987) 31, the corrected seminormal equations.
"""

import numpy as np
import scipy.sparse as sparse
import torch
from scipy.sparse.linalg import splu
from torch import Tensor

CORRECTIONS = 3

LEAST_RIDGE = 1e-15
"""Of squares, below which a factorization would break down."""


def solved_sparsely(jacobian: sparse.csr_matrix, residual: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
    """The step d and r + J d."""
    norms = np.sqrt(np.asarray(jacobian.multiply(jacobian).sum(0)).ravel()).clip(1e-300)
    scaled = (jacobian @ sparse.diags(1 / norms)).tocsr()
    transposed = scaled.T.tocsr()
    normal = (transposed @ scaled + max(ridge, LEAST_RIDGE) * sparse.identity(len(norms))).tocsc()
    factors = splu(normal, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True}, diag_pivot_thresh=0.0)
    r = residual.cpu().numpy()
    step = -factors.solve(transposed @ r)
    for _ in range(CORRECTIONS):
        step -= factors.solve(transposed @ (r + scaled @ step))
    return torch.from_numpy(step / norms).to(residual), torch.from_numpy(r + scaled @ step).to(residual)
