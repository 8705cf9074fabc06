"""What a schedule of training is made of: each action takes the state on, and leaves the one it was given as it is.

    state → action → state,    a training is the fold of its schedule over the first state

States are immutable; the networks in them are PyTorch's, which optimizers change in place.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from kanpde.files.memory import free_memory
from kanpde.models.differentiation import listed_share
from kanpde.models.learned_constants import learn
from kanpde.models.networks.chains import Extensible
from kanpde.problems.geometry.samplings.interface import interior_count
from kanpde.solving.adaptation import Density, densities_of, first_knots, followed
from kanpde.solving.held_out import HELDOUT_RESIDUAL
from kanpde.solving.losses.interface import Objective
from kanpde.solving.losses.regularized import regularized
from kanpde.solving.optimizers import Iterate, LevenbergMarquardt, Optimizer, Stop, StopReason
from kanpde.solving.optimizers.levenberg_marquardt import LARGEST_FACTORED
from kanpde.solving.solution import Solution
from kanpde.solving.tasks.interface import parameter_count
from kanpde.solving.training.events import Event, Note, Outcome, StageEnded, Started, StartEnded, Step
from kanpde.solving.training.journal import bare
from kanpde.solving.training.setup import Setup, Trained, derived_seed

FURTHER = 4
"""Stages that may follow those of the settings, on cells that are halved each time,"""

HELPED, HELPED_ENERGY = 1.5, 1e-5
"""as long as each lowers the held-out residual by this factor, or an energy by this part of it."""

MEMORY_OF_STAGE = 3
"""Jacobians of a stage, in memory, at most; those of the next one are four times as large."""

LISTED = 4
"""Numbers that a listed derivative takes: itself, its column, and both once more in compressed rows."""

MEASURE_EVERY = 5
"""Steps after which to look at the held-out residual and the error again: what is kept depends on no clock."""


@dataclass(frozen=True)
class Drawn:
    """What is taken at the points drawn last.

    objective: The loss.
    judge: The figure at held-out points; witness: the same, weighted as the loss is.
    """

    objective: Objective
    judge: Objective
    witness: Objective


@dataclass(frozen=True)
class State:
    """Where a training is.

    network: What is trained.
    densities: Along each axis, where points and knots crowd; empty where they are even.
    drawn: What is taken at the points drawn last, once there are any.
    theta: The parameters that the next minimization starts from.
    memory: What the optimizer goes on with; None for a new beginning.
    before: The figure when the stage began.
    stage: Counted from 0; steps: those of all stages so far.
    best: The best state seen.
    reason: Why the last minimization ended.
    parting: Of what is held out and what is trained, when it was last measured.
    """

    network: nn.Module
    densities: dict[int, Density] = field(default_factory=dict)
    drawn: Drawn | None = None
    theta: Tensor = field(default_factory=lambda: torch.empty(0))
    memory: dict[str, Any] | None = None
    before: float = math.nan
    stage: int = 0
    steps: int = 0
    best: Trained | None = None
    reason: str = ""
    parting: float = 1.0

    @property
    def at_points(self) -> Drawn:
        """`drawn`, which every schedule begins with.

        Raises:
            ValueError: No points are drawn yet.
        """
        if self.drawn is None:
            raise ValueError("a schedule needs to draw points first")
        return self.drawn

    @property
    def objective(self) -> Objective:
        return self.at_points.objective

    @property
    def judge(self) -> Objective:
        return self.at_points.judge


class Halt(Exception):
    """Ends the schedule; carries the outcome."""

    def __init__(self, outcome: Outcome):
        self.outcome = outcome


class Course:
    """A fold under way: its clock, its listeners, and the state it has come to, the one thing that changes."""

    def __init__(self, setup: Setup, on_event: Callable[[Event], None]):
        self.setup, self.emit = setup, on_event
        self.begun = setup.clock()
        stages = setup.settings.stages
        self.planned = setup.design.grids(stages) if setup.design else (0,) * stages
        self.further = tuple(self.planned[-1] * 2**k for k in range(1, FURTHER + 1) if setup.further)
        self.grids = self.planned + self.further
        self.state = State(fresh_network(setup, self.grids[0], 0))

    def elapsed(self) -> float:
        return self.setup.clock() - self.begun

    def check_clock(self) -> None:
        """Ends the run between two evaluations, so that one long step cannot overrun the limit by much."""
        if self.elapsed() > self.setup.settings.time_limit:
            raise Halt(Outcome.TIME)

    def measure(self, loss: float) -> float:
        """The figure of the network as it stands; the state is kept if it is the best so far."""
        state = self.state
        drawn = state.at_points
        figure = drawn.judge.figure()
        likewise = figure if drawn.witness is drawn.judge else drawn.witness.figure()
        parting = self.setup.goal.parting(likewise, loss)  # of what is weighted alike
        self.state = kept(replace(state, parting=parting), figure)
        return figure


class Action(Protocol):
    """One step of a schedule."""

    def __call__(self, state: State, course: Course) -> State:
        """The state after it; the course's own is the same when it begins."""


