"""What a study is to run: its settings, the jobs they stand for, and models matched to the first of them.

A job is a list of words as on the command line, so that each run of a study is an ordinary run.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from kanpde.errors import InputError
from kanpde.models.bases import ACTIVATIONS
from kanpde.models.networks import MODELS, Design, ModelKind
from kanpde.models.networks.interface import WIDEST
from kanpde.problems.problem import Problem
from kanpde.solving.optimizers import TRAINERS
from kanpde.studies.comparisons import BUDGETS, TOLERANCES, Size

if TYPE_CHECKING:
    ActivationName = str
    TrainerName = str
    BudgetName = str
else:
    ActivationName, TrainerName, BudgetName = Literal[*ACTIVATIONS], Literal[*TRAINERS], Literal[*BUDGETS]

TUNING_SEED = 10_000
"""The first seed of tuning: far from those of the study, which start at 0."""


@dataclass(frozen=True)
class Study:
    """The settings of a study.

    Args:
        models: Kinds compared; the others are matched to the sizes of the first.
        kan_degrees: Degrees in the KAN's tuning set, degree × width.
        kan_widths: Widths in the KAN's tuning set.
        mlp_depths: Depths in the MLP's tuning set, depth × activation.
        mlp_activations: Activations in the MLP's tuning set.
        tuning_seeds: Seeds of the tuning, none of them used in the study.
        grids: Sizes of the first model by grid extension, at the tuned width.
        widths: Sizes of the first model by width, at `width_grid`.
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
        match: How the others are matched to each size of the first.
    """

    models: tuple[ModelKind, ...]
    kan_degrees: tuple[int, ...]
    kan_widths: tuple[int, ...]
    mlp_depths: tuple[int, ...]
    mlp_activations: tuple[ActivationName, ...]
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
    optimizers: tuple[TrainerName, ...]
    match: tuple[BudgetName, ...]

    def __post_init__(self) -> None:
        if len(set(self.models)) < 2:
            raise InputError(
                f"study.models needs two kinds of model or more; {', '.join(self.models) or 'none'} came. Choose among "
                f"{', '.join(MODELS)}."
            )
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

    def candidates(self, kind: str) -> list[Design]:
        """A kind's tuning set, from its settings `<kind>_…` or its own; of equal size once `sized`."""
        prefix = f"{kind}_"
        own = {name.removeprefix(prefix): values for name, values in asdict(self).items() if name.startswith(prefix)}
        return MODELS[kind].candidates(self.width_grid, **own)

    @property
    def tuning(self) -> range:
        return range(TUNING_SEED, TUNING_SEED + self.tuning_seeds)

    def sizes(self, tuned: Design) -> list[Design]:
        """Every size of the first model, as it was tuned."""
        return tuned.sizes(self.grids, self.widths, self.width_grid)


def words(design: Design, study: Study) -> list[str]:
    """A network on the command line; the same number of steps altogether, in as many stages as it has grids."""
    stages = len(design.grids(study.stages))
    return [*design.settings(), f"training.stages={stages}", f"training.steps={study.steps // stages}"]


def parameters(design: Design, problem: Problem) -> int:
    """From the network itself: periodic coordinates and several fields change them."""
    return design.parameters(*_ends(problem))


def sized(design: Design, count: int, problem: Problem) -> Design:
    """The design nearest to so many parameters."""
    return design.sized(count, *_ends(problem))


def _ends(problem: Problem) -> tuple[int, int]:
    return problem.domain.dimension + len(problem.periodic), problem.outputs


def tuning_size(study: Study, problem: Problem) -> int:
    """How many parameters the candidates of all models have.

    The median over the sizes of the first model's first candidate, or what its largest candidate has at the least.
    """
    candidates = study.candidates(study.models[0])
    usual = int(np.median([parameters(one, problem) for one in study.sizes(candidates[0])]))
    return max(usual, *(parameters(sized(one, 1, problem), problem) for one in candidates))


def base_words(study: Study) -> list[str]:
    """What all runs of a study have in common."""
    training = [f"training.{name}={getattr(study, name)}" for name in ("starts", "start_steps", "time_limit")]
    return [*training, f"sampling.points={study.points}"]


def matched_widths(budget: str, firsts: Sequence[Size], others: Sequence[Size]) -> dict[str, int]:
    """For each size without another model's of equal budget, the width that should have it, by the size's name.

    Budgets of others that ran are interpolated in log width; beyond them their overall power goes on.
    """
    known = sorted((size.first.width[0], value) for size in others if (value := size.budget(budget)) > 0)
    if len({width for width, _ in known}) < 2:
        return {}
    x, y = np.log(np.array(known)).T
    power = max(float(np.polyfit(x, y, 1)[0]), 0.1)
    wanted = {}
    for size in firsts:
        value = size.budget(budget)
        if value > 0 and all(abs(math.log(other / value)) > math.log(TOLERANCES[budget]) / 2 for _, other in known):
            width = max(1, min(WIDEST, round(math.exp(_inverse(x, y, power, math.log(value))))))
            if width not in {w for w, _ in known}:
                wanted[size.first.size] = width
    return wanted


def _inverse(x: np.ndarray, y: np.ndarray, power: float, value: float) -> float:
    """x where the interpolated y has a value."""
    above = np.flatnonzero(y >= value)
    if above.size == 0 or above[0] == 0:
        end = -1 if above.size == 0 else 0
        return float(x[end] + (value - y[end]) / power)
    i = above[0]
    return float(np.interp(value, [y[i - 1], y[i]], [x[i - 1], x[i]]))
