"""What is lowered and measured for each task of a problem; a goal is whatever module of this folder has one."""

from collections.abc import Sequence

import torch

from kanpde.files.discovery import leaves
from kanpde.problems.problem import Problem
from kanpde.solving.ansatz.interface import Ansatz
from kanpde.solving.tasks.interface import Goal, Measured

GOALS: dict[str, type[Goal]] = leaves(__name__, __path__, Goal, "key")
"""By the keys of `kanpde.problems.tasks.TASKS`."""

FIGURES = {goal.figure_name: goal.figure_digits for goal in GOALS.values()}
"""What histories call the figures that training is judged by, and their digits."""

__all__ = ["FIGURES", "GOALS", "Goal", "Measured", "goal_of"]


def goal_of(problem: Problem, ansatz: Ansatz, weights: Sequence[float], dtype: torch.dtype) -> Goal:
    """The goal of a problem; `weights` are those of a condition and of the data beside an equation's 1."""
    return GOALS[problem.task.key].of(problem, ansatz, weights, dtype)
