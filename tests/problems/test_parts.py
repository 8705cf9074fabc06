"""Shapes that part a domain: coefficients, equations and jumps of their own, and what goes on across their rims."""

import numpy as np
import pytest
import sympy
import torch

import kanpde
from kanpde.errors import InputError
from kanpde.problems.catalog import load_problem
from kanpde.problems.check_report import statement_lines
from kanpde.problems.geometry.regions import Seam, on_boundary, piece_points, sampled_parts, seams_of
from kanpde.problems.geometry.samplings import SobolSampling
from kanpde.problems.language import compile_expression, derivative
from kanpde.problems.memberships import memberships_of, without_rims
from kanpde.references import applicable_method, reference_sentence
from kanpde.references.means import NotSolved
from kanpde.references.methods import finite_elements

K, R, FINITE = 10.0, 0.4, "finite_elements"
WIRE = {
    "coordinates": {"x": [-1, 1], "y": [-1, 1]}, "fields": ["u"], "parameters": {"R": R, "k": K},
    "shapes": {"wire": "disk(0, 0, R)"}, "coefficients": {"a": {"inside": {"wire": "k"}, "else": 1}},
    "equations": {"heat": "div(a*grad(u)) = 0"}, "boundary": {"*": "u = auto"},
    "exact": {"u": {"inside": {"wire": "2/(k + 1)*x"}, "else": "x - (k - 1)/(k + 1)*R**2*x/(x**2 + y**2)"}},
}  # fmt: skip
"""A conducting disk in a uniform field (Jackson, Classical Electrodynamics, section 4.4, in the plane)."""


def inclusion(points):
    x, r2 = points[:, 0], (points**2).sum(1)
    return np.where(r2 < R * R, 2 / (K + 1) * x, x * (1 - (K - 1) / (K + 1) * R * R / np.maximum(r2, 1e-9)))


def test_what_the_echo_says():
    problem, lines = load_problem(WIRE), list(statement_lines(load_problem(WIRE)))
    assert {"  u goes on across the rim of wire", "  the flux of heat goes on across the rim of wire"} <= set(lines)
    assert "  heat: (1 + 9*inside(wire))*u_xx + (1 + 9*inside(wire))*u_yy = 0" in lines
    assert problem.outputs == 2 and problem.joined == 2 and not problem.warnings and not problem.remotes()


def test_the_echo_reads_back():
    problem = load_problem(WIRE)
    again = load_problem(WIRE | {"equations": {"heat": "div((1 + 9*inside(wire))*grad(u)) = 0"}, "coefficients": {}})
    assert again.equations == problem.equations and again.conditions == problem.conditions
    regions = {"wire": {"coefficients": {"a": "k"}}}
    assert load_problem(WIRE | {"coefficients": {"a": 1}, "regions": regions}).equations == problem.equations
    assert load_problem(problem.yaml() and problem.source).equations == problem.equations


def test_a_wrong_solution_is_seen_at_the_rim():
    """Continuous, harmonic in both parts, and with another flux inside."""
    with pytest.raises(InputError, match="exact needs to satisfy interface.heat_at_wire"):
        load_problem(WIRE | {"coefficients": {"a": {"inside": {"wire": "k + 1"}, "else": 1}}})
    jump = WIRE["exact"]["u"] | {"inside": {"wire": "2/(k + 1)*x + 1"}}
    with pytest.raises(InputError, match="exact needs to satisfy interface.u_across_wire"):
        load_problem(WIRE | {"exact": {"u": jump}})


def test_jumps_on_request():
    """u by 1, and the flux by the 3 that a source on the rim makes: 3 R log r outside."""
    exact = {"inside": {"wire": "2/(k + 1)*x - 1"},
             "else": "x - (k - 1)/(k + 1)*R**2*x/(x**2 + y**2) + 3*R*log(sqrt(x**2 + y**2)/R)"}  # fmt: skip
    own = {"wire": {"jump": {"u": 1, "heat": 3}}}
    problem = load_problem(WIRE | {"exact": {"u": exact}, "regions": own})
    assert "  u jumps at the rim of wire" in list(statement_lines(problem))
    with pytest.raises(InputError, match="exact needs to satisfy interface"):
        load_problem(WIRE | {"exact": {"u": exact}})


