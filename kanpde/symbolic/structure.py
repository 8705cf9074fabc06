"""What a function's derivatives say about its form, from exact jets of a network that is accurate.

    a(x) + b(y)            f_xy = 0
    A(x)·B(y) + c          (f - c) f_xy = f_x f_y
    g(a(x) + b(y))         ∂x∂y log(f_x/f_y) = 0
    a(x) + b(y) + A(x)·B(y)    g g_xy = g_x g_y for g = f_xy; the same for log f, f², 1/f, log f/(1 - f)
    h(s(x, y), z)          ∂z(f_x/f_y) = 0
    h(x² + y²)             y f_x = x f_y            h(xy)       x f_x = y f_y
    h(x/y)                 x f_x = -y f_y           h(αx + βy)  β f_x = α f_y

Each is measured as the median of |left - right| over the median of the sum of the terms' sizes, so that it is 0 where
it holds and of order one where it does not. Coordinates are scaled to half their ranges before they are compared. Where
all terms vanish, as in ∂x∂y log(f_x/f_y) of xy, a small share of what they are made of stands below them (`FLOOR`), so
that rounding is not compared with rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import combinations

import torch
from torch import Tensor

from kanpde.models.jets import IndexSet, MultiIndex, closure, composed
from kanpde.models.networks import KAN
from kanpde.models.taylor import TaylorSeries
from kanpde.symbolic.samples import Samples, outers
from kanpde.symbolic.surrogates import refined

HOLDS, FAILS = 1e-3, 3e-2
"""A relation holds below the first figure and does not above the second; between them it is left open."""
ACCURATE = 1e-3
"""Held-out error of the stand-in above which nothing is said."""
GOOD = 1e-5
"""Held-out error above which log f and f² are tried too."""
ENOUGH = 1e-7
"""Held-out error at which the stand-in is not refined further."""
POINTS = 1500
FLOOR = 1e-2

Jets = Callable[[Tensor, IndexSet], Tensor]
"""Points [n, d] and multi-indices -> derivatives of one field [n, s]."""


class Kind(StrEnum):
    """What a relation says."""

    CONSTANT = "does not depend on"
    ADDITIVE = "sum"
    PRODUCT = "product"
    FUNCTION_OF_SUM = "function of a sum"
    SUM_AND_PRODUCT = "sum and product"
    INNER = "inner function"
    COMBINATION = "combination"
    SYMMETRY = "symmetry"


@dataclass(frozen=True)
class Relation:
    """One relation tested.

    kind: What it says.
    text: It as a formula.
    inputs: Places of the coordinates that it is about.
    figure: How far it is from holding; 0 where it holds.
    outer: What is spoken of in place of f.
    """

    kind: Kind
    text: str
    inputs: tuple[int, ...]
    figure: float
    outer: str = "f"

    @property
    def verdict(self) -> bool | None:
        """Whether it holds; None where that is open."""
        return True if self.figure <= HOLDS else False if self.figure >= FAILS else None

    def __str__(self) -> str:
        word = {True: "holds", False: "does not hold", None: "open"}[self.verdict]
        return f"{self.text:34} {word:14} {self.figure:.1e}"


@dataclass(frozen=True)
class Structure:
    """All relations tested, and the held-out error of what was differentiated, relative to the spread of f."""

    relations: tuple[Relation, ...] = field(default=())
    error: float = 0.0

    @property
    def reliable(self) -> bool:
        """Whether derivatives of what was differentiated say anything."""
        return self.error <= ACCURATE

    @property
    def true(self) -> list[Relation]:
        """What holds."""
        return [relation for relation in self.relations if relation.verdict is True] if self.reliable else []

    def lines(self) -> list[str]:
        """For people."""
        if not self.reliable:
            return [f"Structure: nothing can be said at a held-out error of {self.error:.1e}."]
        first = f"Structure, from derivatives of a function with held-out error {self.error:.1e}:"
        return [first, *(f"  {relation}" for relation in self.relations)]

    def holds(self, kind: Kind, inputs: Sequence[int] | None = None, outer: str = "f") -> bool | None:
        """Whether a relation of a kind holds; None where it is open or was not tested."""
        for relation in self.relations if self.reliable else ():
            same = relation.kind is kind and relation.outer == outer
            if same and (inputs is None or relation.inputs == tuple(inputs)):
                return relation.verdict
        return None


def structure_of(jets: Jets, x: Tensor, names: Sequence[str], error: float = 0.0) -> Structure:
    """Test all relations on a function.

    Args:
        jets: Its derivatives.
        x: Points inside its domain, [n, d].
        names: Of the coordinates.
        error: Held-out error of the function, relative to its spread.
    """
    return Structure(tuple(_Tests(jets, x, names).relations()), error)


def structure_of_samples(samples: Samples, names: Sequence[str], seed: int = 0) -> Structure:
    """Test all relations on a table's values, by a KAN fitted to them, or to log f or f² where those are easier."""
    tried = []
    for outer in ("f", "log f", "f^2"):
        if outer != "f" and float(torch.cat([samples.y, samples.held_y]).min()) <= 0:
            break
        own = samples.under(outer)
        tried.append((*stand_in(own, seed), own))
        if tried[-1][1] <= GOOD:
            break
    network, error, own = min(tried, key=lambda entry: entry[1])
    if error > ACCURATE:
        return Structure(error=error)
    return structure_of(_jets_through(network, own), own.held_x, names, error)


