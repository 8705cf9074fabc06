"""Kolmogorov–Arnold networks: every edge is a univariate function in a chosen basis."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from kanpde.errors import InputError
from kanpde.models.bases import FAMILIES, BSplines, FeatureMap, Joined, RangedFeatureMap, SiLU
from kanpde.models.networks.chains import Chain, Layer, named, ranged_part, scaled_inputs
from kanpde.models.networks.grid_extension import (
    around,
    edge_values,
    fit_nodes,
    fitted_weights,
    kept_or_moved,
    refine,
    set_features,
)
from kanpde.models.splines import uniform_grid


@dataclass(frozen=True)
class KANDesign:
    """A KAN as configurations describe it; inputs, outputs and the box come from the problem.

    Args:
        width: Hidden layers.
        grid: Resolution of the basis in the last stage of training.
        degree: Spline degree, 1 to 13; a residual of order r needs at least r + 1.
        basis: Family of the edge functions.
        base: "silu" adds SiLU to every edge.
    """

    width: tuple[int, ...] = (8,)
    grid: int = 16
    degree: int = 7
    basis: Literal["bspline", "chebyshev", "gaussian", "fourier"] = "bspline"
    base: Literal["none", "silu"] = "none"

    def grids(self, stages: int) -> tuple[int, ...]:
        """Resolutions of the stages: halved from `grid` down, as long as two cells remain.

        Powers of two make every extension nested, and so exact; others are rounded down and fitted.

        >>> KANDesign(grid=20).grids(4)
        (2, 5, 10, 20)
        """
        halved = [self.grid // 2**stage for stage in reversed(range(stages))]
        return tuple(cells for cells in halved if cells >= 2) or (self.grid,)

    def build(self, inputs: int, outputs: int, grid: int, **options) -> "KAN":
        """The network at one stage's resolution; options are lower, upper, periodic, dtype, generator."""
        widths = [inputs, *self.width, outputs]
        return KAN(widths, grid, self.degree, self.basis, self.base, **options)


class KAN(Chain):
    """A Kolmogorov–Arnold network: every edge is a univariate function in a chosen basis.

    Args:
        widths: Inputs, hidden layers, outputs, as [2, 5, 1].
        grid: Resolution of the basis: cells of the spline grid, or the number of modes.
        degree: Spline degree, 1 to 13; unused by other bases.
        basis: "bspline", "chebyshev", "gaussian" or "fourier".
        base: "silu" adds SiLU to the features, "none" leaves it out.
        lower, upper: The box of the inputs, [-1, 1] in each unless given.
        periodic: Axes along which the network repeats itself exactly.
        dtype: Of parameters and grids; torch's default unless given.
        generator: Where the random edges come from; torch's global one unless given.

    >>> net = KAN([2, 5, 1], grid=4, degree=3)
    >>> net(torch.zeros(7, 2)).shape, net.parameter_count()
    (torch.Size([7, 1]), 105)
    """

    def __init__(
        self,
        widths: Sequence[int],
        grid: int = 5,
        degree: int = 3,
        basis: str = "bspline",
        base: str = "none",
        lower: Sequence[float] | None = None,
        upper: Sequence[float] | None = None,
        periodic: Sequence[int] = (),
        dtype: torch.dtype | None = None,
        generator: torch.Generator | None = None,
    ):
        inputs = scaled_inputs(widths, lower, upper, periodic, dtype)
        widths = [inputs.size, *widths[1:]]
        layers = [Layer(_basis(basis, base, n, grid, degree, dtype), m, False, dtype) for n, m in pairwise(widths)]
        super().__init__(inputs, layers)
        self._initialize(generator)

    def _initialize(self, generator: torch.Generator | None, samples: int = 256) -> None:
        """Draw smooth random edges, and lay each hidden grid around the activations they produce.

        Edge functions are drawn on three cells at most, whatever the resolution, so that a fine grid does not start
        as noise; their sum is scaled to a standard deviation of ½ per neuron.
        """
        x = torch.rand(samples, self.inputs.lower.numel(), generator=generator, dtype=self.inputs.lower.dtype)
        box = self.inputs.lower.cpu() + x * (self.inputs.upper - self.inputs.lower).cpu()
        y = self.inputs(box.to(self.inputs.lower.device)).detach()
        for depth, layer in enumerate(self.layers):
            if depth:
                ranged = ranged_part(layer)
                set_features(layer, ranged.resized(*around(y), ranged.resolution))
            _draw(layer, generator)
            spread_out = layer(y).detach().std(0).clamp(min=1e-6)
            layer.weight.data /= 2 * spread_out
            y = layer(y).detach()

    def extend(self, resolution: int, points: Tensor, knots: Tensor | None = None) -> None:
        """Refine every basis to `resolution`, keeping the function.

        Nested refinements (grid doubling, more Chebyshev or Fourier modes) keep it to rounding. A hidden interval
        moves only when the activations at `points` [n, d] have outgrown it or fill less than half of it; then the
        edge is fitted by least squares over the activations seen. So are the edges of the first layer where splines are
        given knots for it, [in, resolution + 1].
        """
        y = self.inputs(points).detach()
        for depth, layer in enumerate(self.layers):
            before = layer(y).detach()
            ranged = ranged_part(layer)
            interval = (ranged.lower, ranged.upper) if depth == 0 else kept_or_moved(ranged, y)
            finer = ranged.resized(*interval, resolution)
            if depth == 0 and knots is not None and isinstance(ranged, BSplines):
                finer = BSplines(knots, ranged.degree)
            refine(layer, finer)
            y = before


