"""The contract of feature maps: derivatives of any order, listed and dense forms, autograd through them."""

import pytest
import torch
from torch.func import jacrev, vmap

from kanpde.errors import InputError
from kanpde.models.bases import ACTIVATIONS, BASES, BSplines, Identity, Joined, SiLU
from kanpde.models.splines import uniform_grid

LOWER, UPPER = torch.tensor([[-1.0, 0.0], [1.0, 3.0]], dtype=torch.float64)


def bsplines(cells: int = 4, degree: int = 5) -> BSplines:
    return BSplines(uniform_grid(LOWER, UPPER, cells), degree)


def unequal() -> BSplines:
    return BSplines(torch.tensor([[-1.0, -0.8, 0.1, 1.0], [0.0, 1.0, 2.5, 3.0]]), 5)


MAPS = {
    "bsplines": bsplines,
    "unequal bsplines": unequal,
    "bsplines beside silu": lambda: Joined(bsplines(), SiLU(2)),
    "identity": lambda: Identity(2),
    **{name: lambda cls=cls: cls(2) for name, cls in ACTIVATIONS.items()},
    **{name: lambda cls=cls: cls(LOWER, UPPER, 5) for name, cls in BASES.items() if cls is not BSplines},
}
RANGED = ["bsplines", "unequal bsplines", *(name for name in BASES if name != "bspline")]


def inside(count: int = 9) -> torch.Tensor:
    return LOWER + (UPPER - LOWER) * torch.linspace(0.06, 0.97, count)[:, None]


@pytest.fixture(params=MAPS, name="feature_map")
def feature_map_of_each_kind(request):
    return MAPS[request.param]()


def test_shapes(feature_map):
    values, index = feature_map(inside(), 3)
    listed = values.shape[-1]
    assert values.shape == (9, 2, 4, listed)
    assert index is None and listed == feature_map.size or index.shape == (9, 2, listed)
    assert feature_map.dense(inside(), 3).shape == (9, 4, 2, feature_map.size)


def test_derivatives_against_torch_func(feature_map):
    def value(x):
        return feature_map.dense(x[None])[0, 0]  # [in, m]

    slope, expected = value, [vmap(value)(inside())]
    for _ in range(4):
        slope = (lambda f: lambda x: jacrev(lambda y: f(y).sum(0))(x).movedim(-1, 0))(slope)
        expected.append(vmap(slope)(inside()))
    found = feature_map.dense(inside(), 4)
    for order in range(5):
        size = expected[order].abs().max().clamp(min=1)
        assert (found[:, order] - expected[order]).abs().max() < 1e-10 * size, f"order {order}"


def test_higher_rows_are_the_gradients_of_lower_ones(feature_map):
    x = inside().requires_grad_()
    values = feature_map(x, 2).values
    weights = torch.randn(values.shape)
    (gradient,) = torch.autograd.grad((values * weights).sum(), x)
    expected = (feature_map(inside(), 3).values[:, :, 1:] * weights).sum((-1, -2))
    assert torch.allclose(gradient, expected, rtol=1e-11)


def test_second_order_autograd(feature_map):
    assert torch.autograd.gradgradcheck(lambda x: feature_map(x).values, inside(3).requires_grad_(), atol=1e-6)


@pytest.mark.parametrize("name", RANGED)
def test_resizing_keeps_the_family_and_the_interval(name):
    small = MAPS[name]()
    large = small.resized(small.lower, small.upper, 2 * small.resolution)
    assert type(large) is type(small) and large.resolution == 2 * small.resolution and large.size > small.size
    assert torch.allclose(large.lower, small.lower) and torch.allclose(large.upper, small.upper)


@pytest.mark.parametrize("name", RANGED)
def test_inputs_off_the_interval_are_counted_and_finite(name):
    feature_map = MAPS[name]()
    x = torch.tensor([[-1.2, 1.0], [0.0, 3.4]])
    assert feature_map.outside(x).tolist() == [[True, False], [False, True]]
    assert feature_map(x, 2).values.isfinite().all()


def test_unequal_cells_are_halved_as_they_are():
    coarse = unequal()
    fine = coarse.resized(coarse.lower, coarse.upper, 6)
    assert torch.isin(coarse.grid, fine.grid).all()


@pytest.mark.parametrize("degree", [0, 14])
def test_degrees_out_of_range_are_refused(degree):
    with pytest.raises(InputError, match=f"between 1 and 13; {degree} came"):
        bsplines(degree=degree)


def test_a_grid_that_does_not_increase_is_refused():
    with pytest.raises(InputError, match="increasing"):
        BSplines(torch.tensor([[0.0, 1.0, 1.0]]), 3)


def test_a_grid_read_from_a_file_is_looked_at_again():
    equal = bsplines(3)
    assert equal.uniform
    equal.load_state_dict(unequal().state_dict())
    assert not equal.uniform
    assert torch.equal(equal.dense(inside()), unequal().dense(inside()))
