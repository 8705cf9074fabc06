"""Bases without cells, written in one coordinate that runs from -1 to 1 over the interval."""

import torch
from torch import Tensor

from kanpde.models.bases.interface import Basis, Features


class IntervalBasis(Basis):
    """Features written in ξ = (2x - lower - upper)/(upper - lower) ∈ [-1, 1]."""

    interval: Tensor  # [2, in]

    def __init__(self, lower: Tensor, upper: Tensor, resolution: int):
        super().__init__()
        self.register_buffer("interval", torch.stack([lower, upper]))
        self.inputs, self.resolution = lower.shape[0], resolution
        self.size = self.count(resolution)

    @classmethod
    def on(cls, lower: Tensor, upper: Tensor, resolution: int, degree: int) -> "IntervalBasis":
        return cls(lower, upper, resolution)

    @classmethod
    def count(cls, resolution: int) -> int:
        return resolution

    @property
    def lower(self) -> Tensor:
        return self.interval[0]

    @property
    def upper(self) -> Tensor:
        return self.interval[1]

    def resized(self, lower: Tensor, upper: Tensor, resolution: int, knots: Tensor | None = None) -> "IntervalBasis":
        return type(self)(lower, upper, resolution)

    def listed(self, x: Tensor, order: int) -> Features:
        half = (self.upper - self.lower) / 2
        rows = self.rows((x - self.lower) / half - 1, order)  # [n, in, order+1, m]
        chain = half[:, None].pow(-torch.arange(order + 1, device=x.device))
        return Features(rows * chain[..., None], None)

    def rows(self, xi: Tensor, order: int) -> Tensor:  # [n, in] -> [n, in, order+1, m]
        raise NotImplementedError
