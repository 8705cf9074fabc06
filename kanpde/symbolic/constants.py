"""Numbers of a formula that are something: integers, fractions, multiples of π, 1/π, √2, √3, 1/√2π, e.

The nearest to a simple one is set first; where the error rises the rest is refitted, and where it still does the number
stays as it was found. No number is guessed by itself: the data decide.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import sympy
import torch
from torch import Tensor

from kanpde.symbolic.trees import Sum, float_number, numbers, values

BASES = (
    (1.0, 0, sympy.Integer(1)),
    (math.pi, 2, sympy.pi),
    (1 / math.pi, 3, 1 / sympy.pi),
    (math.sqrt(2), 3, sympy.sqrt(2)),
    (math.sqrt(3), 4, sympy.sqrt(3)),
    (1 / math.sqrt(2 * math.pi), 4, 1 / sympy.sqrt(2 * sympy.pi)),
    (math.log(2), 5, sympy.log(2)),
    (math.e, 4, sympy.E),
)
LARGEST_DENOMINATOR = 24
MOST_SLACK = 1e-4
"""How far from a simple number one may be because of a solver's error."""
EXACT, CLEAN = 1e-6, 1e-4
"""Relative errors below which a formula is right but for rounding, and data are without noise but for a solver's."""


@dataclass(frozen=True)
class Known:
    """A simple number near another: what it costs, its value, and SymPy's name for it."""

    cost: float
    value: float
    symbol: sympy.Expr


def recognized(value: float, tolerance: float) -> Known | None:
    """The simplest number within a tolerance relative to max(1, |value|); None if there is none.

    >>> recognized(1.5707963, 1e-6).symbol, recognized(0.3333333, 1e-6).symbol, recognized(0.123456, 1e-6)
    (pi/2, 1/3, None)
    """
    found = []
    for base, cost, symbol in BASES:
        near = Fraction(value / base).limit_denominator(LARGEST_DENOMINATOR)
        close = abs(float(near) * base - value) <= tolerance * max(1.0, abs(value))
        if close and (near != 0 or base == 1.0):
            own = cost + math.log2(1 + abs(near.numerator)) + 2 * math.log2(near.denominator)
            found.append(Known(own, float(near) * base, sympy.Rational(near.numerator, near.denominator) * symbol))
    return min(found, key=lambda known: known.cost, default=None)


@dataclass(frozen=True, eq=False)
class Rounded:
    """A formula's numbers after rounding: as SymPy has them, as floats, and how many were not recognized."""

    symbols: tuple[sympy.Expr, ...]
    floats: Tensor
    unknown: int
    error: float


class _Numbers:
    """The numbers of one formula against data: refitted, measured."""

    def __init__(self, tree: Sum, x: Tensor, y: Tensor, held_x: Tensor, held_y: Tensor):
        self.tree, self.x, self.y, self.held_x, self.held_y = tree, x, y, held_x, held_y
        self.at = torch.tensor(numbers(tree), dtype=torch.float64)
        self.spread = float(held_y.std()) or 1.0

    def error(self) -> float:
        with torch.no_grad():
            rest = values(self.tree, self.held_x, self.at) - self.held_y
        figure = float(rest.square().mean().sqrt()) / self.spread
        return figure if math.isfinite(figure) else math.inf

    def _residual(self, places: Tensor, part: Tensor) -> Tensor:  # -> [n]
        with torch.no_grad():
            return (values(self.tree, self.x, self.at.index_put((places,), part)) - self.y) / self.spread

    def _linearized(self, places: Tensor, part: Tensor) -> tuple[Tensor, Tensor]:  # -> [n], [n, p]
        """Each point has its own copy of the numbers, so that one backward pass gives all rows."""
        own = part.expand(len(self.x), -1).clone().requires_grad_()
        whole = [self.at[k].expand(len(self.x)) for k in range(len(self.at))]
        for column, k in enumerate(places.tolist()):
            whole[k] = own[:, column]
        r = (values(self.tree, self.x, whole) - self.y) / self.spread
        return r.detach(), torch.autograd.grad(r.sum(), own)[0]

    def refit(self, free: Sequence[int], steps: int = 8) -> None:
        """Damped Gauss–Newton in some of the numbers."""
        if not free:
            return
        places = torch.tensor(free)
        at, damping = self.at[places], 1e-8
        best = self._residual(places, at).square().sum()
        for _ in range(steps):
            r, J = self._linearized(places, at)
            if not bool(J.isfinite().all()):
                return
            scale = J.norm(dim=0).clamp(min=1e-12)
            rows = torch.cat([J / scale, math.sqrt(damping) * torch.eye(len(at), dtype=J.dtype)])
            step = torch.linalg.lstsq(rows, torch.cat([r, torch.zeros_like(at)])[:, None]).solution[:, 0]
            loss = self._residual(places, at - step / scale).square().sum()
            if loss < best:
                gain, at, best, damping = float(1 - loss / best), at - step / scale, loss, damping / 10
                if gain < 1e-3:
                    break
            else:
                damping *= 10
        self.at = self.at.index_put((places,), at)

    def settle(self, free: Sequence[int]) -> None:
        """Refit for longer, unless the held-out error rises."""
        kept, before = self.at, self.error()
        self.refit(free, 20)
        if not self.error() <= before:
            self.at = kept

    def deviations(self, free: Sequence[int]) -> dict[int, float]:
        """Standard deviation of each free number, from what is left of the data."""
        places = torch.tensor(free)
        at = self.at[places]
        r, J = self._linearized(places, at)
        scale = J.norm(dim=0).clamp(min=1e-12)
        variance = float(r.square().sum()) / max(len(r) - len(at), 1)
        inverse = torch.linalg.pinv((J / scale).mT @ (J / scale), hermitian=True)
        found = (variance * inverse.diagonal().clamp(min=0)).sqrt() / scale
        return dict(zip(free, found.tolist(), strict=True))


