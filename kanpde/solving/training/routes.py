"""Which way a run goes: layers trained together, an exact last layer, or whichever of the two holds."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from torch import nn

from kanpde.errors import InputError
from kanpde.problems.singularities import singularities
from kanpde.solving.optimizers import Auto, LeastSquares, Optimizer
from kanpde.solving.tasks import Goal
from kanpde.solving.training.actions import Halt
from kanpde.solving.training.events import Event, Finished, Note, Outcome, Step
from kanpde.solving.training.journal import Recorded, bare
from kanpde.solving.training.ladder import USEFUL, Ladder, Way, climb, obstacle, ridge_way
from kanpde.solving.training.marching import evolves, marching_way
from kanpde.solving.training.products import product_obstacle, product_way
from kanpde.solving.training.settings import Training
from kanpde.solving.training.setup import Setup, Trained
from kanpde.solving.training.singular_ways import singular_setup, table_of
from kanpde.solving.training.weak_products import is_weak, weak_way
from kanpde.solving.training.window_by_window import train_windows

Listener = Callable[[Event], None]
TrackOf = Callable[[Goal], Callable[[nn.Module], float]]

RIDGE_SHARE = 0.25
"""Of the time for exact last layers, what ridge splines may take before products are tried."""

SOLE_SHARE = 0.85
"""Of the time limit, what ridge splines may take that have singular functions beside them, which nothing else has."""

OVERRUN = 1.5
"""How many times its share a rung may take that looked shorter when it began."""

PATIENCE = 0.1
"""Of the time of trained layers, after which they are asked what they may come to."""

WORTH_A_TRY = 0.1
"""Of the time limit, what has to be left for layers to be trained."""


def train_by_route(setup: Setup, on_event: Listener, track_of: TrackOf) -> Trained:
    """Train as the optimizer's name asks.

    Raises:
        InputError: `optimizer=least_squares` cannot serve the problem.
    """
    method = bare(setup.optimizer)
    if isinstance(method, LeastSquares):
        return _exact_last_layer(setup, method, on_event, track_of)
    if isinstance(method, Auto):
        return _whichever_holds(setup, method.share, on_event, track_of)
    return train_windows(replace(setup, further=nobodys_choice(setup)), on_event, track_of)


SCHEDULE = ("stages", "starts", "start_steps", "steps", "resample", "windows")
"""Settings of training that say how far it goes."""


def nobodys_choice(setup: Setup) -> bool:
    """Whether model, number of points and stages are the defaults: no size is asked for, and stages may go on."""
    design, usual = setup.design, Training()
    staged = all(getattr(setup.settings, name) == getattr(usual, name) for name in SCHEDULE)
    return design is not None and design == type(design)() and setup.sampling.points is None and staged


def _exact_last_layer(setup: Setup, method: LeastSquares, on_event: Listener, track_of: TrackOf) -> Trained:
    if reason := obstacle(setup):
        raise InputError(
            f"optimizer=least_squares solves a last layer for residuals; {setup.problem.name} {reason}. Choose "
            "optimizer=lm."
        )
    begun, ladders = setup.clock(), _Ladders(setup, method, _Seen(on_event), track_of)
    ladders.climb(method.share * setup.settings.time_limit)
    ladder = ladders.climb_on(method.share * setup.settings.time_limit)
    on_event(Finished(ladder.outcome))
    return replace(_result(ladder), seconds=setup.clock() - begun)


@dataclass(frozen=True, eq=False)
class _Kind:
    """One kind of ladder: its setup, what it tries in turn, its share of the time, and whether no other will do.

    final: Whether trained layers are not tried after it.
    """

    setup: Setup
    way: Way
    share: float
    sole: bool = False
    final: bool = False


class _Ladders:
    """Ladders of exact last layers: ridge splines, then spline products in space and time, tested ones before both."""

    def __init__(self, setup: Setup, method: LeastSquares, seen: "_Seen", track_of: TrackOf):
        self.setup, self.seen, self.begun = setup, seen, setup.clock()
        recorded = _recorded(method, setup.optimizer)
        self.kinds = [_ridge_kind(setup, recorded, method.ridge, track_of)]
        if self.sole and is_weak(setup):
            own = self.kinds[0].setup  # conditions are left to the loss
            self.kinds.insert(0, _Kind(own, weak_way(own, recorded), 1.0, sole=True, final=True))
        elif not self.sole and not product_obstacle(setup):
            products = marching_way if evolves(setup.problem) else product_way
            self.kinds.append(_Kind(setup, products(setup, recorded), 1.0))
        self.climbed: dict[_Kind, Ladder] = {}
        self.given_up = ""  # why a ladder has no rung at all
        self.interrupted = False

    @property
    def sole(self) -> bool:
        """Whether nothing else holds what the solution has."""
        return self.kinds[0].sole

    @property
    def final(self) -> bool:
        """Whether trained layers would be judged by what says little: residuals at points."""
        return any(kind.final for kind in self.climbed)

    @property
    def leader(self) -> _Kind:
        """The kind whose ladder holds, or else has the lowest held-out residual."""
        return min(self.climbed, key=lambda kind: (not self.climbed[kind].holds,
                                                   self.climbed[kind].best.trained.heldout))  # fmt: skip

    @property
    def best(self) -> Ladder:
        """The leader's; an interrupt of any of them ends all."""
        best = self.climbed[self.leader]
        if self.interrupted:
            return replace(best, outcome=Outcome.INTERRUPTED, reason="it was interrupted")
        return replace(best, reason=f"{best.reason}; {self.given_up}") if self.given_up else best

    def spent(self) -> float:
        """Seconds since the first was begun."""
        return self.setup.clock() - self.begun

    def climb(self, seconds: float) -> Ladder:
        """Ridge splines first, unless they hold products after them; the best."""
        for kind in self.kinds:
            left = seconds - self.spent()
            self._climb(kind, left * (1.0 if kind is self.kinds[-1] else kind.share), OVERRUN)
            alone = kind.sole and kind in self.climbed
            if alone or (self.climbed and (_ended(self.best) or self.spent() > seconds)):
                break
        return self.best

    def climb_on(self, seconds: float) -> Ladder:
        """The best one further, up to so many seconds in all, if it was time that had ended it."""
        best, left = self.best, seconds - self.spent()
        if best.open and not _ended(best) and left > 0:
            self._climb(self.leader, left, 1.0)
        return self.best

    def _climb(self, kind: _Kind, seconds: float, overrun: float) -> None:
        spent, below = self.spent(), self.climbed[kind].rungs if kind in self.climbed else ()
        listen = self.seen.shifted(spent, -sum(rung.steps for rung in below))
        most = min(overrun * seconds, self.setup.settings.time_limit - spent)
        try:
            ladder = climb(kind.setup, kind.way, seconds, listen, first=not self.climbed, most=most, below=below,
                           useful=math.inf if kind.sole else USEFUL)  # fmt: skip
        except KeyboardInterrupt:
            if not self.climbed:  # there is nothing to keep
                raise
            self.interrupted = True
            return
        if ladder.rungs:
            self.climbed[kind] = ladder
            self.interrupted = ladder.outcome is Outcome.INTERRUPTED
        else:
            self.given_up = f"products: {ladder.reason}"


