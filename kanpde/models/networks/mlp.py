"""Multilayer perceptrons, written as the same chain with one activation as its features."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any, ClassVar, Literal

import torch

from kanpde.models.bases import ACTIVATIONS, Identity
from kanpde.models.networks.chains import Chain, Layer, named, scaled_inputs
from kanpde.models.networks.interface import Design, Smoothness

ActivationName = Literal["tanh", "sin", "gelu", "silu", "relu"]


@dataclass(frozen=True)
class MLPDesign(Design):
    """An MLP as configurations describe it.

    Args:
        width: Hidden layers.
        activation: Function between linear maps.
    """

    kind: ClassVar[str] = "mlp"
    title: ClassVar[str] = "MLP"

    width: tuple[int, ...] = (20, 20)
    activation: ActivationName = "tanh"

    def build(self, inputs: int, outputs: int, grid: int, **options: Any) -> "MLP":
        """The network; options are lower, upper, periodic, dtype, generator."""
        return MLP([inputs, *self.width, outputs], self.activation, **options)

    def smoothness(self, order: int) -> Smoothness:
        """Smooth, save for relu."""
        return Smoothness(1, "relu", "Set model.activation=tanh.") if self.activation == "relu" else Smoothness()

    @property
    def label(self) -> str:
        return f"MLP depth {len(self.width)} {self.activation}"

    def parameters(self, inputs: int, outputs: int) -> int:
        """(n + 1) m for each linear map from n to m."""
        return sum((n + 1) * m for n, m in pairwise((inputs, *self.width, outputs)))

    @classmethod
    def candidates(
        cls, grid: int, depths: Sequence[int] = (1, 2, 3), activations: Sequence[ActivationName] = ("tanh", "sin")
    ) -> list[Design]:
        """Depth × activation."""
        return [cls((1,) * depth, kind) for depth, kind in product(depths, activations)]


class MLP(Chain):
    """A multilayer perceptron, linear at both ends.

    >>> MLP([2, 20, 1], activation="tanh").parameter_count()
    81
    """

    def __init__(
        self,
        widths: Sequence[int],
        activation: str = "tanh",
        lower: Sequence[float] | None = None,
        upper: Sequence[float] | None = None,
        periodic: Sequence[int] = (),
        dtype: torch.dtype | None = None,
        generator: torch.Generator | None = None,
    ):
        inputs = scaled_inputs(widths, lower, upper, periodic, dtype)
        widths = [inputs.size, *widths[1:]]
        kind = named(ACTIVATIONS, activation, "activation")
        maps = [Identity(widths[0]), *(kind(n) for n in widths[1:-1])]
        super().__init__(inputs, [Layer(f, m, True, dtype) for f, m in zip(maps, widths[1:], strict=True)])
        self._initialize(generator)

    def _initialize(self, generator: torch.Generator | None) -> None:
        """Glorot's normal weights, uniform biases in [-1, 1] before the first activation so that kinks spread out."""
        for depth, layer in enumerate(self.layers):
            inputs, _, outputs = layer.weight.shape
            draw = torch.randn(layer.weight.shape, generator=generator, dtype=layer.weight.dtype)
            layer.weight.data.copy_(draw * (2 / (inputs + outputs)) ** 0.5)
            shift = torch.rand(outputs, generator=generator, dtype=layer.weight.dtype) * 2 - 1
            assert layer.bias is not None  # every layer of an MLP is built with one
            layer.bias.data.copy_(shift if depth == 0 else torch.zeros_like(shift))
