"""Rows in the parameters beside a residual and beside an energy: values, derivatives, and who is judged by them."""

import pytest
import torch

from kanpde.models.learned_constants import learn
from kanpde.models.networks import MLP
from kanpde.problems.catalog import load_problem
from kanpde.problems.geometry.samplings import SobolSampling
from kanpde.solving.ansatz.exact_conditions import ansatz_of
from kanpde.solving.losses.regularized import NAME, regularized
from kanpde.solving.tasks import goal_of


def rows(network):
    """sin of each number, which is as good as anything whose derivative is known."""
    theta = torch.cat([parameter.detach().flatten() for parameter in network.parameters() if parameter.numel() != 1])
    return theta.sin(), theta.cos().diag()


def objective_of(name: str):
    problem = load_problem(name)
    network = MLP([problem.domain.dimension, 5, 1], generator=torch.Generator().manual_seed(0))
    network = learn(network, problem.learned)
    goal = goal_of(problem, ansatz_of(problem, "exact"), (10.0, 1.0), torch.float64)
    plain = goal.objective(network, SobolSampling(points=60), 0)

    def numbers(network):
        found, slopes = rows(network)
        bias = slopes.new_zeros(len(slopes), network.layers[-1].bias.numel())
        return found, torch.cat([slopes, bias], dim=1)

    return plain, regularized(plain, network, numbers)


def test_a_model_that_asks_for_nothing_leaves_the_objective_as_it_is():
    plain, _ = objective_of("poisson_2d")
    assert regularized(plain, plain.network, None) is plain


@pytest.mark.parametrize("name", ["poisson_2d", "inverse_diffusion"])
def test_rows_follow_those_of_the_problem(name):
    plain, objective = objective_of(name)
    theta = objective.theta
    residual, jacobian = objective.linearize(theta)
    assert torch.equal(residual[: plain.size], plain.residual(theta)) and len(residual) > plain.size
    assert torch.equal(residual, objective.residual(theta)) and jacobian.shape == (len(residual), len(theta))
    step = 1e-6 * torch.randn(len(theta), generator=torch.Generator().manual_seed(1))
    moved = objective.residual(theta + step) - objective.residual(theta - step)
    assert torch.allclose(moved / 2, jacobian @ step, rtol=1e-5, atol=1e-10)
    loss, gradient = objective.gradient(theta)
    assert loss == pytest.approx(residual.square().sum().item())
    assert torch.allclose(gradient, 2 * jacobian.mT @ residual)
    losses = objective.losses(residual)
    assert losses[NAME] > 0 and sum(losses.values()) == pytest.approx(loss)
    assert objective.figure() == plain.figure() < loss**0.5, "judged without them"


def test_an_energy_has_their_square_beside_it():
    plain, objective = objective_of("landscape_1d_smooth")
    theta = objective.theta
    value, gradient, curvature = objective.quadratic(theta)
    assert value == pytest.approx(objective.value(theta)) and value > plain.value(theta)
    assert torch.allclose(objective.gradient(theta)[1], gradient)
    found, slopes = objective.rows_at(theta)
    assert torch.allclose(curvature - plain.quadratic(theta)[2], 2 * slopes.mT @ slopes)
    step = 1e-5 * torch.randn(len(theta), generator=torch.Generator().manual_seed(1))
    rise = (objective.value(theta + step) - objective.value(theta - step)) / 2
    assert rise == pytest.approx((gradient @ step).item(), rel=1e-4)