def kept(state: State, figure: float) -> State:
    """The state, remembered if no better one has been seen."""
    best = state.best
    if best is not None and not math.isnan(best.heldout) and not figure < best.heldout:
        return state
    return replace(state, best=as_trained(state, figure))


def as_trained(state: State, figure: float) -> Trained:
    """The network as it stands."""
    points = state.drawn.objective.points() if state.drawn else {}
    return Trained(copy.deepcopy(state.network), points, figure)


def fresh_network(setup: Setup, grid: int, start: int) -> nn.Module:
    """The network of one start, as it is drawn, or a copy of the user's own."""
    if setup.network is not None:
        own = copy.deepcopy(setup.network).to(device=setup.device, dtype=setup.dtype)
        return learn(own, setup.problem.learned, setup.problem.bounds)
    if setup.design is None:
        raise ValueError("a setup has a design, or a network of the user's own")
    generator = torch.Generator().manual_seed(derived_seed(setup.seed, start))
    box = setup.problem.domain
    network = setup.design.build(
        box.dimension,
        setup.problem.outputs,
        grid,
        lower=box.lower,
        upper=box.upper,
        periodic=setup.problem.periodic,
        dtype=setup.dtype,
        generator=generator,
    )
    setup.goal.begin(network)
    return learn(network.to(setup.device), setup.problem.learned, setup.problem.bounds)


MOST_STAGES = 99


def draw_place(stage: int, redraw: int) -> int:
    """A number of its own for the points of each stage and each redraw within it.

    >>> draw_place(0, 0), draw_place(1, 0), draw_place(0, 101)
    (0, 101, 1020201)
    """
    return 101 * stage + 101 * (MOST_STAGES + 1) * redraw + redraw


@dataclass(frozen=True)
class Draw:
    """Draw points; a redraw, numbered within its stage, keeps the network and so what judges it."""

    redraw: int = 0

    def __call__(self, state: State, course: Course) -> State:
        setup = course.setup
        sampling = followed(setup.sampling, state.densities)
        seed = derived_seed(setup.seed, draw_place(state.stage, self.redraw))
        drawn = setup.goal.objective(state.network, sampling, seed)
        objective = regularized(drawn, state.network, setup.design.regularizer() if setup.design else None)
        objective.checkpoint = course.check_clock
        if self.redraw:
            return replace(state, drawn=replace(state.at_points, objective=objective))
        judge = witness = setup.goal.judge(state.network, state.densities)
        if state.densities:
            witness = setup.goal.judge(state.network, state.densities, weighted=False)
        return replace(state, drawn=Drawn(objective, judge, witness))


@dataclass(frozen=True)
class Keep:
    """Remember the state, so that there is one to keep, come what may."""

    def __call__(self, state: State, course: Course) -> State:
        return kept(state, state.judge.figure())


@dataclass(frozen=True)
class Announce:
    """Tell what is about to be trained, and how large it will be in the last stage."""

    def __call__(self, state: State, course: Course) -> State:
        setup, parameters, points = course.setup, state.objective.theta.numel(), state.objective.size
        last, largest = parameters, state.network
        grids = course.planned
        if setup.design is not None and grids[-1] != grids[0]:
            largest = fresh_network(setup, grids[-1], 0)
            last = parameter_count(largest)
        grown = interior_count(setup.sampling, last) / interior_count(setup.sampling, parameters)
        held = min(1.0, LISTED * listed_share(largest))
        course.emit(Started(parameters, points, grids, setup.goal.names, (int(points * grown), last), held))
        if said := announced(setup.optimizer, last):
            course.emit(Note(said))
        return state


def announced(method: Optimizer, parameters: int) -> str:
    """That steps are solved for by iteration, where there are too many parameters for a factorization."""
    own = bare(method)
    if not isinstance(own, LevenbergMarquardt) or own.solver_for(parameters) == own.solver:
        return ""
    return f"steps: by iteration, since {parameters} parameters are more than the {LARGEST_FACTORED} that are factored"


@dataclass(frozen=True)
class TryStarts:
    """Train several fresh networks briefly, and go on from the one with the lowest held-out figure."""

    starts: int
    steps: int

    def __call__(self, state: State, course: Course) -> State:
        ended = []
        for start in range(self.starts):
            figure, memory = self._tried(start, course)
            ended.append((figure, start, course.state.network, memory))
            if self._late(course):
                break
        finite = [entry for entry in ended if math.isfinite(entry[0])]
        if not finite:
            raise Halt(Outcome.DIVERGED)
        _, _, network, memory = min(finite, key=lambda entry: entry[:2])
        return Draw()(replace(course.state, network=network, memory=memory), course)

    def _tried(self, start: int, course: Course) -> tuple[float, dict[str, Any]]:
        network = fresh_network(course.setup, course.grids[0], start)
        course.state = state = Draw()(replace(course.state, network=network), course)

        def watch(iterate: Iterate) -> None:
            if self._late(course):
                raise Stop

        end = course.setup.optimizer.minimize(state.objective, state.objective.theta, self.steps, watch)
        state.objective.theta = end.theta
        figure = course.measure(end.loss)
        course.emit(StartEnded(start, self.starts, figure))
        return figure, end.state

    def _late(self, course: Course) -> bool:
        return course.elapsed() > course.setup.settings.time_limit / 4


