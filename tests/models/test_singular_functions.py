"""Singular functions: their derivatives by two routes, and what vanishes where."""

import math

import pytest
import torch
from torch.func import jacrev

from kanpde.models.differentiation import EnrichedRoute, NestedRoute, route_for
from kanpde.models.jets import closure
from kanpde.models.networks.enriched import Enriched
from kanpde.models.networks.ridge import RidgeSplines
from kanpde.models.singular_functions import singular_jets

#         c_x  c_y   φ    ω      ρ   Re a  Im a l  b  imaginary
TABLE = torch.tensor(
    [
        [0.0, 0.0, 0.0, 1.5 * math.pi, 1.0, 2 / 3, 0, 0, 0, 1],
        [0.1, 0.2, 0.7, math.pi / 2, 0.5, 2, 0, 1, 0, 0],
        [0.1, 0.2, 0.7, math.pi / 2, 0.5, 1, 0, 1, 1, 1],
        [-0.3, 0.3, 0.0, 0.0, 0.1, -3, 0, 0, 0, 0],
        [0.0, 1.0, 0.2, math.pi / 2, 1.0, 2.74, 1.12, 0, 1, 0],
        [0.0, 0.0, 0.0, 2.0, 1.0, 0.5, 0, 0, 2, 1],
    ],
    dtype=torch.float64,
)
INDICES = closure([(4, 0), (2, 2), (0, 4), (1, 3)], 2)


@pytest.fixture
def points() -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return 0.2 + torch.rand(7, 2, generator=generator, dtype=torch.float64)


def test_derivatives_are_those_of_the_functions(points):
    found = singular_jets(points, TABLE, INDICES)

    def value(point):
        return singular_jets(point[None], TABLE, ((0, 0),))[0, 0]

    slopes = torch.stack([jacrev(value)(x) for x in points])  # [n, K, 2]
    curvatures = torch.stack([jacrev(jacrev(value))(x) for x in points])
    for place, (i, j) in enumerate(INDICES):
        if i + j == 1:
            assert torch.allclose(found[:, place], slopes[..., j], rtol=1e-9)
        if i + j == 2:
            assert torch.allclose(found[:, place], curvatures[..., int(j > 0), int(j > 1)], rtol=1e-9, atol=1e-9)


def test_without_conjugates_they_are_harmonic_and_with_one_biharmonic(points):
    jets = singular_jets(points, TABLE, INDICES)
    at = {index: jets[:, place] for place, index in enumerate(INDICES)}
    laplacian = at[2, 0] + at[0, 2]
    sizes = at[2, 0].abs().amax(0)
    harmonic = TABLE[:, 8] == 0
    assert (laplacian.abs().amax(0) / sizes < 1e-12).equal(harmonic)
    twice = at[4, 0] + 2 * at[2, 2] + at[0, 4]
    assert (twice.abs().amax(0) / at[4, 0].abs().amax(0) < 1e-11).equal(TABLE[:, 8] <= 1)


def test_the_first_vanishes_on_both_edges_of_its_corner():
    edges = torch.tensor([[0.5, 0.0], [0.0, -0.5], [-0.5, 0.0]], dtype=torch.float64)
    values = singular_jets(edges, TABLE[:1], ((0, 0),))[:, 0, 0]
    assert values[:2].abs().max() < 1e-15 and values[2] > 0.5


def test_at_its_center_a_function_is_a_number():
    values = singular_jets(torch.zeros(1, 2, dtype=torch.float64), TABLE, INDICES)
    assert values.isfinite().all()


def test_an_enriched_network_has_the_same_jacobian_by_both_routes(points):
    generator = torch.Generator().manual_seed(0)
    base = RidgeSplines([2, 5, 2], 4, 7, dtype=torch.float64, generator=generator)
    base.layers[0].weight.requires_grad_(False)
    network = Enriched(base, TABLE, 2)
    network.coefficients.data.normal_(generator=generator)
    indices = closure([(2, 0), (0, 2)], 2)

    def head(jets):
        return torch.stack([jets[:, 1, 0] ** 2 + jets[:, 3, 1], jets[:, 0, 0] * jets[:, 0, 1]], dim=1)

    found = []
    for route in (route_for(network), NestedRoute(network)):
        found.append(route.jacobian(route.prepare(points, indices), indices, head))
    assert isinstance(route_for(network), EnrichedRoute)
    ordered = [name for name, parameter in network.named_parameters() if parameter.requires_grad]
    assert torch.allclose(found[0][0], found[1][0], rtol=1e-10)
    assert torch.allclose(network(points), network.jet(points, ((0, 0),))[:, 0])
    if ordered[0] == "coefficients":  # as modules list them, a module's own come first
        moved = torch.cat([found[0][1][..., -12:], found[0][1][..., :-12]], dim=-1)
        assert torch.allclose(moved, found[1][1], rtol=1e-8, atol=1e-8)
    else:
        assert torch.allclose(found[0][1], found[1][1], rtol=1e-8, atol=1e-8)
