"""Which way a run goes: layers trained together, an exact last layer, or whichever of the two holds."""

from collections.abc import Callable
from dataclasses import replace

from torch import nn

from kanpde.errors import InputError
from kanpde.solving.optimizers import Auto, LeastSquares, Optimizer
from kanpde.solving.tasks import Goal
from kanpde.solving.training.events import Event, Finished, Note, Outcome, Step
from kanpde.solving.training.journal import Recorded
from kanpde.solving.training.ladder import Ladder, Way, climb, obstacle, ridge_way
from kanpde.solving.training.marching import evolves, marching_way
from kanpde.solving.training.products import product_obstacle, product_way
from kanpde.solving.training.setup import Setup, Trained
from kanpde.solving.training.window_by_window import train_windows

Listener = Callable[[Event], None]
TrackOf = Callable[[Goal], Callable[[nn.Module], float]]

AT_LEAST = 0.1
"""Of the time limit, what is left to trained layers however long the exact last layer took."""


RIDGE_SHARE = 0.25
"""Of the time for exact last layers, what ridge splines may take before products are tried."""


def train_by_route(setup: Setup, on_event: Listener, track_of: TrackOf) -> Trained:
    """Train as the optimizer's name asks.

    Raises:
        InputError: `optimizer=least_squares` cannot serve the problem.
    """
    method = setup.optimizer.optimizer if isinstance(setup.optimizer, Recorded) else setup.optimizer
    if isinstance(method, LeastSquares):
        return _exact_last_layer(setup, method, on_event)
    if isinstance(method, Auto):
        return _whichever_holds(setup, method.share, on_event, track_of)
    return train_windows(setup, on_event, track_of)


def _exact_last_layer(setup: Setup, method: LeastSquares, on_event: Listener) -> Trained:
    if reason := obstacle(setup):
        raise InputError(
            f"optimizer=least_squares solves a last layer for residuals; {setup.problem.name} {reason}. Choose "
            "optimizer=lm."
        )
    begun = setup.clock()
    ladder = _climbed(setup, method, method.share * setup.settings.time_limit, _Seen(on_event))
    on_event(Finished(ladder.outcome))
    return replace(_result(ladder), seconds=setup.clock() - begun)


def _climbed(setup: Setup, method: LeastSquares, seconds: float, seen: "_Seen") -> Ladder:
    """Ridge splines first, then spline products in space and time; the ladder that holds, or the better one."""
    begun, found = setup.clock(), list[Ladder]()
    for way, share in _ways(setup, method):
        spent = setup.clock() - begun
        ladder = climb(setup, way, share * (seconds - spent), seen.shifted(spent), first=not found)
        found += [] if ladder is None else [ladder]
        if ladder is not None and (ladder.holds or ladder.outcome in (Outcome.TARGET, Outcome.INTERRUPTED)):
            break
    return min(found, key=lambda one: (not one.holds, one.best.trained.heldout))


def _ways(setup: Setup, method: LeastSquares) -> list[tuple[Way, float]]:
    """What to try in turn, each with its share of the time that is left; windows of time are for trained layers."""
    recorded = _recorded(method, setup.optimizer)
    ridge = ridge_way(setup, recorded, method.ridge)
    if product_obstacle(setup):
        return [(ridge, 1.0)]
    return [(ridge, RIDGE_SHARE), ((marching_way if evolves(setup.problem) else product_way)(setup, recorded), 1.0)]


def _recorded(method: LeastSquares, beside: Optimizer) -> Optimizer:
    """The method, with the journal that the run's optimizer keeps."""
    return Recorded(method, beside.journal) if isinstance(beside, Recorded) else method


def _whichever_holds(setup: Setup, share: float, on_event: Listener, track_of: TrackOf) -> Trained:
    """The exact last layer for a share of the time; where it does not hold, layers trained for the rest of it."""
    begun, method = setup.clock(), LeastSquares()
    if reason := obstacle(setup):
        on_event(Note(f"route: trained layers; {setup.problem.name} {reason}"))
        return train_windows(setup, on_event, track_of)
    seen, limit = _Seen(on_event), setup.settings.time_limit
    ladder = _climbed(setup, method, share * limit, seen)
    if ladder.holds or ladder.outcome in (Outcome.TARGET, Outcome.INTERRUPTED):
        on_event(Note(f"route: {ladder.sentence()}"))
        on_event(Finished(ladder.outcome))
        return replace(_result(ladder), seconds=setup.clock() - begun)
    on_event(Note(f"route: trained layers, since solutions do not agree yet. {ladder.sentence()}"))
    spent = setup.clock() - begun
    settings = replace(setup.settings, time_limit=max(limit - spent, AT_LEAST * limit))
    trained = train_windows(replace(setup, settings=settings), seen.shifted(spent), track_of)
    return replace(_better(trained, ladder), seconds=setup.clock() - begun)


def _better(trained: Trained, ladder: Ladder) -> Trained:
    """What has the lower held-out residual, and a word on the other."""
    exact = ladder.best.trained
    if exact.heldout < trained.heldout and trained.outcome is not Outcome.INTERRUPTED:
        said = f"{ladder.sentence()} Trained layers came to {trained.heldout:.1e}."
        return replace(exact, outcome=trained.outcome, sentence=said)
    said = f"{trained.sentence} Route: trained layers; the exact last layer came to {exact.heldout:.1e}."
    return replace(trained, sentence=said)


def _result(ladder: Ladder) -> Trained:
    return replace(ladder.best.trained, outcome=ladder.outcome, sentence=ladder.sentence())


class _Seen:
    """Counts the steps of what was tried, so that those of what comes next go on from there."""

    def __init__(self, on_event: Listener):
        self.emit, self.steps = on_event, 0

    def __call__(self, event: Event) -> None:
        if isinstance(event, Step):
            self.steps = int(event.record["step"])
        self.emit(event)

    def shifted(self, seconds: float) -> Listener:
        """Gets the events of a further part, which begins so many seconds later."""
        before = self.steps

        def listen(event: Event) -> None:
            if isinstance(event, Step):
                at = {"step": before + event.record["step"], "time_s": seconds + event.record["time_s"]}
                event = Step({**event.record, **at})
            self(event)

        return listen
