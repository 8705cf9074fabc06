"""Networks as chains of univariate feature maps and linear maps; KAN and MLP differ in the features alone.

    KAN layer:  x_i  →  B_1(x_i), …, B_m(x_i), silu(x_i)   →   linear map
    MLP layer:  x_i  →  tanh(x_i)                           →   linear map
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn

from kanpde.errors import InputError
from kanpde.models.bases import Basis, FeatureMap, Features, Joined
from kanpde.models.jets import IndexSet, closure, composed_sum, highest_order
from kanpde.models.module_lists import Modules
from kanpde.models.networks.linear_maps import FEW, Lifted, Tap, dense_tap, edge_tap, jet_tap, lifted

T = TypeVar("T")

class Inputs(nn.Module):
    """Bring physical coordinates to the network: x ↦ 2(x - a)/(b - a) - 1, or cos and sin of a periodic one.

    Args:
        lower, upper: The box, one number per coordinate.
        periodic: Axes along which the network is to repeat itself exactly with period b - a.
    """

    lower: Tensor  # [d]
    upper: Tensor

    def __init__(
        self,
        lower: Sequence[float],
        upper: Sequence[float],
        periodic: Sequence[int] = (),
        dtype: torch.dtype | None = None,
    ):
        super().__init__()
        self.register_buffer("lower", torch.tensor(lower, dtype=dtype or torch.get_default_dtype()))
        self.register_buffer("upper", torch.tensor(upper, dtype=dtype or torch.get_default_dtype()))
        self.periodic = tuple(periodic)
        self.size = len(lower) + len(self.periodic)

    def columns(self, axis: int) -> list[int]:
        """Which inputs of the network come from a coordinate."""
        first = axis + sum(other < axis for other in self.periodic)
        return [first, first + 1] if axis in self.periodic else [first]

    def forward(self, x: Tensor) -> Tensor:  # [n, d] -> [n, size]
        """The scaled coordinates."""
        if self.periodic:
            return self.jet(x, closure((), x.shape[1]))[:, 0]
        return 2 * (x - self.lower) / (self.upper - self.lower) - 1

    def jet(self, x: Tensor, indices: IndexSet) -> Tensor:  # [n, d] -> [n, s, size]
        """Their derivatives with respect to the physical ones."""
        columns = [column for axis in range(x.shape[1]) for column in self._columns(x[:, axis], axis, indices)]
        return torch.stack(columns, dim=-1)

    def _columns(self, x: Tensor, axis: int, indices: IndexSet) -> list[Tensor]:  # [n] -> [n, s] each
        length = self.upper[axis] - self.lower[axis]
        if axis not in self.periodic:
            rows = [2 * (x - self.lower[axis]) / length - 1, torch.ones_like(x) * 2 / length]
            return [_along(axis, rows, indices)]
        rate = 2 * torch.pi / length
        phase = rate * (x - self.lower[axis])
        orders = range(highest_order(indices) + 1)
        shifted = [phase + r * torch.pi / 2 for r in orders]
        cosines = [rate**r * torch.cos(p) for r, p in enumerate(shifted)]
        sines = [rate**r * torch.sin(p) for r, p in enumerate(shifted)]
        return [_along(axis, cosines, indices), _along(axis, sines, indices)]


def _along(axis: int, rows: list[Tensor], indices: IndexSet) -> Tensor:
    """The jet of a function of one coordinate, given its derivatives; those not listed vanish."""
    zero = torch.zeros_like(rows[0])
    pure = [sum(index) == index[axis] and index[axis] < len(rows) for index in indices]
    return torch.stack([rows[index[axis]] if keep else zero for index, keep in zip(indices, pure, strict=True)], dim=1)


@runtime_checkable
class Extensible(Protocol):
    """A network whose grid can be refined."""

    inputs: Inputs

    def extend(self, resolution: int, points: Tensor, knots: Tensor | None = None) -> None:
        """Go to another resolution, keeping the function; `points` say which activations there are."""


class Layer(nn.Module):
    """y_o = Σ_i Σ_j W_ijo B_j(x_i) + b_o: a feature map and the linear map behind it, weight shape [in, m, out]."""

    def __init__(self, features: FeatureMap, outputs: int, bias: bool, dtype: torch.dtype | None = None):
        super().__init__()
        self.features = features
        self.weight = nn.Parameter(torch.zeros(features.inputs, features.size, outputs, dtype=dtype))
        self.bias = nn.Parameter(torch.zeros(outputs, dtype=dtype)) if bias else None

    @property
    def listed(self) -> int:
        """How many features of an input need not vanish at a point."""
        features: Features = self.features(self.weight.new_zeros(1, self.features.inputs))
        return features.values.shape[-1]

    def lift(self, x: Tensor, indices: IndexSet) -> Lifted:  # [n, s, in]
        """The jet of every feature, from the jet of the inputs."""
        return lifted(x, indices, self.features(x[:, 0], highest_order(indices)), self.features.size)

    def tap(self, x: Tensor, indices: IndexSet) -> Tap:  # [n, s, in]
        """Carry a jet through features and linear map; the outputs need not be differentiable in the weights."""
        few = self.weight.shape[-1] <= FEW
        by_edges = edge_tap(x, indices, self.features, self.weight) if few else None
        if by_edges is not None:
            return by_edges
        return jet_tap(x, indices, self.features(x[:, 0], highest_order(indices)), self.weight)

    def outputs(self, x: Tensor, indices: IndexSet) -> Tensor:  # [n, s, in] -> [n, s, out]
        """What the tap has, differentiable in the weights too; of few by values of edges, where a basis has them."""
        few = self.weight.shape[-1] <= FEW
        edges = self.features.edges(x[:, 0], self.weight, highest_order(indices)) if few else None
        return self.tap(x, indices).outputs if edges is None else composed_sum(x, edges, indices)

    def shifted(self, outputs: Tensor) -> Tensor:  # [n, s, out] -> [n, s, out]
        """Add the bias, to the value alone."""
        if self.bias is None:
            return outputs
        return torch.cat([outputs[:, :1] + self.bias, outputs[:, 1:]], dim=1)

    def forward(self, x: Tensor) -> Tensor:  # [n, in] -> [n, out]
        y = self.features.combined(x, self.weight)
        return y if self.bias is None else y + self.bias


class Chain(nn.Module):
    """A chain of layers behind scaled inputs; an ordinary module on points, and a source of exact jets."""

    layers: Modules[Layer]

    def __init__(self, inputs: Inputs, layers: Sequence[Layer]):
        super().__init__()
        self.inputs = inputs
        self.layers = Modules(layers)

    def forward(self, x: Tensor) -> Tensor:  # [..., d] -> [..., out]
        if x.shape[-1] != self.inputs.lower.numel():
            raise InputError(
                f"The network needs points of {self.inputs.lower.numel()} coordinates, [..., d]; shape {list(x.shape)} "
                "came. Give one row per point."
            )
        y: Tensor = self.inputs(x.reshape(-1, x.shape[-1]))
        for layer in self.layers:
            y = layer(y)
        return y.reshape(*x.shape[:-1], -1)

    def first_features(self, x: Tensor, indices: IndexSet) -> Any:  # [n, d] -> Lifted here
        """The first layer's features: they depend on no parameter, so a fixed set of points needs them once."""
        return self.layers[0].lift(self.inputs.jet(x, indices), indices)

    def taps(self, first: Any, indices: IndexSet) -> tuple[Sequence[Tap], Tensor]:
        """Run the jet through all layers: what passes each linear map, and the network's outputs [n, s, out].

        `first` is what `first_features` gave for the points.
        """
        taps: list[Tap] = [dense_tap(first, self.layers[0].weight)]
        jet = self.layers[0].shifted(taps[0].outputs)
        for layer in self.layers[1:]:
            taps.append(layer.tap(jet, indices))
            jet = layer.shifted(taps[-1].outputs)
        return taps, jet

    def outputs(self, first: Any, indices: IndexSet) -> Tensor:
        """The jet of the outputs alone."""
        jet = self.layers[0].shifted(dense_tap(first, self.layers[0].weight).outputs)
        for layer in self.layers[1:]:
            jet = layer.shifted(layer.outputs(jet, indices))
        return jet

    def jet(self, x: Tensor, indices: IndexSet) -> Tensor:  # [n, d] -> [n, s, out]
        """∂_α of every output for α in a downward-closed set, with respect to physical coordinates."""
        return self.outputs(self.first_features(x, indices), indices)

    def parameter_count(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())

    @property
    def grid(self) -> int:
        """Resolution of the features; 0 where there is none, as in an MLP."""
        return max((ranged.resolution for ranged in map(ranged_part, self.layers) if ranged is not None), default=0)

    def outside_fraction(self, x: Tensor) -> float:  # [n, d]
        """Share of hidden activations that lie off their grids at the points given."""
        outside, total, y = 0, 0, self.inputs(x)
        for layer in self.layers:
            ranged = ranged_part(layer)
            if ranged is not None and layer is not self.layers[0]:
                outside, total = outside + int(ranged.outside(y).sum()), total + y.numel()
            y = layer(y)
        return outside / max(total, 1)


