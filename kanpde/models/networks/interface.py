"""What a kind of network tells the rest: how it is built, grows, is described and compared; each kind is one leaf."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, ClassVar, NamedTuple, Self, TypeVar

import torch
from torch import Tensor, nn

WIDEST = 1000
"""The widest hidden layer that a study comes to by itself."""

Rows = Callable[[nn.Module], tuple[Tensor, Tensor]]
"""A term in the parameters alone: rows [m] to be made small, and their derivatives [m, P] by the numbers trained."""


class Smoothness(NamedTuple):
    """How many derivatives a model has.

    degree: Of its pieces, whose derivative of that order jumps and whose next vanishes; infinity for smooth models.
    pieces: What they are, as `a spline of degree 3`.
    remedy: What to set for an equation that asks for more.
    """

    degree: float = math.inf
    pieces: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Design(ABC):
    """A network as configurations describe it; inputs, outputs and the box come from the problem.

    A leaf is one module in this folder with one frozen dataclass that has a `kind`. Its fields are the settings of
    `conf/model/<kind>.yaml`, one of them `width`, the hidden layers. It supplies `build` and `label`; the rest has a
    default, which a leaf that knows better overrides.
    """

    kind: ClassVar[str]
    """What configurations and archives call it."""

    title: ClassVar[str]
    """What reports call it."""

    width: tuple[int, ...] = ()

    # building and training

    @abstractmethod
    def build(self, inputs: int, outputs: int, grid: int, **options: Any) -> nn.Module:
        """The network at one stage's resolution; options are lower, upper, periodic, dtype, generator."""

    def grids(self, stages: int) -> tuple[int, ...]:
        """Resolutions of the stages; without a grid to refine, stages differ in their points alone."""
        return (0,) * stages

    def smoothness(self, order: int) -> Smoothness:
        """How smooth it is, and what would help an equation of this order."""
        return Smoothness()

    def regularizer(self) -> Rows | None:
        """Rows that training adds to the residual; what is held out is judged without them."""
        return None

    # describing and rebuilding

    def description(self) -> dict[str, Any]:
        """All that `described` needs, as plain data for the archive."""
        return asdict(self)

    @classmethod
    def described(cls, plain: dict[str, Any]) -> Self:
        """The design that a description is of; what an older archive leaves out has its default."""
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()})

    def rebuilt(self, inputs: int, outputs: int, grid: int, arrays: dict[str, Any], **options: Any) -> nn.Module:
        """A network that archived arrays fit into; boxes and numbers are filled in by the caller."""
        return self.build(inputs, outputs, grid, **options)

    # comparing

    @property
    @abstractmethod
    def label(self) -> str:
        """What it is, up to its size: `KAN degree 5`."""

    @property
    def cells(self) -> int:
        """Of its last grid; 0 where there is none."""
        return 0

    @property
    def order_degree(self) -> int:
        """k where theory promises errors of order k + 1 in the spacing of the grid; 0 where it promises none."""
        return 0

    def settings(self) -> list[str]:
        """Words of the command line that choose it."""
        given = [(field.name, getattr(self, field.name)) for field in fields(self)]
        return [f"model={self.kind}", *(f"model.{name}={_word(value)}" for name, value in given)]

    def parameters(self, inputs: int, outputs: int) -> int:
        """How many numbers are trained on the last grid; `inputs` counts a periodic coordinate twice."""
        built = self.build(inputs, outputs, self.grids(1)[-1], generator=torch.Generator())
        return sum(parameter.numel() for parameter in built.parameters())

    @classmethod
    def candidates(cls, grid: int) -> "list[Design]":
        """What a study tunes among; the sizes do not matter, since all are `sized` alike."""
        return [cls()]

    def sizes(self, grids: Sequence[int], widths: Sequence[int], width_grid: int) -> "list[Design]":
        """Its sizes in a study: by width, and by grid at one width where there is a grid."""
        return [self.widened(width) for width in widths]

    def widened(self, width: int) -> Self:
        """With hidden layers of this width."""
        return replace(self, width=(width,) * len(self.width))

    def sized(self, parameters: int, inputs: int, outputs: int) -> Self:
        """With the width that brings it nearest to so many parameters."""
        low, high = 1, WIDEST
        while high - low > 1:
            middle = (low + high) // 2
            fits = self.widened(middle).parameters(inputs, outputs) <= parameters
            low, high = (middle, high) if fits else (low, middle)
        return nearest([self.widened(width) for width in (low, high)], parameters, inputs, outputs)

    def __str__(self) -> str:
        width = "[" + ", ".join(map(str, self.width)) + "]"
        return f"{self.label}, width {width}" + (f", grid {self.cells}" if self.cells else "")


class SplineDesign(Design):
    """One of features on a grid, splines of a degree unless a leaf knows better; `grid` and `degree` are its fields."""

    grid: int
    degree: int

    @property
    def pieces_degree(self) -> float:
        """Of the pieces; infinity for features that are smooth."""
        return self.degree

    def grids(self, stages: int) -> tuple[int, ...]:
        """Resolutions of the stages: halved from `grid` down, as long as two cells remain.

        Powers of two make every extension nested, and so exact; others are rounded down and fitted.
        """
        halved = [self.grid // 2**stage for stage in reversed(range(stages))]
        return tuple(cells for cells in halved if cells >= 2) or (self.grid,)

    def smoothness(self, order: int) -> Smoothness:
        """Splines of degree k have k - 1 continuous derivatives."""
        degree = self.pieces_degree
        return Smoothness(degree, f"a spline of degree {degree}", f"Set model.degree={order + 1} or more.")

    @property
    def cells(self) -> int:
        return self.grid

    @property
    def order_degree(self) -> int:
        return self.degree if math.isfinite(self.pieces_degree) else 0


def grid_of(network: nn.Module) -> int:
    """The resolution of a network; 0 where it has none."""
    grid = getattr(network, "grid", 0)
    return grid if isinstance(grid, int) else 0


D = TypeVar("D", bound=Design)


def nearest(designs: Sequence[D], parameters: int, inputs: int, outputs: int) -> D:
    """The design whose number of parameters is nearest, as a ratio."""
    return min(designs, key=lambda one: abs(math.log(one.parameters(inputs, outputs) / parameters)))


def _word(value: Any) -> str:
    return "[" + ",".join(map(str, value)) + "]" if isinstance(value, tuple) else str(value)
