"""Truncated Taylor series: the derivatives of a composite function of one variable, to any order, by recurrence.

A series holds c_0, …, c_K of f(x + h) = Σ_k c_k h^k; f^(k)(x) = k! c_k. Arithmetic on series follows from that on
power series, and a function g with g' = F(g, u) u' from integrating term by term:

    (fg)_k = Σ_j f_j g_{k-j},        k g_k = Σ_{j=1}^k j u_j F_{k-j}

Source: Griewank and Walther, Evaluating Derivatives, chapter 13.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from operator import add

import torch
from torch import Tensor


class TaylorSeries:
    """Coefficients c_0, …, c_K, tensors of one shape.

    >>> x = TaylorSeries.variable(torch.tensor(0.5), 3)
    >>> [round(value.item(), 6) for value in (x * x).sin().derivatives()][:2]
    [0.247404, 0.968912]
    """

    def __init__(self, coefficients: Sequence[Tensor]):
        self.c = list(coefficients)

    @classmethod
    def variable(cls, x: Tensor, order: int) -> TaylorSeries:
        """x + h."""
        return cls([x, torch.ones_like(x), *[torch.zeros_like(x)] * (order - 1)][: order + 1])

    def derivatives(self) -> list[Tensor]:
        """f, f', …, f^(K)."""
        return [math.factorial(k) * c if k > 1 else c for k, c in enumerate(self.c)]

    def __neg__(self) -> TaylorSeries:
        return TaylorSeries([-c for c in self.c])

    def __add__(self, other: TaylorSeries | float) -> TaylorSeries:
        if isinstance(other, TaylorSeries):
            return TaylorSeries([a + b for a, b in zip(self.c, other.c, strict=True)])
        return TaylorSeries([self.c[0] + other, *self.c[1:]])

    __radd__ = __add__

    def __sub__(self, other: TaylorSeries | float) -> TaylorSeries:
        return self + -other

    def __rsub__(self, other: float) -> TaylorSeries:
        return -self + other

    def __mul__(self, other: TaylorSeries | Tensor | float) -> TaylorSeries:
        if not isinstance(other, TaylorSeries):
            return TaylorSeries([other * c for c in self.c])
        return TaylorSeries([_convolution(self.c, other.c, k) for k in range(len(self.c))])

    __rmul__ = __mul__

    def __truediv__(self, other: TaylorSeries) -> TaylorSeries:
        quotient: list[Tensor] = []
        for k, a in enumerate(self.c):
            known = sum((quotient[j] * other.c[k - j] for j in range(k)), start=torch.zeros_like(a))
            quotient.append((a - known) / other.c[0])
        return TaylorSeries(quotient)

    def __rtruediv__(self, other: float) -> TaylorSeries:
        first = torch.full_like(self.c[0], other)
        return TaylorSeries([first, *[torch.zeros_like(first)] * (len(self.c) - 1)]) / self

    def exp(self) -> TaylorSeries:
        return self._integrated([self.c[0].exp()], lambda found: found)

    def log(self) -> TaylorSeries:
        slope = 1.0 / self
        return self._integrated([self.c[0].log()], lambda found: slope.c)

    def power(self, p: float) -> TaylorSeries:
        """u^p for u > 0, by k u_0 w_k = Σ_j (p j - k + j) u_j w_{k-j}; whole powers are better multiplied."""
        u, found = self.c, [self.c[0] ** p]
        for k in range(1, len(u)):
            found.append(_total((p * j - (k - j)) * u[j] * found[k - j] for j in range(1, k + 1)) / (k * u[0]))
        return TaylorSeries(found)

    def sin(self) -> TaylorSeries:
        return self._waves(self.c[0].sin(), self.c[0].cos(), -1)[0]

    def cos(self) -> TaylorSeries:
        return self._waves(self.c[0].sin(), self.c[0].cos(), -1)[1]

    def sinh(self) -> TaylorSeries:
        return self._waves(self.c[0].sinh(), self.c[0].cosh(), 1)[0]

    def cosh(self) -> TaylorSeries:
        return self._waves(self.c[0].sinh(), self.c[0].cosh(), 1)[1]

    def tan(self) -> TaylorSeries:
        return self._integrated([self.c[0].tan()], lambda found: _shifted(_square(found), 1, 1))

    def tanh(self) -> TaylorSeries:
        return self._integrated([self.c[0].tanh()], lambda found: _shifted(_square(found), -1, 1))

    def sigmoid(self) -> TaylorSeries:
        def slope(found: list[Tensor]) -> list[Tensor]:  # σ' = σ - σ²
            return [a - b for a, b in zip(found, _square(found), strict=True)]

        return self._integrated([self.c[0].sigmoid()], slope)

    def atan(self) -> TaylorSeries:
        slope = 1.0 / (1.0 + self * self)
        return self._integrated([self.c[0].atan()], lambda found: slope.c)

    def atanh(self) -> TaylorSeries:
        slope = 1.0 / (1.0 - self * self)
        return self._integrated([self.c[0].atanh()], lambda found: slope.c)

    def asin(self) -> TaylorSeries:
        slope = (1.0 - self * self).power(-0.5)
        return self._integrated([self.c[0].asin()], lambda found: slope.c)

    def abs(self) -> TaylorSeries:
        return self * self.c[0].sign()

    def _integrated(self, found: list[Tensor], slope: Callable[[list[Tensor]], Sequence[Tensor]]) -> TaylorSeries:
        """g from g_0 and g' = F u', F's first k coefficients being known once g's are."""
        for k in range(1, len(self.c)):
            rates = slope(found)
            found = [*found, _total(j * self.c[j] * rates[k - j] for j in range(1, k + 1)) / k]
        return TaylorSeries(found)

    def _waves(self, s: Tensor, c: Tensor, sign: int) -> tuple[TaylorSeries, TaylorSeries]:
        """S' = C u', C' = ±S u': sine and cosine, circular or hyperbolic."""
        sines, cosines = [s], [c]
        for k in range(1, len(self.c)):
            up = _total(j * self.c[j] * cosines[k - j] for j in range(1, k + 1)) / k
            down = _total(j * self.c[j] * sines[k - j] for j in range(1, k + 1)) / k
            sines.append(up)
            cosines.append(sign * down)
        return TaylorSeries(sines), TaylorSeries(cosines)


def _total(terms: Iterable[Tensor]) -> Tensor:
    return reduce(add, terms)


def _convolution(a: Sequence[Tensor], b: Sequence[Tensor], k: int) -> Tensor:
    return sum((a[j] * b[k - j] for j in range(1, k + 1)), start=a[0] * b[k])


def _square(found: Sequence[Tensor]) -> list[Tensor]:
    return [_convolution(found, found, k) for k in range(len(found))]


def _shifted(coefficients: Sequence[Tensor], factor: int, constant: int) -> list[Tensor]:
    return [factor * c + (constant if k == 0 else 0) for k, c in enumerate(coefficients)]
