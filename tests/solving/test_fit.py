"""Fits without equations: of an expression, and of data with some left out."""

import numpy as np
import pytest

from kanpde import load_problem, solve
from kanpde.errors import InputError

EXPRESSION = {"coordinates": {"x": [0, 1], "y": [0, 1]}, "fields": ["u"], "fit": {"u": "exp(x)*sin(pi*y)"}}
SAMPLES = {"coordinates": {"x": [0, 1]}, "fields": ["u"], "fit": True}
QUICK = {"stages": 1, "starts": 1, "steps": 30}


def table(noise=0.0):
    x = np.linspace(0, 1, 60)
    u = np.sin(4 * x) + noise * np.random.default_rng(0).standard_normal(60)
    return "x,u\n" + "\n".join(f"{a:.9g},{b:.9g}" for a, b in zip(x, u, strict=True))


def test_an_expression():
    problem = load_problem(EXPRESSION)
    assert problem.exact and list(problem.equations) == ["fit_u"] and not problem.conditions
    run = solve(EXPRESSION, model={"width": [4]}, training=QUICK)
    assert run.metrics["rel_l2"] < 2e-3
    point = np.array([[0.3, 0.6]])
    assert run.solution(point)[0, 0] == pytest.approx(np.exp(0.3) * np.sin(0.6 * np.pi), abs=2e-2)


def test_data_with_a_test_split(tmp_path):
    run = solve({**SAMPLES, "data": {"table": table()}}, model={"width": [3]}, training=QUICK)
    problem = run.problem
    assert len(problem.data.test) == 12 and len(problem.data.fitted().points) == 48
    assert run.metrics["test_error"] < 5e-2 and run.metrics["data_misfit"] < 1e-2
    kept = set(map(tuple, problem.data.fitted().points.tolist()))
    assert kept.isdisjoint(set(map(tuple, problem.data.tested().points.tolist())))
    run.save(tmp_path / "result.h5")


def test_noise_shows_in_the_test_error():
    run = solve({**SAMPLES, "data": {"table": table(0.1)}}, model={"width": [3]}, training=QUICK)
    assert 0.02 < run.metrics["test_error"] < 0.5


@pytest.mark.parametrize(
    "data, parts",
    [
        (SAMPLES, ["fit: true needs data"]),
        ({**EXPRESSION, "fit": {"w": "x"}}, ["fit needs an expression for each field (u)"]),
        ({**EXPRESSION, "fit": 3}, ["fit needs"]),
        ({**EXPRESSION, "fit": {"u": "u_x"}}, ["fit.u", "coordinates and parameters only"]),
        ({**EXPRESSION, "equations": {"a": "lap(u) = 0"}}, ["takes the place of equations"]),
        ({**EXPRESSION, "exact": {"u": "x"}}, ["Remove exact"]),
        ({**SAMPLES, "data": {"table": "x,u\n0,1\n1,2"}}, ["data.test needs 5"]),
    ],
)
def test_refused(data, parts):
    with pytest.raises(InputError) as caught:
        load_problem(data, name="mine")
    for part in parts:
        assert part in str(caught.value)
