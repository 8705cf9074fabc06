"""What a training needs, and what comes of it."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from kanpde.models.networks import Design
from kanpde.problems.geometry.samplings import Sampling
from kanpde.problems.problem import Problem
from kanpde.solving.losses.interface import Objective
from kanpde.solving.optimizers import Optimizer
from kanpde.solving.processes import told
from kanpde.solving.tasks import Goal
from kanpde.solving.training.events import Outcome
from kanpde.solving.training.settings import Training


@dataclass(frozen=True)
class Setup:
    """Everything that training needs, and nothing that it writes to."""

    problem: Problem
    goal: Goal
    design: Design | None  # None if `network` is a module of the user's own
    optimizer: Optimizer
    sampling: Sampling
    settings: Training
    seed: int
    dtype: torch.dtype
    device: torch.device
    track: Callable[[nn.Module], float]  # the relative error of a network, NaN if unknown
    network: nn.Module | None = None
    clock: Callable[[], float] = time.perf_counter
    settled: Callable[[float], float] = told  # of the machine, as decisions take it: the same wherever they are taken
    further: bool = False  # whether stages go on after the last one, while they help and there is time


@dataclass(frozen=True)
class Trained:
    """The best state seen, and how the run ended."""

    network: nn.Module
    points: dict[str, Tensor]
    heldout: float  # what it is judged by
    objective: Objective | None = None  # where training ended, which need not be where it was best
    parting: float = 1.0  # of what is held out and what is trained, when training ended
    outcome: Outcome = Outcome.FINISHED
    sentence: str = ""
    seconds: float = 0.0
    design: Design | None = None  # of the network, where it is not that of the setup
    conditions: str = ""  # how they are met, where it is not as in the setup


def derived_seed(seed: int, place: int) -> int:
    """A seed for one purpose of a run, within what PyTorch takes; places below 7919 of two small seeds never meet."""
    return (seed * 7919 + place) % 2**31
