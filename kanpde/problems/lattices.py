"""A stated lattice: sites, onsite energies, hoppings, what is drawn anew for each realization, what is measured.

    (Hψ)_n = V_n ψ_n + Σ_d ( t_d(n-d) e^{iφ} ψ_{n-d} + t_d(n) e^{-iφ} ψ_{n+d} )

The expressions stay as they were written; `SiteFunction` evaluates them at arrays of sites, parameters and draws.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Self

import numpy as np
import sympy
import torch

from kanpde.errors import InputError
from kanpde.problems.language import DRAWS, compile_expression

ENERGY = "E"
MEASURED = (
    "realization", "state", "energy", "ipr", "dimension", "gamma", "gamma_error", "gap_ratio", "size", "size_ipr",
    "size_gap_ratio", "density_energy", "density", "integrated", "site", "onsite", "shown", "shown_energy",
    "shown_state", "shown_residual", "shown_length", "shown_bound", "inverse_landscape", "label", "learned", "held_out",
)  # fmt: skip
"""Names of what is measured, which no parameter may have: they stand side by side in the archive."""

IRRATIONAL = {"golden": (5**0.5 - 1) / 2, "silver": 2**0.5 - 1}
"""Numbers by word, which a periodic chain of N sites takes as the fraction p/N next to them."""


@dataclass(frozen=True)
class Hopping:
    """Amplitudes of the bonds n → n + d, one for each pair of sites; the other direction has the complex conjugate."""

    displacements: tuple[tuple[int, ...], ...]
    amplitude: sympy.Expr


@dataclass(frozen=True)
class Parameter:
    """A range from which each realization draws, or both ends of it one value; averaged ones are no axis of plots."""

    low: float
    high: float
    average: bool = False
    irrational: bool = False

    @classmethod
    def fixed(cls, value: float, irrational: bool = False) -> Self:
        return cls(value, value, irrational=irrational)

    @property
    def value(self) -> float:
        """The value, or the middle of the range."""
        return self.low if self.low == self.high else (self.low + self.high) / 2

    @property
    def drawn(self) -> bool:
        return self.low < self.high

    def described(self) -> str:
        """The value, or where it is drawn from."""
        if not self.drawn:
            return f"{self.value:.12g}"
        return f"drawn from [{self.low:g}, {self.high:g}]{', averaged over' if self.average else ''}"


@dataclass(frozen=True)
class Measures:
    """What is measured.

    realizations: Draws of parameters and disorder.
    states: How many next to the energy `near`; None is all of them.
    near: Where, if not all.
    lyapunov: Steps of the transfer matrices at each state's energy; 0 leaves them out.
    moments: Of the kernel polynomial method for the density of states; 0 leaves it out.
    sizes: Linear sizes at which the spectra are found too, for D₂ and for curves of several sizes.
    landscape: Whether to solve H u = 1, shifted to be positive.
    """

    realizations: int = 20
    states: int | None = None
    near: float = 0.0
    lyapunov: int = 0
    moments: int = 0
    sizes: tuple[int, ...] = ()
    landscape: bool = False


@dataclass(frozen=True)
class EdgeQuestion:
    """A mobility edge to learn: E and the drawn parameters → localized (1) or extended (0).

    label: `lyapunov`, γ over the threshold, or `dimension`, D under it.
    threshold: Where the label changes.
    states: How many of each realization's states are taken, at random.
    terms: Of which a formula Σ c_k term_k is made where the network's edges have no names.
    functions: For an input what its edges are, by hand: into the sum, and into the product if that differs.
    """

    label: Literal["lyapunov", "dimension"]
    threshold: float
    states: int
    terms: tuple[str, ...]
    functions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def site_names(dimension: int) -> tuple[str, ...]:
    """n on chains, n1 n2 n3 beyond."""
    return ("n",) if dimension == 1 else tuple(f"n{axis}" for axis in range(1, dimension + 1))


def draws_of(expr: sympy.Expr) -> list[sympy.Expr]:
    """The random numbers that occur in an expression, in the order of the text."""
    return sorted(expr.atoms(*DRAWS.values()), key=lambda node: int(node.args[-1]))


class SiteFunction:
    """An expression as a function of arrays: site indices, parameters, r, axis and E by name, and draws.

    >>> n, lam = sympy.symbols("n lam", real=True)
    >>> SiteFunction(lam * n)({"n": np.arange(3), "lam": 2.0})
    array([0., 2., 4.])
    """

    def __init__(self, expr: sympy.Expr):
        self.draws = draws_of(expr)
        numbers = [sympy.Symbol(f"draw_{place}", real=True) for place in range(len(self.draws))]
        inner = [dict(zip(self.draws[:place], numbers, strict=False)) for place in range(len(self.draws))]
        replaced = {node: _spread(node.xreplace(known), number)
                    for node, known, number in zip(self.draws, inner, numbers, strict=True)}  # fmt: skip
        expr = expr.xreplace(replaced)
        self.columns = tuple(sorted({s.name for s in expr.free_symbols}))
        self.formula = compile_expression(expr, self.columns)

    def depends_on(self, *names: str) -> bool:
        """Whether any of these names occurs, or a random number does where `draws` is among them."""
        return any(name in self.columns for name in names) or ("draws" in names and bool(self.draws))

    def __call__(self, values: Mapping[str, np.ndarray | float], rng: np.random.Generator | None = None) -> np.ndarray:
        """Evaluate at arrays that broadcast together; random numbers are drawn for each entry."""
        needed = {name: np.asarray(values[name], float) for name in self.columns if not name.startswith("draw_")}
        shape = np.broadcast_shapes(*(np.shape(v) for v in values.values()))
        for place, node in enumerate(self.draws):
            if rng is None:
                raise ValueError("A formula with random numbers needs a generator; none came.")
            kind = rng.random if type(node) is DRAWS["uniform"] else rng.standard_normal
            needed[f"draw_{place}"] = kind(shape)
        if not needed:
            return np.broadcast_to(self.formula(torch.zeros(1, 0, dtype=torch.float64)).numpy()[0], shape)
        arrays = [np.broadcast_to(needed[name], shape).ravel() for name in self.columns]
        points = torch.from_numpy(np.stack(arrays, axis=1))
        return self.formula(points).numpy().reshape(shape)


def _spread(node: sympy.Expr, number: sympy.Symbol) -> sympy.Expr:
    """A standard draw brought to its range, or to its mean and deviation."""
    first, second = node.args[:2]
    return first + (second - first) * number if type(node) is DRAWS["uniform"] else first + second * number


def approximant(value: float, sites: int, where: str) -> float:
    """The fraction p/N next to an irrational number, so that a ring of N sites closes.

    >>> approximant(IRRATIONAL["golden"], 610, "b") == 377 / 610
    True

    Raises:
        InputError: p and N have a common factor, so the ring would repeat a smaller one.
    """
    p = round(value * sites)
    if (common := math.gcd(p, sites)) > 1:
        good = [n for n in (144, 233, 377, 610, 987, 1597, 2584) if n != sites]
        raise InputError(
            f"{where} needs a fraction p/N in lowest terms on a ring of N sites; {p}/{sites} has the common factor "
            f"{common}. Take Fibonacci numbers of sites, e.g. {good[2]} or {good[3]}, or ends: open."
        )
    return p / sites
