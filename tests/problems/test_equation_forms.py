"""What the form of an equation gives away, and what `kanpde check` says of it."""

import pytest

from kanpde.cli.main import main
from kanpde.problems.catalog import load_problem
from kanpde.problems.check_report import findings, statement_lines
from kanpde.problems.equation_forms import Form, form_of, spread_of_terms

SQUARE = {"coordinates": {"x": [0, 1], "y": [0, 1]}, "fields": ["u"], "boundary": {"*": "u = 0"}}


def problem(equation, **changes):
    return load_problem({**SQUARE, "equations": {"e": equation}, **changes})


@pytest.mark.parametrize(
    "equation, form",
    [
        ("lap(u) = 1", Form.CONSTANT),
        ("div((1 + x*y)*grad(u)) = 1", Form.CONSERVATIVE),
        ("(1 + x*y)*lap(u) = 1", Form.OTHER),
        ("D((1 + x)*u_y, x) + D((1 + x)*u_x, y) + lap(u) = 1", Form.CONSERVATIVE),
        ("2*(1 + x)*u_xy + u_y + lap(u) = 1", Form.CONSERVATIVE),
        ("2*(1 + x)*u_xy + lap(u) = 1", Form.OTHER),
        ("div((1 + u**2)*grad(u)) = 1", Form.NONLINEAR),
        ("D(lap(u), x, 2) = 1", Form.NONE),
    ],
)
def test_conservative_forms(equation, form):
    boundary = {"*": ["u = 0", "dn(u) = 0"]} if "D(lap" in equation else {"*": "u = 0"}
    stated = problem(equation, boundary=boundary)
    assert form_of(stated.equations["e"], "u", stated) is form


def test_a_coefficient_that_jumps_is_in_no_conservative_form():
    stated = problem("V*lap(u) = 1", coefficients={"V": {"random_cells": {"cells": [2, 2], "low": 1, "high": 2}}})
    assert form_of(stated.equations["e"], "u", stated) is Form.OTHER


def test_sizes_of_terms():
    stated = problem("u_xx + 1e-3*u_yy = 1")
    assert spread_of_terms(stated.equations["e"], stated) == pytest.approx(1e3)
    wide = problem("u_xx + u_yy = 1", coordinates={"x": [0, 100], "y": [0, 1]})
    assert spread_of_terms(wide.equations["e"], wide) == pytest.approx(1e4)


def test_units_far_apart_are_a_warning():
    (warning,) = problem("u_xx + 1e-10*u_yy = 1").warnings
    assert "differ in size by a factor of 1e+10" in warning and "Choose units" in warning
    assert problem("u_xx + 1e-3*u_yy = 1").warnings == ()


def test_what_check_prints(capsys):
    assert main(["check", "problem=diffusion_variable"]) == 0
    printed = capsys.readouterr().out
    for part in (
        "heat: -0.2*x*u_x + u_t", "LaTeX - 0.2 x u_{x}", "needs u_t, u_x, u_xx", "ok  x: order 2 of u, 2 conditions",
        "ok  t: order 1 of u, 1 condition", "in conservative form", "ok  exact:", "checks passed",
    ):  # fmt: skip
        assert part in printed


def test_a_task_is_said():
    lines = [*statement_lines(load_problem("schrodinger_random_1d"))]
    assert "  energies: ∫ V*psi**2 + psi_x**2/2 / ∫ psi**2, the 2 least" in lines
    assert "  energy: ∫ V*u**2/2 - u + u_x**2/4, the least" in [*statement_lines(load_problem("landscape_1d"))]


def test_corners_are_part_of_the_verdict():
    assert "corners: conditions agree where they meet" in [*findings(problem("lap(u) = 1"))]
    jump = problem("lap(u) = 1", boundary={"x-": "u = 1", "*": "u = 0"})
    assert not any("corners" in line for line in findings(jump))
