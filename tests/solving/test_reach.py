"""Residuals that ask for fields elsewhere: values, Jacobians, and what is solved with them."""

import pytest
import torch

import kanpde
from kanpde.errors import InputError
from kanpde.models.learned_constants import learn
from kanpde.models.networks.ridge import RidgeDesign
from kanpde.problems.catalog import load_problem
from kanpde.problems.geometry.samplings import SobolSampling
from kanpde.solving.ansatz.exact_conditions import exact_ansatz
from kanpde.solving.tasks.equations import LeastResiduals
from kanpde.solving.time_windows import window_ends

CIRCLE = {
    "coordinates": {"x": [0, "2*pi"]}, "fields": ["u"], "periodic": ["x"], "parameters": {"w": 1.3},
    "equations": {"a": "u_xx - u + u(x + w)*u/3 + integral(cos(x - s)*u(s)**2, s, 0, x) + u(2*x) = auto"},
    "constraints": "mean(u**2) = auto", "exact": {"u": "exp(sin(x))"},
}  # fmt: skip
VOLTERRA = {
    "coordinates": {"x": [0, 1]}, "fields": ["u"], "equations": "u = 1 + integral(sin(x - s)*u(s), s, 0, x)",
}  # fmt: skip


def objective_of(problem, points=40):
    goal = LeastResiduals.of(problem, exact_ansatz(problem), (10.0, 1.0), torch.float64)
    box = problem.domain
    network = RidgeDesign((1,), 6, 5).build(
        1, 1, 6, lower=box.lower, upper=box.upper, periodic=problem.periodic, dtype=torch.float64,
        generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    return goal.objective(learn(network, problem.learned), SobolSampling(points=points), 0)


@pytest.mark.parametrize("learned", [False, True])
def test_the_jacobian_is_that_of_differences(learned):
    stated = dict(CIRCLE)
    if learned:
        stated["parameters"] = {"w": 1.3, "k": {"learn": True, "value": 2}}
        stated["equations"] = {"a": "u_xx - k*u(x + w) + integral(k*cos(x - s)*u(s)**2, s, 0, x) = auto"}
    objective = objective_of(load_problem(stated))
    theta = objective.theta
    theta = theta + 0.1 * torch.randn(len(theta), generator=torch.Generator().manual_seed(1)).double()
    residual, jacobian = (part.clone() for part in objective.linearize(theta))
    assert torch.equal(residual, objective.residual(theta))
    steps = 1e-6 * torch.eye(len(theta), dtype=torch.float64)
    rows = [(objective.residual(theta + step) - objective.residual(theta - step)) / 2e-6 for step in steps]
    assert (torch.stack(rows, 1) - jacobian).abs().max() < 1e-8 * jacobian.abs().max()
    _, gradient = objective.gradient(theta)
    assert torch.allclose(gradient, 2 * jacobian.mT @ residual, rtol=1e-10, atol=1e-10 * gradient.abs().max())


def test_solutions_say_what_is_elsewhere():
    run = kanpde.solve(load_problem(VOLTERRA), optimizer="least_squares", **{"training.time_limit": 20})
    assert run.metrics["rel_l2"] < 1e-9 and run.verdict.word == "solved"
    points = torch.linspace(0.1, 0.9, 9).double()[:, None].numpy()
    found = run.solution.derivative("integral(u(s), s, 0, x) + u(x/2)", points)[:, None]
    assert abs(found - (points + points**3 / 6 + 1 + points**2 / 8)).max() < 1e-9


def test_no_windows_where_other_times_are_asked_for():
    problem = load_problem({
        "coordinates": {"t": [0, 3]}, "fields": ["u"], "equations": "u_t = -u(t - 1)", "history": {"u": "1"},
    })  # fmt: skip
    with pytest.raises(InputError, match="other times"):
        window_ends(problem, 2)
