"""Conditions at the end of time: read, checked, built in, and solved from the end for reference."""

import numpy as np
import pytest
import torch

from kanpde.errors import InputError
from kanpde.problems.catalog import load_problem
from kanpde.problems.time_reversal import reversed_in_time
from kanpde.references import method_for, reference_of
from kanpde.solving.ansatz.exact_conditions import exact_ansatz

HEAT = {
    "coordinates": {"x": [0, 1], "t": [1, 1.2]},
    "fields": ["u"],
    "equations": {"heat": "u_t + u_xx + t*u_x = t*pi*cos(pi*x)*exp(pi**2*(t - 1.2))"},
    "boundary": {"x-": "u = 0", "x+": "u = 0", "t+": "u = sin(pi*x)"},
}


def test_its_reference_is_solved_from_the_end():
    problem = load_problem(HEAT)
    assert method_for(problem) == "lines" and [c.kind for c in problem.conditions] == ["boundary", "boundary", "final"]
    x, t = points = np.random.default_rng(0).uniform([0, 1], [1, 1.2], (60, 2)).T
    found = reference_of(problem, "lines").values(points.T)[:, 0]
    assert abs(found - np.exp(np.pi**2 * (t - 1.2)) * np.sin(np.pi * x)).max() < 1e-8


def test_twice_reversed_is_the_same_but_for_sides():
    problem = load_problem(HEAT)
    once = reversed_in_time(problem)
    assert [c.name for c in once.conditions] == ["x-", "x+", "t-"] and once.evolves() and not problem.evolves()
    assert reversed_in_time(once).equations["heat"].equals(problem.equations["heat"])


def test_it_is_built_into_the_solution():
    ansatz = exact_ansatz(load_problem(HEAT))
    assert not ansatz.penalties
    end = torch.tensor([[0.3, 1.2], [0.8, 1.2]]).double()
    lift = ansatz.bind(end, ((0, 0),)).lift[:, 0, 0]
    assert torch.allclose(lift, torch.sin(torch.pi * end[:, 0]))


def test_the_wrong_way_is_warned_of():
    assert not any("backward in time" in line for line in load_problem(HEAT).warnings)
    wrong = load_problem(HEAT | {"equations": {"heat": "u_t = u_xx"}})
    assert any("opposite signs" in line and "at the end" in line for line in wrong.warnings)


def test_some_fields_at_the_start_and_others_at_the_end():
    problem = load_problem({
        "coordinates": {"x": [0, 1], "t": [0, 1]}, "fields": ["m", "v"], "periodic": "x",
        "equations": {"forth": "m_t = 0.1*m_xx", "back": "v_t = -0.1*v_xx + m"},
        "initial": "m = 1", "boundary": {"t+": "v = 0"}})  # fmt: skip
    assert method_for(problem) == "chebyshev" and not problem.evolves() and not problem.warnings


@pytest.mark.parametrize(("changes", "reason"), [
    ({"initial": "u = 0"}, "u needs one condition in time"),
    ({"boundary": {"x-": "u = 0", "x+": "u = 0", "t-": "u = 0"}}, "at the start of time under initial"),
    ({"boundary": {"x-": "u = 0", "x+": "u = 0", "t+": "dn(u) = 0"}}, "dn"),
])  # fmt: skip
def test_times_that_are_refused(changes, reason):
    with pytest.raises(InputError, match=reason):
        load_problem(HEAT | changes)
