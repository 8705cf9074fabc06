"""Chebyshev polynomials: the smoothest functions need the fewest of them."""

import torch
from torch import Tensor

from kanpde.models.bases.intervals import IntervalBasis


class Chebyshev(IntervalBasis):
    """T_0, …, T_G with T_{j+1} = 2ξ T_j - T_{j-1}, differentiated term by term."""

    name = "chebyshev"

    @classmethod
    def count(cls, resolution: int) -> int:
        return resolution + 1

    def rows(self, xi: Tensor, order: int) -> Tensor:
        table = [self._start(torch.ones_like(xi), order), self._start(xi, order, slope=1.0)]
        r = torch.arange(order + 1, device=xi.device, dtype=xi.dtype)
        for _ in range(self.size - 2):
            lowered = torch.cat([torch.zeros_like(table[-1][..., :1]), table[-1][..., :-1]], dim=-1)
            table.append(2 * (xi[..., None] * table[-1] + r * lowered) - table[-2])
        return torch.stack(table[: self.size], dim=-1)

    @staticmethod
    def _start(values: Tensor, order: int, slope: float = 0.0) -> Tensor:
        rows = [values, torch.full_like(values, slope)] + [torch.zeros_like(values)] * order
        return torch.stack(rows[: order + 1], dim=-1)
