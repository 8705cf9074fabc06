"""Factors that jump inside a derivative: the flux goes on across the wall, in the loss and in references."""

import numpy as np
import pytest
import torch

import kanpde
from kanpde.errors import InputError
from kanpde.models.networks.products import SplineProducts, axis_knots
from kanpde.problems.catalog import load_problem
from kanpde.problems.check_report import statement_lines
from kanpde.references import applicable_method, reference_of
from kanpde.solving.training.products import missing

ROD = {
    "coordinates": {"x": [0, 2]}, "fields": ["T"], "coefficients": {"k": "where(x < 0.5, 1, 5)"},
    "equations": {"heat": "D(k*T_x, x) = 0"}, "boundary": {"x-": "T = 0", "x+": "k*dn(T) = 10"},
    "reference": {"method": "chebyshev", "resolution": 24},
}  # fmt: skip


def rod(x):
    return np.where(x < 0.5, 10 * x, 5 + 2 * (x - 0.5))


def test_what_the_echo_says():
    problem = load_problem(ROD)
    assert "  the flux of heat goes on across x = 0.5" in list(statement_lines(problem))
    assert problem.fluxes_across(0) == (0.5,) and not problem.warnings and not problem.remotes()


def test_its_reference_has_a_field_for_each_layer():
    problem, x = load_problem(ROD), np.linspace(0, 2, 41)[:, None]
    assert applicable_method(problem) == "chebyshev"
    assert abs(reference_of(problem, "chebyshev").values(x)[:, 0] - rod(x[:, 0])).max() < 1e-10


def test_three_layers_and_a_flux_with_a_part_that_is_carried():
    """q = k u_x - v u with v of its own jump; u' from q = 1 by hand: u_x = (1 + v u)/k."""
    problem = load_problem(ROD | {
        "coefficients": {"k": "where(x < 0.5, 1, where(x < 1, 2, 1))", "v": "where(x < 1, 0, 1)"},
        "equations": {"heat": "D(k*T_x - v*T, x) = 0"}, "boundary": {"x-": "T = 0", "x+": "T_x - T = 1"},
        "reference": {"method": "chebyshev", "resolution": 24}})  # fmt: skip
    assert problem.fluxes_across(0) == (0.5, 1.0)
    x = np.linspace(0, 2, 41)
    known = np.where(x < 0.5, x, np.where(x < 1, 0.25 + x / 2, 1.75 * np.exp(x - 1) - 1))
    assert abs(reference_of(problem, "chebyshev").values(x[:, None])[:, 0] - known).max() < 1e-9


def test_in_time_as_well():
    problem = load_problem(ROD | {
        "coordinates": {"x": [0, 2], "t": [0, 1]}, "equations": {"heat": "T_t = D(k*T_x, x)"},
        "boundary": {"x-": "T = t", "x+": "dn(T) = 0"}, "initial": "T = 0",
        "reference": {"method": "lines", "resolution": 24}})  # fmt: skip
    found = reference_of(problem, "lines")
    beside = np.array([[0.5 - 1e-4, 0.7], [0.5, 0.7], [0.5 + 1e-4, 0.7]])
    below, at, above = found.values(beside)[:, 0]
    assert (at - below) / (above - at) == pytest.approx(5, rel=1e-2) and found.error < 1e-6


def test_it_is_solved(tmp_path):
    output, quick = {"plot": False, "folder": str(tmp_path)}, {"time_limit": 4}
    run = kanpde.solve(ROD, optimizer="least_squares", training=quick, reference=False, output=output, device="cpu")
    x = np.linspace(0, 2, 41)
    assert abs(run.solution.values(x[:, None])[:, 0] - rod(x)).max() < 1e-8


def test_the_case_of_two_slabs():
    slabs = {
        "coordinates": {"x": [0, 1], "y": [0, 2]}, "fields": ["T"], "coefficients": {"k": "where(y < 1, 1.38, 400)"},
        "equations": {"heat": "div(k*grad(T)) = 0"},
        "boundary": {"y-": "T = 293.15", "y+": "k*dn(T) = 200", "x-": "dn(T) = 0", "x+": "dn(T) = 0"},
        "reference": {"method": "chebyshev", "resolution": 10},
    }  # fmt: skip
    points = np.array([[0.0, 1.0], [0.3, 0.5], [0.3, 1.5]])
    found = reference_of(load_problem(slabs), "chebyshev").values(points)[:, 0]
    assert found == pytest.approx([293.15 + 200 / 1.38, 293.15 + 100 / 1.38, 293.15 + 200 / 1.38 + 0.25], rel=1e-9)


def test_an_exact_solution_with_a_kink_is_checked_across_the_wall():
    exact = {"T": "where(x < 0.5, 10*x, 5 + 2*(x - 0.5))"}
    assert load_problem(ROD | {"exact": exact})
    wrong = {"T": "where(x < 0.5, 10*x, 5 + 3*(x - 0.5))"}
    with pytest.raises(InputError, match="exact needs to satisfy interface.heat_at_x_1"):
        load_problem(ROD | {"exact": wrong, "boundary": {"x-": "T = 0", "x+": "k*dn(T) = 15"}})


def test_a_factor_that_depends_on_the_field():
    """Fourier's law with k = 1/(1 + T) inside: log(1 + T) is a line there."""
    problem = load_problem(ROD | {"equations": {"heat": "D(where(x < 0.5, 1/(1 + T), 2)*T_x, x) = 0"},
                                  "boundary": {"x-": "T = 0", "x+": "dn(T) = 1"}})  # fmt: skip
    x = np.linspace(0, 2, 21)
    known = np.where(x < 0.5, np.exp(2 * x) - 1, np.e - 1 + (x - 0.5))
    assert abs(reference_of(problem, "chebyshev").values(x[:, None])[:, 0] - known).max() < 1e-9


@pytest.mark.parametrize(("equation", "reason"), [
    ("D(k*T, x) = 0", "no second derivative along x"),
    ("D(where(x**2 < 0.5, 1, 2)*T_x, x) = 0", "two constants, which jumps"),
])  # fmt: skip
def test_jumps_without_a_flux(equation, reason):
    with pytest.raises(InputError, match=reason):
        load_problem(ROD | {"equations": {"heat": equation}, "boundary": {"x-": "T = 0", "x+": "T = 1"}})


def test_slopes_may_jump_between_splines():
    knots = axis_knots(torch.tensor([0.0, 0.5, 1.0, 2.0]).double(), 5, False, (0.5,))
    network = SplineProducts([knots], [5], (), 1, torch.float64)
    assert network.breaks(0).tolist() == [0.0, 0.5, 1.0, 2.0] and knots.tolist().count(0.5) == 5
    torch.nn.init.normal_(network.weight)
    assert missing(network, 0).isfinite().all() and len(missing(network, 0)) == 3
