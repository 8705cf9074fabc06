"""What a univariate feature map is: x ↦ B_1(x), …, B_m(x) with exact derivatives of any order, no parameters."""

from abc import abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Features(NamedTuple):
    """Derivatives of the features that do not vanish.

    values: ∂^r B_j, shape [n, in, order+1, l]; l = m if all features are listed, k+1 for splines of degree k.
    index: Which of the m features the l listed ones are, shape [n, in, l]; None if all are.
    """

    values: Tensor
    index: Tensor | None


class FeatureMap(nn.Module):
    """A parameter-free map applied to each of `inputs` numbers separately, giving `size` features each.

    A leaf supplies `listed(x, order)`; derivatives by autograd, again of any order, follow from the next rows of it.
    """

    inputs: int
    size: int

    @abstractmethod
    def listed(self, x: Tensor, order: int) -> Features:  # [n, in] -> values [n, in, order+1, l]
        """Evaluate the features and their derivatives up to `order`; need not be differentiable itself."""

    def forward(self, x: Tensor, order: int = 0) -> Features:  # [n, in] -> values [n, in, order+1, l]
        """Evaluate the features and derivatives, differentiable with respect to x any number of times."""
        return Features(*_Derivatives.apply(x, self, order)[:2])

    def dense(self, x: Tensor, order: int = 0) -> Tensor:  # [n, in] -> [n, order+1, in, m]
        """Evaluate all m features, zeros included."""
        values, index = self(x, order)
        return spread(values.transpose(1, 2), index, self.size)

    def combined(self, x: Tensor, weight: Tensor) -> Tensor:  # [n, in], [in, m, out] -> [n, out]
        """Σ_i Σ_j W_ijo B_j(x_i); a leaf may know a faster way."""
        return self.dense(x)[:, 0].flatten(1) @ weight.flatten(0, 1)


class RangedFeatureMap(FeatureMap):
    """A feature map that lives on an interval [lower, upper] for each input, at a resolution that can grow."""

    resolution: int

    @property
    @abstractmethod
    def lower(self) -> Tensor:  # [in]
        ...

    @property
    @abstractmethod
    def upper(self) -> Tensor:  # [in]
        ...

    @abstractmethod
    def resized(self, lower: Tensor, upper: Tensor, resolution: int) -> "RangedFeatureMap":
        """A map of the same family on other intervals and at another resolution."""

    def outside(self, x: Tensor) -> Tensor:  # [n, in] -> [n, in]
        """Which inputs have left their interval."""
        return (x < self.lower) | (x > self.upper)


def spread(values: Tensor, index: Tensor | None, size: int) -> Tensor:
    """Lay listed features [n, s, in, l] with index [n, in, l] out among all m, shape [n, s, in, m]."""
    if index is None:
        return values
    target = values.new_zeros(*values.shape[:-1], size)
    return target.scatter(-1, index.unsqueeze(1).expand_as(values), values)


class _Derivatives(torch.autograd.Function):
    """∂^0 … ∂^order of all listed features; the backward of row r is row r+1, kept beside them."""

    @staticmethod
    def forward(x, feature_map, order):
        values, index = feature_map.listed(x, order + 1)
        return values[:, :, : order + 1], index, values[:, :, 1:]

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, ctx.feature_map, ctx.order = inputs
        _, index, slopes = output
        ctx.mark_non_differentiable(*(part for part in (index, slopes) if part is not None))
        ctx.save_for_backward(x, slopes)

    @staticmethod
    def vmap(info, in_dims, x, feature_map, order):
        x = x.movedim(in_dims[0], 0)
        found = _Derivatives.apply(x.flatten(0, 1), feature_map, order)
        outputs = tuple(part if part is None else part.unflatten(0, x.shape[:2]) for part in found)
        return outputs, tuple(None if part is None else 0 for part in outputs)

    @staticmethod
    def backward(ctx, gradient, *_):
        x, slopes = ctx.saved_tensors
        if torch.is_grad_enabled():  # somebody differentiates on: keep the graph
            slopes = _Derivatives.apply(x, ctx.feature_map, ctx.order + 1)[0][:, :, 1:]
        return (gradient * slopes).sum((-2, -1)), None, None


class Joined(FeatureMap):
    """The features of several maps side by side, as B-splines beside SiLU."""

    def __init__(self, *parts: FeatureMap):
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.inputs = parts[0].inputs
        self.size = sum(part.size for part in parts)

    def listed(self, x: Tensor, order: int) -> Features:
        evaluated = [part.listed(x, order) for part in self.parts]
        values = torch.cat([part.values for part in evaluated], dim=-1)
        if all(part.index is None for part in evaluated):
            return Features(values, None)
        columns, first = [], 0
        for part, features in zip(self.parts, evaluated, strict=True):
            columns.append(first + _index(features, part.size))
            first += part.size
        return Features(values, torch.cat(columns, dim=-1))

    def combined(self, x: Tensor, weight: Tensor) -> Tensor:
        weights = weight.split([part.size for part in self.parts], dim=1)
        return sum(part.combined(x, own) for part, own in zip(self.parts, weights, strict=True))


def _index(features: Features, size: int) -> Tensor:
    if features.index is not None:
        return features.index
    n, inputs = features.values.shape[:2]
    return torch.arange(size, device=features.values.device).expand(n, inputs, size)
