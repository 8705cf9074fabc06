"""The library of functions that an edge can be named after: a·f(bx + c) + d. A new one is one row.

A row says what f is for torch (as a Taylor series, so that all its derivatives follow) and for SymPy, how complex it
counts, which of a, b, c, d are free (the others would say the same twice), and where a search for b and c starts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from torch import Tensor

from kanpde.errors import InputError
from kanpde.models.bases.activations import Activation
from kanpde.models.taylor import TaylorSeries

A, B, C, D = range(4)
"""Places of a, b, c, d among an edge's constants."""


@dataclass(frozen=True)
class Univariate:
    """One function of the library.

    Args:
        name: As settings and archives write it.
        series: f for torch, from the Taylor series of its argument.
        symbol: f for SymPy, from the module and the argument.
        complexity: What it costs against others that fit as well.
        family: Where its constants are looked for: line, power, ray, exponential, wave, branch, arc, hump, bell.
        power: p where |s|^p f(u) = f(|s| u), so that b is no constant of its own.
    """

    name: str
    series: Callable[[TaylorSeries], TaylorSeries]
    symbol: Callable[[Any, Any], Any]
    complexity: int
    family: str
    power: float | None = None

    @property
    def free(self) -> tuple[int, ...]:
        """Which of a, b, c, d say something that the others do not."""
        if self.name == "x":
            return (A, D)
        if self.power is not None or self.name == "log":
            return (A, C, D)
        return (A, B, D) if self.family == "exponential" else (A, B, C, D)

    def __call__(self, u: Tensor) -> Tensor:
        """f(u); not a number where it is not defined."""
        return self.series(TaylorSeries([u])).c[0]

    def rows(self, u: Tensor, order: int) -> list[Tensor]:
        """f, f', …, f^(order) at u."""
        return self.series(TaylorSeries.variable(u, order)).derivatives()


def _sinc_square(u: TaylorSeries) -> TaylorSeries:
    quotient = u.sin() / u
    return quotient * quotient


ROWS = (
    Univariate("x", lambda u: u, lambda S, u: u, 1, "line", 1),
    Univariate("x^2", lambda u: u * u, lambda S, u: u**2, 2, "power", 2),
    Univariate("x^3", lambda u: u * u * u, lambda S, u: u**3, 3, "power", 3),
    Univariate("x^4", lambda u: (u * u) * (u * u), lambda S, u: u**4, 4, "power", 4),
    Univariate("1/x", lambda u: 1.0 / u, lambda S, u: 1 / u, 2, "ray", -1),
    Univariate("1/x^2", lambda u: 1.0 / (u * u), lambda S, u: 1 / u**2, 3, "ray", -2),
    Univariate("sqrt", lambda u: u.power(0.5), lambda S, u: S.sqrt(u), 2, "ray", 0.5),
    Univariate("1/sqrt", lambda u: u.power(-0.5), lambda S, u: 1 / S.sqrt(u), 3, "ray", -0.5),
    Univariate("exp", TaylorSeries.exp, lambda S, u: S.exp(u), 2, "exponential"),
    Univariate("log", TaylorSeries.log, lambda S, u: S.log(u), 2, "ray"),
    Univariate("sin", TaylorSeries.sin, lambda S, u: S.sin(u), 3, "wave"),
    Univariate("tan", TaylorSeries.tan, lambda S, u: S.tan(u), 3, "branch"),
    Univariate("tanh", TaylorSeries.tanh, lambda S, u: S.tanh(u), 3, "bell"),
    Univariate("sigmoid", TaylorSeries.sigmoid, lambda S, u: 1 / (1 + S.exp(-u)), 5, "bell"),
    Univariate("atanh", TaylorSeries.atanh, lambda S, u: S.atanh(u), 4, "arc"),
    Univariate("asin", TaylorSeries.asin, lambda S, u: S.asin(u), 4, "arc"),
    Univariate("atan", TaylorSeries.atan, lambda S, u: S.atan(u), 4, "bell"),
    Univariate("gauss", lambda u: (-(u * u)).exp(), lambda S, u: S.exp(-(u**2)), 4, "bell"),
    Univariate("cosh", TaylorSeries.cosh, lambda S, u: S.cosh(u), 3, "bell"),
    Univariate("sech", lambda u: 1.0 / u.cosh(), lambda S, u: 1 / S.cosh(u), 4, "bell"),
    Univariate("logsin", lambda u: u.sin().log(), lambda S, u: S.log(S.sin(u)), 6, "hump"),
    Univariate("logcosh", lambda u: u.cosh().log(), lambda S, u: S.log(S.cosh(u)), 6, "bell"),
    Univariate("1/sqrt(1-x^2)", lambda u: (1.0 - u * u).power(-0.5), lambda S, u: 1 / S.sqrt(1 - u**2), 5, "arc"),
    Univariate("sqrt(1-x^2)", lambda u: (1.0 - u * u).power(0.5), lambda S, u: S.sqrt(1 - u**2), 4, "arc"),
    Univariate("1/(1+x^2)", lambda u: 1.0 / (1.0 + u * u), lambda S, u: 1 / (1 + u**2), 4, "bell"),
    Univariate("sinc^2", _sinc_square, lambda S, u: (S.sin(u) / u) ** 2, 6, "bell"),
    Univariate("abs", TaylorSeries.abs, lambda S, u: S.Abs(u), 3, "power", 1),
)
LIBRARY = {row.name: row for row in ROWS}

EVEN = ("x^2", "x^4", "1/x^2", "abs", "gauss", "cosh", "sech", "logcosh", "1/sqrt(1-x^2)", "sqrt(1-x^2)",
        "1/(1+x^2)", "sinc^2")  # fmt: skip
ODD = ("x", "x^3", "1/x", "tan", "tanh", "atanh", "asin", "atan", "sin")


def library_row(name: str) -> Univariate:
    """Look a function up.

    Raises:
        InputError: The library does not have it.
    """
    if name not in LIBRARY:
        raise InputError(
            f"An edge needs a function of the library; {name!r} came. It has {', '.join(LIBRARY)}."
        )
    return LIBRARY[name]


@lru_cache
def _activation(name: str) -> type[Activation]:
    row = LIBRARY[name]
    return type(f"Named{row.name}", (Activation,), {"rows": lambda self, x, order: row.rows(x, order)})


def named_features(name: str, inputs: int) -> Activation:
    """f as a feature map: its derivatives can be differentiated further."""
    return _activation(name)(inputs)
