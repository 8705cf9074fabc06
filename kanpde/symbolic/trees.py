"""A named network as a formula without gauge: constants that could stand in several places are moved to one.

    Sum = constant + Σ coefficient · factor
    factor = variable | function(Sum) | Sum · Sum | Sum ^ exponent

A factor's leading coefficient is pulled out, a log's too (log(a u) = log a + log u), an exp's constant becomes a
coefficient, exp(p log w + v) becomes w^p·exp(v), and a phase of sin is turned toward sin or cos.

A formula's numbers stand in a list in the order in which they are met, so that they can be refitted and recognized.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import sympy
import torch
from torch import Tensor

from kanpde.models.networks.edges import EdgeNetwork
from kanpde.models.univariate import EVEN, LIBRARY, ODD

QUARTER = 1e-3
"""How near to a quarter turn a phase is one."""


@dataclass(frozen=True)
class Variable:
    """The i-th coordinate."""

    i: int


@dataclass(frozen=True)
class Applied:
    """f(u), f in the library or cos."""

    name: str
    of: Sum


@dataclass(frozen=True)
class Product:
    """u·v."""

    left: Sum
    right: Sum


@dataclass(frozen=True)
class Power:
    """u^p."""

    of: Sum
    exponent: float


Factor = Variable | Applied | Product | Power


@dataclass(frozen=True)
class Sum:
    """constant + Σ coefficient·factor."""

    constant: float = 0.0
    terms: tuple[tuple[float, Factor], ...] = ()

    def scaled(self, a: float) -> Sum:
        return Sum(a * self.constant, tuple((a * c, t) for c, t in self.terms))

    def plus(self, other: Sum) -> Sum:
        """The sum of both, equal factors joined."""
        terms = dict[Factor, float]()
        for c, t in (*self.terms, *other.terms):
            terms[t] = terms.get(t, 0.0) + c
        return Sum(self.constant + other.constant, tuple((c, t) for t, c in terms.items()))

    def led(self) -> tuple[float, Sum]:
        """The leading coefficient, and the rest with coefficient one."""
        if not self.terms:
            return self.constant, Sum(1.0)
        a = self.terms[0][0]
        return (a, self.scaled(1 / a)) if a else (1.0, self)


def tree_of(network: EdgeNetwork, shift: float = 0.0, scale: float = 1.0) -> Sum:
    """shift + scale·network, every edge of which is named, in physical coordinates."""
    nodes = _inputs(network)
    for layer in network.layers:
        sums = [Sum() for _ in range(layer.nodes.received)]
        for (i, o), edge in sorted(layer.edges.items()):
            if edge.name is None:
                raise ValueError("a formula needs a name for every edge; a spline is left")
            a, b, c, d = (float(v) for v in edge.values)
            inner = nodes[i].scaled(b).plus(Sum(c))
            sums[o] = sums[o].plus(applied(edge.name, a, d, inner))
        S = layer.nodes.sums
        nodes = sums[:S] + [multiplied(sums[S + 2 * j], sums[S + 2 * j + 1]) for j in range(layer.nodes.products)]
    return nodes[0].scaled(scale).plus(Sum(shift))


def _inputs(network: EdgeNetwork) -> list[Sum]:
    """The scaled inputs in physical coordinates: 2(x - a)/(b - a) - 1."""
    lower, upper = network.inputs.lower.tolist(), network.inputs.upper.tolist()
    found = []
    for i, (a, b) in enumerate(zip(lower, upper, strict=True)):
        rate = 2 / (b - a)
        found.append(Sum(-rate * a - 1 if (a, b) != (-1.0, 1.0) else 0.0, ((rate, Variable(i)),)))
    return found


def multiplied(u: Sum, v: Sum) -> Sum:
    """u·v with both leading coefficients pulled out."""
    if not u.terms or not v.terms:
        return v.scaled(u.constant) if not u.terms else u.scaled(v.constant)
    (a, left), (b, right) = u.led(), v.led()
    return Sum(0.0, ((a * b, Product(left, right)),))


def applied(name: str, a: float, d: float, u: Sum) -> Sum:
    """a·f(u) + d without gauge."""
    if name == "x":
        return u.scaled(a).plus(Sum(d))
    if not u.terms:
        return Sum(d + a * float(LIBRARY[name](torch.tensor(u.constant, dtype=torch.float64))))
    power = LIBRARY[name].power
    if power is not None and name != "abs":
        return _powered(power, a, d, u)
    if name in _SPECIAL:
        return _SPECIAL[name](a, d, u)
    if u.terms[0][0] < 0 and (name in ODD or name in EVEN):
        a, u = (-a if name in ODD else a), u.scaled(-1)
    return Sum(d, ((a, Applied(name, u)),))


def _powered(p: float, a: float, d: float, u: Sum) -> Sum:
    lead, rest = u.led()
    if p != int(p) and lead < 0:
        lead, rest = -lead, rest.scaled(-1)
    return Sum(d, ((a * lead**p, Power(rest, float(p))),))


def _logarithm(a: float, d: float, u: Sum) -> Sum:
    lead, rest = u.led()
    if lead < 0:
        lead, rest = -lead, rest.scaled(-1)
    return Sum(d + a * math.log(lead), ((a, Applied("log", rest)),))


def _exponential(a: float, d: float, u: Sum) -> Sum:
    """exp(constant + Σ p log w + v) = C·Π w^p·exp(v)."""
    factors: list[Factor] = []
    rest = []
    for p, term in u.terms:
        if isinstance(term, Applied) and term.name == "log":
            factors.append(Power(term.of, p))
        else:
            rest.append((p, term))
    if rest:
        factors.append(Applied("exp", Sum(0.0, tuple(rest))))
    whole = factors[0]
    for factor in factors[1:]:
        whole = Product(Sum(0.0, ((1.0, whole),)), Sum(0.0, ((1.0, factor),)))
    return Sum(d, ((a * math.exp(u.constant), whole),))


def _wave(a: float, d: float, u: Sum) -> Sum:
    turns = round(u.constant / math.pi)
    phase, a = u.constant - turns * math.pi, a * (-1) ** turns
    u = Sum(phase, u.terms)
    if u.terms[0][0] < 0:
        u, a = u.scaled(-1), -a
    quarter = math.copysign(math.pi / 2, u.constant)
    if abs(u.constant - quarter) < QUARTER:  # sin(v ± π/2) = ±cos v
        return Sum(d, ((math.copysign(1, quarter) * a, Applied("cos", Sum(u.constant - quarter, u.terms))),))
    return Sum(d, ((a, Applied("sin", u)),))


_SPECIAL: dict[str, Callable[[float, float, Sum], Sum]] = {
    "log": _logarithm,
    "exp": _exponential,
    "sin": _wave,
}


def numbers(tree: Sum) -> list[float]:
    """All numbers of a formula, in the order in which it is read."""
    found = [tree.constant]
    for coefficient, factor in tree.terms:
        found += [coefficient, *_factor_numbers(factor)]
    return found


def _factor_numbers(factor: Factor) -> list[float]:
    match factor:
        case Applied(_, of):
            return numbers(of)
        case Product(left, right):
            return numbers(left) + numbers(right)
        case Power(of, exponent):
            return [exponent, *numbers(of)]
    return []


def values(tree: Sum, x: Tensor, own: Sequence[Tensor] | Tensor) -> Tensor:  # [n, d] -> [n]
    """The formula at points, with other numbers in place of its own."""
    return _sum_values(tree, x, iter(own))


def _sum_values(tree: Sum, x: Tensor, own: Iterator[Tensor]) -> Tensor:
    total = next(own) + torch.zeros_like(x[:, 0])
    for _, factor in tree.terms:
        coefficient = next(own)
        total = total + coefficient * _factor_values(factor, x, own)
    return total


def _factor_values(factor: Factor, x: Tensor, own: Iterator[Tensor]) -> Tensor:
    match factor:
        case Variable(i):
            return x[:, i]
        case Applied(name, of):
            u = _sum_values(of, x, own)
            return torch.cos(u) if name == "cos" else LIBRARY[name](u)
        case Product(left, right):
            u = _sum_values(left, x, own)
            return u * _sum_values(right, x, own)
        case Power(of, exponent):
            p = next(own)
            u = _sum_values(of, x, own)
            return u ** int(exponent) if exponent == int(exponent) else u**p


def expression(tree: Sum, own: Sequence[sympy.Expr], symbols: Sequence[sympy.Symbol]) -> sympy.Expr:
    """The formula in SymPy with these numbers."""
    return _sum_expression(tree, iter(own), symbols)


def _sum_expression(tree: Sum, own: Iterator[Tensor], symbols: Sequence[sympy.Symbol]) -> sympy.Expr:
    total = next(own)
    for _, factor in tree.terms:
        coefficient = next(own)
        total = total + coefficient * _factor_expression(factor, own, symbols)
    return total


def _factor_expression(factor: Factor, own: Iterator[Tensor], symbols: Sequence[sympy.Symbol]) -> sympy.Expr:
    match factor:
        case Variable(i):
            return symbols[i]
        case Applied(name, of):
            u = _sum_expression(of, own, symbols)
            return sympy.cos(u) if name == "cos" else LIBRARY[name].symbol(sympy, u)
        case Product(left, right):
            u = _sum_expression(left, own, symbols)
            return u * _sum_expression(right, own, symbols)
        case Power(of, _):
            p = next(own)
            return _sum_expression(of, own, symbols) ** p


def float_number(value: float, digits: int = 12) -> sympy.Expr:
    """A number as SymPy has it; a small fraction stays one."""
    near = Fraction(value).limit_denominator(12)
    if abs(float(near) - value) < 1e-12:
        return sympy.Rational(near.numerator, near.denominator)
    return sympy.Float(value, digits)


INVERSE: Mapping[str, Callable[[sympy.Expr], sympy.Expr]] = {
    "f": lambda e: e,
    "log f": sympy.exp,
    "f^2": sympy.sqrt,
    "1/f": lambda e: 1 / e,
    "logit f": lambda e: 1 / (1 + sympy.exp(-e)),
}
"""From what was fitted back to f."""

INVERSE_VALUES: Mapping[str, Callable[[Tensor], Tensor]] = {
    "f": lambda v: v,
    "log f": torch.exp,
    "f^2": torch.sqrt,
    "1/f": lambda v: 1 / v,
    "logit f": torch.sigmoid,
}