def test_equations_of_their_own():
    """lap u = 4 inside, 0 outside: r² - R², and 2 R² log(r/R) by the flux; the same from one equation with inside."""
    exact = {"inside": {"wire": "x**2 + y**2 - R**2"}, "else": "2*R**2*log(sqrt(x**2 + y**2)/R)"}
    plain = WIRE | {"coefficients": {}, "equations": {"heat": "lap(u) = 0"}, "exact": {"u": exact}}
    own = load_problem(plain | {"regions": {"wire": {"equations": {"heat": "lap(u) = 4"}}}, "parameters": {"R": R}})
    one = load_problem(plain | {"equations": {"heat": "lap(u) = 4*inside(wire)"}, "parameters": {"R": R}})
    assert sympy.expand(own.equations["heat"] - one.equations["heat"]) == 0
    assert [c.name for c in own.conditions if c.kind == "interface"] == ["u_across_wire", "heat_at_wire"]
    assert [c.name for c in one.conditions if c.kind == "interface"] == ["u_across_wire", "u_slope_across_wire"]


SINGULAR = {"a": {"inside": {"wire": 3}, "else": "2 + x/(x**2 + y**2)"}}


def test_what_is_not_finite_elsewhere_is_chosen():
    """At the middle of the wire the other branch is 0/0; its derivative has the jump at the rim, and no more there."""
    problem = load_problem(PLAIN | {"coefficients": SINGULAR})
    points = torch.tensor([[0.0, 0.0], [0.5, 0.5]]).double()
    assert compile_expression(problem.coefficients["a"], ("x", "y"))(points).tolist() == [3, 3]
    slope = derivative(problem.coefficients["a"], sympy.Symbol("x", real=True))
    assert compile_expression(without_rims(slope), ("x", "y"))(points).tolist() == [0, 0]
    assert {one.index for one in memberships_of(slope)} == {(0, 0), (1, 0)}
    assert "  the flux of heat goes on across the rim of wire" in list(statement_lines(problem))
    one = "div(where(inside(wire) > 1/2, 3, 2 + x/(x**2 + y**2))*grad(u)) = 0"
    again = load_problem(PLAIN | {"coefficients": {}, "equations": {"heat": one}})
    assert again.equations == problem.equations and again.conditions == problem.conditions


def test_a_factor_outside_the_derivative_is_warned_of_as_any_other():
    problem = load_problem(WIRE | {"equations": {"heat": "a*lap(u) = 0"}, "boundary": {"*": "u = x"}, "exact": None})
    assert "a jumps in front of u_" in problem.warnings[0]


def test_rims_end_where_another_shape_or_the_box_does():
    shapes = {"one": "box(-0.5, 0, -0.5, 0.5)", "two": "box(0, 2, -0.5, 0.5)"}
    problem = load_problem(WIRE | {"shapes": shapes, "exact": None, "boundary": {"*": "u = x"},
                                   "coefficients": {"a": {"inside": {"one": 2, "two": 3}, "else": 1}}})  # fmt: skip
    seams = {c.side.name: [] for c in problem.conditions if isinstance(c.side, Seam)}
    for condition in problem.conditions:
        if isinstance(condition.side, Seam):
            seams[condition.side.name].append(condition.name)
    assert len(seams["one"]) == 8 and len(seams["two"]) == 4  # two sides of two: one is shared, one outside the box
    points = torch.cat([piece_points(problem.region, problem.domain, s, 64, 0) for s in seams_of(problem.parts)[1]])
    assert (points[:, 0] > 0).all() and (points[:, 1].abs() == 0.5).all()


def test_each_part_has_points_however_small():
    problem = load_problem(WIRE | {"parameters": {"R": 0.01, "k": K}})
    where = (problem.region, problem.domain)
    points = sampled_parts(SobolSampling(), *where, problem.parts, 200, 0, ()).points
    assert ((points.square().sum(1) < 1e-4) == (problem.part_of(points) == 1)).all()
    assert (problem.part_of(points) == 1).sum() == 100
    seam = seams_of(problem.parts)[0][0]
    assert on_boundary(*where, seam, piece_points(*where, seam, 32, 0)).all()


