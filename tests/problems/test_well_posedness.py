"""Problems that have no solution, another one than is meant, or one that cannot be found forward in time."""

import json

import pytest

from kanpde.errors import InputError
from kanpde.problems.catalog import load_problem, problem_names
from kanpde.problems.checks import check_problem
from kanpde.problems.well_posedness import branch_warnings

SQUARE = {"coordinates": {"x": [0, 1], "y": [0, 1]}, "fields": ["u"]}
SOURCES = {
    "-lap(u) = 1": 1.0, "-lap(u) = cos(pi*x)": 0.0, "2*lap(u) = x - 1/2": 0.0, "lap(u) = x": -0.5,
}  # fmt: skip


@pytest.mark.parametrize(("equation", "imbalance"), SOURCES.items())
def test_sources_and_fluxes_balance_or_there_is_no_solution(equation, imbalance):
    problem = {**SQUARE, "equations": {"poisson": equation}, "boundary": {"*": "dn(u) = 0"}}
    if imbalance == 0:
        assert load_problem(problem).name
    else:
        with pytest.raises(InputError, match="poisson has no solution, since source and fluxes need to balance"):
            load_problem(problem)


def test_a_flux_that_takes_the_source_away_balances_it():
    boundary = {"x-": "u_x = 0", "x+": "u_x = -1", "y-": "u_y = 0", "y+": "dn(u) = 0"}
    assert load_problem({**SQUARE, "equations": {"poisson": "-lap(u) = 1"}, "boundary": boundary}).name
    with pytest.raises(InputError, match="no solution"):
        load_problem({**SQUARE, "equations": {"p": "-lap(u) = 1"}, "boundary": {**boundary, "x+": "u_x = 1"}})


def test_one_value_makes_any_source_a_solution():
    boundary = {"x-": "u = 0", "x+": "dn(u) = 0", "y-": "dn(u) = 0", "y+": "dn(u) = 0"}
    assert load_problem({**SQUARE, "equations": {"poisson": "-lap(u) = 1"}, "boundary": boundary}).warnings == ()


BRANCHES = {
    "u_x**2 = 1": "u_x", "u_x**2 + u_y**2 = 1": "u_", "u_xx*u_yy - u_xy**2 = 1": "u_", "u**2 = 1 + x": "u",
    "abs(u_x) = 1": "u_x", "u*u_x + u_y = 1": "", "div((1 + u**2)*grad(u)) = 1": "", "u_xx + u_yy = u_x**2": "",
    "min(u_xx + u_yy + 1, u - x) = 0": "",
}  # fmt: skip


@pytest.mark.parametrize(("equation", "derivative"), BRANCHES.items())
def test_an_equation_with_several_branches_says_so(equation, derivative):
    problem = load_problem({**SQUARE, "equations": {"e": equation}, "boundary": {"x-": "u = 0", "*": "u = 0"}})
    found = list(branch_warnings(problem))
    assert bool(found) == bool(derivative) and all(f"not linear in {derivative}" in one for one in found)


def test_initial_values_choose_where_an_equation_is_linear_in_the_rate_of_change():
    line = {"coordinates": {"t": [1, 2]}, "fields": ["u"], "initial": "u = 1/4"}
    rate, squared = (load_problem({**line, "equations": {"e": one}}) for one in ("u_t = u**2", "u_t**2 = u"))
    assert not list(branch_warnings(rate)) and len(list(branch_warnings(squared))) == 1
    exact = load_problem({**line, "equations": {"e": "u_t**2 = u"}, "exact": {"u": "t**2/4"}})
    assert not list(branch_warnings(exact))


RODS = {"u_t = -u_xx": True, "u_t = u_xx": False, "-u_t = 2*u_xx": True, "u_t = -(1 + x**2)*u_xx": True}


@pytest.mark.parametrize(("equation", "backward"), RODS.items())
def test_diffusion_backward_in_time_is_said(equation, backward):
    rod = {
        "coordinates": {"x": [0, 1], "t": [0, 1]}, "fields": ["u"], "equations": {"heat": equation},
        "boundary": {"*": "u = 0"}, "initial": "u = x*(1 - x)",
    }  # fmt: skip
    assert any("backward in time" in sentence for sentence in load_problem(rod).warnings) == backward


def test_a_coefficient_that_jumps_outside_the_derivative_is_said():
    slabs = {
        **SQUARE, "coefficients": {"k": "where(y < 0.5, 1, 400)"}, "equations": {"heat": "k*lap(u) = 0"},
        "boundary": {"y-": "u = 0", "y+": "k*dn(u) = 1", "x-": "dn(u) = 0", "x+": "dn(u) = 0"},
    }  # fmt: skip
    (warning,) = [sentence for sentence in load_problem(slabs).warnings if "jumps in front of" in sentence]
    assert "Write div(k*grad(u))" in warning or "Write div(where" in warning
    smooth = {**slabs, "coefficients": {"k": "1 + y"}}
    assert not any("jumps in front of" in sentence for sentence in load_problem(smooth).warnings)


def test_the_zero_solution_is_said():
    zero = {**SQUARE, "equations": {"laplace": "lap(u) = 0"}, "boundary": {"*": "u = 0"}}
    assert any("Zero satisfies all equations" in sentence for sentence in load_problem(zero).warnings)
    assert load_problem({**zero, "boundary": {"x-": "u = y*(1 - y)", "x+": "u = 0", "y-": "u = 0", "y+": "u = 0"}})


