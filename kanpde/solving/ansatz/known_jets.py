"""Derivatives of known functions of the coordinates, without writing them down.

Sums, products and whole powers are differentiated by their rules at the points; what is inside them symbolically. A
quotient of products, whose second derivative as a formula would fill pages, costs a few operations.
"""

from collections.abc import Callable

import sympy
import torch
from sympy import Expr
from torch import Tensor

from kanpde.models.jets import IndexSet, MultiIndex, chain_matrix, highest_order, product_matrix


def known_jet(
    expr: Expr, points: Tensor, indices: IndexSet, derivative_at: Callable[[Expr, MultiIndex, Tensor], Tensor]
) -> Tensor:  # [n, d] -> [n, s]
    """∂_α of an expression at points for every α of a downward-closed set.

    Args:
        expr: In the coordinates.
        points: Physical points, shape [n, d].
        indices: From `closure`.
        derivative_at: (expression, α, points) → ∂_α, shape [n], for what is no sum, product or power.
    """
    known: dict[Expr, Tensor] = {}

    def jet(part: Expr) -> Tensor:
        if part not in known:
            known[part] = rule(part)
        return known[part]

    def rule(part: Expr) -> Tensor:
        if part.is_Add:
            first, *rest = map(jet, part.args)
            return sum(rest, first)
        if part.is_Mul:
            first, *rest = map(jet, part.args)
            for factor in rest:
                first = (product_matrix(factor, indices) @ first[..., None])[..., 0]
            return first
        if part.is_Pow and part.exp.is_Integer:
            return _power(jet(part.base), int(part.exp), indices)
        return torch.stack([derivative_at(part, index, points) for index in indices], dim=1)

    return jet(expr)


def has_quotients(expr: Expr) -> bool:
    """Whether something that varies is divided by: derivatives of that, written down, grow with every order."""
    return any(power.exp.is_negative and power.base.free_symbols for power in expr.atoms(sympy.Pow))


def _power(base: Tensor, exponent: int, indices: IndexSet) -> Tensor:  # [n, s] -> [n, s]
    value, factor, slopes = base[:, 0], 1, []
    for order in range(highest_order(indices) + 1):
        slopes.append(factor * value ** (exponent - order) if factor else torch.zeros_like(value))
        factor *= exponent - order
    return (chain_matrix(base[..., None], indices)[:, :, 0] @ torch.stack(slopes, dim=-1)[..., None])[..., 0]
