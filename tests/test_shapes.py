"""Shapes, regions and their boundaries: measures, normals, algebra, signs of dn, sub-sides, what is refused."""

import math

import pytest
import torch
from scipy.special import ellipe

from kanpde.domains import Box, box_sides
from kanpde.errors import InputError
from kanpde.metrics import measuring_points
from kanpde.problems import load_problem
from kanpde.regions import inside_points, piece_points, sampled_inside
from kanpde.sampling import GaussSampling, SobolSampling, uniform_points
from kanpde.shapes import Cuboid, Polygon, Round, facet_points, perimeter

DISK, ELLIPSE, BALL = Round((0.2, -0.1), (0.5, 0.5)), Round((0.0, 0.1), (0.8, 0.3)), Round((0.1, 0, 0), (0.6,) * 3)
TRIANGLE = Polygon(((-0.5, -0.5), (0.0, 0.7), (0.5, -0.5)))  # clockwise
CASES = [
    (DISK, math.pi * 0.25, math.pi),
    (ELLIPSE, math.pi * 0.24, 4 * 0.8 * ellipe(1 - 0.09 / 0.64)),
    (BALL, 4 / 3 * math.pi * 0.216, 4 * math.pi * 0.36),
    (Cuboid((-0.5, 0.0), (0.5, 0.3)), 0.3, 2.6),
    (Cuboid((-0.5, 0.0, 0.0), (0.5, 0.3, 0.2)), 0.06, 2 * (0.3 + 0.2 + 0.06)),
    (TRIANGLE, 0.6, 1 + 2 * 1.3),
]


@pytest.mark.parametrize(("shape", "volume", "surface"), CASES)
def test_measures_and_the_divergence_theorem(shape, volume, surface):
    """∫ x·n dS = d |shape|, by sampling the boundary; |shape| by counting points inside."""
    dimension = len(shape.bounds[0])
    box = Box(*shape.bounds)
    inside = shape.contains(uniform_points(box, 2**14, 0)).double().mean().item() * math.prod(box.lengths)
    assert inside == pytest.approx(volume, rel=5e-3)
    assert perimeter(shape) == pytest.approx(surface, rel=1e-5)
    flux = 0.0
    for facet in shape.facets():
        points = facet_points(facet, dimension, 2048, 1)
        flux += facet.measure * (points * facet.normals(points)).sum(1).mean().item()
    assert flux / dimension == pytest.approx(volume, rel=1e-2)


@pytest.mark.parametrize("shape", [case[0] for case in CASES])
def test_normals_have_length_one_and_lead_out(shape):
    for facet in shape.facets():
        points = facet_points(facet, len(shape.bounds[0]), 200, 1)
        normals = facet.normals(points)
        assert torch.allclose(normals.norm(dim=1), torch.ones(200).double())
        assert shape.contains(points - 1e-6 * normals).all() and not shape.contains(points + 1e-6 * normals).any()


def stated(**changes):
    """A manufactured solution on a square with a hole."""
    data = {
        "coordinates": {"x": [-1, 1], "y": [-1, 1]},
        "fields": ["u"],
        "shapes": {"hole": "disk(0.2, 0.1, 0.4)"},
        "domain": "box - hole",
        "equations": {"poisson": "lap(u) = auto"},
        "boundary": {"*": "u = auto"},
        "exact": {"u": "exp(x)*sin(2*y)"},
    }
    return {name: value for name, value in (data | changes).items() if value is not None}


def refused(data, *parts):
    with pytest.raises(InputError) as error:
        load_problem(data)
    for part in parts:
        assert part in str(error.value)


def region_of(domain):
    shapes = {"a": "disk(-0.2, 0, 0.5)", "b": "disk(0.2, 0, 0.5)", "c": "box(-0.3, 0.3, -0.2, 0.2)"}
    return load_problem(stated(shapes=shapes, domain=domain)).region


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("a - b + (a & b)", "a"),
        ("box - (a + b)", "box - a - b"),
        ("a & (b + c)", "(a & b) + (a & c)"),
        ("box", "a + box"),
    ],
)
def test_algebra(left, right):
    points = uniform_points(Box((-1.0, -1.0), (1.0, 1.0)), 2000, 0)
    assert torch.equal(region_of(left).contains(points), region_of(right).contains(points))
    assert not torch.equal(region_of("a + b").contains(points), region_of("a & b").contains(points))


# The outward normal of the region points into the hole: dn u = -((x - 0.2) u_x + (y - 0.1) u_y)/0.4.
DN = "(-((x - 0.2)*exp(x)*sin(2*y) + (y - 0.1)*2*exp(x)*cos(2*y))/0.4)"


@pytest.mark.parametrize("left, right", [("dn(u)", DN), ("dn(u) + 3*u", f"{DN} + 3*exp(x)*sin(2*y)")])
def test_neumann_and_robin_conditions_on_a_hole_have_the_right_sign(left, right):
    assert load_problem(stated(boundary={"hole": f"{left} = {right}", "*": "u = auto"}))
    refused(stated(boundary={"hole": f"{left} = 1.01*({right})", "*": "u = auto"}), "needs to satisfy boundary.hole")
    flipped = right.replace("(-(", "(+(")
    refused(stated(boundary={"hole": f"{left} = {flipped}", "*": "u = auto"}), "needs to satisfy boundary.hole")