@pytest.mark.parametrize("name", ["burgers", "wave_1d", "cavity", "kuramoto_sivashinsky", "laplace_holes"])
def test_shipped_problems_raise_no_false_alarm(name):
    assert name in problem_names()
    words = ("backward in time", "jumps in front of", "Zero satisfies")
    assert not any(word in sentence for sentence in load_problem(name).warnings for word in words)


WAVE = {"coordinates": {"x": [0, 1], "t": [0, 1]}, "fields": ["u"], "equations": "u_tt = u_xx"}


@pytest.mark.parametrize(
    ("boundary", "speed", "said"),
    [("u = 0", "1 - 2*x", True), ("u = 0", "x*(1 - x)", False), ("u = 3*t", "3", False), ("u = t**2", "1", True)],
)
def test_a_boundary_that_moves_otherwise_than_the_start_is_said(boundary, speed, said):
    problem = load_problem({**WAVE, "boundary": {"*": boundary}, "initial": ["u = 0", f"u_t = {speed}"]})
    told = [line for line in check_problem(problem, "p") if "different rates of change of u" in line]
    assert bool(told) is said


INSULATED = {"coordinates": {"x": [0, 1], "y": [0, 1]}, "fields": ["u"], "boundary": {"*": "dn(u) = 0"}}


def test_a_gauge_does_not_balance_a_source():
    with pytest.raises(InputError, match="no solution"):
        load_problem(INSULATED | {"equations": "-lap(u) = 1", "constraints": "mean(u) = 0"})
    assert load_problem(INSULATED | {"equations": "-lap(u) = cos(pi*x)", "constraints": "mean(u) = 0"})


def test_a_mean_and_a_point_at_once():
    with pytest.raises(InputError, match="one condition that fixes it; it has 2 \\(at, constraint\\)"):
        load_problem(INSULATED | {"equations": "-lap(u) = cos(pi*x)", "constraints": "mean(u) = 0",
                                  "at": {"x": 0, "y": 0, "condition": "u = 0"}})  # fmt: skip


def test_an_eigenvalue_may_be_fixed_at_a_point():
    learned = {"c": {"value": 3, "learn": True}}
    stated = {"coordinates": {"x": [0, 1]}, "fields": ["u"], "parameters": learned, "equations": "u_xx = -c**2*u",
              "boundary": {"*": "u = 0"}}  # fmt: skip
    assert load_problem(stated | {"at": {"x": 0.5, "condition": "u = 1"}}).learned == {"c": 3.0}
    with pytest.raises(InputError, match="at: {x: 0, condition: u = 1}"):
        load_problem(stated)


RING = {"coordinates": {"x": [-1, 1], "y": [-1, 1]}, "fields": ["u"], "equations": {"poisson": "2*lap(u) = 1"},
        "shapes": {"outer": "disk(0, 0, 0.9)", "inner": "disk(0.1, 0, 0.3)"}, "domain": "outer - inner"}  # fmt: skip


@pytest.mark.parametrize("domain", ["ring", "box"])
def test_sources_and_fluxes_balance_on_shapes(domain):
    """2 Δu = 1 on a ring of area 0.72 π takes fluxes of 0.36 π in all, 0.2 through each unit of the outer rim."""
    if domain == "ring":
        stated, flux = RING | {"boundary": {"outer": "3*dn(u) = 3*FLUX", "inner": "dn(u) = 0"}}, "0.2"
    else:
        stated = RING | {"domain": "box - inner", "boundary": {"inner": "dn(u) = 0", "*": "dn(u) = FLUX"}}
        flux = "(4 - 0.09*pi)/16"

    def with_flux(value):
        return json.loads(json.dumps(stated).replace("FLUX", value))

    load_problem(with_flux(flux))
    for wrong in ("0", f"-{flux}", f"1.1*{flux}"):
        with pytest.raises(InputError, match="poisson has no solution, since source and fluxes need to balance"):
            load_problem(with_flux(wrong))
    held = with_flux("0") | {"at": {"x": 0.7, "y": 0, "condition": "u = 0"}}
    with pytest.raises(InputError, match="has no solution"):
        load_problem(held)
    fixed = with_flux("0")
    fixed["boundary"]["inner"] = "u = 0"
    load_problem(fixed)


@pytest.mark.parametrize(("equation", "conditions", "said"), [
    ("u_tt = c**2*u_xx", {}, True), ("u_tt = c**2*u_xx", {"boundary": {"x-": "c = 1"}}, False),
    ("u_tt = c*u_xx", {}, False), ("u_tt = (c*c_x + 1)*u_xx", {}, True), ("u_tt = (c**2 + c)*u_xx", {}, False),
])  # fmt: skip
def test_a_field_that_occurs_in_even_powers_has_no_sign(equation, conditions, said):
    speed = {"coordinates": {"x": [0, 1], "t": [0, 1]}, "fields": {"u": ["x", "t"], "c": ["x"]},
             "equations": {"wave": equation}, "data": {"table": "x,t,u\n0,0,0\n0.5,0.5,0.1\n1,1,0.3"}}  # fmt: skip
    warned = [line for line in load_problem(speed | conditions).warnings if "-c satisfies" in line]
    assert len(warned) == said
