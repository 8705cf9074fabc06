"""One activation per input: the features of an MLP, and the SiLU beside a KAN's splines."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from kanpde.models.bases.interface import FeatureMap, Features


class Activation(FeatureMap):
    """A single smooth function of each input; a leaf supplies its derivatives as a list."""

    size = 1

    def __init__(self, inputs: int):
        super().__init__()
        self.inputs = inputs

    def listed(self, x: Tensor, order: int) -> Features:
        return Features(torch.stack(self.rows(x, order), dim=-1)[..., None], None)

    def rows(self, x: Tensor, order: int) -> list[Tensor]:
        raise NotImplementedError


class Identity(Activation):
    """x itself: what an MLP's first linear map sees."""

    def rows(self, x: Tensor, order: int) -> list[Tensor]:
        return [x, torch.ones_like(x)][: order + 1] + [torch.zeros_like(x)] * (order - 1)


class Tanh(Activation):
    """tanh, whose derivatives are polynomials in y = tanh x because y' = 1 - y²."""

    def rows(self, x: Tensor, order: int) -> list[Tensor]:
        return _polynomial_rows(torch.tanh(x), (1.0, 0.0, -1.0), order)


class Sin(Activation):
    """sin, with ∂² sin x = -sin x."""

    def rows(self, x: Tensor, order: int) -> list[Tensor]:
        sine, cosine = torch.sin(x), torch.cos(x)
        period = [sine, cosine, -sine, -cosine]
        return [period[r % 4] for r in range(order + 1)]


class SiLU(Activation):
    """x σ(x), so ∂^r = x σ^(r) + r σ^(r-1) with σ' = σ - σ²."""

    def rows(self, x: Tensor, order: int) -> list[Tensor]:
        return _times_x(x, _polynomial_rows(torch.sigmoid(x), (0.0, 1.0, -1.0), order))


class GELU(Activation):
    """x Φ(x), Φ the normal distribution: Φ^(r) = (-1)^(r-1) He_{r-1}(x) exp(-x²/2)/√(2π)."""

    def rows(self, x: Tensor, order: int) -> list[Tensor]:
        density = torch.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
        hermite = [torch.ones_like(x), x]
        for r in range(1, order):
            hermite.append(x * hermite[-1] - r * hermite[-2])
        rows = [torch.special.ndtr(x)] + [(-1) ** (r - 1) * hermite[r - 1] * density for r in range(1, order + 1)]
        return _times_x(x, rows)


class ReLU(Activation):
    """max(x, 0); its second derivative is zero almost everywhere, so it cannot solve a second-order equation."""

    def rows(self, x: Tensor, order: int) -> list[Tensor]:
        return [torch.relu(x), (x > 0).to(x.dtype)][: order + 1] + [torch.zeros_like(x)] * (order - 1)


def _polynomial_rows(y: Tensor, slope: tuple[float, ...], order: int) -> list[Tensor]:
    """Derivatives of y(x) from y' = Σ_p slope_p y^p, each a polynomial in y by the chain rule."""
    coefficients, rows = [0.0, 1.0], []
    for _ in range(order + 1):
        rows.append(_polynomial(coefficients, y))
        raised = [0.0] * (len(coefficients) + len(slope))
        for p, c in enumerate(coefficients):
            for q, s in enumerate(slope):
                raised[max(p - 1, 0) + q] += p * c * s
        coefficients = raised
    return rows


def _polynomial(coefficients: Sequence[float], y: Tensor) -> Tensor:
    """Σ_p c_p y^p by Horner's rule."""
    *others, last = coefficients
    value = torch.full_like(y, last)
    for c in reversed(others):
        value = value * y if c == 0 else torch.addcmul(y.new_tensor(c), value, y)
    return value


def _times_x(x: Tensor, rows: list[Tensor]) -> list[Tensor]:
    return [x * row + (r * rows[r - 1] if r else 0) for r, row in enumerate(rows)]
