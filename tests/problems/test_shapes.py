"""Shapes, regions and their boundaries: measures, normals, algebra, signs of dn, sub-sides, what is refused."""

import math
import time
from dataclasses import replace

import pytest
import torch
from scipy.special import ellipe, elliprg

from kanpde.errors import InputError
from kanpde.problems.catalog import load_problem
from kanpde.problems.geometry.boxes import Box, box_sides
from kanpde.problems.geometry.regions import ShapeBoundary, inside_points, piece_points, sampled_inside
from kanpde.problems.geometry.sampling import uniform_points
from kanpde.problems.geometry.samplings import GaussSampling, SobolSampling
from kanpde.problems.geometry.shapes import SHAPES, Cuboid, Extrusion, Flat, Polygon, Round, facet_points, perimeter
from kanpde.problems.geometry.shapes.extrusions import End
from kanpde.problems.grids import measuring_points

DISK, ELLIPSE, BALL = Round((0.2, -0.1), (0.5, 0.5)), Round((0.0, 0.1), (0.8, 0.3)), Round((0.1, 0, 0), (0.6,) * 3)
TRIANGLE = Polygon(((-0.5, -0.5), (0.0, 0.7), (0.5, -0.5)))  # clockwise
CASES = [
    (DISK, math.pi * 0.25, math.pi),
    (ELLIPSE, math.pi * 0.24, 4 * 0.8 * ellipe(1 - 0.09 / 0.64)),
    (BALL, 4 / 3 * math.pi * 0.216, 4 * math.pi * 0.36),
    (Cuboid((-0.5, 0.0), (0.5, 0.3)), 0.3, 2.6),
    (Cuboid((-0.5, 0.0, 0.0), (0.5, 0.3, 0.2)), 0.06, 2 * (0.3 + 0.2 + 0.06)),
    (TRIANGLE, 0.6, 1 + 2 * 1.3),
    (SHAPES["triangle"].of([0, 0, 1, 0, 0, 1]), 0.5, 2 + math.sqrt(2)),
    (SHAPES["annulus"].of([0.1, 0, 0.5, 1]), math.pi * 0.75, 3 * math.pi),
    (SHAPES["sector"].of([0, 0.2, 1, 0.5, 3.5]), 1.5, 5),
    (SHAPES["sector"].of([0, 0.2, 1, 100.5, 103.5]), 1.5, 5),
    (SHAPES["rounded_box"].of([0, 1, 0, 2, 0.2]), 2 - 0.16 + 0.04 * math.pi, 6 - 1.6 + 0.4 * math.pi),
    (SHAPES["ball"].of([0, 0, 0.1, 0, 0.5]), math.pi**2 / 32, math.pi**2 / 4),
    (SHAPES["ellipsoid"].of([0, 0, 0, 1, 0.5, 0.25]), math.pi / 6, math.pi / 2 * elliprg(1, 4, 16)),
    (SHAPES["cylinder"].of([0, 0, 0, 1, 1, 1, 0.3]), math.pi * 0.09 * 3**0.5, math.pi * (0.6 * 3**0.5 + 0.18)),
    (Extrusion(TRIANGLE, 0, 0.0, 0.5), 0.3, 1.2 + 0.5 * 3.6),
    (Extrusion(SHAPES["annulus"].of([0.1, 0, 0.5, 1]), 2, 0.0, 0.5), math.pi * 0.375, math.pi * (1.5 + 1.5)),
]


@pytest.mark.parametrize(("shape", "volume", "surface"), CASES)
def test_measures_and_the_divergence_theorem(shape, volume, surface):
    """∫ x·n dS = d |shape|, by sampling the boundary; |shape| by counting points inside."""
    dimension = len(shape.bounds[0])
    box = Box(*shape.bounds)
    inside = shape.contains(uniform_points(box, 2**16, 0)).double().mean().item() * math.prod(box.lengths)
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


