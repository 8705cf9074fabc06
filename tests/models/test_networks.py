"""KAN and MLP: jets against nested autograd, initialization, extension, periodicity, modules as usual."""

import copy

import pytest
import torch

from kanpde.errors import InputError
from kanpde.models.bases.bsplines import BSplines
from kanpde.models.differentiation import NestedRoute
from kanpde.models.jets import chain_matrix, closure
from kanpde.models.networks import KAN, MLP, KANDesign, MLPDesign
from kanpde.models.networks.chains import ranged_part
from kanpde.models.networks.linear_maps import dense_tap, lifted, local_tap

NETWORKS = {
    "kan": lambda: KAN([2, 4, 1], grid=4, degree=5),
    "deep kan beside silu": lambda: KAN([2, 3, 3, 2], grid=3, degree=5, base="silu"),
    "periodic kan": lambda: KAN([2, 4, 1], grid=4, degree=5, periodic=(1,)),
    "fine kan": lambda: KAN([2, 3, 1], grid=60, degree=5),
    "wide outputs": lambda: KAN([2, 2, 16], grid=3, degree=5),  # so wide that features are laid out
    "chebyshev": lambda: KAN([2, 4, 1], grid=5, basis="chebyshev"),
    "gaussian": lambda: KAN([2, 4, 1], grid=5, basis="gaussian"),
    "fourier": lambda: KAN([2, 4, 1], grid=3, basis="fourier"),
    "mlp": lambda: MLP([2, 6, 6, 1]),
    "gelu mlp": lambda: MLP([2, 6, 1], activation="gelu"),
    "periodic mlp": lambda: MLP([2, 6, 1], activation="sin", periodic=(0,)),
    "a box of its own": lambda: KAN([2, 4, 1], grid=4, degree=5, lower=(0.0, -2.0), upper=(3.0, 5.0)),
}


def points(network, count: int = 6) -> torch.Tensor:
    lower, upper = network.inputs.lower, network.inputs.upper
    return lower + (upper - lower) * (0.03 + 0.94 * torch.rand(count, 2))


@pytest.fixture(params=NETWORKS, name="network")
def network_of_each_kind(request):
    return NETWORKS[request.param]()


def test_jets_against_nested_autograd(network):
    """Third and mixed derivatives in the first coordinate, mixed fourth order."""
    indices = closure([(3, 0), (2, 2)], 2)
    x = points(network)
    fast = network.jet(x, indices)
    slow = NestedRoute(network).jets(x, indices)
    size = slow.abs().amax((0, 2), keepdim=True).clamp(min=1)
    assert ((fast - slow).abs() / size).max() < 1e-10


def test_the_value_of_the_jet_is_the_module(network):
    x = points(network)
    assert torch.allclose(network(x), network.jet(x, closure((), 2))[:, 0], rtol=1e-12, atol=1e-13)


def test_any_leading_shape(network):
    x = points(network, 6).reshape(2, 3, 2)
    assert network(x).shape == (2, 3, network.layers[-1].weight.shape[-1])


def test_gradients_with_respect_to_parameters_and_points(network):
    x = points(network, 3).requires_grad_()

    def loss(*parameters):
        return torch.func.functional_call(network, dict(zip(names, parameters[1:], strict=True)), (parameters[0],))

    names, values = zip(*network.named_parameters(), strict=True)
    assert torch.autograd.gradcheck(loss, (x, *values), atol=1e-6)


def test_periodic_networks_repeat_with_all_derivatives():
    network = NETWORKS["periodic kan"]()
    x = points(network)
    shifted = x + torch.tensor([0.0, 2.0])
    indices = closure([(0, 3), (1, 1)], 2)
    assert torch.allclose(network.jet(x, indices), network.jet(shifted, indices), atol=1e-9)
    assert (network(x) - network(x + torch.tensor([0.0, 1.0]))).abs().max() > 1e-3


@pytest.mark.parametrize("degree", [1, 3, 5, 7, 9, 13])
@pytest.mark.parametrize("base", ["none", "silu"])
def test_grid_doubling_preserves_the_function(degree, base):
    network = KAN([2, 5, 1], grid=2, degree=degree, base=base)
    spread_out = 2 * torch.rand(500, 2) - 1
    for grid in (4, 8, 16):
        ranged_part(network.layers[1]).outside = lambda y: torch.zeros_like(y, dtype=torch.bool)  # stay nested
        before, old = network(spread_out), network.grid
        network.extend(grid, spread_out)
        assert network.grid == grid == 2 * old
        assert (network(spread_out) - before).abs().max() < 1e-10


@pytest.mark.parametrize("basis", ["chebyshev", "fourier"])
def test_more_modes_preserve_the_function(basis):
    network = KAN([2, 5, 1], grid=4, basis=basis)
    x = 2 * torch.rand(500, 2) - 1
    before = network(x)
    network.extend(8, x[:100])
    assert (network(x) - before).abs().max() < 1e-10


def test_extension_recenters_a_hidden_range_that_was_outgrown():
    network = KAN([2, 5, 1], grid=8, degree=5)
    x = 2 * torch.rand(2000, 2) - 1
    network.layers[0].weight.data *= 1.3  # activations now overshoot
    assert network.outside_fraction(x) > 0.01
    before = network(x)
    network.extend(16, x)
    assert network.outside_fraction(x) == 0
    assert (network(x) - before).abs().max() < 1e-3


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("widths", [[1, 5, 1], [2, 8, 1], [3, 8, 8, 2]])
def test_initial_activations_stay_inside_the_grids(seed, widths):
    network = KAN(widths, grid=16, degree=7, generator=torch.Generator().manual_seed(seed))
    x = 2 * torch.rand(5000, widths[0]) - 1
    assert network.outside_fraction(x) < 0.01
    assert 0.1 < network(x).std() < 1.5