def _ridge_kind(setup: Setup, method: Optimizer, ridge: float, track_of: TrackOf) -> _Kind:
    """Ridge splines, with singular functions beside them where the solution has such places."""
    found = singularities(setup.problem)
    if not any(one.strong for one in found):
        return _Kind(setup, ridge_way(setup, method, ridge), RIDGE_SHARE)
    own = singular_setup(setup, track_of)
    return _Kind(own, ridge_way(own, method, ridge, table_of(found)), 1.0, sole=True)


def _ended(ladder: Ladder) -> bool:
    """Whether there is nothing to come after it."""
    return ladder.holds or ladder.outcome in (Outcome.TARGET, Outcome.INTERRUPTED)


def _recorded(method: LeastSquares, beside: Optimizer) -> Optimizer:
    """The method, with the journal that the run's optimizer keeps."""
    return Recorded(method, beside.journal) if isinstance(beside, Recorded) else method


def _whichever_holds(setup: Setup, share: float, on_event: Listener, track_of: TrackOf) -> Trained:
    """The exact last layer for a share of the time, where it does not hold trained layers, and what is better further.

    Layers are given up once it can be foreseen that they do not come below what the exact last layer has, or would
    have by then; time that they leave goes to its ladder.
    """
    begun, setup = setup.clock(), replace(setup, further=True)
    if reason := obstacle(setup):
        on_event(Note(f"route: trained layers; {setup.problem.name} {reason}"))
        return train_windows(setup, on_event, track_of)
    seen, limit = _Seen(on_event), setup.settings.time_limit
    ladders = _Ladders(setup, LeastSquares(), seen, track_of)
    ladder, trained = ladders.climb((SOLE_SHARE if ladders.sole else share) * limit), None
    left = limit - ladders.spent()
    if not _ended(ladder) and not ladders.final and left > WORTH_A_TRY * limit:
        on_event(Note(f"route: trained layers, since solutions do not agree yet. {ladder.sentence()}"))
        reach = ladder.forecast(left) if ladder.open else ladder.best.trained.heldout
        gate = None if setup.settings.windows else Gate(reach, left, setup.goal.figure_name)
        listen = seen.shifted(ladders.spent(), gate=gate)
        own = replace(setup, settings=replace(setup.settings, time_limit=left))
        trained = train_windows(own, lambda event: None if isinstance(event, Finished) else listen(event), track_of)
    if trained is None or trained.outcome.status == "done" and trained.outcome is not Outcome.TARGET:
        ladder = ladders.climb_on(limit)
    if trained is None:
        on_event(Note(f"route: {ladder.sentence()}"))
    found = _result(ladder) if trained is None else _better(trained, ladder)
    on_event(Finished(found.outcome))
    return replace(found, seconds=setup.clock() - begun)