@pytest.mark.parametrize("hole", ["disk(0, 0, 1e308)", {"disks": "disks.csv"}])
def test_numbers_of_which_products_are_no_numbers_are_refused(hole, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "disks.csv").write_text("0, 0, 0.1\n0.5, 0.5, 1e300\n")
    refused(stated(shapes={"hole": hole}), "shapes.hole needs numbers up to 1e+50")


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


# Slopes of u = exp(x)*sin(2*y) (in 3-D times cos(z)) along the normal into a hole, by hand.
UX, UY = "exp(x)*sin(2*y)", "2*exp(x)*cos(2*y)"
ELLIPTIC = "sqrt((x/0.36)**2 + ((y - 0.1)/0.09)**2)"
HOLES = {
    "ellipse(0, 0.1, 0.6, 0.3)": f"-(x/0.36*({UX}) + (y - 0.1)/0.09*({UY}))/{ELLIPTIC}",
    "polygon(0, -0.5, 0.5, 0, -0.5, 0)":
        f"where(y > -1e-9, -({UY}), where(x > 0, -({UX}) + {UY}, {UX} + {UY})/sqrt(2))",
    "box(-0.4, 0.2, -0.3, 0.3)":
        f"where(x > 0.2 - 1e-9, -({UX}), where(x < 1e-9 - 0.4, {UX}, where(y > 0, -({UY}), {UY})))",
}  # fmt: skip


@pytest.mark.parametrize("shape", HOLES)
def test_normals_of_holes_of_every_shape(shape):
    """The normal out of the domain leads into the hole; the other one is refused, whatever the kind of condition."""
    slope = HOLES[shape]
    for left, right in (("dn(u)", slope), ("2*dn(u) + 3*u", f"2*({slope}) + 3*exp(x)*sin(2*y)")):
        data = stated(shapes={"hole": shape})
        assert load_problem(data | {"boundary": {"hole": f"{left} = {right}", "*": "u = auto"}})
        for wrong in (f"-({right})", f"1.001*({right})"):
            refused(data | {"boundary": {"hole": f"{left} = {wrong}", "*": "u = auto"}}, "to satisfy boundary.hole")


def test_normals_of_a_ball_and_of_a_shape_that_is_the_domain():
    ball = stated(
        coordinates={"x": [-1, 1], "y": [-1, 1], "z": [-1, 1]}, shapes={"hole": "ball(0.1, 0, 0, 0.5)"},
        exact={"u": "x*y + z**2"},
    )  # fmt: skip
    slope = "((x - 0.1)*y + x*y + 2*z**2)/0.5"
    assert load_problem(ball | {"boundary": {"hole": f"dn(u) + u = -{slope} + x*y + z**2", "*": "u = auto"}})
    refused(ball | {"boundary": {"hole": f"dn(u) + u = {slope} + x*y + z**2", "*": "u = auto"}}, "needs to satisfy")
    inside = ball | {"domain": "hole"}
    assert load_problem(inside | {"boundary": {"hole": f"dn(u) = {slope}"}})
    refused(inside | {"boundary": {"hole": f"dn(u) = -{slope}"}}, "needs to satisfy")


@pytest.mark.parametrize(
    ("domain", "signs"),
    [("a + b", {"a": 1, "b": 1}), ("a - b", {"a": 1, "b": -1}), ("a & b", {"a": 1, "b": 1}),
     ("box - (a & b)", {"a": -1, "b": -1})],
)  # fmt: skip
def test_normals_in_the_algebra_of_shapes(domain, signs):
    """u = x² + y: the slope along a disk's own normal, with the sign that the operation gives it."""
    slopes = {"a": "(2*x*(x + 0.2) + y)/0.5", "b": "(2*x*(x - 0.2) + y)/0.5"}
    data = stated(shapes={"a": "disk(-0.2, 0, 0.5)", "b": "disk(0.2, 0, 0.5)"}, domain=domain, exact={"u": "x**2 + y"})
    rest = {"*": "u = auto"} if domain.startswith("box") else {}
    right = {name: f"dn(u) = {sign}*{slopes[name]}" for name, sign in signs.items()}
    assert load_problem(data | {"boundary": right | rest})
    for name, sign in signs.items():
        refused(data | {"boundary": right | {name: f"dn(u) = {-sign}*{slopes[name]}"} | rest}, f"boundary.{name}")


