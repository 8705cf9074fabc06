"""Stages of training: several short starts on the coarse grid, then finer grids on new points, the best state kept.

What is trained is judged on points that no stage has seen: the held-out residual decides which start goes on, which
state is kept, and whether the loss can be believed.
"""

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

import torch
from torch import Tensor, nn

from kanpde.errors import InputError, RunError
from kanpde.models.learned_constants import learn
from kanpde.models.networks import Design
from kanpde.problems.geometry.sampling import Sampling
from kanpde.problems.problem import Problem
from kanpde.solving.adaptation import Density, densities_of, first_knots, following
from kanpde.solving.losses.objectives import Goal
from kanpde.solving.optimizers import Iterate, Objective, Optimizer, Stop, StopReason
from kanpde.solving.solution import Solution
from kanpde.solving.training.memory import want_of_memory

MEASURE_EVERY = 5
MEASURE_AFTER = 1.0
"""Steps and seconds after which to look at the held-out residual and the error again."""


EVEN_CELLS = 16
"""Cells by which the densities are graded where a model has none of its own."""


@dataclass(frozen=True)
class Training:
    """How a run is staged and when it ends.

    Args:
        conditions: "exact" builds Dirichlet, initial and periodic conditions into the ansatz where it can; "penalty"
            leaves all but periodicity to the loss.
        boundary_weight: Weight of a condition in the loss; an equation has 1.
        data_weight: Weight of the data in the loss.
        stages: Grids, each twice as fine as the last; for models without a grid, rounds of new points.
        starts: Short trainings from different random networks on the coarse grid, the best of which goes on.
        start_steps: Steps of each of them.
        steps: Steps per stage at most.
        resample: Steps after which the points are drawn anew within a stage; null keeps them for the stage.
        target: Held-out residual at which to stop; null goes on, and so do energies.
        time_limit: Seconds of training after which to stop.
        adapt: From the second stage on, the knots of a KAN's first layer and the points follow the solution's bends.
        windows: Times between which time is cut, or a number of equal windows, each with a network of its own; null
            trains all of time at once.
    """

    conditions: Literal["exact", "penalty"] = "exact"
    boundary_weight: float = 10.0
    data_weight: float = 1.0
    stages: int = 4
    starts: int = 4
    start_steps: int = 15
    steps: int = 60
    resample: int | None = None
    target: float | None = None
    time_limit: float = 120.0
    adapt: bool = False
    windows: int | tuple[float, ...] | None = None

    def __post_init__(self):
        counts = {name: getattr(self, name) for name in ("stages", "starts", "steps", "resample")}
        for name, value in counts.items():
            if value is not None and not value >= 1:
                raise InputError(f"training.{name} must be 1 or more; {value} came. Set it so.")
        if isinstance(self.windows, int) and not self.windows >= 1:
            raise InputError(f"training.windows must be 1 or more, or times; {self.windows} came. Set it so.")
        if self.start_steps < 0:
            raise InputError(f"training.start_steps must not be negative; {self.start_steps} came. Set it so.")
        for name in ("time_limit", "boundary_weight", "data_weight", "target"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise InputError(f"training.{name} must be positive and finite; {value} came. Set it so.")

    @property
    def window_count(self) -> int:
        """Into how many windows time is cut; 1 where it is not."""
        return self.windows if isinstance(self.windows, int) else len(self.windows or ()) + 1


class Outcome(StrEnum):
    """How a run ended; the value is the sentence the user reads."""

    FINISHED = "All stages were completed."
    TARGET = "The held-out residual reached its target."
    TIME = "The time limit was reached; the best state so far is kept."
    INTERRUPTED = "The run was interrupted; the best state so far is kept."
    DIVERGED = "The run diverged: its residual grew a thousandfold or is not a finite number. Try another seed, more \
starts, or shorter steps."
    BELOW = "The run failed: its energy cannot be that of a function."
    TOO_LARGE = "The run stopped for want of memory; the best state so far is kept."

    @property
    def status(self) -> str:
        failed = dict.fromkeys((Outcome.DIVERGED, Outcome.BELOW, Outcome.TOO_LARGE), "failed")
        return {Outcome.INTERRUPTED: "interrupted", **failed}.get(self, "done")


@dataclass(frozen=True)
class Note:
    """A sentence for whoever watches."""

    text: str


@dataclass(frozen=True)
class Started:
    """What is about to be trained."""

    parameters: int
    points: int
    grids: tuple[int, ...]
    blocks: tuple[str, ...]


@dataclass(frozen=True)
class StartEnded:
    """One of the short starts is over, with this held-out residual."""

    start: int
    starts: int
    heldout_residual: float


@dataclass(frozen=True)
class Step:
    """One accepted step, as a row of the history."""

    record: dict[str, float]


@dataclass(frozen=True)
class StageEnded:
    """A stage is over, for the reason given."""

    stage: int
    reason: str


@dataclass(frozen=True)
class Finished:
    """The run is over."""

    outcome: Outcome


Event = Note | Started | StartEnded | Step | StageEnded | Finished


@dataclass(frozen=True)
class Task:
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


class _Halt(Exception):
    """Ends all stages; carries the outcome."""

    def __init__(self, outcome: Outcome):
        self.outcome = outcome


def train(task: Task, on_event: Callable[[Event], None]) -> Trained:
    """Run all stages; an interrupt ends them like a time limit, with the best state kept."""
    course, note = _Course(task, on_event), ""
    try:
        course.run()
        outcome = Outcome.FINISHED
    except _Halt as halt:
        outcome = halt.outcome
    except KeyboardInterrupt:
        outcome = Outcome.INTERRUPTED
    except (MemoryError, RuntimeError) as error:
        note = str(error) if isinstance(error, RunError) else want_of_memory(error)
        if note is None or course.best is None:  # another fault, or nothing to keep
            raise
        outcome = Outcome.TOO_LARGE
    trained = course.result(outcome, note)
    on_event(Finished(trained.outcome))
    return trained


class _Course:
    """The changing part of a run: clock, step counter, current network, best state."""

    def __init__(self, task: Task, on_event: Callable[[Event], None]):
        self.task, self.emit = task, on_event
        self.settings = task.settings
        self.begun = time.perf_counter()
        self.steps = self.stage = 0
        self.grids = task.design.grids(self.settings.stages) if task.design else (0,) * self.settings.stages
        self.network = self._fresh(0)
        self.densities: dict[int, Density] = {}
        self.objective = self.judge = self.witness = None
        self.best: Trained | None = None
        self.last_reason, self.parting, self.measured = "", 1.0, -math.inf

    def run(self) -> None:
        settings = self.settings
        self._bind_points()
        self._keep_if_best(self.judge.figure())  # so that there is a state to keep, come what may
        self.emit(self._started())
        state = self._best_start()
        for stage, grid in enumerate(self.grids):
            self.stage = stage
            if stage:
                self._extend(grid)
                state = None
            self.last_reason = self._train_stage(settings.steps, state)
            self.emit(StageEnded(stage, self.last_reason))

    def result(self, outcome: Outcome, note: str) -> Trained:
        if self.best is None:
            self._keep_if_best(float("nan"))
        if outcome.status == "done" and not math.isfinite(self.best.heldout):
            outcome = Outcome.DIVERGED
        return replace(
            self.best,
            objective=self.objective,
            parting=self.parting,
            outcome=outcome,
            sentence=self._sentence(outcome, note),
            seconds=self._elapsed(),
        )

    def _sentence(self, outcome: Outcome, note: str) -> str:
        if outcome is Outcome.FINISHED:
            note = f"The last stage ended because {self.last_reason}."
        return f"{outcome.value} {note}".strip()

    def _best_start(self) -> dict | None:
        """Train each start briefly, and put the one with the lowest held-out residual in place."""
        if self.settings.starts == 1 or self.task.network is not None:
            return None
        ended = []
        for start in range(self.settings.starts):
            self.network = self._fresh(start)
            self._bind_points()
            end = self.task.optimizer.minimize(
                self.objective, self.objective.theta, self.settings.start_steps, self._watch_clock
            )
            self.objective.theta = end.theta
            heldout = self._measure(end.loss)
            self.emit(StartEnded(start, self.settings.starts, heldout))
            ended.append((heldout, start, self.network, end.state))
            if self._elapsed() > self.settings.time_limit / 4:
                break
        finite = [entry for entry in ended if math.isfinite(entry[0])]
        if not finite:
            raise _Halt(Outcome.DIVERGED)
        _, _, self.network, state = min(finite, key=lambda entry: entry[:2])
        self._bind_points()
        return state

    def _check_clock(self) -> None:
        """Ends the run between two evaluations, so that one long step cannot overrun the limit by much."""
        if self._elapsed() > self.settings.time_limit:
            raise _Halt(Outcome.TIME)

    def _train_stage(self, steps: int, state: dict | None) -> str:
        segment = self.settings.resample or steps
        before = self.judge.figure()
        theta, reason = self.objective.theta, StopReason.STEPS
        for first in range(0, steps, segment):
            if first:
                self._bind_points(redraw=first)
            end = self.task.optimizer.minimize(
                self.objective, theta, min(segment, steps - first), self._watch_step, state
            )
            theta, state, reason = end.theta, end.state, end.reason
            if reason is StopReason.DIVERGED or self.task.goal.blown_up(end.loss, before):
                raise _Halt(Outcome.DIVERGED)
            self.objective.theta = theta
            self._measure(end.loss)
        return reason.value

    def _watch_clock(self, iterate: Iterate) -> None:
        if self._elapsed() > self.settings.time_limit / 4:
            raise Stop

    def _watch_step(self, iterate: Iterate) -> None:
        """Record a step; look at the held-out residual now and then; end the run when it is time."""
        self.steps += 1
        goal = self.task.goal
        record = {
            "step": self.steps,
            "stage": self.stage,
            "time_s": self._elapsed(),
            "loss": iterate.loss,
            **self._block_losses(iterate),
            goal.figure_name: float("nan"),
            "rel_l2": float("nan"),
            **iterate.note,
            **{f"parameter_{name}": value for name, value in self._learned(iterate).items()},
            "grid": self.grids[self.stage],
            "n_parameters": iterate.theta.numel(),
        }
        late = self._elapsed() > self.settings.time_limit
        waited = self._elapsed() - self.measured > MEASURE_AFTER
        if self.steps == 1 or self.steps % MEASURE_EVERY == 0 or waited or late:
            self.objective.theta = iterate.theta
            record[goal.figure_name] = self._measure(iterate.loss)
            record["rel_l2"] = self.task.track(self.network)
        self.emit(Step(record))
        if not math.isfinite(iterate.loss):
            raise _Halt(Outcome.DIVERGED)
        if self.settings.target is not None and record.get("heldout_residual", math.inf) <= self.settings.target:
            raise _Halt(Outcome.TARGET)
        if late:
            raise _Halt(Outcome.TIME)

    def _learned(self, iterate: Iterate) -> dict[str, float]:
        """The learned parameters of an iterate; they come last in θ."""
        names = self.task.problem.learned
        return dict(zip(names, iterate.theta[len(iterate.theta) - len(names) :].tolist(), strict=True))

    def _block_losses(self, iterate: Iterate) -> dict[str, float]:
        if iterate.residual is None:
            return {f"loss_{name}": float("nan") for name in self.task.goal.names}
        return {f"loss_{name}": value for name, value in self.objective.losses(iterate.residual).items()}

    def _measure(self, loss: float) -> float:
        """The held-out residual of the network as it stands; the state is kept if it is the best so far."""
        heldout = self.judge.figure()
        likewise = heldout if self.witness is self.judge else self.witness.figure()
        self.parting = self.task.goal.parting(likewise, loss)  # of what is weighted alike
        self.measured = self._elapsed()
        self._keep_if_best(heldout)
        return heldout

    def _keep_if_best(self, heldout: float) -> None:
        if self.best is None or math.isnan(self.best.heldout) or heldout < self.best.heldout:
            points = self.objective.points() if self.objective else {}
            self.best = Trained(copy.deepcopy(self.network), points, heldout)

    def _extend(self, grid: int) -> None:
        """Go on from the best state on a finer grid and new points."""
        if self.best is not None:
            self.network = copy.deepcopy(self.best.network)
        if self.settings.adapt:
            solution = Solution(self.task.problem, self.task.goal.ansatz, self.network)
            self.densities = densities_of(solution, grid or EVEN_CELLS)
        if grid:
            knots = first_knots(self.network.inputs, self.densities, grid) if self.densities else None
            self.network.extend(grid, self._spread_points(), knots)
        self._bind_points()

    def _fresh(self, start: int) -> nn.Module:
        task = self.task
        if task.network is not None:
            own = copy.deepcopy(task.network).to(device=task.device, dtype=task.dtype)
            return learn(own, task.problem.learned)
        generator = torch.Generator().manual_seed(derived_seed(task.seed, start))
        box = task.problem.domain
        network = task.design.build(
            box.dimension,
            len(task.problem.fields),
            self.grids[0],
            lower=box.lower,
            upper=box.upper,
            periodic=task.problem.periodic,
            dtype=task.dtype,
            generator=generator,
        )
        task.goal.begin(network)
        return learn(network.to(task.device), task.problem.learned)

    def _bind_points(self, redraw: int = 0) -> None:
        task = self.task
        sampling = following(task.sampling, self.densities)
        self.objective = task.goal.objective(
            self.network, sampling, derived_seed(task.seed, 101 * self.stage + redraw)
        )
        self.objective.checkpoint = self._check_clock
        if not redraw:  # a redraw keeps the network
            self.judge = self.witness = task.goal.judge(self.network, self.densities)
            if self.densities:
                self.witness = task.goal.judge(self.network, self.densities, weighted=False)

    def _spread_points(self) -> Tensor:
        return torch.cat([*self.judge.points().values()])

    def _started(self) -> Started:
        parameters = self.objective.theta.numel()
        return Started(parameters, self.objective.size, self.grids, self.task.goal.names)

    def _elapsed(self) -> float:
        return time.perf_counter() - self.begun


def derived_seed(seed: int, place: int) -> int:
    """A seed for one purpose of a run, within what PyTorch takes; places below 7919 of two small seeds never meet."""
    return (seed * 7919 + place) % 2**31
