"""Vector fields: read, split into components, solved."""

import numpy as np
import pytest
import sympy

from kanpde import load_problem, solve
from kanpde.errors import InputError
from kanpde.problems.language import Scope, parse_components, parse_expression

SCOPE = Scope(("x", "y", "t"), ("v1", "v2", "p"), time="t", vectors={"v": ("v1", "v2")})

STOKES = {
    "coordinates": {"x": [0, 1], "y": [0, 1]},
    "fields": {"v": ["v1", "v2"], "p": "scalar"},
    "equations": {"momentum": "-lap(v) + grad(p) = auto", "mass": "div(v) = 0"},
    "boundary": {"x-": "v = auto", "x+": ["v = auto", "p = auto"], "y-": "v = auto", "y+": "v = auto"},
    "exact": {
        "v1": "-cos(pi*x)*sin(pi*y)",
        "v2": "sin(pi*x)*cos(pi*y)",
        "p": "sin(x + 2*y)",
    },
}


@pytest.mark.parametrize(
    "text, expected",
    [
        ("v_t + grad(p) = lap(v)", ["v1_t + p_x - v1_xx - v1_yy", "v2_t + p_y - v2_xx - v2_yy"]),
        ("2*v = 0", ["2*v1", "2*v2"]),
        ("D(v, x) = -v", ["v1_x + v1", "v2_x + v2"]),
        ("div(v) = dot(v, grad(v1))", ["v1_x + v2_y - v1*v1_x - v2*v1_y"]),
        ("p = 1", ["p - 1"]),
    ],
)
def test_components(text, expected):
    found = parse_components(text, SCOPE, "here")
    assert [sympy.expand(part) for part in found] == [parse_expression(part, SCOPE, "here") for part in expected]


@pytest.mark.parametrize(
    "text, part",
    [("v = 1", "vectors on both sides"), ("v*v = 0", "dot"), ("sin(v) = 0", "vector")],
)
def test_refused_expressions(text, part):
    with pytest.raises(InputError, match="here") as caught:
        parse_components(text, SCOPE, "here")
    assert part in str(caught.value)


def test_an_equation_between_vectors_is_one_for_each_component():
    problem = load_problem(STOKES)
    assert problem.fields == ("v1", "v2", "p")
    assert list(problem.equations) == ["momentum_1", "momentum_2", "mass"]
    named = [(c.name, c.fields) for c in problem.conditions]
    assert named[2:5] == [("x+", ("v1",)), ("x+.2", ("v2",)), ("x+.3", ("p",))]
    assert load_problem(problem.source).equations == problem.equations


def test_a_wrong_component_is_noticed():
    wrong = {**STOKES, "exact": {**STOKES["exact"], "v2": "1.01*sin(pi*x)*cos(pi*y)"}}
    with pytest.raises(InputError, match="equations.mass"):
        load_problem(wrong)


def test_stokes_flow():
    run = solve(STOKES, model={"width": [5]}, training={"stages": 2, "starts": 1, "steps": 30})
    assert run.metrics["rel_l2"] < 2e-2
    points = np.array([[0.3, 0.4]])
    assert abs(run.solution.derivative("v1_x + v2_y", points)[0]) < 0.1
    assert np.abs(run.solution.derivative("div(v)", points) - run.solution.derivative("v1_x + v2_y", points)) < 1e-12


@pytest.mark.parametrize(
    "fields, parts",
    [
        ({"v": ["v1"], "p": "scalar"}, ["fields.v", "each of the 2 space coordinates", "it has 1"]),
        ({"v": ["v1", "v2"], "v1": "scalar"}, ["used twice"]),
        ({"v": 3}, ["fields.v needs scalar"]),
    ],
)
def test_refused_fields(fields, parts):
    with pytest.raises(InputError) as caught:
        load_problem({**STOKES, "fields": fields}, name="mine")
    for part in parts:
        assert part in str(caught.value)
