"""B-splines: the fast route against the recursion, properties, convergence orders."""

import math

import pytest
import torch

from kanpde.models.spline_sums import dense_spline_sums, spline_sums
from kanpde.models.splines import (
    MAX_DEGREE,
    cardinal_pieces,
    extended_knots,
    is_uniform,
    local_splines,
    splines,
    uniform_grid,
    uniform_splines,
)

DEGREES = [1, 2, 3, 5, 7, MAX_DEGREE]


def grids() -> torch.Tensor:
    return uniform_grid(torch.tensor([-1.0, 0.0]), torch.tensor([1.0, 3.0]), 6)


def bent(grid: torch.Tensor) -> torch.Tensor:
    """The same interval with unequal cells."""
    low, high = grid[:, :1], grid[:, -1:]
    s = (grid - low) / (high - low)
    return low + (high - low) * (0.3 * s + 0.7 * s**2)


def points(grid: torch.Tensor, count: int = 40, beyond: float = 0.05) -> torch.Tensor:
    s = torch.linspace(-beyond, 1 + beyond, count)[:, None]
    return grid[:, 0] + s * (grid[:, -1] - grid[:, 0])


@pytest.mark.parametrize("degree", DEGREES)
def test_uniform_route_agrees_with_the_recursion(degree):
    grid = grids()
    x = points(grid)
    cell, fast = uniform_splines(x, grid, degree, 4)
    slow_cell, slow = local_splines(x, grid, degree, 4)
    assert torch.equal(cell, slow_cell)
    size = slow.abs().amax((0, 1, 3), keepdim=True).clamp(min=1)
    assert ((fast - slow).abs() / size).max() < 1e-13


@pytest.mark.parametrize("degree", DEGREES)
@pytest.mark.parametrize("shape", [lambda grid: grid, bent])
def test_partition_of_unity_and_its_derivatives(degree, shape):
    grid = shape(grids())
    _, values = splines(points(grid), grid, degree, 2)
    size = values.abs().amax((0, 1, 3))
    assert (values[:, :, 0].sum(-1) - 1).abs().max() < 1e-13
    assert values[:, :, 1].sum(-1).abs().max() < 1e-12 * size[1]
    assert values[:, :, 2].sum(-1).abs().max() <= 1e-12 * size[2]


@pytest.mark.parametrize("degree", DEGREES)
def test_derivatives_on_unequal_cells_against_autograd(degree):
    grid = bent(grids())
    x = points(grid, 15, beyond=0.0)[1:-1].requires_grad_()
    _, values = local_splines(x, grid, degree, 3)
    for order in range(3):
        for j in range(degree + 1):
            (slope,) = torch.autograd.grad(values[:, :, order, j].sum(), x, retain_graph=True, allow_unused=True)
            if slope is not None:
                size = values[:, :, order + 1].abs().max().clamp(min=1)
                assert (slope - values[:, :, order + 1, j]).abs().max() < 1e-12 * size


@pytest.mark.parametrize("degree", [1, 3, 5])
def test_splines_vanish_outside_their_support_and_are_positive_inside(degree):
    grid = grids()[:1]
    cell, values = splines(points(grid, beyond=0.0), grid, degree)
    assert values.min() > -1e-14
    knots = extended_knots(grid, degree)[0]
    for x, first in zip(points(grid, beyond=0.0)[:, 0], cell[:, 0], strict=True):
        assert knots[first + degree] <= x + 1e-12 and x <= knots[first + degree + 1] + 1e-12


