"""The exact last layer with singular functions beside it, for corners and holes that a problem's geometry has.

Conditions are left to the loss: a lift would carry what the functions are on the boundary inside.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from kanpde.problems.singularities import Singularity
from kanpde.solving.ansatz.exact_conditions import penalty_ansatz
from kanpde.solving.tasks import Goal, goal_of
from kanpde.solving.training.setup import Setup


def singular_setup(setup: Setup, track_of: Callable[[Goal], Callable[[nn.Module], float]]) -> Setup:
    """The run with all conditions left to the loss."""
    weights = setup.settings.boundary_weight, setup.settings.data_weight
    goal = goal_of(setup.problem, penalty_ansatz(setup.problem), weights, setup.dtype)
    return replace(setup, goal=goal, settings=replace(setup.settings, conditions="penalty"), track=track_of(goal))


def table_of(found: tuple[Singularity, ...]) -> Tensor:  # -> [K, 10]
    """The functions of all singular places."""
    return torch.tensor([row for one in found for row in one.rows], dtype=torch.float64)
