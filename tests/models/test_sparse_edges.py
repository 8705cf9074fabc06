"""Edges chosen one by one as a model: masks, products, named functions, and edges that training switches off."""

import numpy as np
import pytest
import torch

import kanpde
from kanpde.errors import InputError
from kanpde.models.networks.chains import Chain
from kanpde.models.networks.sparse_edges import EdgeDesign, sparse_rows

SWING = {
    "title": "a swing", "coordinates": {"x": [0, 2]}, "fields": ["u"], "equations": {"swing": "u_xx = -4*u"},
    "boundary": {"x-": "u = 1", "x+": "u = cos(4)"}, "exact": {"u": "cos(2*x)"},
}  # fmt: skip


def built(grid=4, **settings):
    return EdgeDesign(**settings).build(2, 1, grid, generator=torch.Generator().manual_seed(0))


def test_masks_products_and_functions_are_as_they_were_asked_for():
    network = built(width=(2,), products=(1,), edges=("0,0,0", "0,0,1", "0,1,2"), functions=("1,0,0=sin", "0,1,2=log"))
    assert sorted(network.edges) == [(0, 0, 0), (0, 0, 1), (0, 1, 2), (1, 0, 0), (1, 1, 0)]
    assert network.nodes[0].products == 1 and network.edges[1, 0, 0].name == "sin"
    x = 2 * torch.rand(50, 2) - 1
    assert isinstance(network, Chain) and bool(network(x).isfinite().all())  # log has its argument moved
    parts = network.edge_values(x)
    product = (parts[0, 0, 1] * parts[0, 1, 2])[:, None]
    assert torch.allclose(network.layers[0](network.inputs(x))[:, 1:], product)


def test_the_penalty_is_the_sum_of_sizes_and_its_derivatives_are_exact():
    network = built(width=(3,), sparsity=0.01, grid=2)
    assert network.penalty.sparsity == 0.01
    rows, slopes = sparse_rows(network)
    x = 2 * torch.rand(4000, 2, generator=torch.Generator().manual_seed(1)) - 1
    sizes = [values.std() for key, values in network.edge_values(x).items() if key[0] == 0]
    own = rows[: 6 * network.layers[0].features.size].square().sum()  # its interval is met evenly by the points
    assert own == pytest.approx(0.01 * float(sum(sizes)), rel=0.1)
    for layer, parameter in ((0, network.layers[0].weight), (1, network.layers[1].weight)):
        step = 1e-6 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2))
        ends = []
        for sign in (1, -1):
            with torch.no_grad():
                parameter += sign * step
                ends.append(sparse_rows(network)[0])
                parameter -= sign * step
        first = 0 if layer == 0 else network.layers[0].weight.numel()
        moved = slopes[:, first : first + parameter.numel()] @ step.flatten()
        assert torch.allclose((ends[0] - ends[1]) / 2, moved, atol=1e-10)


def test_entropy_presses_on_small_edges_and_its_gradient_is_exact():
    """|rows|² = λ Σ q_e (1 - κ log p_e), and rows · slopes is half its gradient."""
    network = built(width=(3,), sparsity=0.01, entropy=2.0, grid=2)
    plain, entropic = built(width=(3,), sparsity=0.01, grid=2), network
    size = network.layers[0].features.size
    q = sparse_rows(plain)[0].unflatten(0, (-1, size)).square().sum(1) / 0.01
    rows, slopes = sparse_rows(entropic)
    expected = 0.01 * q * (1 - 2 * torch.log(q / q.sum()))
    assert torch.allclose(rows.unflatten(0, (-1, size)).square().sum(1), expected, rtol=1e-6)
    weight = network.layers[1].weight
    step = 1e-5 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(2))
    ends = []
    for sign in (1, -1):
        with torch.no_grad():
            weight += sign * step
            ends.append(sparse_rows(network)[0].square().sum())
            weight -= sign * step
    first = network.layers[0].weight.numel()
    moved = 2 * rows @ slopes[:, first : first + weight.numel()] @ step.flatten()
    assert float((ends[0] - ends[1]) / 2) == pytest.approx(float(moved), rel=1e-5)


def test_the_last_grid_has_no_penalty_and_edges_are_left_out_before_it():
    network = built(width=(3,), sparsity=0.01, threshold=0.05, grid=4)
    weight = network.layers[0].weight
    with torch.no_grad():
        weight[0] *= 1e-4  # from x to the first sum
    before, x = network.edges, 2 * torch.rand(100, 2) - 1
    network.extend(8, x)
    assert set(before) - set(network.edges) == {(0, 0, 0)} and len(network.splines) == len(network.edges)
    whole = built(grid=8, width=(3,), sparsity=0.01)
    assert whole.penalty.sparsity == 0 and sparse_rows(whole)[0].numel() == 0


def test_a_named_function_is_trained_by_the_equation():
    design = {"kind": "edges", "width": [], "functions": ["0,0,0=sin"], "grid": 4}
    training = {"conditions": "penalty", "stages": 1, "steps": 60, "starts": 3}
    run = kanpde.solve(SWING, model=design, training=training, seed=0)
    assert run.metrics["rel_l2"] < 1e-9 and run.metrics["n_parameters"] == 4


def test_a_run_with_fewer_edges_is_opened_again(tmp_path):
    design = {"kind": "edges", "width": [3], "grid": 8, "sparsity": 0.01, "threshold": 0.1}
    run = kanpde.solve(SWING, model=design, training={"stages": 3, "steps": 12, "starts": 1}, seed=0)
    run.save(tmp_path / "result.h5")
    again = kanpde.open_run(tmp_path / "result.h5")
    t = np.linspace(0, 2, 7)[:, None]
    assert np.array_equal(run.solution(t), again.solution(t))
    assert len(run.solution.network.edges) == len(again.solution.network.edges) < 6


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"edges": ("0,7,0",)}, "0,7,0 came. There are 0,0,0, 0,0,1"),
        ({"edges": ("0,x,0",)}, "layer,input,received sum"),
        ({"functions": ("0,0,0",)}, "layer,input,sum=function"),
        ({"functions": ("0,0,0=zeta",)}, "'zeta' came"),
        ({"products": (1, 1)}, "each of the 1 hidden layers"),
        ({"products": (9,)}, "at most their width"),
    ],
)  # fmt: skip
def test_what_is_no_edge_is_refused(settings, said):
    with pytest.raises(InputError, match=said):
        built(**settings)
