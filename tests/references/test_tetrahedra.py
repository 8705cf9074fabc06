"""Tetrahedra that fill regions of space, and finite elements on them: volumes, orders, conditions, time."""

import numpy as np
import pytest

from kanpde.problems.catalog import load_problem
from kanpde.problems.geometry.regions import inside_points
from kanpde.problems.language import compile_expression
from kanpde.references import applicable_method
from kanpde.references.methods import finite_elements
from kanpde.references.spaces import curved, inner_rule, space
from kanpde.references.tetrahedra import fill

BOX = {"coordinates": {"x": [-1, 1], "y": [-1, 1], "z": [-1, 1]}, "fields": ["u"], "equations": {"e": "lap(u) = auto"},
       "boundary": {"*": "u = auto"}, "exact": {"u": "exp(x/2)*sin(y)*cos(z)"}}  # fmt: skip
BALL = {**BOX, "shapes": {"a": "ball(0, 0, 0, 1)"}, "domain": "a"}
HOLE = {**BOX, "shapes": {"a": "ball(0.1, 0, 0, 0.5)"}, "domain": "box - a"}
ROD = {**BOX, "shapes": {"a": "cylinder(0, 0, -0.9, 0, 0, 0.9, 0.8)"}, "domain": "a"}
NOTCH = {**BOX, "shapes": {"a": "box(0, 1, 0, 1, -1, 1)"}, "domain": "box - a"}


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


@pytest.mark.parametrize("data", [BALL, ROD], ids=["ball", "rod"])
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