def _basis(basis: str, base: str, inputs: int, grid: int, degree: int, dtype: torch.dtype | None) -> FeatureMap:
    if grid < 1:
        raise InputError(f"A grid needs at least one cell; {grid} came. Set model.grid to 1 or more.")
    lower, upper = -torch.ones(inputs, dtype=dtype), torch.ones(inputs, dtype=dtype)
    if basis == "bspline":
        main = BSplines(uniform_grid(lower, upper, grid), degree)
    else:
        main = named({"bspline": BSplines, **FAMILIES}, basis, "basis")(lower, upper, grid)
    beside = named({"none": (), "silu": (SiLU,)}, base, "base")
    return Joined(main, *(kind(inputs) for kind in beside)) if beside else main


def _draw(layer: Layer, generator: torch.Generator | None, cells: int = 3) -> None:
    """Random weights: smooth random functions for a grid, small random numbers for what stands beside it."""
    layer.weight.data.zero_()
    ranged = ranged_part(layer)
    inputs, _, outputs = layer.weight.shape
    if isinstance(ranged, BSplines) and ranged.resolution > cells:
        coarse = BSplines(uniform_grid(ranged.lower, ranged.upper, cells), ranged.degree)
        draw = _normal((inputs, coarse.size, outputs), layer.weight, generator)
        nodes = fit_nodes(ranged)
        weights = fitted_weights(ranged, nodes, edge_values(coarse, draw, nodes))
    else:
        decay = 1.0 if isinstance(ranged, BSplines) else _mode_decay(ranged, layer.weight)
        weights = _normal((inputs, ranged.size, outputs), layer.weight, generator) * decay
    layer.weight.data[:, : ranged.size] = weights
    rest = layer.weight.data[:, ranged.size :]
    rest.copy_(_normal(tuple(rest.shape), layer.weight, generator))


def _mode_decay(ranged: RangedFeatureMap, like: Tensor) -> Tensor:
    """High modes start small: 1/(1+j)², j the mode's place."""
    return 1 / (1 + torch.arange(ranged.size, dtype=like.dtype, device=like.device))[:, None] ** 2


def _normal(shape: tuple[int, ...], like: Tensor, generator: torch.Generator | None) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=like.dtype).to(like.device)
