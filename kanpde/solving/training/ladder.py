"""The exact last layer on ever larger ridge splines, until successive solutions agree.

    (directions, cells, degree) ↑ :  hidden layer held, last layer by least squares, judged on held-out points

A rung's solution u_k stands for the error of the one before: where the method converges, ‖u_k - u_{k-1}‖ is the error
of u_{k-1}, and that of u_k is smaller still. A ladder whose held-out residual no longer falls has come to its end.
"""

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn

from kanpde.errors import RunError
from kanpde.models.jets import closure
from kanpde.models.learned_constants import hand_on, learn, learned_values
from kanpde.models.networks.chains import Chain, chain_of
from kanpde.models.networks.enriched import Enriched
from kanpde.models.networks.interface import Design
from kanpde.models.networks.products import SplineProducts
from kanpde.models.networks.ridge import RidgeDesign
from kanpde.problems.geometry.samplings import GaussSampling, SobolSampling
from kanpde.problems.problem import Problem
from kanpde.solving.losses.interface import Objective, SquaresObjective, squares_of
from kanpde.solving.losses.residuals import Residuals
from kanpde.solving.optimizers.interface import Curved, Ended, Iterate, Optimizer, StopReason
from kanpde.solving.optimizers.least_squares import solved
from kanpde.solving.solution import Solution
from kanpde.solving.tasks import goal_of
from kanpde.solving.training.continuation import continued
from kanpde.solving.training.events import Event, Outcome, Started, Step
from kanpde.solving.training.memory import want_of_memory
from kanpde.solving.training.setup import Setup, Trained

RUNGS: dict[int, tuple[tuple[int, int, int], ...]] = {
    1: ((1, 8, 9), (1, 16, 11), (1, 32, 13), (1, 64, 13), (1, 128, 13), (1, 256, 13)),
    2: ((12, 12, 9), (16, 20, 11), (24, 24, 11), (28, 28, 13), (32, 32, 13), (40, 40, 13), (52, 48, 13)),
    3: ((24, 8, 9), (48, 10, 9), (96, 10, 9), (144, 12, 9)),
}
"""Directions, cells and degree, by the number of the network's inputs; those of three serve for more."""

NEWTON = 15
"""Steps on a rung at most; nonlinear equations took 3 to 7."""

PER_UNKNOWN, MANY_PER_UNKNOWN = 2.0, 3.0
"""Residuals per unknown on a box that Gauss points fill, and where quasi-random points do."""

AGREED = 1e-8
"""Relative difference of successive solutions below which the last one holds."""

LARGE = 2000
"""Unknowns a field, 3 s to factor, beyond which a rung is worth its time only while solutions do not agree."""

FINE = 1e-10
"""And below which a further rung could only add rounding."""

ROUNDED = 1e-13
"""A held-out residual, relative to the solution, that is rounding: there is nothing left to solve for."""

FALLS = 2.0
"""Factor by which the held-out residual has to fall from rung to rung,"""

STALLED = 2
"""and how many times it may fail to,"""

CHEAP = 0.02
"""unless a rung took less than this share of the time that is left: what oscillates is not seen by a few cells."""

EMPHASIS = 100.0
"""Factor on the weight of conditions beside singular functions: an error there is one of the solution."""

USEFUL = 1e-2
"""A held-out residual, relative to the solution, that a ladder has to come below by what its rungs say."""

ASTRAY = 10.0
"""And above which what Newton's method came to is no solution."""

DEAR = 0.1
"""Of the time that is left, what a rung has taken that is asked whether further ones are worth it."""

SLOWEST = 1.5
"""How many times longer the next rung takes, at least."""


@dataclass(frozen=True)
class Rung:
    """One solution on the way up."""

    size: str  # in words
    unknowns: int
    grid: int
    trained: Trained
    objective: SquaresObjective
    values: Tensor  # of the fields at the held-out points
    change: float  # ‖u_k - u_{k-1}‖/‖u_k‖, NaN on the first
    steps: int  # of Newton's method; one for a linear problem
    seconds: float
    loss: float

    @property
    def heldout(self) -> float:
        """The held-out residual, relative to the solution."""
        return self.trained.heldout / max(self.values.square().mean().sqrt().item(), 1e-300)


