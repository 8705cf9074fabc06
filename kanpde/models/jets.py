"""Bundles of partial derivatives: sets of multi-indices, the chain rule, the product rule.

A jet is a tensor [n, |S|, width] that holds ∂_α of `width` functions at n points for every α of a downward-closed
set S of multi-indices, the value (α = 0) first. Networks carry it from layer to layer:

    linear map:     Y_α = Z_α W
    feature map f:  ∂_α f(g) = Σ_{π partition of α} f^(|π|)(g) · Π_{β∈π} ∂_β g      (Faà di Bruno)
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache, reduce
from itertools import product
from math import comb, prod
from operator import add

import torch
from torch import Tensor

MultiIndex = tuple[int, ...]
IndexSet = tuple[MultiIndex, ...]


def closure(indices: Iterable[MultiIndex], dimension: int) -> IndexSet:
    """Close a set of multi-indices downwards and sort it by order, zero first.

    >>> closure([(2, 0), (0, 1)], 2)
    ((0, 0), (0, 1), (1, 0), (2, 0))
    """
    closed = {(0,) * dimension}
    for index in indices:
        closed.update(product(*(range(order + 1) for order in index)))
    return tuple(sorted(closed, key=lambda index: (sum(index), index)))


def highest_order(indices: IndexSet) -> int:
    """The largest total order in the set."""
    return max(sum(index) for index in indices)


@lru_cache
def partitions(index: MultiIndex) -> dict[tuple[MultiIndex, ...], int]:
    """All ways to split the differentiations of α into blocks, with the number of times each occurs.

    >>> partitions((2,))
    {((1,), (1,)): 1, ((2,),): 1}
    """
    axes = [axis for axis, order in enumerate(index) for _ in range(order)]
    found = Counter(
        tuple(sorted(tuple(block.count(axis) for axis in range(len(index))) for block in blocks))
        for blocks in _set_partitions(axes)
    )
    return dict(found)


def _set_partitions(items: list[int]) -> Iterator[list[list[int]]]:
    if not items:
        yield []
        return
    head, rest = items[0], items[1:]
    for blocks in _set_partitions(rest):
        yield [[head], *blocks]
        for i in range(len(blocks)):
            yield [*blocks[:i], [head, *blocks[i]], *blocks[i + 1 :]]


def chain_matrix(inner: Tensor, indices: IndexSet) -> Tensor:  # [n, s, in] -> [n, s, in, order+1]
    """The partial Bell polynomials C with ∂_α f(g) = Σ_r C_{α,r} f^(r)(g), from the jet of g."""
    zero, one = torch.zeros_like(inner[:, 0]), torch.ones_like(inner[:, 0])
    rows = []
    for index, terms in zip(indices, _bell_terms(inner, indices), strict=True):
        row = [one if not any(index) else zero] + [zero] * highest_order(indices)
        for r, term in terms:
            row[r] = term if row[r] is zero else row[r] + term
        rows.append(torch.stack(row, dim=-1))
    return torch.stack(rows, dim=1)


def composed(inner: Tensor, derivatives: Sequence[Tensor], indices: IndexSet) -> Tensor:  # [n, s, in] -> the same
    """The jet of f(g) from the jet of g and the derivatives f^(r)(g), [n, in] each, r = 0, 1, ….

    The same as `chain_matrix` times the derivatives; for a single f of each input its entries need no place in memory.
    """
    rows = [
        reduce(add, [derivatives[r] * term for r, term in terms]) if any(index) else derivatives[0]
        for index, terms in zip(indices, _bell_terms(inner, indices), strict=True)
    ]
    return torch.stack(rows, dim=1)


def composed_sum(inner: Tensor, derivatives: Sequence[Tensor], indices: IndexSet) -> Tensor:  # -> [n, s, out]
    """The jet of Σ_i f_io(g_i) from the jet of g [n, s, in] and the derivatives f_io^(r)(g_i), [n, in, out] each."""
    rows = [
        reduce(add, [derivatives[r] * term for r, term in terms]) if any(index) else derivatives[0]
        for index, terms in zip(indices, _bell_terms(inner[..., None], indices), strict=True)
    ]
    return torch.stack([row.sum(1) for row in rows], dim=1)


def pulled_back(inner: Tensor, adjoint: Tensor, indices: IndexSet) -> list[Tensor]:  # [n, s, in], [n, s, out]
    """Σ_α C_{α,r} A_α, [n, in, out] for r = 0, 1, …: what an adjoint of f(g)'s jet is to the derivatives f^(r)(g)."""
    zero = adjoint.new_zeros(())
    found = [zero] * (highest_order(indices) + 1)
    for place, (index, terms) in enumerate(zip(indices, _bell_terms(inner[..., None], indices), strict=True)):
        own = adjoint[:, place, None]
        if not any(index):
            found[0] = own.expand(-1, inner.shape[-1], -1)
        for r, term in terms:
            found[r] = term * own if found[r] is zero else torch.addcmul(found[r], term, own)
    return found


def _bell_terms(inner: Tensor, indices: IndexSet) -> Iterator[list[tuple[int, Tensor]]]:
    """For each α, over its partitions: the number of blocks, and Π ∂_β g times how often it occurs."""
    place = {index: i for i, index in enumerate(indices)}
    columns = inner.unbind(1)
    for index in indices:
        terms = []
        for blocks, count in partitions(index).items() if any(index) else ():
            term = prod((columns[place[block]] for block in blocks[1:]), start=columns[place[blocks[0]]])
            terms.append((len(blocks), term if count == 1 else count * term))
        yield terms


def product_matrix(factor: Tensor, indices: IndexSet) -> Tensor:  # [n, s] -> [n, s, s]
    """The matrix M with ∂_α(E v) = Σ_β M_{αβ} ∂_β v for a known factor E given by its jet (Leibniz)."""
    place = {index: i for i, index in enumerate(indices)}
    matrix = factor.new_zeros(factor.shape[0], len(indices), len(indices))
    for a, alpha in enumerate(indices):
        for b, beta in enumerate(indices):
            rest = tuple(i - j for i, j in zip(alpha, beta, strict=True))
            if min(rest) >= 0:
                count = prod(comb(i, j) for i, j in zip(alpha, beta, strict=True))
                matrix[:, a, b] = count * factor[:, place[rest]]
    return matrix