@pytest.mark.parametrize("form", ["mapping", "list"])
def test_slopes_on_parts_of_sides_have_the_right_sign(form):
    def conditions(value):
        parts = [{"where": "y < 0.5", "condition": f"dn(u) = {value}"}, {"where": "y >= 0.5", "condition": "u = auto"}]
        if form == "mapping":
            return {"x-": parts, "*": "u = auto"}
        return [*({"on": "x-", **part} for part in parts), {"on": "*", "condition": "u = auto"}]

    data = stated()
    assert load_problem(data | {"boundary": conditions("-exp(-1)*sin(2*y)")})
    refused(data | {"boundary": conditions("exp(-1)*sin(2*y)")}, "needs to satisfy", "x-")


@pytest.mark.parametrize(("shape", "volume", "surface"), CASES)
def test_points_are_even_by_area(shape, volume, surface):
    """As many in each part as its share of area or length has it: quasi-random, so far nearer than random ones."""
    count, d = 1024, len(shape.bounds[0])
    own = {2: "disk(0, 0, 0.5)", 3: "ball(0, 0, 0, 0.5)", 4: "ball(0, 0, 0, 0, 0.5)"}[d]
    low, high = (min(-1, *shape.bounds[0]), max(1, *shape.bounds[1]))
    coordinates = {name: [float(low), float(high)] for name in "xyzw"[:d]}
    data = stated(coordinates=coordinates, exact={"u": "x*y"}, shapes={"own": own}, domain="own")
    problem = load_problem(data)
    region = replace(problem.region, shapes=(("own", shape),))
    points = inside_points(region, problem.domain, count, 0)
    direction = torch.tensor([0.8, 0.6, 0.3, 0.2])[:d]
    level = (points @ direction).median()
    fine = inside_points(region, problem.domain, 2**16, 9)
    share = (fine @ direction < level).double().mean().item()
    assert len(points) > count / 3 and abs(share - 0.5) < 0.01  # fewer where the shape is a hundredth of the box
    pieces = [ShapeBoundary("own", facet, 1) for facet in shape.facets()]
    for piece in pieces:
        on = piece_points(region, problem.domain, piece, count, 0)
        assert len(on) == count and _evenness(piece.facet, on) < 0.02


def _evenness(facet, points):
    """Largest miss between the shares of points below levels along an axis and those of length or area there."""
    axis = int(points.std(0).argmax())
    levels = torch.linspace(points[:, axis].min(), points[:, axis].max(), 12)[1:-1]
    found = torch.stack([(points[:, axis] < level).double().mean() for level in levels])
    return (found - _share_below(facet, axis, levels)).abs().max().item()


def _share_below(facet, axis, levels):
    if isinstance(facet, Flat):
        corner = torch.tensor(facet.origin)[axis]
        span = torch.tensor(facet.spans)[:, axis].sum()  # along the edges of boxes only one span counts
        return ((levels - torch.minimum(corner, corner + span)) / span.abs()).clamp(0, 1)
    if isinstance(facet, Round) and len(facet.center) == 3 and len(set(facet.axes)) == 1:  # Archimedes: as height
        return (levels - facet.center[axis] + facet.axes[axis]) / (2 * facet.axes[axis])
    if isinstance(facet, End):
        lower, upper = map(list, facet.base.bounds)
        plane = uniform_points(Box(tuple(lower), tuple(upper)), 2**16, 5)
        along = plane[facet.base.contains(plane)][:, axis - (axis > facet.axis)]
        return torch.stack([(along < level).double().mean() for level in levels])
    place, area = _pieces(facet, levels.dtype)
    return torch.stack([area[place[:, axis] < level].sum() for level in levels]) / area.sum()


