"""Features times weights for many points: y_o = Σ_i Σ_l V_il W[i, index_il, o], without touching zeros if that pays.

Splines list k+1 of m features. Laid out densely the product costs O(m) a point, as a sparse row it costs O(k+1).
"""

import warnings

import torch
from scipy.sparse import csr_array
from torch import Tensor

from kanpde.features import spread

with warnings.catch_warnings():  # torch says once per process that sparse rows are in beta; they are tested here
    warnings.simplefilter("ignore")
    torch.sparse_csr_tensor([0, 1], [0], [1.0], (1, 1))

LOCAL_FROM = 4
"""Multiple of l in m from which sparse rows outrun dense ones (tests/benchmarks/layer_speed.py)."""


def contract(values: Tensor, index: Tensor | None, weight: Tensor) -> Tensor:
    """Apply a linear map to listed features.

    Args:
        values: Feature values, shape [n, in, l].
        index: Which features they are, shape [n, in, l], or None if all m are listed in order.
        weight: Shape [in, m, out].

    Returns:
        Shape [n, out].
    """
    if index is None or weight.shape[1] < LOCAL_FROM * values.shape[-1]:
        return dense_contraction(values, index, weight)
    return _LocalContraction.apply(values, index, weight)[0]


def dense_contraction(values: Tensor, index: Tensor | None, weight: Tensor) -> Tensor:
    """The same by one matrix product over all m features; differentiable any number of times."""
    return _laid_out(values, index, weight) @ weight.flatten(0, 1)


class _LocalContraction(torch.autograd.Function):
    """Sparse rows forward; backward a sampled product for the values and a transposed one for the weights."""

    @staticmethod
    def forward(values, index, weight):
        columns = _columns(index, weight.shape[1])
        return _sparse_rows(values, columns, weight) @ weight.flatten(0, 1), columns

    @staticmethod
    def setup_context(ctx, inputs, output):
        if output[1] is not None:  # under vmap there are none
            ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(*inputs, output[1])

    @staticmethod
    def vmap(info, in_dims, values, index, weight):
        return (torch.vmap(dense_contraction, in_dims, 0)(values, index, weight), None), (0, None)

    @staticmethod
    def backward(ctx, gradient, _):
        values, index, weight, columns = ctx.saved_tensors
        if torch.is_grad_enabled():  # somebody differentiates on: a route that autograd can follow
            for_values = (gradient @ weight.flatten(0, 1).t()).unflatten(1, weight.shape[:2]).gather(-1, index)
            for_weight = _laid_out(values, index, weight).t() @ gradient
            return for_values, None, for_weight.view_as(weight)
        gradient = gradient.contiguous()
        for_values = for_weight = None
        if ctx.needs_input_grad[0]:
            for_values = _sampled_product(values, columns, gradient, weight)
        if ctx.needs_input_grad[2]:
            for_weight = _transposed_product(values, columns, gradient, weight).view_as(weight)
        return for_values, None, for_weight


def _laid_out(values: Tensor, index: Tensor | None, weight: Tensor) -> Tensor:  # -> [n, in*m]
    return spread(values.unsqueeze(1), index, weight.shape[1]).flatten(1)


def _columns(index: Tensor, size: int) -> Tensor:  # [n, in, l] -> [n*in*l], columns of the flattened weight
    offsets = torch.arange(index.shape[1], device=index.device, dtype=torch.int32)[:, None] * size
    return index.to(torch.int32).add_(offsets).flatten()


def _sparse_rows(values: Tensor, columns: Tensor, weight: Tensor) -> Tensor:  # -> sparse [n, in*m]
    n, width = len(values), weight.shape[0] * weight.shape[1]
    starts = _starts(values)
    return torch.sparse_csr_tensor(starts, columns, values.reshape(-1), (n, width), check_invariants=False)


def _starts(values: Tensor) -> Tensor:
    n, inputs, listed = values.shape
    return torch.arange(n + 1, device=values.device, dtype=torch.int32) * (inputs * listed)


def _sampled_product(values: Tensor, columns: Tensor, gradient: Tensor, weight: Tensor) -> Tensor:  # -> [n, in, l]
    """The entries of A Wᵀ at listed features."""
    rows, weights = _sparse_rows(values, columns, weight), weight.flatten(0, 1).t().contiguous()
    return torch.sparse.sampled_addmm(rows, gradient, weights, beta=0.0).values().view_as(values)


def _transposed_product(values: Tensor, columns: Tensor, gradient: Tensor, weight: Tensor) -> Tensor:  # -> [in*m, out]
    """Zᵀ A; torch would sort the sparse rows into columns first, SciPy walks them as they are."""
    n, width = len(values), weight.shape[0] * weight.shape[1]
    if values.device.type != "cpu":
        terms = (values.flatten(1)[..., None] * gradient[:, None]).flatten(0, 1)
        return gradient.new_zeros(width, gradient.shape[1]).index_add_(0, columns, terms)
    entries = (values.detach().reshape(-1).numpy(), columns.numpy(), _starts(values).numpy())
    return torch.from_numpy(csr_array(entries, shape=(n, width)).T @ gradient.numpy())
