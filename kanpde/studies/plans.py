"""What a study is to run: its settings, the jobs they stand for, and MLPs matched to KANs.

A job is a list of words as on the command line, so that each run of a study is an ordinary run.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

import numpy as np

from kanpde.errors import InputError
from kanpde.models.bases import ACTIVATIONS
from kanpde.models.networks import KANDesign, MLPDesign
from kanpde.problems.problem import Problem
from kanpde.solving.optimizers import OPTIMIZERS
from kanpde.studies.comparisons import BUDGETS, TOLERANCES, Size

TUNING_SEED = 10_000
"""The first seed of tuning: far from those of the study, which start at 0."""

WIDEST = 1000
COARSEST, FINEST = 2, 64


@dataclass(frozen=True)
class Study:
    """The settings of a study.

    Args:
        kan_degrees: Degrees in the KAN's tuning set, degree × width.
        kan_widths: Widths in the KAN's tuning set.
        mlp_depths: Depths in the MLP's tuning set, depth × activation.
        mlp_activations: Activations in the MLP's tuning set.
        tuning_seeds: Seeds of the tuning, none of them used in the study.
        grids: KAN sizes by grid extension, at the tuned width.
        widths: KAN sizes by width, at `width_grid`.
        width_grid: The grid of the sizes by width.
        seeds: Seeds of every size.
        points: Collocation points of every run, or of every window of time.
        steps: Optimizer steps of every run or window, divided among its stages.
        stages: At most; a multiple of every number up to it must be the number of steps.
        starts: Short trainings, the best of which goes on.
        start_steps: Steps of each of them.
        time_limit: Seconds of training.
        own_optimizer: Each model with the best of `optimizers` as well, shown apart.
        optimizers: Those that are tried for it.
        match: How an MLP is matched to each KAN.
    """

    kan_degrees: tuple[int, ...]
    kan_widths: tuple[int, ...]
    mlp_depths: tuple[int, ...]
    mlp_activations: tuple[Literal[tuple(ACTIVATIONS)], ...]
    tuning_seeds: int
    grids: tuple[int, ...]
    widths: tuple[int, ...]
    width_grid: int
    seeds: int
    points: int
    steps: int
    stages: int
    starts: int
    start_steps: int
    time_limit: float
    own_optimizer: bool
    optimizers: tuple[Literal[tuple(OPTIMIZERS)], ...]
    match: tuple[Literal[tuple(BUDGETS)], ...]

    def __post_init__(self):
        for name in ("kan_degrees", "kan_widths", "mlp_depths", "mlp_activations", "optimizers"):
            if not getattr(self, name):
                raise InputError(
                    f"study.{name} needs one value or more; the list is empty. Leave it out for the default."
                )
        counts = ("tuning_seeds", "width_grid", "seeds", "points", "steps", "stages")
        numbers = {name: (getattr(self, name),) for name in counts}
        numbers |= {
            name: getattr(self, name) for name in ("kan_degrees", "kan_widths", "mlp_depths", "grids", "widths")
        }
        for name, values in numbers.items():
            if any(value < 1 for value in values):
                raise InputError(f"study.{name} needs whole numbers of 1 or more; {min(values)} came. Set it so.")
        if not (self.grids or self.widths):
            raise InputError("A study needs study.grids or study.widths; both are empty. Leave out one of them.")
        if self.steps % (common := math.lcm(*range(1, self.stages + 1))):
            raise InputError(
                f"study.steps is divided among 1 to {self.stages} stages, so it needs to be a multiple of {common}; "
                f"{self.steps} came. Write study.steps={max(1, round(self.steps / common)) * common}, say."
            )

    @property
    def kan_candidates(self) -> list["Kan"]:
        """The KAN's tuning set, of about as many parameters each once `sized`."""
        return [Kan(width, self.width_grid, degree) for degree, width in product(self.kan_degrees, self.kan_widths)]

    @property
    def mlp_candidates(self) -> list["Mlp"]:
        return [Mlp(1, depth, kind) for depth, kind in product(self.mlp_depths, self.mlp_activations)]

    @property
    def tuning(self) -> range:
        return range(TUNING_SEED, TUNING_SEED + self.tuning_seeds)

    def kans(self, tuned: "Kan") -> list["Kan"]:
        """Every size of the KAN, for the width and degree that were tuned."""
        by_grid = [replace(tuned, grid=grid) for grid in self.grids]
        by_width = [Kan(width, self.width_grid, tuned.degree) for width in self.widths]
        return list(dict.fromkeys([*by_grid, *by_width]))