def _jets_through(network: KAN, own: Samples) -> Jets:
    """Derivatives of f from those of a network fitted to h(f)."""

    def jets(x: Tensor, indices: IndexSet) -> Tensor:
        with torch.no_grad():
            bundle = own.scale * network.jet(x, indices)[:, :, 0]
        bundle[:, 0] += own.shift
        return _through(_INVERSES[own.outer], bundle, indices)

    return jets


def _through(
    series: Callable[[TaylorSeries], TaylorSeries], bundle: Tensor, indices: IndexSet
) -> Tensor:  # [n, s] -> [n, s]
    """The jet of h(f) from that of f."""
    order = max(sum(index) for index in indices)
    rows = [row[:, None] for row in series(TaylorSeries.variable(bundle[:, 0], order)).derivatives()]
    return composed(bundle[..., None], rows, indices)[..., 0]


def stand_in(own: Samples, seed: int = 0, width: int = 8, degree: int = 7) -> tuple[KAN, float]:
    """A [d, 8, 1] KAN of degree 7 fitted to standardized samples, and its held-out error; the best of its grids.

    Half of what is held out is fitted as well: nothing but derivatives is read off it.
    """
    half = len(own.held_x) // 2
    x, y = torch.cat([own.x, own.held_x[:half]]), torch.cat([own.y, own.held_y[:half]])

    def build(generator: torch.Generator) -> KAN:
        widths = [x.shape[1], width, 1]
        return KAN(widths, 2, degree, lower=own.lower, upper=own.upper, dtype=torch.float64, generator=generator)

    tried = []
    for network in refined(build, lambda size: (x, y), (2, 4, 8), seed, steps=(12, 20)):
        with torch.no_grad():
            error = float((network(own.held_x[half:])[:, 0] - own.held_y[half:]).abs().quantile(0.8))
        tried.append((network, error))
        if error < ENOUGH:
            break
    return min(tried, key=lambda entry: entry[1])