@pytest.mark.parametrize("degree", [1, 2, 3, 5])
def test_fit_converges_with_order_k_plus_1(degree):
    """Least-squares fits of a smooth function; the order from the two finest grids."""

    def error(cells: int) -> float:
        grid = uniform_grid(torch.tensor([-1.0]), torch.tensor([1.0]), cells)
        x = torch.linspace(-1, 1, 1001)[:, None]
        first, values = splines(x, grid, degree)
        design = torch.zeros(len(x), cells + degree)
        design.scatter_(1, first + torch.arange(degree + 1), values[:, 0, 0])
        target = torch.sin(4 * x)
        return (design @ torch.linalg.lstsq(design, target).solution - target).norm().item()

    coarse, fine = (16, 32) if degree > 3 else (32, 64)
    order = math.log2(error(coarse) / error(fine))
    assert abs(order - (degree + 1)) < 0.3, f"observed order {order:.2f}, expected {degree + 1}"


def test_the_end_piece_continues_outside_the_grid():
    """A cubic is reproduced by cubic splines, beyond the ends as well."""
    grid = grids()[:1]
    x = torch.linspace(-1, 1, 50)[:, None]
    first, values = splines(x, grid, 3)
    design = torch.zeros(50, 9).scatter_(1, first + torch.arange(4), values[:, 0, 0])
    coefficients = torch.linalg.lstsq(design, x**3).solution[:, 0]
    outside = torch.tensor([[-1.4], [1.7]])
    first, values = splines(outside, grid, 3)
    reached = (values[:, 0, 0] * coefficients[first + torch.arange(4)]).sum(-1)
    assert torch.allclose(reached, outside[:, 0] ** 3, rtol=1e-10)


def test_nan_stays_nan():
    grid = grids()[:1]
    for route in (uniform_splines, local_splines):
        _, values = route(torch.tensor([[float("nan")]]), grid, 3, 0)
        assert values.isnan().any()


def test_uniformity_is_seen():
    assert is_uniform(grids()) and not is_uniform(bent(grids()))
    assert is_uniform(grids().float()) and not is_uniform(bent(grids()).float())


def test_pieces_are_those_of_the_textbook():
    """The quadratic pieces ½(1-s)², ½ + s - s², ½s² at s = ½."""
    constant = cardinal_pieces(2, 0)[0][0]
    assert constant == pytest.approx((1 / 8, 3 / 4, 1 / 8))


@pytest.mark.parametrize("degree", [1, 3, 7])
@pytest.mark.parametrize("cells", [1, 6, 40])
@pytest.mark.parametrize("shape", [lambda grid: grid, bent])
def test_sums_of_splines_against_the_dense_route(degree, cells, shape):
    """Values, gradients and gradients of gradients, below and above the size where entries are sampled."""
    grid = shape(uniform_grid(torch.tensor([-1.0, 0.0]), torch.tensor([1.0, 3.0]), cells))
    x = points(grid, 9, beyond=0.03).requires_grad_()
    weight = torch.randn(2, cells + degree, 3, requires_grad=True)

    def fast(x, weight):
        return spline_sums(x, grid, degree, is_uniform(grid), weight)

    def slow(x, weight):
        return dense_spline_sums(x, grid, degree, is_uniform(grid), weight)

    assert torch.allclose(fast(x, weight), slow(x, weight), rtol=1e-11, atol=1e-11)
    direction = torch.randn(9, 3)
    found = torch.autograd.grad(fast(x, weight), (x, weight), direction)
    index, values = splines(x.detach(), grid, degree, 1)
    slopes = torch.zeros(9, 2, cells + degree).scatter_(
        2, index[..., None] + torch.arange(degree + 1), values[:, :, 1].detach()
    )
    expected_x = torch.einsum("nij,ijo,no->ni", slopes, weight.detach(), direction)
    (expected_weight,) = torch.autograd.grad(slow(x, weight), weight, direction)
    assert torch.allclose(found[0], expected_x, rtol=1e-9, atol=1e-9 * expected_x.abs().max().item())
    assert torch.allclose(found[1], expected_weight, rtol=1e-10, atol=1e-11)
    if degree > 1:
        assert torch.autograd.gradgradcheck(fast, (x, weight), atol=1e-4, rtol=1e-3)