@dataclass(frozen=True)
class Weigh:
    """End the training unless the stage before helped, and the next one fits in memory."""

    def __call__(self, state: State, course: Course) -> State:
        objective, free = state.objective, course.setup.settled(free_memory() or math.inf)
        needed = 4 * MEMORY_OF_STAGE * objective.size * objective.theta.numel() * objective.theta.element_size()
        if state.best is None or not helped(state.before, state.best.heldout, not course.setup.problem.equations):
            raise Halt(Outcome.FINISHED)
        if needed > free:
            raise Halt(Outcome.FINISHED)
        return state


def helped(before: float, after: float, energy: bool) -> bool:
    """Whether a stage lowered the held-out figure enough; an energy errs by the square of the solution's error.

    >>> helped(1e-2, 1e-3, False), helped(1e-2, 9e-3, False), helped(-0.3, -0.30001, True), helped(-0.3, -0.3, True)
    (True, False, True, False)
    """
    return before - after > HELPED_ENERGY * abs(after) if energy else after * HELPED <= before


@dataclass(frozen=True)
class Enter:
    """Begin a stage from the best state seen, as a new beginning for the optimizer."""

    stage: int

    def __call__(self, state: State, course: Course) -> State:
        network = copy.deepcopy(state.best.network) if state.best is not None else state.network
        return replace(state, network=network, stage=self.stage, memory=None)


@dataclass(frozen=True)
class Adapt:
    """Let points and knots follow the solution's bends, as it is now."""

    cells: int

    def __call__(self, state: State, course: Course) -> State:
        solution = Solution(course.setup.problem, course.setup.goal.ansatz, state.network)
        return replace(state, densities=densities_of(solution, self.cells))


@dataclass(frozen=True)
class Extend:
    """Go on with the same function on another grid."""

    grid: int

    def __call__(self, state: State, course: Course) -> State:
        network = state.network
        if not isinstance(network, Extensible):
            raise TypeError(f"{type(network).__name__} has no grid to refine")
        knots = first_knots(network.inputs, state.densities, self.grid) if state.densities else None
        network.extend(self.grid, torch.cat([*state.judge.points().values()]), knots)
        return state


@dataclass(frozen=True)
class Begin:
    """Note where a stage's minimizations start from."""

    def __call__(self, state: State, course: Course) -> State:
        before = state.judge.figure()
        return replace(state, before=before, theta=state.objective.theta)


@dataclass(frozen=True)
class Minimize:
    """Lower the loss at the points as they are, for so many steps at most."""

    steps: int

    def __call__(self, state: State, course: Course) -> State:
        setup = course.setup
        end = setup.optimizer.minimize(
            state.objective, state.theta, self.steps, lambda iterate: _watch(iterate, course), state.memory
        )
        if end.reason is StopReason.DIVERGED or setup.goal.blown_up(end.loss, state.before):
            raise Halt(Outcome.DIVERGED)
        state.objective.theta = end.theta
        course.measure(end.loss)
        return replace(course.state, theta=end.theta, memory=end.state, reason=end.reason.value)


@dataclass(frozen=True)
class EndStage:
    """Tell why a stage is over."""

    def __call__(self, state: State, course: Course) -> State:
        course.emit(StageEnded(state.stage, state.reason))
        return state


def _watch(iterate: Iterate, course: Course) -> None:
    """Record a step; look at the held-out figure now and then; end the run when it is time."""
    setup, goal, settings = course.setup, course.setup.goal, course.setup.settings
    course.state = state = replace(course.state, steps=course.state.steps + 1)
    record = _record(iterate, course)
    late = course.elapsed() > settings.time_limit
    if state.steps == 1 or state.steps % MEASURE_EVERY == 0 or late:
        state.objective.theta = iterate.theta
        record[goal.figure_name] = course.measure(iterate.loss)
        record["rel_l2"] = setup.track(state.network)
    course.emit(Step(record))
    if not math.isfinite(iterate.loss):
        raise Halt(Outcome.DIVERGED)
    if settings.target is not None and record.get(HELDOUT_RESIDUAL, math.inf) <= settings.target:
        raise Halt(Outcome.TARGET)
    if late:
        raise Halt(Outcome.TIME)


def _record(iterate: Iterate, course: Course) -> dict[str, float]:
    """A row of the history; what was not measured is NaN."""
    state, learned = course.state, course.setup.problem.learned
    constants = iterate.theta[len(iterate.theta) - len(learned) :].tolist()  # they come last
    return {
        "step": state.steps,
        "stage": state.stage,
        "time_s": course.elapsed(),
        "loss": iterate.loss,
        **{f"loss_{name}": value for name, value in state.objective.losses(iterate.residual).items()},
        course.setup.goal.figure_name: math.nan,
        "rel_l2": math.nan,
        **iterate.note,
        **{f"parameter_{name}": value for name, value in zip(learned, constants, strict=True)},
        "grid": course.grids[state.stage],
        "n_parameters": iterate.theta.numel(),
    }