class _Tests:
    """The derivatives at points, and all relations between them."""

    def __init__(self, jets: Jets, x: Tensor, names: Sequence[str]):
        x = x[:POINTS]
        self.jets, self.x, self.names, self.count = jets, x, names, x.shape[1]
        self.low, self.high = x.min(0).values, x.max(0).values
        self.half = ((self.high - self.low) / 2).clamp(min=1e-300)
        wanted = [self._index((i, 2), (j, 2)) for i, j in combinations(range(self.count), 2)]
        wanted += [self._index((i, 1), (j, 1), (k, 1)) for i, j, k in combinations(range(self.count), 3)]
        self.indices = closure(wanted or [(1,)], self.count)
        bundle = jets(x, self.indices)
        scale = torch.stack([math.prod(h**n for h, n in zip(self.half, a, strict=True)) * torch.ones(()).to(x)
                             for a in self.indices])  # fmt: skip
        self.bundle = bundle * scale
        self.f = dict(zip(self.indices, self.bundle.unbind(1), strict=True))

    def _index(self, *orders: tuple[int, int]) -> MultiIndex:
        own = dict(orders)
        return tuple(own.get(axis, 0) for axis in range(self.count))

    def at(self, *orders: tuple[int, int]) -> Tensor:
        """∂ of f, as ((axis, order), …)."""
        return self.f[self._index(*orders)]

    def relations(self) -> Iterator[Relation]:
        """All of them."""
        spread = float((self.at() - self.at().mean()).abs().median()) or 1.0
        present = []
        for i in range(self.count):
            figure = float(self.at((i, 1)).abs().median()) / spread
            absent = Relation(Kind.CONSTANT, f"no {self.names[i]}", (i,), figure)
            yield absent
            if not absent.verdict:
                present.append(i)
                yield from self._reflections(i)
        for i, j in combinations(present, 2):
            yield from self._pair(i, j)
            yield from self._combinations(i, j)
            yield from self._exchange(i, j)
            yield from (self._inner(i, j, k) for k in present if k not in (i, j))

    def _pair(self, i: int, j: int) -> Iterator[Relation]:
        x, y = self.names[i], self.names[j]
        f, fx, fy, fxy = self.at(), self.at((i, 1)), self.at((j, 1)), self.at((i, 1), (j, 1))
        fxx, fyy = self.at((i, 2)), self.at((j, 2))
        size = fx.abs() + fy.abs() + fxx.abs() + fyy.abs()
        additive = _ratio(fxy, size)
        yield Relation(Kind.ADDITIVE, f"a({x}) + b({y})", (i, j), additive)
        c = self._offset(f, fx, fy, fxy)
        product = _difference((f - c) * fxy, fx * fy)
        yield Relation(Kind.PRODUCT, f"A({x})·B({y}) + c", (i, j), product)
        fxxy, fxyy = self.at((i, 2), (j, 1)), self.at((i, 1), (j, 2))
        terms = (fy**2 * fxxy * fx, -(fy**2) * fxy * fxx, -(fx**2) * fxyy * fy, fx**2 * fyy * fxy)
        # sums, products and what they combine to are functions of sums: of fewer derivatives, they say so better
        combined = (relation.figure for relation in self._combinations(i, j))
        figure = min(additive, product, *combined, _balance(*terms, floor=(fx * fy) ** 2))
        yield Relation(Kind.FUNCTION_OF_SUM, f"g(a({x}) + b({y}))", (i, j), figure)
        for outer, bundle in self._outers():
            g = dict(zip(self.indices, bundle.unbind(1), strict=True))
            one, two = g[self._index((i, 1), (j, 1))], g[self._index((i, 2), (j, 2))]
            left, right = g[self._index((i, 2), (j, 1))], g[self._index((i, 1), (j, 2))]
            text = f"{outer} = a({x}) + b({y}) + A({x})·B({y})"
            floor = one**2 + (FLOOR * (g[self._index((i, 1))].abs() + g[self._index((j, 1))].abs())) ** 2
            figure = _balance(one * two, -left * right, floor=floor)
            figure = min(figure, additive, product) if outer == "f" else figure
            yield Relation(Kind.SUM_AND_PRODUCT, text, (i, j), figure, outer)

    def _offset(self, f: Tensor, fx: Tensor, fy: Tensor, fxy: Tensor) -> Tensor:
        """c of (f - c) f_xy = f_x f_y, the median of f - f_x f_y/f_xy over the points where f_xy is large."""
        own = fxy.abs() >= fxy.abs().median()
        return (f - fx * fy / fxy)[own & (fxy != 0)].median() if bool((fxy != 0).any()) else f.new_zeros(())

    def _outers(self) -> Iterator[tuple[str, Tensor]]:
        """f, and where its values allow log f, f², 1/f, log f/(1 - f): their jets."""
        yield "f", self.bundle
        for name in outers(self.at()):
            yield name, _through(_OUTER_SERIES[name], self.bundle, self.indices)

    def _inner(self, i: int, j: int, k: int) -> Relation:
        """∂k(f_i/f_j) = 0."""
        fi, fj = self.at((i, 1)), self.at((j, 1))
        terms = self.at((i, 1), (k, 1)) * fj, -fi * self.at((j, 1), (k, 1))
        figure = _balance(*terms, floor=fi * fj)
        x, y, z = self.names[i], self.names[j], self.names[k]
        return Relation(Kind.INNER, f"h(s({x}, {y}), {z})", (i, j, k), figure)

    def _combinations(self, i: int, j: int) -> Iterator[Relation]:
        x, y = self.names[i], self.names[j]
        u, v = self.x[:, i], self.x[:, j]
        fx, fy = self.at((i, 1)) / self.half[i], self.at((j, 1)) / self.half[j]
        for text, left, right in (
            (f"h({x}² + {y}²)", v * fx, u * fy), (f"h({x}² - {y}²)", v * fx, -u * fy), (f"h({x}·{y})", u * fx, v * fy),
            (f"h({x}/{y})", u * fx, -v * fy),
        ):  # fmt: skip
            yield Relation(Kind.COMBINATION, text, (i, j), _difference(left, right))
        gradient = torch.stack([self.at((i, 1)), self.at((j, 1))], dim=1)
        alpha, beta = torch.linalg.eigh(gradient.mT @ gradient)[1][:, -1]
        figure = _difference(beta * gradient[:, 0], alpha * gradient[:, 1])
        along = _line(float(alpha / self.half[i]), float(beta / self.half[j]), x, y)
        # a gradient along an axis says that the other coordinate is not there
        figure = figure if min(abs(float(alpha)), abs(float(beta))) > HOLDS else 1.0
        yield Relation(Kind.COMBINATION, f"h({along})", (i, j), figure)

    def _reflections(self, i: int) -> Iterator[Relation]:
        """f(-x) = ±f(x), where -x is in the range."""
        size = torch.minimum(self.high[i], -self.low[i])
        if float(size) < 0.5 * float(self.half[i]):
            return
        at = self.x[self.x[:, i].abs() <= size]
        other = at.clone()
        other[:, i] = -other[:, i]
        f, g, x = self._values(at), self._values(other), self.names[i]
        spread, total = 2 * (f - f.median()).abs(), f + g
        yield Relation(Kind.SYMMETRY, f"even in {x}", (i,), _ratio(f - g, spread))
        # up to a constant, as values may be standardized
        yield Relation(Kind.SYMMETRY, f"odd in {x}, up to a constant", (i,), _ratio(total - total.median(), spread))

    def _exchange(self, i: int, j: int) -> Iterator[Relation]:
        """f(x, y) = f(y, x), where both ranges overlap."""
        low, high = torch.maximum(self.low[i], self.low[j]), torch.minimum(self.high[i], self.high[j])
        at = self.x[((self.x[:, [i, j]] >= low) & (self.x[:, [i, j]] <= high)).all(1)]
        if len(at) < 50:
            return
        other = at.clone()
        other[:, [i, j]] = other[:, [j, i]]
        f, g = self._values(at), self._values(other)
        text = f"same for {self.names[i]} and {self.names[j]} exchanged"
        yield Relation(Kind.SYMMETRY, text, (i, j), _ratio(f - g, 2 * (f - f.median()).abs()))

    def _values(self, x: Tensor) -> Tensor:
        return self.jets(x, ((0,) * self.count,))[:, 0]


