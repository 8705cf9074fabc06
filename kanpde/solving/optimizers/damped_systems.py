"""Damped least squares in scaled parameters, in the ways that steps are solved for.

    (J̃ᵀJ̃ + μ) v = -J̃ᵀ r,    J̃ = J D⁻¹
"""

from functools import partial
from typing import Any

import numpy as np
import scipy
import torch
from torch import Tensor

from kanpde.solving.rows import Rows

ITERATIONS = 100
"""Products with J and Jᵀ a step at most: one that is not solved to the end lowers the loss as well."""

ACCURACY = 1e-3
"""To which a step is solved for, relative to the residual: as good as 1e-6, in less time, and better than 1e-2."""

BLOCK = 64
"""Columns of a block of the preconditioner, about an edge of a fine grid."""


def floored(norms: Tensor, floor: float) -> Tensor:
    """Norms of columns, none below this part of the largest."""
    return norms.clamp(min=max(floor * norms.max().item(), 1e-300))


class Hessian:
    """(H̃ + μ) v = -g̃ by Cholesky; H̃ is half the second derivative, g̃ half the gradient, as JᵀJ and Jᵀr are.

    Of H̃ nothing is read above its diagonal.
    """

    def __init__(self, hessian: Tensor, gradient: Tensor):
        self.hessian, self.gradient = hessian, gradient

    def factor(self, mu: float) -> Tensor | None:
        damped = self.hessian.clone()
        damped.diagonal().add_(mu)
        factor, failed = torch.linalg.cholesky_ex(damped)
        return None if failed else factor

    def velocity(self, factor: Tensor) -> Tensor:
        return -_solved(factor, self.gradient)


def _solved(factor: Tensor, right: Tensor) -> Tensor:  # [P, P], [P] -> [P]
    """(L Lᵀ)⁻¹ b; `cholesky_solve` would copy L, which takes four times as long."""
    forward = torch.linalg.solve_triangular(factor, right[:, None], upper=False)
    found: Tensor = torch.linalg.solve_triangular(factor.mT, forward, upper=True)
    return found[:, 0]


class NormalEquations(Hessian):
    """(J̃ᵀJ̃ + μ) v = -J̃ᵀ r by Cholesky, J̃ = J D⁻¹; the diagonal of JᵀJ holds D², so D is free."""

    def __init__(self, jacobian: Rows, residual: Tensor, floor: float):
        hessian = jacobian.gram()
        self.scale = floored(hessian.diagonal().sqrt(), floor)
        rates = 1 / self.scale
        hessian.mul_(rates).mul_(rates[:, None])
        self.jacobian = jacobian
        super().__init__(hessian, self.pulled(residual))

    def along(self, velocity: Tensor) -> Tensor:
        """J̃ v."""
        return self.jacobian.along(velocity / self.scale)

    def pulled(self, residual: Tensor) -> Tensor:
        """J̃ᵀ r."""
        return self.jacobian.pulled(residual) / self.scale

    def solve(self, factor: Tensor, residual: Tensor) -> Tensor:
        return -_solved(factor, self.pulled(residual))


class Orthogonal:
    """The same minimizer from a QR factorization of [J̃; √μ], after one of J̃ alone."""

    def __init__(self, rows: Rows, residual: Tensor, floor: float):
        jacobian = rows.whole()
        self.scale = floored(jacobian.norm(dim=0), floor)
        self.jacobian, self.residual = jacobian.div_(self.scale), residual
        self.gradient = jacobian.mT @ residual
        self.q, self.r = torch.linalg.qr(jacobian)

    def along(self, velocity: Tensor) -> Tensor:
        """J̃ v."""
        return self.jacobian @ velocity

    def velocity(self, factor: tuple[Tensor, Tensor]) -> Tensor:
        return self.solve(factor, self.residual)

    def factor(self, mu: float) -> tuple[Tensor, Tensor]:
        root = mu**0.5 * torch.eye(self.r.shape[1], dtype=self.r.dtype, device=self.r.device)
        q, r = torch.linalg.qr(torch.cat([self.r, root]))
        return q, r

    def solve(self, factor: tuple[Tensor, Tensor], residual: Tensor) -> Tensor:
        q, r = factor
        right = q[: self.r.shape[0]].mT @ (self.q.mT @ residual)
        found: Tensor = torch.linalg.solve_triangular(r, right[:, None], upper=True)
        return -found[:, 0]


class Iterated:
    """The same minimizer by LSMR on [J̃; √μ] R⁻¹, of J v and Jᵀ r alone; RᵀR are the diagonal blocks of J̃ᵀJ̃ + μ.

    Source: Fong and Saunders, SIAM Journal on Scientific Computing 33 (2011) 2950.
    """

    def __init__(self, rows: Rows, residual: Tensor, floor: float):
        self.rows, self.residual = rows, residual
        self.scale = floored(rows.norms(), floor)
        self.gradient = rows.pulled(residual) / self.scale
        ends = [*range(0, len(self.scale), BLOCK), len(self.scale)]
        self.places = [slice(first, last) for first, last in zip(ends, ends[1:], strict=False)]
        self.blocks = [
            (block / self.scale[place] / self.scale[place, None]).numpy()
            for place, block in zip(self.places, rows.diagonal_blocks(self.places), strict=True)
        ]

    def along(self, velocity: Tensor) -> Tensor:
        """J̃ v."""
        return self.rows.along(velocity / self.scale)

    def velocity(self, factor: "_Damped") -> Tensor:
        return self.solve(factor, self.residual)

    def factor(self, mu: float) -> "_Damped":
        factors = [scipy.linalg.cholesky(block + mu * np.eye(len(block)), check_finite=False) for block in self.blocks]
        return _Damped(mu**0.5, self.places, factors)

    def solve(self, factor: "_Damped", residual: Tensor) -> Tensor:
        n, count = len(residual), len(self.scale)

        def forward(w: np.ndarray) -> np.ndarray:
            v = factor.over(w)
            return np.concatenate([self.along(torch.from_numpy(v).to(self.scale)).numpy(), factor.root * v])

        def backward(y: np.ndarray) -> np.ndarray:
            pulled = self.rows.pulled(torch.from_numpy(y[:n]).to(self.scale)) / self.scale
            return factor.over(pulled.numpy() + factor.root * y[n:], transposed=True)

        linear = scipy.sparse.linalg
        size = (n + count, count)
        operator: Any = linear.LinearOperator(size, matvec=forward, rmatvec=backward, dtype=np.float64)
        right = np.concatenate([-residual.double().numpy(), np.zeros(count)])
        found = linear.lsmr(operator, right, atol=ACCURACY, btol=ACCURACY, conlim=0, maxiter=ITERATIONS)[0]
        return torch.from_numpy(factor.over(found)).to(residual)


class _Damped:
    """R of the diagonal blocks, and √μ."""

    def __init__(self, root: float, places: list[slice], factors: list[np.ndarray]):
        self.root, self.places, self.factors = root, places, factors

    def over(self, w: np.ndarray, transposed: bool = False) -> np.ndarray:
        """R⁻¹ w, or R⁻ᵀ w."""
        solved = partial(scipy.linalg.solve_triangular, trans="T" if transposed else "N", check_finite=False)
        parts = [solved(factor, w[place]) for place, factor in zip(self.places, self.factors, strict=True)]
        return np.concatenate(parts)


SYSTEMS: dict[str, type[NormalEquations | Orthogonal | Iterated]] = {
    "cholesky": NormalEquations,
    "qr": Orthogonal,
    "lsmr": Iterated,
}