class Candidate(Protocol):
    """A size that may become a rung.

    unknowns: Numbers that are solved for.
    power: Of the unknowns, with which the time grows.
    largest: Unknowns beyond which it is worth its time only while solutions do not agree.
    """

    power: ClassVar[float]
    largest: ClassVar[float]

    @property
    def unknowns(self) -> int: ...

    def solve(self, below: Sequence[Rung], clock: "Clock") -> Rung: ...


Way = Callable[[Sequence[Rung]], Candidate | None]
"""What to try next after the rungs so far; None where there is nothing more."""


@dataclass(frozen=True)
class Ladder:
    """How far it went: all rungs, and why there is no further one."""

    rungs: tuple[Rung, ...]
    outcome: Outcome
    reason: str
    open: bool = False  # whether it was time alone that ended it

    @property
    def best(self) -> Rung:
        """The last one where solutions are the same up to rounding, which is all that residuals tell there."""
        if self.rungs[-1].change <= FINE:
            return self.rungs[-1]
        return min(self.rungs, key=lambda rung: (math.isnan(rung.trained.heldout), rung.trained.heldout))

    @property
    def estimate(self) -> float:
        """The error of the last solution: that of the one before, as much smaller as the held-out residual is."""
        if len(self.rungs) < 2:
            return math.nan
        before, last = self.rungs[-2:]
        return last.change * min(1.0, last.trained.heldout / max(before.trained.heldout, 1e-300))

    @property
    def holds(self) -> bool:
        """Whether the solutions agree, the last of them being the best."""
        agreed = self.best is self.rungs[-1] and self.estimate <= AGREED and self.best.heldout <= USEFUL
        return self.outcome.status == "done" and (agreed or self.best.heldout <= ROUNDED)

    def forecast(self, seconds: float) -> float:
        """The held-out residual after so many more seconds, if rungs go on to lower it, and to grow, as the last did.

            s q + s q² + … + s q^k ≤ seconds,    of the last rung's s seconds, q times those of the one before
        """
        if len(self.rungs) < 2:
            return self.best.trained.heldout
        before, last = self.rungs[-2:]
        growth = max(SLOWEST, last.seconds / max(before.seconds, 1e-9))
        more = math.log(1 + max(seconds, 0.0) * (1 - 1 / growth) / max(last.seconds, 1e-9)) / math.log(growth)
        fall = max(1.0, before.trained.heldout / max(last.trained.heldout, 1e-300))
        return min(self.best.trained.heldout, last.trained.heldout * fall ** -math.floor(more))

    def sentence(self) -> str:
        """What it found."""
        best, agreed = self.best, ""
        if best.change <= AGREED:
            agreed = f"successive solutions agree to {best.change:.0e}, "
        elif self.estimate <= AGREED and self.holds:
            agreed = f"the last solution is good to {self.estimate:.0e}, as they fall, "
        return f"{best.size}: {agreed}held-out residual {best.trained.heldout:.1e}; {self.reason}."


def obstacle(setup: Setup) -> str:
    """Why a run cannot solve its last layer exactly, in words that go on from `it`; empty if it can."""
    if setup.network is not None:
        return "trains a module of your own, whose last layer is not known"
    if setup.dtype != torch.float64:
        return "is in single precision"
    design = next(designs(setup.problem))
    if isinstance(_objective(setup, _network(setup, design)), Curved):
        return "lowers an energy, which is no sum of squares"
    return ""


