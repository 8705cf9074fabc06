"""Stages of training: several short starts on the coarse grid, then finer grids on new points, the best state kept.

What is trained is judged on points that no stage has seen: the held-out residual decides which start goes on, which
state is kept, and whether the loss can be believed.
"""

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from kanpde.errors import RunError
from kanpde.models.learned_constants import learn
from kanpde.models.networks import Design
from kanpde.problems.geometry.samplings import Sampling
from kanpde.problems.problem import Problem
from kanpde.solving.adaptation import Density, densities_of, first_knots, followed
from kanpde.solving.losses.interface import Objective
from kanpde.solving.losses.regularized import regularized
from kanpde.solving.optimizers import Iterate, Optimizer, Stop, StopReason
from kanpde.solving.solution import Solution
from kanpde.solving.tasks import Goal
from kanpde.solving.training.allocation import keep_freed_memory
from kanpde.solving.training.events import Event, Finished, Outcome, StageEnded, Started, StartEnded, Step
from kanpde.solving.training.memory import want_of_memory
from kanpde.solving.training.settings import Training

MEASURE_EVERY = 5
MEASURE_AFTER = 1.0
"""Steps and seconds after which to look at the held-out residual and the error again."""


EVEN_CELLS = 16
"""Cells by which the densities are graded where a model has none of its own."""


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


class _Halt(Exception):
    """Ends all stages; carries the outcome."""

    def __init__(self, outcome: Outcome):
        self.outcome = outcome


def train(setup: Setup, on_event: Callable[[Event], None]) -> Trained:
    """Run all stages; an interrupt ends them like a time limit, with the best state kept."""
    keep_freed_memory()
    course, note = _Course(setup, on_event), ""
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

    def __init__(self, setup: Setup, on_event: Callable[[Event], None]):
        self.setup, self.emit = setup, on_event
        self.settings = setup.settings
        self.begun = setup.clock()
        self.steps = self.stage = 0
        self.grids = setup.design.grids(self.settings.stages) if setup.design else (0,) * self.settings.stages
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
        if self.settings.starts == 1 or self.setup.network is not None:
            return None
        ended = []
        for start in range(self.settings.starts):
            self.network = self._fresh(start)
            self._bind_points()
            end = self.setup.optimizer.minimize(
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
            end = self.setup.optimizer.minimize(
                self.objective, theta, min(segment, steps - first), self._watch_step, state
            )
            theta, state, reason = end.theta, end.state, end.reason
            if reason is StopReason.DIVERGED or self.setup.goal.blown_up(end.loss, before):
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
        goal = self.setup.goal
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
            record["rel_l2"] = self.setup.track(self.network)
        self.emit(Step(record))
        if not math.isfinite(iterate.loss):
            raise _Halt(Outcome.DIVERGED)
        if self.settings.target is not None and record.get("heldout_residual", math.inf) <= self.settings.target:
            raise _Halt(Outcome.TARGET)
        if late:
            raise _Halt(Outcome.TIME)

    def _learned(self, iterate: Iterate) -> dict[str, float]:
        """The learned parameters of an iterate; they come last in θ."""
        names = self.setup.problem.learned
        return dict(zip(names, iterate.theta[len(iterate.theta) - len(names) :].tolist(), strict=True))

    def _block_losses(self, iterate: Iterate) -> dict[str, float]:
        return {f"loss_{name}": value for name, value in self.objective.losses(iterate.residual).items()}

    def _measure(self, loss: float) -> float:
        """The held-out residual of the network as it stands; the state is kept if it is the best so far."""
        heldout = self.judge.figure()
        likewise = heldout if self.witness is self.judge else self.witness.figure()
        self.parting = self.setup.goal.parting(likewise, loss)  # of what is weighted alike
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
            solution = Solution(self.setup.problem, self.setup.goal.ansatz, self.network)
            self.densities = densities_of(solution, grid or EVEN_CELLS)
        if grid:
            knots = first_knots(self.network.inputs, self.densities, grid) if self.densities else None
            self.network.extend(grid, self._spread_points(), knots)
        self._bind_points()

    def _fresh(self, start: int) -> nn.Module:
        setup = self.setup
        if setup.network is not None:
            own = copy.deepcopy(setup.network).to(device=setup.device, dtype=setup.dtype)
            return learn(own, setup.problem.learned)
        generator = torch.Generator().manual_seed(derived_seed(setup.seed, start))
        box = setup.problem.domain
        network = setup.design.build(
            box.dimension,
            len(setup.problem.fields),
            self.grids[0],
            lower=box.lower,
            upper=box.upper,
            periodic=setup.problem.periodic,
            dtype=setup.dtype,
            generator=generator,
        )
        setup.goal.begin(network)
        return learn(network.to(setup.device), setup.problem.learned)

    def _bind_points(self, redraw: int = 0) -> None:
        setup = self.setup
        sampling = followed(setup.sampling, self.densities)
        drawn = setup.goal.objective(self.network, sampling, derived_seed(setup.seed, 101 * self.stage + redraw))
        self.objective = regularized(drawn, self.network, setup.design.regularizer() if setup.design else None)
        self.objective.checkpoint = self._check_clock
        if not redraw:  # a redraw keeps the network
            self.judge = self.witness = setup.goal.judge(self.network, self.densities)
            if self.densities:
                self.witness = setup.goal.judge(self.network, self.densities, weighted=False)

    def _spread_points(self) -> Tensor:
        return torch.cat([*self.judge.points().values()])

    def _started(self) -> Started:
        parameters = self.objective.theta.numel()
        return Started(parameters, self.objective.size, self.grids, self.setup.goal.names)

    def _elapsed(self) -> float:
        return self.setup.clock() - self.begun


def derived_seed(seed: int, place: int) -> int:
    """A seed for one purpose of a run, within what PyTorch takes; places below 7919 of two small seeds never meet."""
    return (seed * 7919 + place) % 2**31
