"""Sums of splines at many points, y_o = Σ_i Σ_j W_ijo B_j(x_i), at a cost that does not depend on the grid.

On each cell an edge φ_io is a polynomial in ξ ∈ [-1, 1]; its coefficients c = T W cost nothing to speak of, since there
are few cells. A point then needs the powers of its ξ and one sparse row,

    y_no = Σ_i Σ_p ξ_ni^p c_{i,cell(n,i),p,o},

which is k+1 products an edge, forward and backward, for equal and unequal cells alike.
"""

import math
import warnings
from itertools import pairwise
from typing import Any

import scipy
import torch
from torch import Tensor

from kanpde.models.splines import (
    grid_spacing,
    listed_splines,
    local_coordinates,
    local_splines,
    powers_of,
    splines,
    uniform_slopes,
    unit_pieces,
)

with warnings.catch_warnings():  # torch says once per process that sparse rows are in beta; they are tested here
    warnings.simplefilter("ignore")
    torch.sparse_csr_tensor([0, 1], [0], [1.0], (1, 1))

GATHERED_BELOW = 16
"""Features per input below which all of A Wᵀ is cheaper than its entries (tests/benchmarks/layer_speed.py)."""


def spline_sums(x: Tensor, grid: Tensor, degree: int, uniform: bool, weight: Tensor) -> Tensor:
    """Evaluate sums of splines, differentiable in x and weight any number of times.

    Args:
        x: Points, shape [n, in], in the unit of `grid`.
        grid: Increasing breakpoints, shape [in, G+1].
        degree: k ≥ 1.
        uniform: Whether all cells of a row are equally long.
        weight: Shape [in, G+k, out].

    Returns:
        Shape [n, out].
    """
    sums: Tensor = _SplineSums.apply(x, grid, degree, uniform, weight)[0]  # type: ignore[no-untyped-call]  # torch's
    return sums


def edge_derivatives(
    x: Tensor, grid: Tensor, degree: int, uniform: bool, weight: Tensor, order: int
) -> list[Tensor]:  # -> [n, in, out] each
    """φ_io and its derivatives up to `order` at x_ni, by Horner's rule on each cell's polynomial; other arguments and
    slopes are those of `spline_sums`.

    >>> x, grid = torch.rand(4, 2), torch.linspace(0, 1, 6).expand(2, -1)
    >>> [tuple(part.shape) for part in edge_derivatives(x, grid, 3, True, torch.rand(2, 8, 1), 1)]
    [(4, 2, 1), (4, 2, 1)]
    """
    cells = grid.shape[1] - 1
    cell, xi = local_coordinates(x, grid, uniform)
    pieces = polynomial_pieces(grid, degree, uniform)
    coefficients = torch.einsum("icpj,icjo->icpo", pieces, _windows(weight, degree)).flatten(0, 1)
    rows = (cell + torch.arange(cell.shape[1], device=cell.device) * cells).flatten()
    xi = xi.reshape(-1, 1)
    first, *rest = reversed(coefficients.index_select(0, rows).unbind(1))
    found = [first]
    for own in rest:  # found[r]: φ^(r)/r! of the polynomial as far as it goes
        higher = [torch.addcmul(low, high, xi) for low, high in pairwise(found)]
        last = [found[-1]] if len(found) <= order else []
        found = [torch.addcmul(own, found[0], xi), *higher, *last]
    found += [torch.zeros_like(first)] * (order + 1 - len(found))
    spacing = grid_spacing(grid).expand_as(cell) if uniform else grid.diff(dim=1).t().gather(0, cell)
    rate = (2 / spacing).reshape(-1, 1)
    scaled = [found[0], *(part * (math.factorial(r) * rate**r) for r, part in enumerate(found[1:], 1))]
    return [part.view(*cell.shape, -1) for part in scaled]


def dense_spline_sums(x: Tensor, grid: Tensor, degree: int, uniform: bool, weight: Tensor) -> Tensor:
    """The same by differentiable operations over all splines: the slow route, for higher derivatives and for tests."""
    cell, values = splines(x, grid, degree, 0, uniform)
    return _laid_out(values[:, :, 0], listed_splines(cell, degree), weight) @ weight.flatten(0, 1)