def climb(
    setup: Setup,
    way: Way,
    seconds: float,
    emit: Callable[[Event], None],
    first: bool = True,
    most: float | None = None,
    below: Sequence[Rung] = (),
    useful: float = USEFUL,
) -> Ladder:
    """Solve in ever larger sizes until solutions agree, nothing falls, or time is short.

    Args:
        setup: Of the run; its optimizer and model are not asked.
        way: Which sizes.
        seconds: In which the rungs should be solved, as far as can be foreseen.
        emit: Gets a step for every rung.
        first: Whether nothing was tried before; otherwise it may come back without rungs, with the reason alone.
        most: Seconds after which a rung that takes longer than foreseen is given up; `seconds` unless given.
        below: The rungs from which it goes on.
        useful: A held-out residual, relative to the solution, below which it has to look like coming.
    """
    clock = Clock(setup.clock, setup.clock(), seconds, most or seconds)
    rungs: list[Rung] = [*below]
    outcome, reason, short = Outcome.FINISHED, "the ladder has no further rung", False
    try:
        while (candidate := way(rungs)) is not None:
            if rungs and clock.left() < _forecast(rungs[-1], candidate):
                reason, short = "a further rung would take longer than the time that is left", True
                break
            if rungs and rungs[-1].change <= AGREED and candidate.unknowns > candidate.largest:
                reason = f"a further rung would have over {candidate.largest:g} unknowns a field"
                break
            rungs.append(candidate.solve(rungs, clock))
            if len(rungs) == 1 and first:
                objective = rungs[0].objective
                emit(Started(objective.theta.numel(), objective.size, (rungs[0].grid,), setup.goal.names))
            emit(Step(_record(setup, rungs, clock)))
            if (ended := _ended(rungs, setup.settings.target, clock.left(), useful)) is not None:
                outcome, reason = ended
                break
    except Late:
        outcome, reason, short = Outcome.TIME, "the time limit was reached", True
    except Stuck as stuck:
        reason = str(stuck)
    except KeyboardInterrupt:
        if not rungs:
            raise
        outcome, reason = Outcome.INTERRUPTED, "it was interrupted"
    except (MemoryError, RuntimeError) as error:
        if (first and not rungs) or (want_of_memory(error) is None and not isinstance(error, RunError)):
            raise
        reason = "a further rung does not fit in memory"
    return Ladder(tuple(rungs), outcome, reason, short)


def _forecast(last: Rung, candidate: Candidate) -> float:
    """Seconds that another size will take."""
    return last.seconds * math.pow(candidate.unknowns / last.unknowns, candidate.power)


class Stuck(Exception):
    """A size for which there is no solution; carries why, in words that end a sentence."""


class Late(Exception):
    """The time of the ladder is over."""


@dataclass(frozen=True)
class Clock:
    """The seconds of a ladder: `limit` as planned, `most` if it comes to that."""

    now: Callable[[], float]
    begun: float
    limit: float
    most: float

    def elapsed(self) -> float:
        return self.now() - self.begun

    def left(self) -> float:
        return self.limit - self.elapsed()

    def rest(self) -> float:
        return self.most - self.elapsed()

    def check(self) -> None:
        if self.rest() < 0:
            raise Late


def designs(problem: Problem) -> Iterator[RidgeDesign]:
    """The rungs for a problem, from the smallest up."""
    inputs = problem.domain.dimension + len(problem.periodic)
    for directions, cells, degree in RUNGS[min(inputs, max(RUNGS))]:
        yield RidgeDesign((directions,), cells, degree)


def ridge_way(setup: Setup, method: Optimizer, ridge: float, table: Tensor | None = None) -> Way:
    """Ridge splines of the sizes in `RUNGS`, handed on from rung to rung, and singular functions beside them."""
    sizes = list(designs(setup.problem))

    def following(rungs: Sequence[Rung]) -> Candidate | None:
        return _Ridge(setup, method, ridge, sizes[len(rungs)], table) if len(rungs) < len(sizes) else None

    return following


