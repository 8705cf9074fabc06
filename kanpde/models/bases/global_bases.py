"""Global relatives of the spline basis: Chebyshev polynomials, Gaussian radial functions, Fourier modes."""

import math

import torch
from torch import Tensor

from kanpde.models.bases.interface import Features, RangedFeatureMap


class IntervalFeatures(RangedFeatureMap):
    """Features written in ξ = (2x - lower - upper)/(upper - lower) ∈ [-1, 1]."""

    def __init__(self, lower: Tensor, upper: Tensor, resolution: int):
        super().__init__()
        self.register_buffer("interval", torch.stack([lower, upper]))
        self.inputs, self.resolution = lower.shape[0], resolution
        self.size = self.count(resolution)

    @classmethod
    def count(cls, resolution: int) -> int:
        return resolution

    @property
    def lower(self) -> Tensor:
        return self.interval[0]

    @property
    def upper(self) -> Tensor:
        return self.interval[1]

    def resized(self, lower: Tensor, upper: Tensor, resolution: int) -> "IntervalFeatures":
        return type(self)(lower, upper, resolution)

    def listed(self, x: Tensor, order: int) -> Features:
        half = (self.upper - self.lower) / 2
        rows = self.rows((x - self.lower) / half - 1, order)  # [n, in, order+1, m]
        chain = half[:, None].pow(-torch.arange(order + 1, device=x.device))
        return Features(rows * chain[..., None], None)

    def rows(self, xi: Tensor, order: int) -> Tensor:  # [n, in] -> [n, in, order+1, m]
        raise NotImplementedError


class Chebyshev(IntervalFeatures):
    """T_0, …, T_G with T_{j+1} = 2ξ T_j - T_{j-1}, differentiated term by term."""

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


class Gaussian(IntervalFeatures):
    """exp(-((ξ - c_j)/h)²), centers c_j = -1 + (2j - 6)/G to three steps beyond the ends, h = 3/G.

    ∂^r brings (-1/h)^r H_r, Hermite's. At h = 1.5 steps the centers' ripple is below 1e-8 of a smooth function.
    """

    beyond = 3

    @classmethod
    def count(cls, resolution: int) -> int:
        return resolution + 1 + 2 * cls.beyond

    def rows(self, xi: Tensor, order: int) -> Tensor:
        step = 2 / self.resolution
        width = 1.5 * step
        places = torch.arange(self.size, dtype=xi.dtype, device=xi.device) - self.beyond
        z = (xi[..., None] - (places * step - 1)) / width
        hermite = [torch.ones_like(z), 2 * z]
        for r in range(1, order):
            hermite.append(2 * z * hermite[-1] - 2 * r * hermite[-2])
        bell = torch.exp(-(z**2))
        return torch.stack([(-1 / width) ** r * hermite[r] * bell for r in range(order + 1)], dim=-2)


class Fourier(IntervalFeatures):
    """1, cos(jπξ/2), sin(jπξ/2) for j = 1, …, G: twice the interval is the period, so nothing needs to be periodic."""

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
