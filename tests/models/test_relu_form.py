"""A KAN of degree-1 splines is an MLP of ReLUs, to rounding, off its grids and across periods too."""

import pytest
import torch

from kanpde.errors import InputError
from kanpde.models.networks import KAN


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("grid", [1, 5, 20])
@pytest.mark.parametrize("widths", [[1, 1], [2, 5, 1], [3, 4, 4, 2]])
def test_the_relu_form_is_the_same_function(widths, grid, seed):
    periodic = [0] if widths[0] == 2 else ()
    kan = KAN(widths, grid, 1, periodic=periodic, generator=torch.Generator().manual_seed(seed))
    x = 3 * torch.rand(500, widths[0]) - 1.5
    known = kan(x)
    assert (kan.to_mlp()(x) - known).abs().max() <= 1e-13 * known.abs().max().clamp(min=1)
    kan.layers[0].weight.data *= 1.01
    assert (kan.to_mlp()(x) - known).abs().max() > 1e-4


@pytest.mark.parametrize(("options", "reason"), [({"degree": 3}, "degree 3"), ({"degree": 1, "base": "silu"}, "SiLU")])
def test_what_is_not_piecewise_linear_is_refused_with_a_reason(options, reason):
    with pytest.raises(InputError, match=reason):
        KAN([2, 3, 1], 4, **options).to_mlp()