def _pieces(facet, dtype, step=1e-6):
    """Places all over a facet and the area, or length, that each stands for: from its parameters' derivatives."""
    count = facet.place(torch.full((1, 3), 0.5, dtype=dtype)).shape[1] - 1
    each = {1: 100_000, 2: 500, 3: 60}[count]
    ticks = (torch.arange(each, dtype=dtype) + 0.5) / each
    unit = torch.cartesian_prod(*[ticks] * count).reshape(-1, count)
    shifts = step * torch.eye(count, dtype=dtype)
    tangents = torch.stack([(facet.place(unit + h) - facet.place(unit - h)) / (2 * step) for h in shifts], dim=2)
    return facet.place(unit), (tangents.mT @ tangents).det().clamp(min=0).sqrt()


SPACE = {"coordinates": {"x": [-1, 1], "y": [-1, 1], "z": [-1, 1]}, "exact": {"u": "x*y + z**2"}}


def test_a_plane_shape_is_drawn_out_along_any_coordinate():
    """Edges are the plane shape's, in its own order, then the lower and the upper end, with normals that lead out."""
    bar = {"bar": {"extrude": "triangle(-1, 0, 1, 0, 0, 1)", "y": ["-1/2", 0.5]}}
    data = stated(**SPACE, shapes=bar, domain="bar", boundary={"bar[1]": "dn(u) = -2*z", "*": "u = auto"})
    problem = load_problem(data)
    assert [c.name for c in problem.conditions] == [f"bar[{n}]" for n in range(1, 6)]
    points = torch.tensor([[0.0, 0.0, 0.5], [0.0, 0.6, 0.5], [0.9, 0.0, 0.5], [0.0, 0.4, 0.9]]).double()
    assert problem.region.contains(points).tolist() == [True, False, False, True]
    for number, sign in (4, -1), (5, 1):
        load_problem(data | {"boundary": {f"bar[{number}]": f"dn(u) = {sign}*x", "*": "u = auto"}})
        refused(data | {"boundary": {f"bar[{number}]": f"dn(u) = {-sign}*x", "*": "u = auto"}}, "needs to satisfy")


def test_levels_meshes_and_lists_are_drawn_out(tmp_path):
    (tmp_path / "bars.csv").write_text("0.5, 0, 0.2\n-0.5, 0, 0.3\n")
    own = {"egg": {"inside": "x^2 + z^4 < 0.5", "y": [-1, 1]},
           "bars": {"disks": str(tmp_path / "bars.csv"), "z": [-0.5, 0.5]}}  # fmt: skip
    problem = load_problem(stated(**SPACE, shapes=own, domain="box - egg - bars"))
    points = torch.tensor([[0.0, 0.9, 0.5], [0.8, 0, 0.2], [-0.79, 0, 0], [-0.79, 0, 0.9]]).double()
    assert problem.region.contains(points).tolist() == [False, True, False, True]
    assert problem.source["shapes"]["bars"] == {
        "each": "disks", "file": "bars.csv", "z": [-0.5, 0.5], "sha256": problem.source["shapes"]["bars"]["sha256"]
    }  # fmt: skip