@dataclass(frozen=True)
class Kan:
    """A KAN of one hidden layer."""

    width: int
    grid: int
    degree: int

    def __str__(self):
        return f"KAN degree {self.degree}, width {self.width}, grid {self.grid}"

    def words(self, study: Study) -> list[str]:
        grids = len(KANDesign(grid=self.grid).grids(study.stages))
        size = [f"model.width=[{self.width}]", f"model.grid={self.grid}", f"model.degree={self.degree}"]
        return ["model=kan", *size, "model.basis=bspline", "model.base=none", *_staged(study, grids)]

    def parameters(self, problem: Problem) -> int:
        return _count(KANDesign((self.width,), self.grid, self.degree), problem, self.grid)

    def sized(self, parameters: int, problem: Problem) -> "Kan":
        """With the grid that brings it nearest to so many parameters."""
        grids = range(COARSEST, FINEST + 1)
        return min((replace(self, grid=grid) for grid in grids), key=_distance(parameters, problem))


@dataclass(frozen=True)
class Mlp:
    """An MLP of equally wide hidden layers."""

    width: int
    depth: int
    activation: str

    def __str__(self):
        return f"MLP {self.activation}, depth {self.depth}, width {self.width}"

    def words(self, study: Study) -> list[str]:
        width = ",".join([str(self.width)] * self.depth)
        size = [f"model.width=[{width}]", f"model.activation={self.activation}"]
        return ["model=mlp", *size, *_staged(study, study.stages)]

    def parameters(self, problem: Problem) -> int:
        return _count(MLPDesign((self.width,) * self.depth, self.activation), problem, 0)

    def sized(self, parameters: int, problem: Problem) -> "Mlp":
        """With the width that brings it nearest to so many parameters."""
        low, high = 1, WIDEST
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (
                (middle, high) if replace(self, width=middle).parameters(problem) <= parameters else (low, middle)
            )
        return min((replace(self, width=width) for width in (low, high)), key=_distance(parameters, problem))


Architecture = Kan | Mlp


def _staged(study: Study, stages: int) -> list[str]:
    """The same number of steps altogether, in however many stages: as many as there are grids, or rounds of points."""
    return [f"training.stages={stages}", f"training.steps={study.steps // stages}"]


def _count(design: KANDesign | MLPDesign, problem: Problem, grid: int) -> int:
    """Parameters, from the network itself: periodic coordinates and several fields change them."""
    inputs, outputs = problem.domain.dimension + len(problem.periodic), len(problem.fields)
    if isinstance(design, KANDesign):
        return design.width[0] * (inputs + outputs) * (grid + design.degree)
    widths = [inputs, *design.width, outputs]
    return sum((before + 1) * after for before, after in zip(widths, widths[1:], strict=False))


def _distance(parameters: int, problem: Problem):
    return lambda one: abs(math.log(one.parameters(problem) / parameters))


def tuning_size(study: Study, problem: Problem) -> int:
    """How many parameters the candidates of both models have.

    The median over the sizes of the first KAN candidate, or what the largest candidate has on the coarsest grid.
    """
    usual = int(np.median([kan.parameters(problem) for kan in study.kans(study.kan_candidates[0])]))
    return max(usual, *(replace(one, grid=COARSEST).parameters(problem) for one in study.kan_candidates))


def base_words(study: Study) -> list[str]:
    """What all runs of a study have in common."""
    training = [f"training.{name}={getattr(study, name)}" for name in ("starts", "start_steps", "time_limit")]
    return [*training, f"sampling.points={study.points}"]


def matched_widths(budget: str, kans: Sequence[Size], mlps: Sequence[Size]) -> dict[str, int]:
    """For each KAN without an MLP of equal budget, the width that should have it, by the size of the KAN.

    Budgets of MLPs that ran are interpolated in log width; beyond them their overall power goes on.
    """
    known = sorted((size.first.width[0], value) for size in mlps if (value := size.budget(budget)) > 0)
    if len({width for width, _ in known}) < 2:
        return {}
    x, y = np.log(np.array(known)).T
    power = max(float(np.polyfit(x, y, 1)[0]), 0.1)
    wanted = {}
    for kan in kans:
        value = kan.budget(budget)
        if value > 0 and all(abs(math.log(other / value)) > math.log(TOLERANCES[budget]) / 2 for _, other in known):
            width = max(1, min(WIDEST, round(math.exp(_inverse(x, y, power, math.log(value))))))
            if width not in {w for w, _ in known}:
                wanted[kan.first.size] = width
    return wanted


def _inverse(x: np.ndarray, y: np.ndarray, power: float, value: float) -> float:
    """x where the interpolated y has a value."""
    above = np.flatnonzero(y >= value)
    if above.size == 0 or above[0] == 0:
        end = -1 if above.size == 0 else 0
        return float(x[end] + (value - y[end]) / power)
    i = above[0]
    return float(np.interp(value, [y[i - 1], y[i]], [x[i - 1], x[i]]))
