"""Products of splines, one factor a coordinate: a classical tensor-product spline space, linear in all its numbers.

    y_o(x) = Σ_{i,j,…} W_{ij…o} B_i(x_1) B_j(x_2) …

It is no network of layers and no evidence for KANs; solving for W is what spline collocation does. At a point only
(k+1)^d products do not vanish, so that the derivatives of residuals by W form a sparse matrix.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

import numpy as np
import scipy
import torch
from torch import Tensor, nn

from kanpde.errors import InputError
from kanpde.models.jets import IndexSet, closure
from kanpde.models.networks.interface import Design, Smoothness
from kanpde.models.splines import MAX_DEGREE, knot_splines, periodic_knots


@dataclass(frozen=True)
class ProductDesign(Design):
    """Products of splines in the coordinates.

    Args:
        width: Cells along each coordinate, or one number for all of them.
        degree: Of the splines, 1 to 13; a residual of order r needs at least r + 1.
    """

    kind = "product"
    title = "Spline products"

    width: tuple[int, ...] = (8,)
    degree: int = 7

    def __post_init__(self) -> None:
        if not 1 <= self.degree <= MAX_DEGREE:
            raise InputError(
                f"model.degree must lie between 1 and {MAX_DEGREE} for products; {self.degree} came. Choose one in "
                "between."
            )

    def build(self, inputs: int, outputs: int, grid: int, **options: Any) -> SplineProducts:
        """On equal cells; options are lower, upper, periodic, dtype, generator."""
        cells = self._cells(inputs)
        if len(cells) != inputs:
            raise InputError(
                f"model.width needs one number, or one for each of {inputs} coordinates; {list(self.width)} came. "
                f"Write model.width={[8] * inputs}, say."
            )
        lower = options.get("lower") or [-1.0] * inputs
        upper = options.get("upper") or [1.0] * inputs
        periodic, dtype = options.get("periodic", ()), options.get("dtype")
        axes = zip(equal_breaks(lower, upper, cells), range(inputs), strict=True)
        knots = [axis_knots(breaks, self.degree, axis in periodic) for breaks, axis in axes]
        network = SplineProducts(knots, [self.degree] * inputs, periodic, outputs, dtype)
        drawn = torch.randn(network.weight.shape, generator=options.get("generator"), dtype=torch.float64)
        network.weight.data.copy_(drawn / 10)
        return network

    def rebuilt(self, inputs: int, outputs: int, grid: int, arrays: dict[str, Any], **options: Any) -> nn.Module:
        """With as many knots as are archived, whatever the cells."""
        knots = [torch.as_tensor(arrays[f"knots_{axis}"], dtype=torch.float64) for axis in range(inputs)]
        degrees = [int(degree) for degree in arrays["degrees"]]
        return SplineProducts(knots, degrees, options.get("periodic", ()), outputs, options.get("dtype"))

    def smoothness(self, order: int) -> Smoothness:
        remedy = f"Set model.degree={order + 1} or more."
        return Smoothness(self.degree, f"a product of splines of degree {self.degree}", remedy)

    @property
    def label(self) -> str:
        return f"Spline products degree {self.degree}"

    @property
    def order_degree(self) -> int:
        return self.degree

    def parameters(self, inputs: int, outputs: int) -> int:
        return prod(count + self.degree for count in self._cells(inputs)) * outputs

    def _cells(self, inputs: int) -> tuple[int, ...]:
        return self.width * inputs if len(self.width) == 1 else self.width


def equal_breaks(lower: Sequence[float], upper: Sequence[float], cells: Sequence[int]) -> list[Tensor]:
    """The ends of equal cells along each coordinate of a box."""
    ends = zip(lower, upper, cells, strict=True)
    return [torch.linspace(low, high, count + 1, dtype=torch.float64) for low, high, count in ends]


def axis_knots(
    breaks: Tensor, degree: int, periodic: bool, walls: Sequence[float] = ()
) -> Tensor:  # [G+1] -> [m+k+1]
    """Of the cells along one coordinate; halved until a period has enough of them. Slopes may jump at walls."""
    if not periodic:
        times = torch.where(torch.isin(breaks, breaks.new_tensor(list(walls))), degree, 1)[1:-1]
        ends = breaks[:1].expand(degree + 1), breaks[-1:].expand(degree + 1)
        return torch.cat([ends[0], breaks[1:-1].repeat_interleave(times), ends[1]])
    while len(breaks) <= degree + 1:
        breaks = torch.cat([breaks, (breaks[:-1] + breaks[1:]) / 2]).sort().values
    return periodic_knots(breaks, degree)


class Listed(NamedTuple):
    """The products that do not vanish at points: jets [n, s, l] and which they are [n, l]."""

    jets: Tensor
    columns: Tensor


def products_of(network: nn.Module) -> SplineProducts:
    """The network, of which cells are needed.

    Raises:
        TypeError: It is another module.
    """
    if not isinstance(network, SplineProducts):
        raise TypeError(f"{type(network).__name__} is no product of splines")
    return network


class SplineProducts(nn.Module):
    """Products of splines on any knots.

    Args:
        knots: For each coordinate, with those beyond the ends or repeated there.
        degrees: Of the splines along each.
        periodic: Coordinates whose splines i and i + G are the same.
        outputs: How many.

    >>> net = ProductDesign((4, 6), degree=3).build(2, 1, 0)
    >>> net(torch.zeros(7, 2)).shape, net.weight.shape
    (torch.Size([7, 1]), torch.Size([7, 9, 1]))
    """

    def __init__(
        self,
        knots: Sequence[Tensor],
        degrees: Sequence[int],
        periodic: Sequence[int],
        outputs: int,
        dtype: torch.dtype | None = None,
    ):
        super().__init__()
        dtype = dtype or torch.get_default_dtype()
        for axis, row in enumerate(knots):
            self.register_buffer(f"knots_{axis}", row.to(dtype))
        self.register_buffer("degrees", torch.tensor(list(degrees), dtype=torch.long))
        self._degrees, self.periodic = tuple(degrees), tuple(periodic)
        counts = [len(row) - degree - 1 for row, degree in zip(knots, degrees, strict=True)]
        sizes = [count - (degrees[axis] if axis in self.periodic else 0) for axis, count in enumerate(counts)]
        self.weight = nn.Parameter(torch.zeros(*sizes, outputs, dtype=dtype))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Splines along each coordinate."""
        return tuple(self.weight.shape[:-1])

    @property
    def grid(self) -> int:
        """The most cells along a coordinate."""
        return max(len(self.breaks(axis)) - 1 for axis in range(len(self.sizes)))

    def knots(self, axis: int) -> Tensor:
        return self.get_buffer(f"knots_{axis}")

    def breaks(self, axis: int) -> Tensor:
        """Ends of the cells along a coordinate."""
        degree = self._degrees[axis]
        inner: Tensor = self.knots(axis)[degree : -degree or None]
        ends: Tensor = torch.unique(inner)
        return ends

    def listed(self, x: Tensor, indices: IndexSet) -> Listed:  # [n, d]
        """The products that do not vanish, with their derivatives."""
        jets, columns = x.new_ones(len(x), len(indices), 1), torch.zeros(len(x), 1, dtype=torch.long, device=x.device)
        for axis, size in enumerate(self.sizes):
            degree, orders = self._degrees[axis], [index[axis] for index in indices]
            first, values = knot_splines(self._wrapped(x[:, axis], axis), self.knots(axis), degree, max(orders))
            place = (first[:, None] + torch.arange(degree + 1, device=x.device)) % size
            jets = (jets[..., None] * values[:, orders, None, :]).flatten(2)
            columns = (columns[..., None] * size + place[:, None, :]).flatten(1)
        return Listed(jets, columns)

    def _wrapped(self, x: Tensor, axis: int) -> Tensor:
        if axis not in self.periodic:
            return x
        ends = self.breaks(axis)[[0, -1]]
        return ends[0] + (x - ends[0]) % (ends[1] - ends[0])

    def degree(self, axis: int) -> int:
        return self._degrees[axis]

    def features(self, x: Tensor) -> scipy.sparse.csr_matrix:  # [n, d] -> [n, products]
        """The values of all products, as a sparse matrix."""
        jets, columns = self.listed(x, closure((), x.shape[1]))
        starts = np.arange(0, columns.numel() + 1, columns.shape[1])
        values, where = jets[:, 0].reshape(-1).numpy(), columns.reshape(-1).numpy()
        return scipy.sparse.csr_matrix((values, where, starts), shape=(len(x), prod(self.sizes)))

    def combined(self, listed: Listed) -> Tensor:  # -> [n, s, out]
        """Σ W B for the products listed."""
        return listed.jets @ self.weight.flatten(0, -2)[listed.columns]

    def jet(self, x: Tensor, indices: IndexSet) -> Tensor:  # [n, d] -> [n, s, out]
        """∂_α of every output for α in a downward-closed set."""
        return self.combined(self.listed(x, indices))

    def forward(self, x: Tensor) -> Tensor:  # [..., d] -> [..., out]
        rows = x.reshape(-1, x.shape[-1])
        return self.jet(rows, closure((), rows.shape[-1]))[:, 0].reshape(*x.shape[:-1], -1)
