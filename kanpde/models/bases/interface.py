"""What a univariate feature map is: x ↦ B_1(x), …, B_m(x) with exact derivatives of any order, no parameters."""

import math
from abc import abstractmethod
from functools import reduce
from operator import add
from typing import Any, ClassVar, NamedTuple, Self

import torch
from torch import Tensor, nn

from kanpde.models.module_lists import Modules
from kanpde.models.splines import uniform_grid


class Features(NamedTuple):
    """Derivatives of the features that do not vanish.

    values: ∂^r B_j, shape [n, in, order+1, l]; l = m if all features are listed, k+1 for splines of degree k.
    places: Which of the m features the l listed ones are, shape [n, in, l]; None if all are.
    """

    values: Tensor
    places: Tensor | None


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
        return Features(*_Derivatives.apply(x, self, order)[:2])  # type: ignore[no-untyped-call]  # torch's

    def dense(self, x: Tensor, order: int = 0) -> Tensor:  # [n, in] -> [n, order+1, in, m]
        """Evaluate all m features, zeros included."""
        values, places = self(x, order)
        return spread(values.transpose(1, 2), places, self.size)

    def combined(self, x: Tensor, weight: Tensor) -> Tensor:  # [n, in], [in, m, out] -> [n, out]
        """Σ_i Σ_j W_ijo B_j(x_i); a leaf may know a faster way."""
        return self.dense(x)[:, 0].flatten(1) @ weight.flatten(0, 1)

    def edges(self, x: Tensor, weight: Tensor, order: int) -> list[Tensor] | None:  # -> [n, in, out] each
        """Σ_j W_ijo ∂^r B_j(x_i) for r = 0, …, order, if a leaf has a faster way than by its features."""
        return None


class Basis(FeatureMap):
    """What edge functions are made of: features on an interval [lower, upper] of each input, at a growing resolution.

    A leaf is one module in this folder with one class that has a `name`. It supplies `on`, `lower`, `upper`, `resized`
    and `listed`; the rest has a default, which a leaf that knows better overrides.
    """

    name: ClassVar[str]
    """What configurations call it."""

    resolution: int

    @classmethod
    @abstractmethod
    def on(cls, lower: Tensor, upper: Tensor, resolution: int, degree: int) -> Self:  # [in], [in]
        """The basis on equal cells, or of so many modes; one without pieces has no use for a degree."""

    @classmethod
    def smoothness(cls, degree: int) -> float:
        """The highest derivative that does not vanish: k for pieces of degree k, infinity if smooth."""
        return math.inf

    @property
    @abstractmethod
    def lower(self) -> Tensor:  # [in]
        ...

    @property
    @abstractmethod
    def upper(self) -> Tensor:  # [in]
        ...

    @abstractmethod
    def resized(self, lower: Tensor, upper: Tensor, resolution: int, knots: Tensor | None = None) -> Self:
        """The same basis on other intervals and at another resolution; `knots` [in, resolution + 1] if it has any."""

    @property
    def breaks(self) -> Tensor:  # [in, cells + 1]
        """Ends of the cells that a fit looks at one by one: equal ones, as many as the resolution."""
        return uniform_grid(self.lower, self.upper, self.resolution)

    nodes_per_cell = 5

    def nodes(self) -> Tensor:  # [q, in]
        """Points that determine a function of the basis: a few Chebyshev nodes in every cell."""
        cells, q = self.breaks, self.nodes_per_cell
        angles = (torch.arange(q, dtype=cells.dtype, device=cells.device) + 0.5) / q
        inner = (1 - torch.cos(torch.pi * angles)) / 2
        return (cells[:, :-1, None] + cells.diff(dim=1)[..., None] * inner).flatten(1).t()

    def random_weights(self, outputs: int, generator: torch.Generator | None) -> Tensor:  # [in, m, out]
        """Edges to start from, smooth functions of order one: here mode j of size 1/(1+j)²."""
        j = torch.arange(self.size, dtype=self.lower.dtype, device=self.lower.device)[:, None]
        return normal((self.inputs, self.size, outputs), self.lower, generator) * (1 / (1 + j) ** 2)

    def outside(self, x: Tensor) -> Tensor:  # [n, in] -> [n, in]
        """Which inputs have left their interval."""
        return (x < self.lower) | (x > self.upper)