def polynomial_pieces(grid: Tensor, degree: int, uniform: bool) -> Tensor:  # -> T [in, G, p, j]
    """Coefficients of ξ^p in the splines j that do not vanish on each cell; of unequal ones by Taylor's formula."""
    if uniform:
        return unit_pieces(degree, grid.dtype, grid.device).expand(*grid.diff(dim=1).shape, -1, -1)
    middles = (grid[:, 1:] + grid[:, :-1]) / 2
    half = grid.diff(dim=1) / 2
    _, values = local_splines(middles.t(), grid, degree, degree)  # [G, in, p, j]
    orders = torch.arange(degree + 1, device=grid.device)
    scale = half[..., None] ** orders / half.new_tensor([math.factorial(p) for p in range(degree + 1)])
    return values.transpose(0, 1) * scale[..., None]


Gradients = tuple[Tensor | None, None, None, None, Tensor | None]
"""By x and by the weights; grid, degree and uniformity have none."""


class _SplineSums(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor, grid: Tensor, degree: int, uniform: bool, weight: Tensor) -> tuple[Tensor, ...]:
        cell, xi = local_coordinates(x, grid, uniform)
        powers, pieces = powers_of(xi, degree), polynomial_pieces(grid, degree, uniform)
        coefficients = torch.einsum("icpj,icjo->icpo", pieces, _windows(weight, degree)).flatten(0, 2)
        columns = _columns(cell, grid.shape[1] - 1, degree)
        y = _sparse_rows(powers, columns, len(coefficients)) @ coefficients
        return y, cell, powers, columns, pieces, coefficients

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Any, ...]) -> None:
        x, grid, ctx.degree, ctx.uniform, weight = inputs
        if output[1] is not None:  # under vmap there are none
            ctx.mark_non_differentiable(*output[1:])
        ctx.save_for_backward(x, grid, weight, *output[1:])

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[Any, ...], x: Tensor, grid: Tensor, degree: int, uniform: bool, weight: Tensor
    ) -> tuple[tuple[Tensor | None, ...], tuple[int | None, ...]]:
        def dense(x: Tensor, weight: Tensor) -> Tensor:
            return dense_spline_sums(x, grid, degree, uniform, weight)

        return (torch.vmap(dense, (in_dims[0], in_dims[4]))(x, weight), *[None] * 5), (0, *[None] * 5)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Any) -> Gradients:
        x, grid, weight, cell, powers, columns, pieces, coefficients = ctx.saved_tensors
        if torch.is_grad_enabled() or cell is None:  # differentiated on, or under vmap: a route that both can follow
            return _differentiable_backward(x, grid, ctx.degree, ctx.uniform, weight, gradient)
        gradient = gradient.contiguous()
        for_x = for_weight = None
        if ctx.needs_input_grad[0]:
            if ctx.uniform and weight.shape[1] < GATHERED_BELOW:
                for_x = _gathered_slope(cell, powers, grid, weight, gradient)
            else:
                for_x = _sampled_slope(cell, powers, grid, columns, coefficients, gradient)
        if ctx.needs_input_grad[4]:
            by_piece = _transposed_product(powers, columns, gradient, len(coefficients))
            for_weight = _overlapped(by_piece, pieces, weight)
        return for_x, None, None, None, for_weight


def _differentiable_backward(
    x: Tensor, grid: Tensor, degree: int, uniform: bool, weight: Tensor, gradient: Tensor
) -> Gradients:
    """Written with splines and their slopes, both differentiable again."""
    cell, values = splines(x, grid, degree, 1, uniform)
    index = listed_splines(cell, degree)
    for_weight = (_laid_out(values[:, :, 0], index, weight).t() @ gradient).view_as(weight)
    return (_gathered(index, weight, gradient) * values[:, :, 1]).sum(-1), None, None, None, for_weight


