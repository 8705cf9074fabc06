"""Fields elsewhere than where an equation holds: u(x + w), u(10, t), ∫ K(x, s) u(s) ds.

What a field is elsewhere is a function of the coordinates where the equation holds, so it stands there as a field of
its own does, u → f(x, t), under a name that says what it is. Jets of that name have the multi-index 0.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
import sympy

BOUND = "'"
"""Ends the name of a variable of integration, which no coordinate's name can end in."""


@dataclass(frozen=True)
class Filling:
    """Points that fill a domain of shapes, or a shape in it, in place of limits: ∫ f dx ≈ Σ_q ω_q f(x_q).

    Attributes:
        variables: Names of the coordinates that are integrated over.
        shape: The shape's name; empty for the domain.
        points: One for each weight, [Q, variables].
        weights: They add up to the volume.
    """

    variables: tuple[str, ...]
    shape: str
    points: np.ndarray = field(compare=False, repr=False)
    weights: np.ndarray = field(compare=False, repr=False)
    content: str = field(init=False, default="")

    def __post_init__(self) -> None:
        content = hashlib.sha256(self.points.tobytes() + self.weights.tobytes()).hexdigest()[:16]
        object.__setattr__(self, "content", content)

    @cached_property
    def volume(self) -> float:
        return float(self.weights.sum())


@dataclass(frozen=True)
class Span:
    """A variable of integration and the limits of it, in coordinates, or what is filled by it and others together."""

    variable: sympy.Symbol
    lower: sympy.Expr
    upper: sympy.Expr
    filling: Filling | None = None


class Remote(str):
    """The name of a value from elsewhere; equal names mean equal values, `parts` included."""

    parts: tuple[Any, ...]

    def __new__(cls, *parts: Any) -> Self:
        found = super().__new__(cls, f"{cls.__name__.lower()}{parts}")
        found.parts = parts
        return found

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Remote) and type(self) is type(other) and self.parts == other.parts

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((type(self), self.parts))

    def __reduce__(self) -> tuple[type[Self], tuple[Any, ...]]:
        return type(self), self.parts


class Placed(Remote):
    """∂_α u at a place: the jet, and the place as an expression for each coordinate."""

    @property
    def jet(self) -> tuple[str, tuple[int, ...]]:
        name, index = self.parts[0]
        return name, index

    @property
    def place(self) -> tuple[sympy.Expr, ...]:
        return (*self.parts[1],)


class Integrated(Remote):
    """∫ density over spans; the density is in coordinates, their variables and placed jets."""

    @property
    def density(self) -> sympy.Expr:
        return self.parts[0]

    @property
    def spans(self) -> tuple[Span, ...]:
        return (*self.parts[1],)


def variable_of(name: str) -> sympy.Symbol:
    """The variable of integration that a name stands for."""
    return sympy.Symbol(name + BOUND, real=True)