def test_it_is_solved(tmp_path):
    output = {"plot": False, "folder": str(tmp_path)}
    run = kanpde.solve(WIRE, optimizer="least_squares", training={"time_limit": 2}, output=output, device="cpu")
    points = np.random.default_rng(1).uniform(-1, 1, (500, 2))
    known = inclusion(points)
    assert np.linalg.norm(run.solution.values(points)[:, 0] - known) < 2e-2 * np.linalg.norm(known)
    run.save(tmp_path / "run.h5")
    again = kanpde.open_run(tmp_path / "run.h5")
    assert np.array_equal(again.solution.values(points), run.solution.values(points))


PLAIN = {**WIRE, "exact": None, "boundary": {"*": "u = x"}}


def test_triangles_match_the_rim():
    """The second method's order shows: 2.3e-5 on 8 edges, 5.3e-7 on 16."""
    assert "exact" in reference_sentence(load_problem(WIRE)) and applicable_method(load_problem(PLAIN)) == FINITE
    points = np.random.default_rng(0).uniform(-1, 1, (2000, 2))
    known = inclusion(points)
    found = [finite_elements.solve(load_problem(WIRE), count).values(points)[:, 0] for count in (8, 16)]
    errors = [np.linalg.norm(one - known) / np.linalg.norm(known) for one in found]
    assert errors[0] < 1e-4 and errors[1] < errors[0] / 16


def test_triangles_match_rims_of_an_energy_too():
    density = "a*(u_x**2 + u_y**2)/2"
    problem = load_problem({**PLAIN, "equations": None, "energy": density, "boundary": {"*": "u = auto"},
                            "exact": WIRE["exact"]})  # fmt: skip
    points = np.random.default_rng(0).uniform(-1, 1, (500, 2))
    found, known = finite_elements.solve(problem, 8).values(points)[:, 0], inclusion(points)
    assert problem.outputs == 1 and np.linalg.norm(found - known) < 1e-4 * np.linalg.norm(known)


def test_which_ones_have_no_reference():
    timed = {**PLAIN, "coordinates": {**WIRE["coordinates"], "t": [0, 1]}, "initial": "u = x"}
    assert applicable_method(load_problem(timed | {"equations": {"heat": "u_t = div(a*grad(u))"}})) == FINITE
    for change in ({"regions": {"wire": {"jump": {"u": 1}}}}, {"regions": {"wire": {"jump": {"u": "u_x"}}}},
                   {"equations": {"heat": "a*lap(u) = 1"}}):
        with pytest.raises(NotSolved, match="go on across rims"):
            finite_elements.solve(load_problem({**PLAIN, **change}), 6)


@pytest.mark.parametrize(("change", "message"), [
    ({"coefficients": {"a": {"inside": {"wird": 2}, "else": 1}}}, r"needs shapes \(wire\) for .* it has \"wird\""),
    ({"coefficients": {"a": {"inside": {"wire": 2}}}}, "coefficients.a needs inside, by shapes, and else"),
    ({"equations": {"heat": "lap(u) = inside(hole)"}}, "needs shapes"),
    ({"regions": {"wire": {"coefficients": {"b": 2}}}}, "needs a name that coefficients has for the rest"),
    ({"regions": {"wire": {"equations": {"cold": "lap(u) = 2"}}}}, "needs a name that equations has"),
    ({"regions": {"wire": {"jump": {"v": 2}}}}, "needs a name that fields or equations has"),
    ({"regions": {"wire": {"color": "red"}}}, "needs one or several of fields, coefficients, equations, jump, rim"),
    ({"shapes": {"wire": "box(-2, 2, -2, 2)"}}, "one is empty. Move the shapes"),
    ({"equations": {"heat": "div(a*grad(a*u)) = 0"}}, "second derivatives of what jumps|products of its slopes"),
    ({"equations": {"heat": "D(a*u, x) = 0"}}, "with no second derivative in whose flux it stands"),
    ({"metric": "polar", "coordinates": {"x": [0.5, 2.5], "y": [-1, 1]}, "shapes": {"wire": "disk(1.5, 0, 0.4)"}},
     "metric goes with coefficients that are the same all over"),
])  # fmt: skip
def test_refusals(change, message):
    with pytest.raises(InputError, match=message):
        load_problem(PLAIN | change)