@dataclass(frozen=True)
class _Ridge:
    """A candidate: all directions at once, a dense factorization."""

    setup: Setup
    method: Optimizer
    ridge: float
    design: RidgeDesign
    table: Tensor | None = None  # [K, 10], of singular functions

    power: ClassVar[float] = 3.0
    largest: ClassVar[float] = LARGE

    @property
    def unknowns(self) -> int:
        return self.design.width[0] * (self.design.grid + self.design.degree)

    def solve(self, below: Sequence[Rung], clock: Clock) -> Rung:
        begun, design = clock.elapsed(), self.design
        network = _network(self.setup, design, self.table)
        objective = self._objective(self.setup, network)
        if below:  # a first answer there is in any case
            objective.checkpoint = clock.check
        if below and below[-1].steps > 1:
            _begin_from(below[-1].trained.network, network, _points(objective), self.ridge)
        taken: list[Iterate] = []
        ended = self.method.minimize(objective, objective.theta, NEWTON, taken.append)
        if ended.reason is not StopReason.STALLED and (way := self._continued(network, clock, taken)) is not None:
            ended = min(ended, way, key=lambda one: (not math.isfinite(one.loss), one.loss))
        objective.theta = ended.theta
        kept = copy.deepcopy(network)
        _splines(kept).layers[0].weight.requires_grad_(True)
        size = f"Exact last layer on {design.width[0]} directions, {design.grid} cells, degree {design.degree}"
        size += "" if self.table is None else f", {len(self.table)} singular functions"
        return rung_of(self.setup, size, design, kept, objective, ended.loss, len(taken), below, clock, begun)

    def _objective(self, setup: Setup, network: nn.Module) -> SquaresObjective:
        objective = squares_of(_objective(setup, network))
        return objective if self.table is None else emphasized(objective, EMPHASIS)

    def _continued(self, network: nn.Module, clock: "Clock", taken: list[Iterate]) -> Ended | None:
        """The solution by way of easier equations, from zero on; what evolves goes on in windows of time instead."""
        if self.setup.problem.evolves():
            return None

        def objective_of(problem: Problem) -> SquaresObjective:
            weights = self.setup.settings.boundary_weight, self.setup.settings.data_weight
            goal = goal_of(problem, self.setup.goal.ansatz, weights, self.setup.dtype)
            objective = self._objective(replace(self.setup, problem=problem, goal=goal), network)
            objective.checkpoint = clock.check
            return objective

        start = torch.zeros_like(objective_of(self.setup.problem).theta)
        try:
            return continued(self.setup.problem, objective_of, self.method, start, NEWTON, taken.append)
        except Late:  # what Newton's method came to is an answer as well
            return None


def rung_of(
    setup: Setup,
    size: str,
    design: Design,
    network: Chain | Enriched | SplineProducts,
    objective: SquaresObjective,
    loss: float,
    steps: int,
    below: Sequence[Rung],
    clock: Clock,
    begun: float,
) -> Rung:
    """Judge what was solved, and compare it with the rung below."""
    judge = setup.goal.judge(network)
    heldout = judge.figure()
    values = torch.from_numpy(Solution(setup.problem, setup.goal.ansatz, network).values(_points(judge)))
    change = _relative(values - below[-1].values, values) if below else math.nan
    parting = setup.goal.parting(heldout, loss)
    met = setup.settings.conditions
    trained = Trained(network, objective.points(), heldout, objective, parting, design=design, conditions=met)
    unknowns = objective.theta.numel()
    return Rung(size, unknowns, network.grid, trained, objective, values, change, steps, clock.elapsed() - begun, loss)


def _network(setup: Setup, design: RidgeDesign, table: Tensor | None = None) -> Chain | Enriched:
    """With its directions held and its splines at zero."""
    box = setup.problem.domain
    network = design.build(
        box.dimension,
        setup.problem.outputs,
        design.grid,
        lower=box.lower,
        upper=box.upper,
        periodic=setup.problem.periodic,
        dtype=setup.dtype,
        generator=torch.Generator(),
    )
    network.layers[0].weight.requires_grad_(False)
    network.layers[-1].weight.data.zero_()
    whole: Chain | Enriched = network if table is None else Enriched(network, table, setup.problem.outputs)
    return learn(whole.to(setup.device), setup.problem.learned, setup.problem.bounds)


def _splines(network: nn.Module) -> Chain:
    """The ridge splines, of a network that may have singular functions beside them."""
    return chain_of(network.base if isinstance(network, Enriched) else network)


def _objective(setup: Setup, network: nn.Module) -> Objective:
    """The problem's residuals at points enough for the unknowns."""
    problem = setup.problem
    gauss = problem.region.whole and problem.joined == 1 and problem.domain.dimension <= 3
    share = (PER_UNKNOWN if gauss else MANY_PER_UNKNOWN) / max(1, problem.at_once)
    points = int(share * _splines(network).layers[-1].weight.numel())
    sampling = GaussSampling(points=points) if gauss else SobolSampling(points=points)
    return setup.goal.objective(network, sampling, setup.seed)