@pytest.mark.parametrize(
    ("entry", "parts"),
    [
        ({"extrude": "disk(0, 0, 1)"}, ("shapes.hole", "range of one of three space coordinates", "z: [0, 1]")),
        ({"extrude": "disk(0, 0, 1)", "z": [0, 1], "y": [0, 1]}, ("range of one of three",)),
        ({"extrude": "ball(0, 0, 0, 1)", "z": [0, 1]}, ("4 numbers in 2",)),
        ({"extrude": "disk(0, 0, 1)", "z": [1, 0]}, ("shapes.hole.z", "from low to high", "1 to 0")),
        ({"extrude": "disk(0, 0, 1)", "z": "all"}, ("shapes.hole.z", "a range")),
        ({"extrude": "disk(0, 0, 1)", "z": [2, 3]}, ("meets the box", "range of z")),
        ({"extrude": "disk(5, 0, 1)", "z": [0, 1]}, ("meets the box",)),
        ({"extrude": 3, "z": [0, 1]}, ("a shape (",)),
        ({"z": [0, 1]}, ("a plane shape",)),
        ({"extrude": "polygon(0, 0, 1, 0, 1, 0.4, 0.4, 0.4, 0.4, 1, 2**64, 1)", "z": [0, 1]}, ("all but a line",)),
    ],
)
def test_what_cannot_be_drawn_out_is_refused(entry, parts):
    refused(stated(**SPACE, shapes={"hole": entry}), *parts)


def test_a_disk_that_touches_the_box_needs_no_condition_on_its_sides():
    data = stated(shapes={"rim": "disk(0, 0, 1)"}, domain="rim", boundary={"rim": "u = auto"})
    assert [condition.name for condition in load_problem(data).conditions] == ["rim"]


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


def test_rims_with_nothing_beside_them_are_not_measured():
    """Of the box without a triangle at two of its sides, these sides are left: shapes hold their rims."""
    stated = {"coordinates": {"x": [0, 1], "y": [0, 1]}, "fields": ["u"], "equations": {"e": "lap(u) = 0"},
              "shapes": {"cut": "polygon(1, 0, 1, 1, 0, 1)"}, "domain": "box - cut",
              "boundary": {"*": "u = 0"}}  # fmt: skip
    problem = load_problem(stated)
    rims = torch.tensor([[1.0, 0.5], [0.3, 1.0], [0.3, 0.7], [0.0, 0.5], [0.3, 0.3]], dtype=torch.float64)
    assert problem.region.contains(rims).all()
    assert problem.region.reaches(rims).tolist() == [False, False, True, True, True]
    assert problem.region.touches(rims).tolist() == [False, False, True, True, True]
    points = measuring_points(problem)
    inside, edge = 100 * 101 // 2, 101  # of the edge those that rounding leaves
    assert float(points.sum(1).max()) < 1 + 1e-9 and inside <= len(points) <= inside + edge


def test_slivers_of_other_edges_take_no_condition():
    """Where y < 1e-5 is meant to be the bottom, 2e-5 of the slanted edge lie, too few to be trained on."""
    stated = {"coordinates": {"x": [0, 1], "y": [0, 0.5]}, "fields": ["u"], "equations": {"e": "lap(u) = 0"},
              "shapes": {"tri": "polygon(0, 0, 1, 0, 0, 0.5)"}, "domain": "tri",
              "boundary": {"tri": [{"where": "y < 1e-5", "condition": "u = 1"},
                                   {"where": "y >= 1e-5", "condition": "u = 0"}]}}  # fmt: skip
    held = [condition.name for condition in load_problem(stated).conditions]
    assert [name for name in held if name.startswith("tri[") or name == "tri"] == ["tri"], held
    alone = {**stated, "boundary": {"tri": [{"where": "abs(y - 0.2) < 1e-4", "condition": "u = 1"},
                                            {"where": "abs(y - 0.2) >= 1e-4", "condition": "u = 0"}]}}  # fmt: skip
    assert sum("tri.2" not in condition.name for condition in load_problem(alone).conditions) == 2


