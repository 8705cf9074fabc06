"""Fourier modes of twice the interval."""

import math

import torch
from torch import Tensor

from kanpde.models.bases.intervals import IntervalBasis


class Fourier(IntervalBasis):
    """1, cos(jπξ/2), sin(jπξ/2) for j = 1, …, G: twice the interval is the period, so nothing needs to be periodic."""

    name = "fourier"

    @classmethod
    def count(cls, resolution: int) -> int:
        return 2 * resolution + 1

    def rows(self, xi: Tensor, order: int) -> Tensor:
        frequencies = math.pi / 2 * torch.arange(1, self.resolution + 1, dtype=xi.dtype, device=xi.device)
        phase = xi[..., None] * frequencies
        rows = []
        for r in range(order + 1):
            turned = phase + r * math.pi / 2
            constant = torch.full_like(xi, float(r == 0))[..., None]
            rows.append(torch.cat([constant, frequencies**r * turned.cos(), frequencies**r * turned.sin()], dim=-1))
        return torch.stack(rows, dim=-2)
