"""Functions of expressions that torch lacks, or has for tensors alone: of tensors and numbers, differentiable."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from kanpde.problems.language.refusals import ExpressionError


def power_values(base: Tensor | float, exponent: Tensor | float) -> Tensor:
    if isinstance(base, Tensor):
        return torch.pow(base, exponent)
    if isinstance(exponent, Tensor):
        return torch.pow(base, exponent)
    raise TypeError("One of base and exponent needs to be a tensor; two numbers came.")


def remainder(value: Tensor | float, divisor: Tensor | float) -> Tensor:
    return torch.remainder(*_tensors(value, divisor))


def heaviside(x: Tensor) -> Tensor:
    return 0.5 * (torch.sign(x) + 1)


def larger(a: Tensor | float, b: Tensor | float) -> Tensor:
    return torch.maximum(*_tensors(a, b))


def smaller(a: Tensor | float, b: Tensor | float) -> Tensor:
    return torch.minimum(*_tensors(a, b))


def nothing(x: Tensor | float, place: Tensor | float) -> Tensor:
    return torch.zeros_like(_tensors(x, place)[0])


def chosen(distance: Tensor, below: Tensor | float, above: Tensor | float) -> Tensor:
    distance, below, above = _tensors(distance, below, above)
    return torch.where(distance < 0, below, above)


def angle(y: Tensor | float, x: Tensor | float) -> Tensor:
    return torch.atan2(*_tensors(y, x))


def _tensors(*values: Tensor | float) -> list[Tensor]:
    like = next(value for value in values if isinstance(value, Tensor))
    return [value if isinstance(value, Tensor) else like.new_tensor(value) for value in values]


class _Bessel(torch.autograd.Function):
    """J_n(x), with J_n' = (J_{n-1} - J_{n+1})/2 and J_{-n} = (-1)^n J_n; torch has no derivative for its own."""

    @staticmethod
    def forward(order: int, x: Tensor) -> Tensor:
        sign = -1 if order < 0 and order % 2 else 1
        return sign * _bessel_values(abs(order), x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[int, Tensor], output: Tensor) -> None:
        ctx.order, x = inputs
        ctx.save_for_backward(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor]:
        (x,) = ctx.saved_tensors
        return None, gradient * 0.5 * (bessel(ctx.order - 1, x) - bessel(ctx.order + 1, x))


def bessel(order: int, x: Tensor) -> Tensor:
    found: Tensor = _Bessel.apply(order, x)  # type: ignore[no-untyped-call]  # torch's
    return found


def _bessel_values(order: int, x: Tensor) -> Tensor:
    """J_n(x) = 1/N Σ_k cos(n τ_k - x sin τ_k), τ_k = 2πk/N: exact up to J_{N-n}(x), tiny for N > |x| + n + 40."""
    if order < 2:
        small: Tensor = (torch.special.bessel_j0, torch.special.bessel_j1)[order](x)
        return small
    reach = float(torch.nan_to_num(x.abs(), posinf=0.0).max()) if x.numel() else 0.0
    if reach > 1000:
        raise ExpressionError(
            f"needs |x| up to 1000 in besselj({order}, x); it has {reach:.3g}. Use an asymptotic form for large x."
        )
    count = int(reach) + order + 50
    angles = [2 * math.pi * k / count for k in range(count)]
    return sum((torch.cos(order * angle - x * math.sin(angle)) for angle in angles), torch.zeros_like(x)) / count
