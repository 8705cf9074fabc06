"""What each part of the loss weighs, against sums made by hand, and that settings reach it."""

import numpy as np
import pytest
import torch

from kanpde import load_problem, solve
from kanpde.models.networks import KAN
from kanpde.problems.geometry.samplings import GaussSampling, SobolSampling
from kanpde.solving.ansatz.exact_conditions import ansatz_of
from kanpde.solving.tasks import goal_of

POINTS = [0.1, 0.3, 0.4, 0.8]
ROD = {
    "coordinates": {"x": [0, 1]}, "fields": ["u"], "equations": {"load": "u_xx = -3"},
    "boundary": {"x-": "u = 1", "x+": "2*u_x = 5"}, "data": {"table": "x,u\n" + "".join(f"{x},2.0\n" for x in POINTS)},
}  # fmt: skip
STILL = {"kind": "adam", "learning_rate": 1e-14}
ONE_STEP = {"stages": 1, "starts": 1, "steps": 1, "conditions": "penalty"}


def losses(weights, sampling, network):
    problem = load_problem(ROD)
    goal = goal_of(problem, ansatz_of(problem, "penalty"), weights, torch.float64)
    objective = goal.objective(network, sampling, seed=0)
    residual = objective.residual(objective.theta)
    found = objective.losses(residual)
    assert sum(found.values()) == pytest.approx(residual.square().sum().item())
    return found, objective.points()["interior"]


def derivatives(network, x):
    """u, u_x and u_xx by nested automatic differentiation."""
    x = x.clone().requires_grad_()
    u = network(x)[:, 0]
    u_x = torch.autograd.grad(u.sum(), x, create_graph=True)[0][:, 0]
    return u.detach(), u_x.detach(), torch.autograd.grad(u_x.sum(), x)[0][:, 0]


@pytest.mark.parametrize("weights", [(1.0, 1.0), (7.0, 3.0)])
@pytest.mark.parametrize("sampling", [SobolSampling(points=40), GaussSampling(points=40)])
def test_each_part_of_the_loss_is_its_weight_times_a_mean_square(weights, sampling):
    """Lengths in halves of the rod, 1/2: an error ε in u leaves ε in each scaled residual; data in units of theirs."""
    network = KAN([1, 3, 1], grid=4, degree=5, lower=(0.0,), upper=(1.0,))
    found, x = losses(weights, sampling, network)
    _, _, u_xx = derivatives(network, x)
    ends, slopes, _ = derivatives(network, torch.tensor([[0.0], [1.0]]))
    nodes, rule = np.polynomial.legendre.leggauss(len(x))
    gauss = isinstance(sampling, GaussSampling)
    mean = torch.from_numpy(rule / 2) if gauss else torch.full((len(x),), 1 / len(x))
    if gauss:
        assert np.allclose(np.sort(x[:, 0].numpy()), (nodes + 1) / 2)
    order = x[:, 0].argsort()
    boundary, data = weights
    expected = {
        "load": (mean * ((u_xx[order] + 3) / 4).square()).sum(),
        "x-": boundary * (ends[0] - 1).square(),
        "x+": boundary * ((2 * slopes[1] - 5) / 4).square(),
        "data_u": data * ((network(torch.tensor(POINTS)[:, None])[:, 0] - 2) / 2).square().mean(),
    }
    for name, value in expected.items():
        place = next(key for key in found if name in key)
        assert found[place] == pytest.approx(value.item(), rel=1e-9), place


@pytest.mark.parametrize("setting", ["boundary_weight", "data_weight"])
def test_a_weight_that_is_set_reaches_the_loss(setting):
    """Runs that hardly move: the loss of the first step is a straight line in the weight, and not level."""
    low, middle, high = (
        solve(ROD, model={"width": [3]}, optimizer=STILL, training={**ONE_STEP, setting: weight}).history["loss"][0]
        for weight in (5.0, 10.0, 20.0)
    )
    assert high - low == pytest.approx(3 * (middle - low), rel=1e-9)
    assert middle - low > 0.01 * low