def test_edges_of_a_notch_have_the_right_normals_and_outer_edges_are_none():
    """box(0, 1, -1, 0) has the edges x = 0 and y = 0 within the square; out of the rest is +x on the first."""
    data = stated(shapes={"notch": "box(0, 1, -1, 0)"}, domain="box - notch", exact={"u": "x**2 + 3*y + x"})
    problem = load_problem(data | {"boundary": {"notch": "dn(u) = where(x < 1e-9, 1, -3)", "*": "u = auto"}})
    assert [c.name for c in problem.conditions] == ["x-", "x+", "y-", "y+", "notch[1]", "notch[2]"]
    refused(data | {"boundary": {"notch": "dn(u) = where(x < 1e-9, -1, 3)", "*": "u = auto"}}, "needs to satisfy")
    side = piece_points(problem.region, problem.domain, box_sides(("x", "y"))[1], 100, 0)
    assert len(side) == 100 and (side[:, 1] > 0).all()


@pytest.mark.parametrize("sampling", [SobolSampling(), GaussSampling()])
def test_samples_lie_in_the_region(sampling):
    problem = load_problem(stated())
    points, weights = sampled_inside(sampling, problem.region, problem.domain, 500, 0, ())
    assert len(points) >= 500 and problem.region.contains(points).all() and weights.mean().item() == pytest.approx(1)
    assert ((measuring_points(problem) - torch.tensor([0.2, 0.1])).norm(dim=1) > 0.4 - 1e-6).all()
    assert len(inside_points(problem.region, problem.domain, 300, 0)) == 300


def test_time_is_a_product():
    data = stated(
        coordinates={"x": [-1, 1], "t": [0, 2], "y": [-1, 1]}, equations={"heat": "u_t = lap(u) + auto"},
        initial="u = auto", exact={"u": "exp(x - t)*y"},
    )  # fmt: skip
    problem = load_problem(data)
    (hole,) = [c.side for c in problem.conditions if c.name == "hole"]
    points = piece_points(problem.region, problem.domain, hole, 400, 0)
    radius = (points[:, [0, 2]] - torch.tensor([0.2, 0.1])).norm(dim=1)
    assert torch.allclose(radius, torch.full_like(radius, 0.4)) and points[:, 1].mean().item() == pytest.approx(1, 1e-2)


def test_parts_of_sides():
    upper = {"where": "y >= 0.5", "condition": "dn(u) = -exp(-1)*sin(2*y)"}
    parts = [{"where": "y < 0.5", "condition": "u = auto"}, upper]
    plain = stated(shapes=None, domain=None, boundary={"x-": parts, "*": "u = auto"})
    problem = load_problem(plain)
    pieces = [c.side for c in problem.conditions if c.side.name == "x-"]
    low, high = (piece_points(None, problem.domain, piece, 200, 0)[:, 1] for piece in pieces)
    assert low.max() < 0.5 <= high.min() and len(low) == len(high) == 200
    listed = [{"on": "x-", **part} for part in parts] + [{"on": "*", "condition": "u = auto"}]
    assert load_problem(plain | {"boundary": listed}).conditions == problem.conditions
    refused(plain | {"boundary": {"x-": parts[:1], "*": "u = auto"}}, "all over x-", "it has none")
    wrong = [parts[0], {"where": "y >= 0.5", "condition": "dn(u) = exp(-1)*sin(2*y)"}]
    refused(plain | {"boundary": {"x-": wrong, "*": "u = auto"}}, "needs to satisfy")


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"shapes": {"hole": "disk(3, 0, 0.1)"}}, ["shapes.hole", "meets the box"]),
        ({"shapes": {"hole": "disk(0, 0, -1)"}}, ["positive radii"]),
        ({"shapes": {"hole": "disk(0, 0)"}}, ["disk(x, y, r)"]),
        ({"shapes": {"hole": "ball(0, 0, 0, 1)"}}, ["3 space dimensions"]),
        ({"shapes": {"hole": "blob(1)"}}, ["a shape"]),
        ({"shapes": {"hole": "box(1, 0, 0, 1)"}}, ["x0 < x1"]),
        ({"shapes": {"hole": "polygon(0, 0, 1, 1, 1, 0, 0, 0.5)"}}, ["do not cross"]),
        ({"shapes": {"hole": "disk(__import__, 0, 1)"}}, ["shapes.hole"]),
        ({"shapes": {"u": "disk(0, 0, 0.1)"}, "domain": "box - u"}, ["taken already"]),
        ({"shapes": {"hole": "disk(0, 0, 3)"}}, ["needs points inside the box"]),
        ({"shapes": {"hole": "box(-0.1, 0.1, -2, 2)"}}, ["falls into 2 parts"]),
        ({"domain": None}, ["needs domain"]),
        ({"domain": "box - gap"}, ["gap"]),
        ({"domain": "box * hole"}, ["joined by"]),
        ({"domain": "box -"}, ["joined by"]),
        ({"boundary": {"x-": "u = auto", "x+": "u = auto", "y-": "u = auto", "y+": "u = auto"}}, ["all over hole"]),
        ({"boundary": {"x-": [{"where": "y > 5", "condition": "u = 0"}], "*": "u = auto"}}, ["holds nowhere"]),
        ({"boundary": [{"where": "y > 5"}]}, ["entries with on and condition"]),
    ],
)  # fmt: skip
def test_what_is_refused(changes, parts):
    refused(stated(**changes), *parts)