@pytest.mark.parametrize("kind", [KAN, MLP])
def test_initialization_follows_its_generator_and_leaves_the_global_one(kind):
    before = torch.get_rng_state()
    first, second = (kind([2, 4, 1], generator=torch.Generator().manual_seed(3)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert torch.equal(before, torch.get_rng_state())


def test_state_dict_round_trip(network):
    other = copy.deepcopy(network)
    for parameter in other.parameters():
        parameter.data.zero_()
    other.load_state_dict(network.state_dict())
    x = points(network)
    assert torch.equal(network(x), other(x))


def test_degree_one_kan_is_a_relu_network():
    """On each cell a degree-1 KAN is linear: second differences vanish away from knots, not across them."""
    network = KAN([1, 1], grid=4, degree=1)
    x = torch.tensor([[0.1], [0.2], [0.3], [0.4], [0.5], [0.6]])
    y = network(x)[:, 0]
    assert (y[0] - 2 * y[1] + y[2]).abs() < 1e-12
    assert (y[3] - 2 * y[4] + y[5]).abs() > 1e-6


def test_local_and_dense_taps_agree():
    layer = KAN([3, 4, 2], grid=9, degree=5).layers[0]
    indices = closure([(2, 0, 0), (0, 1, 1)], 3)
    jet = torch.randn(8, len(indices), 3)
    features = layer.features(jet[:, 0].tanh(), 2)
    local = local_tap(chain_matrix(jet, indices), *features, layer.weight)
    dense = dense_tap(lifted(jet, indices, features, layer.features.size), layer.weight)
    adjoint = torch.randn_like(local.outputs)
    assert torch.allclose(local.outputs, dense.outputs, rtol=1e-11, atol=1e-12)
    rows = local.jacobian(adjoint).dense(layer.weight.numel())
    assert torch.allclose(rows, dense.jacobian(adjoint).dense(layer.weight.numel()), rtol=1e-11, atol=1e-12)
    by_weight = torch.einsum("nsim,nso->nimo", lifted(jet, indices, features, layer.features.size).features, adjoint)
    assert torch.allclose(rows, by_weight.flatten(1), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: KAN([2]), "widths"),
        (lambda: KAN([2, 0, 1]), "each 1 or more"),
        (lambda: KAN([2, 1], grid=0), "at least one cell"),
        (lambda: KAN([2, 1], basis="haar"), "'haar' came"),
        (lambda: KAN([2, 1], base="relu"), "'relu' came"),
        (lambda: MLP([2, 3, 1], activation="step"), "'step' came"),
    ],
)
def test_wrong_arguments_are_explained(build, message):
    with pytest.raises(InputError, match=message):
        build()


def test_grids_of_the_stages():
    assert KANDesign(grid=16).grids(4) == (2, 4, 8, 16)
    assert KANDesign(grid=20).grids(3) == (5, 10, 20)
    assert KANDesign(grid=3).grids(4) == (3,)
    assert KANDesign(grid=1).grids(2) == (1,)


@pytest.mark.parametrize("order", [0, 2, 6])
@pytest.mark.parametrize("uniform", [True, False])
def test_derivatives_of_edges_are_those_of_their_features(uniform, order):
    torch.manual_seed(0)
    grid = torch.linspace(-1, 1, 8).expand(3, -1).double().clone()
    if not uniform:
        grid[:, 1:-1] += 0.1 * torch.rand(3, 6)
    basis, weight = BSplines(grid, 4), torch.randn(3, 11, 2).double()
    x = 2.4 * torch.rand(50, 3).double() - 1.2  # outside, too
    assert basis.uniform == uniform
    for found, known in zip(basis.edges(x, weight, order), basis.dense(x, order).unbind(1), strict=True):
        known = torch.einsum("nij,ijo->nio", known, weight)
        assert (found - known).abs().max() < 1e-12 * known.abs().max().clamp(min=1)


@pytest.mark.parametrize("model", [KANDesign((4, 3), 6, 5), KANDesign((4,), 6, 5, base="silu"), MLPDesign((4, 3)),
                                   KANDesign((4,), 5, 4, basis="chebyshev")])  # fmt: skip
def test_outputs_alone_are_those_with_taps_and_their_slopes_those_that_taps_give(model):
    network = model.build(2, 2, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    indices = closure([(2, 0), (1, 1), (0, 3)], 2)
    first = network.first_features(2 * torch.rand(40, 2).double() - 1, indices)
    (taps, known), found = network.taps(first, indices), network.outputs(first, indices)
    assert (found - known).abs().max() < 1e-12 * known.abs().max()
    weights = [layer.weight for layer in network.layers]
    slopes = torch.autograd.grad(found.square().sum(), weights)
    adjoints = torch.autograd.grad(known.square().sum(), [tap.outputs for tap in taps])
    for tap, adjoint, weight, slope in zip(taps, adjoints, weights, slopes, strict=True):
        by_point = tap.jacobian(adjoint).dense(weight.numel())
        assert (by_point.sum(0) - slope.flatten()).abs().max() < 1e-11 * slope.abs().max()
