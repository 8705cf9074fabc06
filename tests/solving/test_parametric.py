"""Families of problems: a parameter with a range is one more coordinate, without conditions."""

import numpy as np
import pytest

from kanpde import load_problem, solve
from kanpde.errors import InputError

FAMILY = {
    "coordinates": {"x": [-1, 1], "t": [0, 1]},
    "fields": ["u"],
    "parameters": {"kappa": {"range": [0.05, 0.2]}},
    "equations": {"heat": "u_t = kappa*lap(u)"},
    "boundary": {"*": "u = 0"},
    "initial": "u = sin(pi*x)",
    "exact": {"u": "exp(-kappa*pi**2*t)*sin(pi*x)"},
}


def test_the_parameter_is_the_last_coordinate():
    problem = load_problem(FAMILY)
    assert problem.coordinates == ("x", "t", "kappa") and problem.family == (2,)
    assert problem.domain.upper == (1.0, 1.0, 0.2)
    assert [condition.name for condition in problem.conditions] == ["x-", "x+", "t-"]
    assert set(problem.jets()) == {("u", (0, 1, 0)), ("u", (2, 0, 0))}  # lap leaves kappa out
    assert load_problem("diffusion_parametric").family == (2,)


def test_one_network_for_all_diffusivities():
    run = solve(FAMILY, model={"width": [4]}, training={"stages": 2, "starts": 1, "steps": 40})
    assert run.metrics["rel_l2"] < 5e-3
    x = np.linspace(-1, 1, 9)
    for kappa in (0.05, 0.11, 0.2):
        found = run.solution(np.c_[x, np.full(9, 0.7), np.full(9, kappa)])[:, 0]
        assert np.abs(found - np.exp(-kappa * np.pi**2 * 0.7) * np.sin(np.pi * x)).max() < 1e-2
    points = np.array([[0.2, 0.3, 0.1]])
    assert np.allclose(run.solution.derivative("lap(u)", points), run.solution.derivative("u_xx", points))


@pytest.mark.parametrize(
    "changes, parts",
    [
        ({"parameters": {"kappa": {"range": [1, 0]}}}, ["coordinates.kappa", "low < high"]),
        ({"parameters": {"kappa": {"range": [0, 1], "learn": True}}}, ["parameters.kappa", "a range alone"]),
        ({"parameters": {"x": {"range": [0, 1]}}}, ["parameters.x", "a range alone"]),
        ({"boundary": {"*": "u = 0", "kappa-": "u = 0"}}, ["boundary needs sides", "kappa-"]),
        ({"periodic": ["kappa"]}, ["periodic needs space coordinates (x)"]),
    ],
)
def test_refused(changes, parts):
    with pytest.raises(InputError) as caught:
        load_problem({**FAMILY, **changes}, name="mine")
    for part in parts:
        assert part in str(caught.value)