def emphasized(objective: SquaresObjective, factor: float) -> SquaresObjective:
    """The same residuals, those of conditions weighted more."""
    if isinstance(objective, Residuals):
        objective.blocks = tuple(
            replace(bound, factors=bound.factors * factor**0.5) if bound.block.side is not None else bound
            for bound in objective.blocks
        )
    return objective


def _points(objective: Objective) -> Tensor:
    return torch.cat([*objective.points().values()])


def _relative(difference: Tensor, values: Tensor) -> float:
    return float(difference.norm() / values.norm().clamp(min=1e-300))


def _begin_from(before: nn.Module, network: nn.Module, points: Tensor, ridge: float) -> None:
    """Take over the outputs of a smaller network and the constants it learned: near to where Newton's method ends."""
    splines, none = _splines(network), closure((), points.shape[1])
    last = splines.layers[-1]
    with torch.no_grad():
        hidden = splines.layers[0](splines.inputs(points))
        features = last.features.dense(hidden)[:, 0].flatten(1)
        weights = solved(features, -_splines(before).jet(points, none)[:, 0], ridge)
        last.weight.copy_(weights.reshape(last.weight.shape))
        if isinstance(network, Enriched) and isinstance(before, Enriched):
            network.coefficients.copy_(before.coefficients)
    hand_on(before, network)


def fell(rungs: Sequence[Rung]) -> bool:
    """Whether the last rung lowered the held-out residual; the first has nothing to lower."""
    return len(rungs) < 2 or rungs[-2].trained.heldout > FALLS * rungs[-1].trained.heldout


def _ended(
    rungs: Sequence[Rung], target: float | None, left: float, useful: float = USEFUL
) -> tuple[Outcome, str] | None:
    """Whether the last rung is to be the last, and why; `left` are the seconds for further ones.

    Where whatever may come is `useful`, all rungs are tried for which there is time.
    """
    last = rungs[-1]
    if last.steps != 1 and last.heldout > ASTRAY and math.isfinite(useful):
        return Outcome.FINISHED, "Newton's method went astray"
    if target is not None and last.trained.heldout <= target:
        return Outcome.TARGET, "the target was reached"
    if last.change <= FINE or last.heldout <= ROUNDED:
        return Outcome.FINISHED, "more could only add rounding"
    falls = [fell(pair) for pair in pairwise(rungs)]
    if last.change <= AGREED and not falls[-1]:
        return Outcome.FINISHED, "the held-out residual no longer fell"
    stalled = len(falls) >= STALLED and not any(falls[-STALLED:]) and last.seconds > CHEAP * left
    if stalled and math.isfinite(useful):
        return Outcome.FINISHED, "the held-out residual did not fall"
    size, dear = last.trained.heldout / (last.heldout or 1.0), last.seconds > DEAR * left
    if falls and dear and Ladder(tuple(rungs), Outcome.FINISHED, "").forecast(left) > useful * size:
        return Outcome.FINISHED, "further rungs would not lower it enough in the time that is left"
    return None


def _record(setup: Setup, rungs: Sequence[Rung], clock: Clock) -> dict[str, float]:
    """A rung as a row of the history."""
    rung, network = rungs[-1], rungs[-1].trained.network
    objective, learned = rung.objective, setup.problem.learned
    residual = objective.residual(objective.theta)
    return {
        "step": sum(one.steps for one in rungs),
        "stage": len(rungs) - 1,
        "time_s": clock.elapsed(),
        "loss": rung.loss,
        **{f"loss_{name}": value for name, value in objective.losses(residual).items()},
        setup.goal.figure_name: rung.trained.heldout,
        "rel_l2": setup.track(network),
        "change": rung.change,
        **{f"parameter_{name}": value for name, value in learned_values(network, learned).items()},
        "grid": rung.grid,
        "n_parameters": rung.unknowns,
    }
