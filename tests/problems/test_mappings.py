"""Domains that move, by places as functions of coordinates that do not."""

import numpy as np
import pytest
import sympy

import kanpde
from kanpde.errors import InputError
from kanpde.problems.catalog import load_problem
from kanpde.problems.check_report import statement_lines
from kanpde.problems.language import jets_of
from kanpde.references import reference_of

STEFAN = {
    "coordinates": {"xi": [0, 1], "t": [1, 2]}, "fields": {"u": ["xi", "t"], "s": ["t"]}, "mapping": {"x": "xi*s(t)"},
    "equations": {"heat": "u_t = u_xx"}, "boundary": {"xi-": "u = exp(t) - 1", "xi+": ["u = 0", "s_t = -dn(u)"]},
    "initial": ["u = exp(1 - xi) - 1", "s = 1"], "exact": {"u": "exp(t*(1 - xi)) - 1", "s": "t"},
}  # fmt: skip
"""u = exp(t - x) - 1 behind a front at s = t."""


def test_the_stefan_problem_is_the_one_written_by_hand():
    lines = list(statement_lines(load_problem(STEFAN)))
    assert "  mapping: x = xi*s(t)" in lines
    assert "  heat: u_t - xi*s_t*u_xi/s - u_xi_xi/s**2 = 0" in lines and "  xi+.2: s_t + u_xi/s = 0" in lines


def test_the_stefan_problem_is_solved(tmp_path):
    quick = {"time_limit": 4}
    run = kanpde.solve(STEFAN, optimizer="least_squares", training=quick, device="cpu",
                       output={"plot": False, "folder": str(tmp_path)})  # fmt: skip
    assert run.metrics["rel_l2"] < 1e-6


def test_a_known_wall_has_a_reference():
    """u = exp(x + t) between x = 0 and x = 1 + t²."""
    moving = {"coordinates": {"xi": [0, 1], "t": [0, 1]}, "fields": ["u"], "mapping": {"x": "xi*(1 + t**2)"},
              "equations": {"heat": "u_t = lap(u)"}, "initial": "u = exp(xi)",
              "boundary": {"xi-": "u = exp(t)", "xi+": "dn(u) = exp(1 + t**2 + t)"}}  # fmt: skip
    points = np.random.default_rng(0).uniform(size=(50, 2))
    x = points[:, 0] * (1 + points[:, 1] ** 2)
    found = reference_of(load_problem(moving), "lines").values(points)[:, 0]
    assert abs(found - np.exp(x + points[:, 1])).max() < 1e-6


def test_two_places():
    """x = r cos(a), y = r sin(a): the Laplacian in polar coordinates, and the slope out of a circle."""
    polar = {"coordinates": {"r": [1, 2], "a": [0, 1]}, "fields": ["u"], "exact": {"u": "r**3*cos(3*a)"},
             "mapping": {"x": "r*cos(a)", "y": "r*sin(a)"}, "equations": {"laplace": "lap(u) = 0"},
             "boundary": {"r-": "u = auto", "r+": "dn(u) = 12*cos(3*a)", "a-": "dn(u) = 0",
                          "a+": "u_x = 3*(x**2 - y**2)"}}  # fmt: skip
    problem = load_problem(polar)
    slopes = {jet[1] for jet in jets_of(sympy.expand(problem.equations["laplace"]))}
    assert {(2, 0), (0, 2)} <= slopes
    with pytest.raises(InputError, match="exact needs to satisfy boundary.r+"):
        load_problem(polar | {"boundary": {**polar["boundary"], "r+": "dn(u) = 11*cos(3*a)"}})


@pytest.mark.parametrize(("change", "message"), [
    ({"mapping": {"x": "2*s(t)"}}, "needs a coordinate that no other place has"),
    ({"mapping": {"x": "xi*s_t"}}, "no derivatives of them"),
    ({"mapping": {"u": "xi*s(t)"}}, "needs a name of its own"),
    ({"mapping": {"x": "(xi - 1/2)**2*s(t)"}}, "needs places that move apart with their coordinates"),
    ({"mapping": {"x": "xi*s(t)", "y": "xi"}}, "needs a coordinate that no other place has"),
])  # fmt: skip
def test_refusals(change, message):
    with pytest.raises(InputError, match=message):
        load_problem(STEFAN | change)
