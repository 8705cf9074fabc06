"""Between stages training goes back to the best state seen, however the stage before ended."""

from dataclasses import dataclass, field

import torch

from kanpde import load_problem
from kanpde.models.networks import MLPDesign
from kanpde.problems.geometry.samplings import SobolSampling
from kanpde.solving.ansatz.exact_conditions import exact_ansatz
from kanpde.solving.optimizers import Ended, LevenbergMarquardt, StopReason
from kanpde.solving.tasks import goal_of
from kanpde.solving.training.settings import Training
from kanpde.solving.training.setup import Setup
from kanpde.solving.training.stages import train


@dataclass(frozen=True)
class Straying:
    """Levenberg–Marquardt that ends each minimization away from the best it has found."""

    begun: list = field(default_factory=list)
    best: list = field(default_factory=list)

    def minimize(self, objective, theta, steps, observe, state=None):
        self.begun.append(theta.clone())
        found = LevenbergMarquardt().minimize(objective, theta, steps, observe, state)
        self.best.append(found.theta.clone())
        strayed = found.theta + 0.05 * torch.ones_like(theta)
        loss = objective.residual(strayed).square().sum().item()
        assert found.loss < loss < 1e4 * found.loss + 1.0
        return Ended(strayed, loss, StopReason.STEPS)


def test_a_stage_begins_where_the_one_before_was_best():
    problem, optimizer = load_problem("poisson_1d"), Straying()
    settings = Training(stages=3, starts=1, steps=10)
    goal = goal_of(problem, exact_ansatz(problem), (10.0, 1.0), torch.float64)
    setup = Setup(
        problem, goal, MLPDesign(width=(4,)), optimizer, SobolSampling(), settings, seed=0, dtype=torch.float64,
        device=torch.device("cpu"), track=lambda network: float("nan"),
    )  # fmt: skip
    train(setup, lambda event: None)
    assert len(optimizer.begun) == 3
    for begun, best in zip(optimizer.begun[1:], optimizer.best, strict=False):
        assert torch.equal(begun, best), f"{(begun - best).abs().max():.1e} away"