def _laid_out(values: Tensor, index: Tensor, weight: Tensor) -> Tensor:  # [n, in, k+1] -> [n, in*m]
    return values.new_zeros(*index.shape[:2], weight.shape[1]).scatter(-1, index, values).flatten(1)


def _gathered(index: Tensor, weight: Tensor, gradient: Tensor) -> Tensor:  # -> [n, in, k+1]
    """The entries of A Wᵀ at listed splines, from all of it."""
    products: Tensor = (gradient @ weight.flatten(0, 1).t()).unflatten(1, weight.shape[:2])
    return products.gather(-1, index)


def _windows(weight: Tensor, degree: int) -> Tensor:  # [in, m, out] -> [in, G, k+1, out]
    return weight.unfold(1, degree + 1, 1).movedim(-1, 2)


def _overlapped(by_piece: Tensor, pieces: Tensor, weight: Tensor) -> Tensor:  # -> [in, m, out]
    """The transpose of T: what each piece's coefficients hand back to the splines on its cell."""
    inputs, cells, orders, _ = pieces.shape
    by_spline = torch.einsum("icpj,icpo->icjo", pieces, by_piece.view(inputs, cells, orders, -1))
    total = torch.zeros_like(weight)
    for j in range(orders):
        total[:, j : j + cells] += by_spline[:, :, j]
    return total


def _columns(cell: Tensor, cells: int, degree: int) -> Tensor:  # [n, in] -> [n*in*(k+1)]
    inputs = torch.arange(cell.shape[1], device=cell.device)
    first = (cell + inputs * cells).to(torch.int32) * (degree + 1)
    return (first[..., None] + torch.arange(degree + 1, device=cell.device, dtype=torch.int32)).flatten()


def _sparse_rows(powers: Tensor, columns: Tensor, width: int) -> Tensor:  # -> sparse [n, width]
    return torch.sparse_csr_tensor(
        _starts(powers), columns, powers.reshape(-1), (len(powers), width), check_invariants=False
    )


def _starts(powers: Tensor) -> Tensor:
    n, inputs, orders = powers.shape
    return torch.arange(n + 1, device=powers.device, dtype=torch.int32) * (inputs * orders)


def _sampled_slope(
    cell: Tensor, powers: Tensor, grid: Tensor, columns: Tensor, coefficients: Tensor, gradient: Tensor
) -> Tensor:  # -> [n, in]
    """Σ_p p ξ^(p-1) (A cᵀ)_p · dξ/dx, from the entries of A cᵀ that the points touch."""
    rows = _sparse_rows(powers, columns, len(coefficients))
    touched = torch.sparse.sampled_addmm(rows, gradient, coefficients.t().contiguous(), beta=0.0)
    orders = torch.arange(1, powers.shape[-1], device=powers.device, dtype=powers.dtype)
    by_xi: Tensor = (touched.values().view_as(powers)[..., 1:] * powers[..., :-1]) @ orders
    return by_xi / (grid.diff(dim=1).t().gather(0, cell) / 2)


def _gathered_slope(cell: Tensor, powers: Tensor, grid: Tensor, weight: Tensor, gradient: Tensor) -> Tensor:  # [n, in]
    """Σ_j B_j'(x) (A Wᵀ)_j, from all of A Wᵀ."""
    degree = powers.shape[-1] - 1
    touched = _gathered(listed_splines(cell, degree), weight, gradient)
    return (touched * uniform_slopes(powers, degree)).sum(-1) / grid_spacing(grid)


def _transposed_product(powers: Tensor, columns: Tensor, gradient: Tensor, width: int) -> Tensor:  # -> [width, out]
    """Zᵀ A; torch would sort the sparse rows into columns first, SciPy walks them as they are."""
    if powers.device.type != "cpu":
        terms = (powers.flatten(1)[..., None] * gradient[:, None]).flatten(0, 1)
        return gradient.new_zeros(width, gradient.shape[1]).index_add_(0, columns, terms)
    entries = (powers.reshape(-1).numpy(), columns.numpy(), _starts(powers).numpy())
    return torch.from_numpy(scipy.sparse.csr_array(entries, shape=(len(powers), width)).T @ gradient.numpy())