def chain_of(network: nn.Module) -> Chain:
    """The network, of which layers are needed.

    Raises:
        TypeError: It is another module.
    """
    if not isinstance(network, Chain):
        raise TypeError(f"{type(network).__name__} is no chain of layers")
    return network


def ranged_part(layer: Layer) -> Basis | None:
    """The part of a layer's features that lives on a grid, if it has one."""
    parts = [*layer.features.parts] if isinstance(layer.features, Joined) else [layer.features]
    return next((part for part in parts if isinstance(part, Basis)), None)


def basis_of(layer: Layer) -> Basis:
    """The part that lives on a grid, of a layer that was built with one."""
    ranged = ranged_part(layer)
    assert ranged is not None
    return ranged


def scaled_inputs(
    widths: Sequence[int],
    lower: Sequence[float] | None,
    upper: Sequence[float] | None,
    periodic: Sequence[int],
    dtype: torch.dtype | None,
) -> Inputs:
    """The scaling in front of a network of these widths, on [-1, 1] in each coordinate unless told otherwise."""
    if len(widths) < 2 or min(widths) < 1:
        raise InputError(
            f"A network needs widths of inputs, hidden layers and outputs, each 1 or more; {list(widths)} came. Give "
            "for instance [2, 5, 1], or model.width=[5] where a problem fixes the ends."
        )
    return Inputs(lower or [-1.0] * widths[0], upper or [1.0] * widths[0], periodic, dtype)


def named(table: Mapping[str, T], name: str, what: str) -> T:
    """Look a leaf up by the name that configurations use."""
    if name not in table:
        raise InputError(f"The {what} must be one of {', '.join(table)}; {name!r} came. Choose one of them.")
    return table[name]
