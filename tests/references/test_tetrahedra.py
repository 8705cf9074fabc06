"""Tetrahedra that fill regions of space, and finite elements on them: volumes, orders, conditions, time."""

import numpy as np
import pytest

from kanpde.problems.catalog import load_problem
from kanpde.problems.geometry.regions import inside_points
from kanpde.problems.language import compile_expression
from kanpde.references import applicable_method
from kanpde.references.means import OutOfMeans
from kanpde.references.methods import finite_elements
from kanpde.references.prisms import drawn_out, is_drawn_out
from kanpde.references.spaces import curved, inner_rule, space
from kanpde.references.tetrahedra import fill

BOX = {"coordinates": {"x": [-1, 1], "y": [-1, 1], "z": [-1, 1]}, "fields": ["u"], "equations": {"e": "lap(u) = auto"},
       "boundary": {"*": "u = auto"}, "exact": {"u": "exp(x/2)*sin(y)*cos(z)"}}  # fmt: skip
BALL = {**BOX, "shapes": {"a": "ball(0, 0, 0, 1)"}, "domain": "a"}
HOLE = {**BOX, "shapes": {"a": "ball(0.1, 0, 0, 0.5)"}, "domain": "box - a"}
ROD = {**BOX, "shapes": {"a": "cylinder(0, 0, -0.9, 0, 0, 0.9, 0.8)"}, "domain": "a"}
NOTCH = {**BOX, "shapes": {"a": "box(0, 1, 0, 1, -1, 1)"}, "domain": "box - a"}
BAR = {**BOX, "shapes": {"a": {"extrude": "triangle(-1, -1, 1, -1, 0, 1)", "z": [-0.5, 0.5]}}, "domain": "a"}
PIPE = {**BOX, "shapes": {"a": {"extrude": "annulus(0, 0, 0.4, 0.9)", "z": [-0.5, 0.5]}}, "domain": "a"}
EGG = {**BOX, "shapes": {"a": {"inside": "x^2 + z^4 + x*z/4 < 0.6", "y": [-0.5, 1]}}, "domain": "a"}
STEP = {**BOX, "shapes": {"a": {"extrude": "disk(0, 0, 0.8)", "z": [-1, 0]}, "b": "box(-0.4, 0.4, -0.4, 0.4, -1, 1)"},
        "domain": "a + b"}  # fmt: skip


def error(data, resolution, factor=1.0):
    problem = load_problem(data)
    points = inside_points(problem.region, problem.domain, 400, 0)
    found = finite_elements.solve(problem, resolution).values(points.numpy())[:, 0]
    known = compile_expression(problem.exact["u"], problem.coordinates)(points).numpy()
    return np.linalg.norm(found - factor * known) / np.linalg.norm(known)


@pytest.mark.parametrize(
    ("data", "volume"), [(BALL, 4 * np.pi / 3), (HOLE, 8 - np.pi / 6), (ROD, np.pi * 0.64 * 1.8), (NOTCH, 6.0)],
    ids=["ball", "hole", "rod", "notch"],
)  # fmt: skip
def test_tetrahedra_fill_a_region(data, volume):
    problem = load_problem(data)
    mesh = fill(problem, 4)
    whole = inner_rule((space(curved(mesh), 3),), 3).weights.sum()
    assert whole == pytest.approx(volume, rel=3e-3)
    assert np.array_equal(fill(problem, 4).nodes, mesh.nodes)


@pytest.mark.parametrize(
    ("data", "volume"), [(NOTCH, 6.0), (BAR, 2.0), (PIPE, np.pi * 0.65), (STEP, np.pi * 0.64 + 0.64)],
    ids=["notch", "bar", "pipe", "step"],
)  # fmt: skip
def test_split_prisms_fill_what_is_drawn_out(data, volume):
    problem = load_problem(data)
    assert is_drawn_out(problem) and not is_drawn_out(load_problem(BALL))
    whole = inner_rule((space(curved(drawn_out(problem, 4)), 3),), 3).weights.sum()
    assert whole == pytest.approx(volume, rel=1e-3)


@pytest.mark.parametrize("data", [BALL, ROD, PIPE, EGG], ids=["ball", "rod", "pipe", "egg"])
def test_orders_in_space(data):
    """Cubics give order 4, and so do quadratic sides."""
    coarse, fine = error(data, 4), error(data, 6)
    assert fine < 8e-5 and np.log(coarse / fine) / np.log(1.5) > 2.5, (coarse, fine)
    assert error(data, 4, factor=1.01) > 5e-3


@pytest.mark.parametrize(
    "changes",
    [{"boundary": {"a": "dn(u) + u = auto", "*": "u = auto"}},
     {"equations": {"e": "div((1 + u**2)*grad(u)) - u*u_z = auto"},
      "boundary": {"a": "dn(u) = auto", "*": "u = auto"}}],
)  # fmt: skip
def test_conditions_on_a_hole_in_space(changes):
    assert error({**HOLE, **changes}, 4) < 5e-3 and error({**HOLE, **changes}, 4, factor=1.05) > 2e-2


def test_time_in_space():
    data = {**BALL, "coordinates": {**BOX["coordinates"], "t": [0, 0.1]}, "equations": {"e": "u_t = lap(u) + auto"},
            "initial": "u = auto", "exact": {"u": "exp(-t)*sin(x)*cos(z)"}}  # fmt: skip
    assert applicable_method(load_problem(data)) == "finite_elements"
    assert error(data, 3) < 2e-3 and error(data, 3, factor=1.02) > 1e-2


@pytest.mark.parametrize("piece", ["a[1]", "a[4]", "a[5]"])
def test_conditions_on_walls_and_ends_of_what_is_drawn_out(piece):
    data = {**BAR, "boundary": {piece: "dn(u) + u = auto", "*": "u = auto"}}
    assert error(data, 4) < 1e-3 and error(data, 4, factor=1.02) > 1e-2


def test_a_march_goes_no_further_than_can_be_kept(monkeypatch):
    data = {**BAR, "coordinates": {**BOX["coordinates"], "t": [0, 1]}, "equations": {"e": "u_t = lap(u) + auto"},
            "initial": "u = auto", "exact": {"u": "exp(-t)*sin(x)*cos(z)"}}  # fmt: skip
    problem = load_problem(data)
    monkeypatch.setattr(finite_elements, "MOST_KEPT", 3_000)
    with pytest.raises(OutOfMeans, match="did not come to the end of time in . steps"):
        finite_elements.solve(problem, 2)


def test_layers_end_where_a_shape_does():
    assert error(STEP, 4) < 2e-3 and error(STEP, 4, factor=1.02) > 1e-2


def test_parts_in_space_that_are_drawn_out():
    """div(k grad u) = 0 across a wire: k of the wire is 5, u = x inside and x (3 - 0.16/r²)·… outside."""
    k, r = 5.0, 0.4
    outside = f"x*({(k + 1) / 2} - {(k - 1) / 2 * r**2}/(x**2 + y**2))"
    data = {**BOX, "shapes": {"wire": {"extrude": f"disk(0, 0, {r})", "z": [-1, 1]}},
            "coefficients": {"k": {"inside": {"wire": k}, "else": 1}}, "equations": {"e": "div(k*grad(u)) = 0"},
            "boundary": {"z-": "dn(u) = 0", "z+": "dn(u) = 0", "*": f"u = {outside}"},
            "exact": {"u": {"inside": {"wire": "x"}, "else": outside}}}  # fmt: skip
    assert applicable_method(load_problem({**data, "exact": None})) == "finite_elements"
    assert error(data, 4) < 2e-3 and error(data, 4, factor=1.02) > 1e-2