def recognized_logarithm(value: float, tolerance: float) -> Known | None:
    """log of a simple number, where exp(value) is one.

    >>> recognized_logarithm(math.log(1 / math.sqrt(2 * math.pi)), 1e-9).symbol
    log(sqrt(2)/(2*sqrt(pi)))
    """
    known = recognized(math.exp(value), tolerance) if abs(value) < 50 else None
    if known is None or known.value <= 0:
        return None
    return Known(known.cost + 1, math.log(known.value), sympy.log(known.symbol))


def rounded(
    tree: Sum,
    x: Tensor,
    y: Tensor,
    held_x: Tensor,
    held_y: Tensor,
    tolerance: float = 1e-6,
    logarithm: bool = False,
    doubt: float = 0.0,
) -> Rounded:
    """Recognize what can be recognized; y is what the tree stands for, not standardized.

    `logarithm` says that the tree stands for log f, so that its constant may be the log of something simple; `doubt` is
    the relative error of the values themselves, by which numbers may be off as well.
    """
    own = _Numbers(tree, x, y, held_x, held_y)
    start = own.at.tolist()
    free = [k for k, value in enumerate(start) if value not in (0.0, 1.0)]
    exact: dict[int, sympy.Expr] = {k: sympy.Integer(int(v)) for k, v in enumerate(start) if k not in free}
    own.settle(free)
    before = own.error()
    limit = max(20 * before, 1e-11) if before < EXACT else (3 if before < CLEAN else 1.02) * before
    limit, tolerance = max(limit, 3 * doubt), max(tolerance, min(10 * doubt, MOST_SLACK))
    slack = _slack(own, free, before, tolerance)
    left = list(free)
    while left:
        near = {k: known for k in left if (known := recognized(float(own.at[k]), slack[k])) is not None}
        if logarithm and 0 in left and 0 not in near:
            known = recognized_logarithm(float(own.at[0]), slack[0])
            near |= {} if known is None else {0: known}
        if not near:
            break
        k = min(near, key=lambda k: near[k].cost + 40 * abs(near[k].value - float(own.at[k])))
        kept = own.at.clone()
        left.remove(k)
        own.at[k] = near[k].value
        if own.error() > limit:
            own.refit(left)
        if own.error() <= limit:
            exact[k] = near[k].symbol
        else:
            own.at = kept
    own.settle([k for k in free if k not in exact])
    floats = own.at.tolist()
    symbols = tuple(exact.get(k, float_number(value)) for k, value in enumerate(floats))
    unknown = sum(1 for k in free if k not in exact and not symbols[k].is_Rational)
    return Rounded(symbols, own.at, unknown, own.error())


def _slack(own: _Numbers, free: Sequence[int], error: float, tolerance: float) -> dict[int, float]:
    """How far a number may be from a simple one: rounding, or some of its standard deviations.

    Three where data are noisy; 2√n where they are a solver's, whose errors do not average out over n points.
    """
    if error < EXACT or not free:
        return dict.fromkeys(free, tolerance)
    deviations, times = own.deviations(free), 2 * math.sqrt(len(own.x)) if error < CLEAN else 3
    return {k: min(max(tolerance, times * d / max(1.0, abs(float(own.at[k])))), 0.02) for k, d in deviations.items()}