def test_parts_of_sides():
    upper = {"where": "y >= 0.5", "condition": "dn(u) = -exp(-1)*sin(2*y)"}
    parts = [{"where": "y < 0.5", "condition": "u = auto"}, upper]
    plain = stated(shapes=None, domain=None, boundary={"x-": parts, "*": "u = auto"})
    problem = load_problem(plain)
    pieces = [c.side for c in problem.conditions if c.side.name == "x-"]
    low, high = (piece_points(problem.region, problem.domain, piece, 200, 0)[:, 1] for piece in pieces)
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
        ({"shapes": {"hole": "ball(0, 0, 0, 1)"}}, ["in 2 space dimensions"]),
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
        ({"shapes": {"hole": "disk(1.3, 1.3, 0.35)"}}, ["meets the box"]),  # its bounds do, it does not
        ({"shapes": {"hole": "polygon(0.5, 1.6, 1.6, 1.6, 1.6, 0.5)"}}, ["meets the box"]),
        ({"shapes": {"hole": "polygon(0, 0, 0.5, 0, 0.5, 0.5, 0.2, 0)"}}, ["do not cross"]),  # a corner on an edge
        ({"shapes": {"hole": f"polygon({', '.join(['0.1'] * 200_000)})"}}, ["200 corners", "100000"]),
        ({"shapes": {f"s{n}": "disk(0, 0, 0.1)" for n in range(2000)}}, ["100 shapes"]),
        ({"domain": "(" * 150 + "box" + ")" * 150 + " - gap"}, ["domain"]),
        ({"domain": "hole - hole"}, ["needs points inside the box"]),
    ],
)  # fmt: skip
def test_what_is_refused(changes, parts):
    begun = time.process_time()
    refused(stated(**changes), *parts)
    assert time.process_time() - begun < 2  # of five seconds in all


def test_a_narrow_gap_does_not_divide_the_domain():
    assert load_problem(stated(shapes={"hole": "box(-0.1, 0.1, -2, 0.997)"}, boundary={"*": "u = auto"}))


@pytest.mark.parametrize(
    ("kind", "numbers"),
    [("ball", (0.1, 0, 0.2, 0.5)), ("ellipsoid", (0, 0.1, 0, 0.5, 0.3, 0.4)), ("cylinder", (0, 0, 0, 0.3, 0.4, 1, 0.2)),
     ("box", (0, 1, 0, 0.5, 0.2, 1)), ("disk", (0.1, 0.2, 0.3)), ("ellipse", (0, 0, 0.3, 0.6)),
     ("annulus", (0, 0, 0.2, 0.5)), ("sector", (0, 0, 1, 0.1, 2)), ("polygon", (0, 0, 1, 0, 0.3, 0.8))],
)  # fmt: skip
def test_levels_vanish_on_facets_and_rise_along_the_normal(kind, numbers):
    shape = SHAPES[kind].of(numbers)
    dimension = len(shape.bounds[0])
    for facet in shape.facets():
        points = facet_points(facet, dimension, 50, 0)
        normals, step = facet.normals(points), 1e-6
        assert facet.level(points).abs().max() < 1e-7
        rise = (facet.level(points + step * normals) - facet.level(points - step * normals)) / (2 * step)
        assert (rise - 1).abs().max() < 1e-5


def test_all_sides_of_a_polygon_are_touched():
    """Some of them count as outside, by the parity of edges that a ray crosses."""
    stated = {"coordinates": {"x": [0, 1], "y": [0, 1]}, "fields": ["u"], "equations": {"e": "lap(u) = 0"},
              "shapes": {"part": "polygon(0, 0, 1, 0, 1, 0.4, 0.4, 0.4, 0.4, 1, 0, 1)"}, "domain": "part",
              "boundary": {"*": "u = 0"}}  # fmt: skip
    region = load_problem(stated).region
    rims = torch.tensor([[1.0, 0.2], [0.2, 1.0], [0.0, 0.2], [1.0, 0.0], [0.7, 0.4], [0.4, 0.7], [0.41, 0.41]]).double()
    assert region.touches(rims).tolist() == [True] * 6 + [False] and not region.contains(rims)[:2].all()
