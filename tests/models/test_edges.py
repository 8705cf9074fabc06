"""Networks of edges chosen one by one: jets and Jacobian by two routes, functions of the library, grids, masks."""

import pytest
import sympy
import torch

from kanpde.errors import InputError
from kanpde.models.differentiation import ChainRoute, NestedRoute, route_for
from kanpde.models.jets import closure
from kanpde.models.networks import KAN
from kanpde.models.networks.edges import as_edges, edge_network, named_edge, random_splines
from kanpde.models.univariate import LIBRARY, ODD, library_row, named_features

INDICES = closure([(2, 1), (1, 2)], 2)


def mixed(freeze: bool = False):
    """Two sums and a product, splines and named edges in both layers, some off."""
    edges = random_splines([2, (2, 1), 1], 4, 5, torch.Generator().manual_seed(0))
    del edges[0, 1, 0]
    edges[0, 0, 1] = named_edge("sin", (0.7, 2.0, 0.3, 0.1))
    edges[0, 1, 2] = named_edge("x", (1.2, 1.0, 0.0, 0.4))
    edges[0, 1, 3] = named_edge("x", (0.5, 1.0, 0.0, 0.0), fixed=(3,))
    edges[1, 2, 0] = named_edge("exp", (0.3, 0.8, 0.0, -0.2))
    network = edge_network([2, (2, 1), 1], edges)
    if freeze:
        network.layers[0].weight.requires_grad_(False)
    return network


@pytest.mark.parametrize("freeze", [False, True])
def test_jets_and_jacobian_by_two_routes(freeze):
    network, x = mixed(freeze), 1.6 * torch.rand(5, 2) - 0.8

    def head(jets):
        return (jets[:, 0] * jets[:, 3] + jets[:, 5].square()) * jets[:, 1]

    fast, slow = ChainRoute(network), NestedRoute(network)
    assert isinstance(route_for(network), ChainRoute)
    a, b = fast.jets(fast.prepare(x, INDICES), INDICES), slow.jets(x, INDICES)
    assert (a - b).abs().max() < 1e-10 * b.abs().max()
    r, J = fast.jacobian(fast.prepare(x, INDICES), INDICES, head)
    s, K = slow.jacobian(x, INDICES, head)
    assert (r - s).abs().max() < 1e-9 * s.abs().max()
    assert J.shape == K.shape and (J - K).abs().max() < 1e-9 * K.abs().max()
    assert not any(p.requires_grad for p in [network.layers[0].weight] if freeze)


def test_the_value_is_the_module_and_the_sum_of_edges():
    network, x = mixed(), 2 * torch.rand(20, 2) - 1
    assert torch.allclose(network(x), network.jet(x, closure((), 2))[:, 0], atol=1e-13)
    values = network.edge_values(x)
    second = sum(v for key, v in values.items() if key[0] == 1)
    assert torch.allclose(network(x)[:, 0], second, atol=1e-13)


@pytest.mark.parametrize("name", LIBRARY)
def test_the_library_says_the_same_to_torch_and_to_sympy(name):
    """Values and three derivatives, at a point where all functions are defined."""
    u = sympy.Symbol("u", real=True)
    expr = LIBRARY[name].symbol(sympy, u)
    rows = LIBRARY[name].rows(torch.tensor([0.37]), 3)
    for order, row in enumerate(rows):
        known = float(expr.diff(u, order).subs(u, sympy.Float("0.37", 30)).doit())
        assert row.item() == pytest.approx(known, rel=1e-10, abs=1e-12), order


@pytest.mark.parametrize("name", LIBRARY)
def test_named_features_can_be_differentiated(name):
    x = torch.tensor([[0.31, 0.52]], requires_grad=True)
    assert torch.autograd.gradcheck(lambda y: named_features(name, 2)(y, 2).values, (x,))


@pytest.mark.parametrize("name", ODD)
def test_odd_functions_are(name):
    u = torch.tensor([0.2, 0.6])
    assert torch.allclose(LIBRARY[name](-u), -LIBRARY[name](u))


def test_a_kan_becomes_edges_and_stays_the_same_function():
    kan = KAN([2, 3, 1], grid=4, degree=5, lower=[0.0, -2.0], upper=[3.0, 5.0])
    x = torch.rand(50, 2) * torch.tensor([3.0, 7.0]) + torch.tensor([0.0, -2.0])
    assert torch.allclose(kan(x), as_edges(kan)(x), atol=1e-13)
    with pytest.raises(ValueError, match="not splines"):
        as_edges(KAN([2, 3, 1], base="silu"))


def test_what_is_off_has_no_parameters_and_no_effect():
    network = mixed()
    fewer = network.changed({(0, 0, 0): None})
    assert fewer.parameter_count() == network.parameter_count() - 9
    x = torch.rand(5, 2)
    assert not torch.allclose(network(x), fewer(x))
    assert torch.allclose(network.changed({})(x), network(x), atol=0)


def test_extension_keeps_the_function():
    network, x = mixed(), 2 * torch.rand(400, 2) - 1
    before = network(x)
    network.extend(8, x)  # the hidden grids move as well
    assert network.grid == 8 and network.outside_fraction(x) == 0
    assert (network(x) - before).abs().max() < 1e-3
    still = network(x)
    network.extend(16, x)
    assert (network(x) - still).abs().max() < 1e-9


def test_parameters_come_back_by_name():
    network, other = mixed(), mixed()
    for parameter in other.parameters():
        parameter.data.zero_()
    other.load_state_dict(network.state_dict())
    x = torch.rand(5, 2)
    assert torch.equal(network(x), other(x))


def test_an_unknown_function_is_explained():
    with pytest.raises(InputError, match="'besselk' came"):
        library_row("besselk")
    with pytest.raises(InputError, match="'besselk' came"):
        named_edge("besselk")
