"""Sums of ridge functions: splines along directions. With the directions held, the output is linear in all the rest.

    y_o = Σ_j Σ_m W_jmo B_m(a_j·x)

In two inputs the directions are equally spaced from the first axis on; in more they are the axes, then quasi-random.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.quasirandom import SobolEngine

from kanpde.errors import InputError
from kanpde.models.bases import BSplines, Identity
from kanpde.models.networks.chains import Chain, Layer, basis_of, scaled_inputs
from kanpde.models.networks.enriched import beside
from kanpde.models.networks.grid_extension import kept_or_moved, refine
from kanpde.models.networks.interface import SplineDesign


@dataclass(frozen=True)
class RidgeDesign(SplineDesign):
    """Splines along directions.

    Args:
        width: How many directions, a single number.
        grid: Cells along each in the last stage.
        degree: Spline degree, 1 to 13; a residual of order r needs at least r + 1.
    """

    kind: ClassVar[str] = "ridge"
    title: ClassVar[str] = "Ridge splines"

    width: tuple[int, ...] = (24,)
    grid: int = 16
    degree: int = 9

    def __post_init__(self) -> None:
        if len(self.width) != 1:
            raise InputError(
                f"model.width needs one number, of directions; {list(self.width)} came. Write model.width=24, say."
            )

    def build(self, inputs: int, outputs: int, grid: int, **options: Any) -> "RidgeSplines":
        """The network; options are lower, upper, periodic, dtype, generator."""
        return RidgeSplines([inputs, *self.width, outputs], grid, self.degree, **options)

    def rebuilt(self, inputs: int, outputs: int, grid: int, arrays: dict[str, Any], **options: Any) -> nn.Module:
        """With the singular functions that are archived beside it."""
        return beside(self.build(inputs, outputs, grid, **options), arrays, outputs)

    @property
    def label(self) -> str:
        return f"Ridge splines degree {self.degree}"

    def parameters(self, inputs: int, outputs: int) -> int:
        """Directions, and weights of the splines along them."""
        return self.width[0] * (inputs + (self.grid + self.degree) * outputs)


class RidgeSplines(Chain):
    """A linear map to directions, and splines behind it.

    Args:
        widths: Inputs, directions, outputs, as [2, 24, 1].
        grid: Cells of the splines.
        degree: Of the splines, 1 to 13.
        lower, upper, periodic, dtype, generator: As for `KAN`; the splines start at zero up to small random numbers.

    >>> net = RidgeSplines([2, 6, 1], grid=4, degree=5)
    >>> net(torch.zeros(7, 2)).shape, net.parameter_count()
    (torch.Size([7, 1]), 66)
    """

    def __init__(
        self,
        widths: Sequence[int],
        grid: int = 16,
        degree: int = 9,
        lower: Sequence[float] | None = None,
        upper: Sequence[float] | None = None,
        periodic: Sequence[int] = (),
        dtype: torch.dtype | None = None,
        generator: torch.Generator | None = None,
    ):
        inputs = scaled_inputs(widths, lower, upper, periodic, dtype)
        _, count, outputs = widths
        a = directions(count, inputs.size).to(inputs.lower)
        reach = a.abs().sum(1)
        first = Layer(Identity(inputs.size), count, False, dtype)
        splines = BSplines.on(-reach, reach, grid, degree)
        second = Layer(splines, outputs, False, dtype)
        super().__init__(inputs, [first, second])
        first.weight.data = a.T[:, None, :].contiguous()
        second.weight.data = splines.random_weights(outputs, generator) / count

    def extend(self, resolution: int, points: Tensor, knots: Tensor | None = None) -> None:
        """Refine the splines, keeping the function; knots are for a first layer of splines, which this has not."""
        y = self.layers[0](self.inputs(points)).detach()
        ranged = basis_of(self.layers[1])
        refine(self.layers[1], ranged.resized(*kept_or_moved(ranged, y), resolution))


def directions(count: int, inputs: int) -> Tensor:  # -> [count, inputs] float64, rows of length one
    """Unit vectors, none of them nearly another's or its negative's.

    >>> directions(4, 2).round(decimals=3).tolist()
    [[1.0, 0.0], [0.707, 0.707], [0.0, 1.0], [-0.707, 0.707]]
    """
    if inputs == 1:
        return torch.ones(count, 1, dtype=torch.float64)
    if inputs == 2:
        angles = math.pi / count * torch.arange(count, dtype=torch.float64)
        return torch.stack([angles.cos(), angles.sin()], dim=1)
    points = SobolEngine(inputs, scramble=True, seed=0).draw(count + 1, dtype=torch.float64)[1:]
    spread = torch.special.ndtri(points.clamp(1e-9, 1 - 1e-9))
    spread[: min(count, inputs)] = torch.eye(inputs, dtype=torch.float64)[:count]
    lengths = spread.norm(dim=1, keepdim=True)
    units: Tensor = spread / lengths
    return units