def edge_values(features: FeatureMap, weight: Tensor, x: Tensor) -> Tensor:  # [q, in] -> [in, q, out]
    """Every edge function φ_io at its own points."""
    return features.dense(x)[:, 0].transpose(0, 1) @ weight


def fitted_weights(features: FeatureMap, x: Tensor, edges: Tensor, ridge: float = 1e-13) -> Tensor:
    """Weights [in, m, out] whose edges come closest to `edges` [in, q, out] at x [q, in], with a small ridge.

    The ridge is relative to the largest singular value; it makes the fit unique for bases that are nearly dependent
    and leaves a nested refinement exact to about 1e-12.
    """
    design = features.dense(x)[:, 0].transpose(0, 1)  # [in, q, m]
    u, s, vh = torch.linalg.svd(design, full_matrices=False)
    cutoff = ridge * s[:, :1]
    inverse = s / (s**2 + cutoff**2)
    weights: Tensor = vh.mT @ (inverse[..., None] * (u.mT @ edges))
    return weights


def normal(shape: tuple[int, ...], like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Numbers from a generator on the CPU, so that they are the same on every device."""
    return torch.randn(shape, generator=generator, dtype=like.dtype).to(like.device)


def spread(values: Tensor, places: Tensor | None, size: int) -> Tensor:
    """Lay listed features [n, s, in, l] with places [n, in, l] out among all m, shape [n, s, in, m]."""
    if places is None:
        return values
    target = values.new_zeros(*values.shape[:-1], size)
    return target.scatter(-1, places.unsqueeze(1).expand_as(values), values)


class _Derivatives(torch.autograd.Function):
    """∂^0 … ∂^order of all listed features; the backward of row r is row r+1, kept beside them."""

    @staticmethod
    def forward(x: Tensor, feature_map: FeatureMap, order: int) -> tuple[Tensor, Tensor | None, Tensor]:
        values, places = feature_map.listed(x, order + 1)
        return values[:, :, : order + 1], places, values[:, :, 1:]

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor | None, Tensor]) -> None:
        x, ctx.feature_map, ctx.order = inputs
        _, places, slopes = output
        ctx.mark_non_differentiable(*(part for part in (places, slopes) if part is not None))
        ctx.save_for_backward(x, slopes)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int, None, None], x: Tensor, feature_map: FeatureMap, order: int) -> Any:
        x = x.movedim(in_dims[0], 0)
        found = _Derivatives.apply(x.flatten(0, 1), feature_map, order)  # type: ignore[no-untyped-call]  # torch's
        outputs = tuple(part if part is None else part.unflatten(0, x.shape[:2]) for part in found)
        return outputs, tuple(None if part is None else 0 for part in outputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Any) -> tuple[Tensor, None, None]:
        x, slopes = ctx.saved_tensors
        if torch.is_grad_enabled():  # somebody differentiates on: keep the graph
            slopes = _Derivatives.apply(x, ctx.feature_map, ctx.order + 1)[0][:, :, 1:]  # type: ignore[no-untyped-call]  # torch's
        return (gradient * slopes).sum((-2, -1)), None, None


class Joined(FeatureMap):
    """The features of several maps side by side, as B-splines beside SiLU."""

    def __init__(self, *parts: FeatureMap):
        super().__init__()
        self.parts = Modules(parts)
        self.inputs = parts[0].inputs
        self.size = sum(part.size for part in parts)

    def listed(self, x: Tensor, order: int) -> Features:
        evaluated = [part.listed(x, order) for part in self.parts]
        values = torch.cat([part.values for part in evaluated], dim=-1)
        if all(part.places is None for part in evaluated):
            return Features(values, None)
        columns, first = [], 0
        for part, features in zip(self.parts, evaluated, strict=True):
            columns.append(first + _places(features, part.size))
            first += part.size
        return Features(values, torch.cat(columns, dim=-1))

    def combined(self, x: Tensor, weight: Tensor) -> Tensor:
        weights = weight.split([part.size for part in self.parts], dim=1)
        return reduce(add, [part.combined(x, own) for part, own in zip(self.parts, weights, strict=True)])


def _places(features: Features, size: int) -> Tensor:
    if features.places is not None:
        return features.places
    n, inputs = features.values.shape[:2]
    return torch.arange(size, device=features.values.device).expand(n, inputs, size)
