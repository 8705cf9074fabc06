"""Products of splines: their derivatives, their periods, their sparse Jacobian, and knots of any multiplicity."""

import torch

from kanpde.errors import InputError
from kanpde.models.differentiation import NestedRoute, route_for
from kanpde.models.jets import closure
from kanpde.models.networks.products import ProductDesign
from kanpde.models.splines import clamped_knots, knot_splines, local_splines

INDICES = closure([(2, 1), (0, 3)], 2)


def network(outputs: int = 2, periodic=(1,)):
    generator = torch.Generator().manual_seed(0)
    options = {"lower": [0.0, -1.0], "upper": [1.0, 1.0], "periodic": periodic, "generator": generator}
    return ProductDesign((4, 9), 5).build(2, outputs, 0, dtype=torch.float64, **options)


def inside(count: int) -> torch.Tensor:
    return torch.rand(count, 2, dtype=torch.float64) * torch.tensor([1.0, 2.0]) + torch.tensor([0.0, -1.0])


def test_each_derivative_is_the_slope_of_the_one_below():
    net, x, h = network(), inside(30), 1e-5
    jets = net.jet(x, INDICES).detach()
    for axis, (below, above) in enumerate([((1, 0), (2, 0)), ((0, 2), (0, 3))]):
        step = h * torch.eye(2, dtype=torch.float64)[axis]
        slope = (net.jet(x + step, INDICES) - net.jet(x - step, INDICES))[:, INDICES.index(below)] / (2 * h)
        found = jets[:, INDICES.index(above)]
        assert (slope - found).abs().max() < 1e-4 * found.abs().max() and found.abs().max() > 0.1


def test_it_repeats_itself_along_periodic_coordinates_alone():
    net, x = network(), inside(30)
    period = torch.tensor([0.0, 2.0], dtype=torch.float64)
    assert torch.allclose(net(x + period), net(x))
    assert not torch.allclose(network(periodic=())(x + period), network(periodic=())(x))


def test_the_sparse_jacobian_is_the_dense_one_and_that_of_nested_differentiation():
    net, x = network(), inside(7)
    head = lambda jets: torch.stack([jets[:, 1, 0] * jets[:, 0, 1], jets[:, 2].sum(1)], dim=1)  # noqa: E731
    route, indices = route_for(net), closure([(1, 0), (0, 1)], 2)
    prepared = route.prepare(x, indices)
    residual, dense = route.jacobian(prepared, indices, head)
    same, rows, columns = route.sparse_jacobian(prepared, indices, head)
    spread = torch.zeros_like(dense).scatter_add(2, columns[:, None].expand_as(rows), rows)
    assert torch.equal(residual, same) and torch.equal(spread, dense)
    net.weight.requires_grad_(True)
    expected = torch.autograd.functional.jacobian(lambda w: _headed(net, w, x, indices, head), net.weight.detach())
    assert torch.allclose(dense, expected.flatten(2), atol=1e-10)


def _headed(net, weight, x, indices, head):
    listed = net.listed(x, indices)
    return head(listed.jets @ weight.flatten(0, -2)[listed.columns])


def test_simple_knots_give_the_splines_of_a_grid():
    grid = torch.linspace(-1, 1, 6, dtype=torch.float64)
    spacing = torch.arange(1, 4, dtype=torch.float64) * 0.4
    knots = torch.cat([-1 - spacing.flip(0), grid, 1 + spacing])
    x = torch.rand(40, dtype=torch.float64) * 2 - 1
    first, values = knot_splines(x, knots, 3, 2)
    cell, expected = local_splines(x[:, None], grid[None], 3, 2)
    assert torch.equal(first, cell[:, 0]) and torch.allclose(values, expected[:, 0])


def test_repeated_knots_take_derivatives_away():
    knots = clamped_knots(torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64), 3, continuity=0)
    assert len(knots) - 4 == 7, "four of each cell, of which one is shared"
    at = torch.tensor([1 - 1e-12, 1.0], dtype=torch.float64)
    (before, after), values = knot_splines(at, knots, 3, 1)
    assert (before, after) == (0, 3)
    assert torch.allclose(values[:, 0, [3, 0]].diagonal(), torch.ones(2, dtype=torch.float64)), "the shared one is 1"


def test_numbers_of_cells_that_fit_no_coordinates_are_refused():
    try:
        ProductDesign((4, 4)).build(3, 1, 0)
    except InputError as error:
        assert "one for each of 3 coordinates" in str(error)
    else:
        raise AssertionError("nothing was refused")
    assert isinstance(route_for(torch.nn.Linear(1, 1)), NestedRoute)
