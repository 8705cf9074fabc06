"""Kolmogorov–Arnold networks: every edge is a univariate function in a chosen basis."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from kanpde.errors import InputError
from kanpde.models.bases import BASES, BasisName, FeatureMap, Joined, SiLU
from kanpde.models.bases.interface import normal
from kanpde.models.networks.chains import Chain, Layer, basis_of, named, scaled_inputs
from kanpde.models.networks.grid_extension import around, kept_or_moved, refine, set_features
from kanpde.models.networks.interface import Design, SplineDesign, nearest
from kanpde.models.networks.relu_form import relu_form

COARSEST, FINEST = 2, 64
"""Cells of the grids among which a study looks for one of equal size."""


@dataclass(frozen=True)
class KANDesign(SplineDesign):
    """A KAN as configurations describe it.

    >>> KANDesign(grid=20).grids(4)
    (2, 5, 10, 20)

    Args:
        width: Hidden layers.
        grid: Resolution of the basis in the last stage of training.
        degree: Spline degree, 1 to 13; a residual of order r needs at least r + 1.
        basis: Family of the edge functions.
        base: "silu" adds SiLU to every edge.
    """

    kind: ClassVar[str] = "kan"
    title: ClassVar[str] = "KAN"

    width: tuple[int, ...] = (8,)
    grid: int = 16
    degree: int = 7
    basis: BasisName = "bspline"
    base: Literal["none", "silu"] = "none"

    def build(self, inputs: int, outputs: int, grid: int, **options: Any) -> "KAN":
        """The network at one stage's resolution; options are lower, upper, periodic, dtype, generator."""
        widths = [inputs, *self.width, outputs]
        return KAN(widths, grid, self.degree, self.basis, self.base, **options)

    @property
    def pieces_degree(self) -> float:
        return named(BASES, self.basis, "basis").smoothness(self.degree)

    @property
    def label(self) -> str:
        what = f"degree {self.degree}" if self.order_degree else self.basis
        return f"KAN {what}" + ("" if self.base == "none" else f" + {self.base}")

    def parameters(self, inputs: int, outputs: int) -> int:
        """n m for each feature of each layer from n to m."""
        per_edge = _features(self.basis, self.base, 1, self.grid, self.degree, None).size
        return per_edge * sum(n * m for n, m in pairwise((inputs, *self.width, outputs)))

    @classmethod
    def candidates(cls, grid: int, degrees: Sequence[int] = (3, 5, 7), widths: Sequence[int] = (4, 6)) -> list[Design]:
        """Degree × width, of one hidden layer."""
        return [cls((width,), grid, degree) for degree, width in product(degrees, widths)]

    def sizes(self, grids: Sequence[int], widths: Sequence[int], width_grid: int) -> list[Design]:
        """By grid at its own width, then by width at one grid."""
        by_grid = [replace(self, grid=grid) for grid in grids]
        return list(dict.fromkeys([*by_grid, *(replace(self.widened(width), grid=width_grid) for width in widths)]))

    def sized(self, parameters: int, inputs: int, outputs: int) -> "KANDesign":
        """With the grid that brings it nearest to so many parameters."""
        grids = range(COARSEST, FINEST + 1)
        return nearest([replace(self, grid=grid) for grid in grids], parameters, inputs, outputs)


class KAN(Chain):
    """A Kolmogorov–Arnold network: every edge is a univariate function in a chosen basis.

    Args:
        widths: Inputs, hidden layers, outputs, as [2, 5, 1].
        grid: Resolution of the basis: cells of the spline grid, or the number of modes.
        degree: Spline degree, 1 to 13; unused by other bases.
        basis: One of `BASES`, as "bspline" or "chebyshev".
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
        layers = [Layer(_features(basis, base, n, grid, degree, dtype), m, False, dtype) for n, m in pairwise(widths)]
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
                ranged = basis_of(layer)
                set_features(layer, ranged.resized(*around(y), ranged.resolution))
            _draw(layer, generator)
            spread_out = layer(y).detach().std(0).clamp(min=1e-6)
            layer.weight.data /= 2 * spread_out
            y = layer(y).detach()

    def to_mlp(self) -> Chain:
        """The MLP of ReLUs that equals a KAN of degree-1 splines, everywhere.

        Raises:
            InputError: The edges are not piecewise linear.

        >>> kan = KAN([2, 3, 1], grid=4, degree=1)
        >>> x = 3 * torch.rand(9, 2) - 1.5
        >>> bool((kan(x) - kan.to_mlp()(x)).abs().max() < 1e-5)
        True
        """
        return relu_form(self)

    def extend(self, resolution: int, points: Tensor, knots: Tensor | None = None) -> None:
        """Refine every basis to `resolution`, keeping the function.

        Nested refinements (grid doubling, more Chebyshev or Fourier modes) keep it to rounding. A hidden interval
        moves only when the activations at `points` [n, d] have outgrown it or fill less than half of it; then the
        edge is fitted by least squares over the activations seen. So are the edges of the first layer where a
        basis that has knots is given some for it, [in, resolution + 1].
        """
        y = self.inputs(points).detach()
        for depth, layer in enumerate(self.layers):
            before = layer(y).detach()
            ranged = basis_of(layer)
            interval = (ranged.lower, ranged.upper) if depth == 0 else kept_or_moved(ranged, y)
            refine(layer, ranged.resized(*interval, resolution, knots if depth == 0 else None))
            y = before


def _features(basis: str, base: str, inputs: int, grid: int, degree: int, dtype: torch.dtype | None) -> FeatureMap:
    if grid < 1:
        raise InputError(f"A grid needs at least one cell; {grid} came. Set model.grid to 1 or more.")
    lower, upper = -torch.ones(inputs, dtype=dtype), torch.ones(inputs, dtype=dtype)
    main = named(BASES, basis, "basis").on(lower, upper, grid, degree)
    beside = named({"none": (), "silu": (SiLU,)}, base, "base")
    return Joined(main, *(kind(inputs) for kind in beside)) if beside else main


def _draw(layer: Layer, generator: torch.Generator | None) -> None:
    """Random weights: the basis's own for its features, small random numbers for what stands beside it."""
    ranged, weight = basis_of(layer), layer.weight.data
    weight[:, : ranged.size] = ranged.random_weights(weight.shape[-1], generator)
    rest = weight[:, ranged.size :]
    rest.copy_(normal(tuple(rest.shape), weight, generator))
