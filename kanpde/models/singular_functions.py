"""Powers and logarithms of a complex coordinate about points, with exact derivatives.

    s = Re or Im of ζ^a (log ζ)^l ζ̄^b,     ζ = e^(-iφ) (x + iy - c)/ρ,   arg ζ from ω/2 - π to ω/2 + π

Where b = 0 they are harmonic: r^a sin aθ at a corner, log r and r^-k cos kθ about a hole. With b = 1 they are
biharmonic. Since ∂_x = ∂ + ∂̄ and ∂_y = i(∂ - ∂̄) for ∂ = ∂/∂(x + iy), their derivatives are of the same kind.
"""

from math import comb, perm

import torch
from torch import Tensor

from kanpde.models.jets import IndexSet, highest_order

COLUMNS = ("c_x", "c_y", "φ", "ω", "ρ", "Re a", "Im a", "l", "b", "imaginary")
"""Of a table of functions; l is 0 or 1, b is 0, 1, 2, …, and the last is 1 for the imaginary part."""

NEAREST = 1e-30
"""|ζ| below which a point is taken to be this far from the center, so that what is infinite there stays a number."""


def singular_jets(x: Tensor, table: Tensor, indices: IndexSet) -> Tensor:  # [n, 2], [K, 10] -> [n, s, K]
    """∂_α of every function for α in a downward-closed set."""
    turn = torch.exp(-1j * table[:, 2]) / table[:, 4]
    zeta = turn * torch.complex(x[:, :1] - table[:, 0], x[:, 1:] - table[:, 1])
    zeta = torch.where(zeta.abs() < NEAREST, NEAREST, zeta)
    half = table[:, 3] / 2
    logarithm = torch.log(zeta * torch.exp(-1j * half)) + 1j * half
    orders = range(highest_order(indices) + 1)
    towards = [turn**p * part for p, part in enumerate(_powers(logarithm, table, len(orders)))]
    back = [turn.conj() ** q * _conjugate(zeta.conj(), table[:, 8], q) for q in orders]
    imaginary = table[:, 9] == 1
    found = [_real(_partial(towards, back, index), imaginary) for index in indices]
    return torch.stack(found, dim=1)


def _powers(logarithm: Tensor, table: Tensor, count: int) -> list[Tensor]:  # [n, K] -> [n, K] each
    """d^p/dζ^p of ζ^a (log ζ)^l = ζ^(a-p) ((a)_p log ζ + d(a)_p/da), with falling factorials (a)_p."""
    a, logs = torch.complex(table[:, 5], table[:, 6]), table[:, 7]
    factor, slope, found = torch.ones_like(a), torch.zeros_like(a), []
    for p in range(count):
        found.append(torch.exp((a - p) * logarithm) * torch.where(logs == 1, factor * logarithm + slope, factor))
        factor, slope = factor * (a - p), slope * (a - p) + factor
    return found


def _conjugate(conjugate: Tensor, power: Tensor, q: int) -> Tensor:  # [n, K], [K] -> [n, K]
    """d^q/dζ̄^q of ζ̄^b."""
    whole = [int(b) for b in power.tolist()]
    factor = power.new_tensor([perm(b, q) if b >= q else 0 for b in whole])
    left = power.new_tensor([max(b - q, 0) for b in whole])
    return factor * conjugate**left


def _partial(towards: list[Tensor], back: list[Tensor], index: tuple[int, ...]) -> Tensor:
    """(∂ + ∂̄)^i (i(∂ - ∂̄))^j."""
    i, j = index
    terms = [
        comb(i, p) * comb(j, q) * (-1) ** (j - q) * towards[p + q] * back[i + j - p - q]
        for p in range(i + 1)
        for q in range(j + 1)
    ]
    return torch.stack(terms).sum(0) * 1j**j


def _real(values: Tensor, imaginary: Tensor) -> Tensor:
    return torch.where(imaginary, values.imag, values.real)