_OUTER_SERIES: dict[str, Callable[[TaylorSeries], TaylorSeries]] = {
    "log f": TaylorSeries.log, "f^2": lambda f: f * f, "1/f": lambda f: 1.0 / f,
    "logit f": lambda f: f.log() - (1.0 - f).log(),
}  # fmt: skip
_INVERSES = {"f": lambda g: g, "log f": TaylorSeries.exp, "f^2": lambda g: g.power(0.5)}


def _ratio(difference: Tensor, size: Tensor) -> float:
    return float(difference.abs().median() / size.median().clamp(min=1e-300))


def _difference(left: Tensor, right: Tensor) -> float:
    return _ratio(left - right, left.abs() + right.abs())


def _balance(*terms: Tensor, floor: Tensor) -> float:
    """The sum of terms against their sizes and a share of `floor`."""
    together = torch.stack(terms)
    return _ratio(together.sum(0), together.abs().sum(0) + FLOOR * floor.abs())


def _line(alpha: float, beta: float, x: str, y: str) -> str:
    """x + β/α·y, with the larger factor one."""
    if abs(alpha) >= abs(beta):
        return f"{x} {'+' if alpha * beta >= 0 else '-'} {abs(beta / alpha):.4g}·{y}"
    return f"{abs(alpha / beta):.4g}·{x} {'+' if alpha * beta >= 0 else '-'} {y}"
