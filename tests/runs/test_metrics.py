"""Metrics of a run against what they say they are, on networks bad enough to show it."""

import numpy as np
import pytest
import torch

from kanpde import load_problem, solve
from kanpde.models.networks import KAN
from kanpde.results.errors import conditions_rms
from kanpde.solving.time_windows import solution_of

STILL = {"kind": "adam", "learning_rate": 1e-14}
ONE_STEP = {"stages": 1, "starts": 1, "steps": 1}


def network_on(problem, factor=1.0, width=5) -> KAN:
    """A network whose first layer overshoots by a factor."""
    box = problem.domain
    network = KAN([box.dimension, width, 1], grid=4, degree=5, lower=box.lower, upper=box.upper)
    network.layers[0].weight.data *= factor
    return network


@pytest.mark.parametrize("factor", [1.5, 3.0])
def test_the_share_of_activations_outside_their_grids(factor):
    problem = load_problem("poisson_2d")
    network = network_on(problem, factor)
    run = solve(problem, model=network, optimizer=STILL, training=ONE_STEP)
    points = torch.tensor(problem.domain.lower) + torch.rand(20_000, 2) * torch.tensor(problem.domain.lengths)
    hidden, grids = network.layers[0](network.inputs(points)), network.layers[1].features
    expected = ((hidden < grids.lower) | (hidden > grids.upper)).double().mean().item()
    assert 0.02 < expected < 0.9
    assert run.metrics["outside_grid_fraction"] == pytest.approx(expected, rel=0.1)
    assert any(f"{run.metrics['outside_grid_fraction']:.0%} of the hidden activations" in said for said in run.warnings)


def test_a_network_as_it_is_drawn_keeps_its_activations_inside():
    problem = load_problem("poisson_2d")
    run = solve(problem, model=network_on(problem), optimizer=STILL, training=ONE_STEP)
    assert run.metrics["outside_grid_fraction"] < 0.01
    assert not any("hidden activations" in said for said in run.warnings)


ROD = {"coordinates": {"x": [0, 1]}, "fields": ["u"], "equations": {"e": "u_xx = 0"},
       "boundary": {"x-": "u = 0", "x+": "u = 30"}}  # fmt: skip


@pytest.mark.parametrize("swapped", [False, True])
def test_the_residual_of_conditions_is_over_all_of_them(swapped):
    """Two ends, of which either is far off: the root of the mean of both squares."""
    ends = {"x-": "u = 30", "x+": "u = 0"} if swapped else ROD["boundary"]
    problem = load_problem({**ROD, "boundary": ends})
    network = network_on(problem)
    solution = solution_of(problem, "penalty", network)
    u = network(torch.tensor([[0.0], [1.0]]))[:, 0].detach().numpy()
    assert np.abs(u).max() < 3
    expected = np.sqrt(np.mean((u - np.array([30.0, 0.0] if swapped else [0.0, 30.0])) ** 2))
    assert conditions_rms(solution) == pytest.approx(expected, rel=1e-12)
    run = solve(problem, model=network, optimizer=STILL, training={**ONE_STEP, "conditions": "penalty"})
    assert run.metrics["boundary_rms"] == pytest.approx(expected, rel=1e-9)