def _better(trained: Trained, ladder: Ladder) -> Trained:
    """What has the lower held-out residual, and a word on the other."""
    exact = ladder.best.trained
    if exact.heldout < trained.heldout or math.isnan(trained.heldout):
        stopped = trained.outcome is Outcome.INTERRUPTED
        said = f"{Outcome.INTERRUPTED.value} " if stopped else ""
        said += f"{ladder.sentence()} Trained layers came to {trained.heldout:.1e}."
        return replace(exact, outcome=trained.outcome if stopped else ladder.outcome, sentence=said)
    said = f"{trained.sentence} Route: trained layers; the exact last layer came to {exact.heldout:.1e}."
    return replace(trained, sentence=said)


def _result(ladder: Ladder) -> Trained:
    return replace(ladder.best.trained, outcome=ladder.outcome, sentence=ladder.sentence())


class Gate:
    """Ends a training that, as it gets on, will not come below what is wanted in the time that it has.

        h(T) ≥ h(t) (t/T)^(2p),    p = log₂ h(t/2)/h(t),    of the lowest held-out residuals h so far

    Args:
        reach: The held-out residual that is wanted.
        seconds: T.
        figure: What a step's record calls the held-out residual.
    """

    def __init__(self, reach: float, seconds: float, figure: str):
        self.reach, self.seconds, self.figure = reach, seconds, figure
        self.marks: list[tuple[float, float]] = []

    def check(self, record: Mapping[str, float]) -> None:
        """After a step.

        Raises:
            Halt: It is of no use to go on.
        """
        now, found = record["time_s"], record.get(self.figure, math.nan)
        if not math.isfinite(found):
            return
        lowest = min(found, *(mark for _, mark in self.marks[-1:]), math.inf)
        self.marks.append((now, lowest))
        before = [mark for when, mark in self.marks if when <= now / 2]
        if not before or now < PATIENCE * self.seconds:
            return
        power = 2 * math.log2(max(before[-1] / max(lowest, 1e-300), 1.0))
        if lowest * (now / self.seconds) ** power > self.reach:
            raise Halt(Outcome.BEHIND)


class _Seen:
    """Counts the steps of what was tried, so that those of what comes next go on from there."""

    def __init__(self, on_event: Listener):
        self.emit, self.steps = on_event, 0

    def __call__(self, event: Event) -> None:
        if isinstance(event, Step):
            self.steps = int(event.record["step"])
        self.emit(event)

    def shifted(self, seconds: float, steps: int = 0, gate: "Gate | None" = None) -> Listener:
        """Gets the events of a further part, which begins so many seconds later, and whose steps count on."""
        before = self.steps + steps

        def listen(event: Event) -> None:
            if not isinstance(event, Step):
                self(event)
                return
            at = {"step": before + event.record["step"], "time_s": seconds + event.record["time_s"]}
            self(Step({**event.record, **at}))
            if gate is not None:
                gate.check(event.record)

        return listen
