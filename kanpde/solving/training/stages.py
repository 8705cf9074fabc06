"""Stages of training: several short starts on the coarse grid, then finer grids on new points, the best state kept.

What is trained is judged on points that no stage has seen: the held-out residual decides which start goes on, which
state is kept, and whether the loss can be believed. A training is a schedule, a list of actions, folded over a state.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

from kanpde.errors import RunError
from kanpde.solving.training.actions import (
    Action,
    Adapt,
    Announce,
    Begin,
    Course,
    Draw,
    EndStage,
    Enter,
    Extend,
    Halt,
    Keep,
    Minimize,
    TryStarts,
    Weigh,
    as_trained,
)
from kanpde.solving.training.events import Event, Finished, Outcome
from kanpde.solving.training.memory import want_of_memory
from kanpde.solving.training.settings import Training
from kanpde.solving.training.setup import Setup, Trained

EVEN_CELLS = 16
"""Cells by which the densities are graded where a model has none of its own."""


def schedule(
    settings: Training, grids: tuple[int, ...], starts: int, further: tuple[int, ...] = ()
) -> Iterator[Action]:
    """The actions of a training: `starts` short ones, then a stage for each grid, and further ones while they help.

    >>> [type(action).__name__ for action in schedule(Training(steps=5, resample=3), (0,), 1)]
    ['Draw', 'Keep', 'Announce', 'Begin', 'Minimize', 'Draw', 'Minimize', 'EndStage']
    """
    yield from (Draw(), Keep(), Announce())
    if starts > 1:
        yield TryStarts(starts, settings.start_steps)
    for stage, grid in enumerate(grids + further):
        if stage >= len(grids):
            yield Weigh()
        if stage:
            yield Enter(stage)
            if settings.adapt:
                yield Adapt(grid or EVEN_CELLS)
            if grid:
                yield Extend(grid)
            yield Draw()
        yield Begin()
        segment = settings.resample or settings.steps
        for first in range(0, settings.steps, segment):
            if first:
                yield Draw(redraw=first)
            yield Minimize(min(segment, settings.steps - first))
        yield EndStage()


def train(setup: Setup, on_event: Callable[[Event], None]) -> Trained:
    """Run all stages; an interrupt ends them like a time limit, with the best state kept."""
    course, note, outcome = Course(setup, on_event), "", Outcome.FINISHED
    starts = 1 if setup.network is not None else setup.settings.starts
    try:
        for action in schedule(setup.settings, course.planned, starts, course.further):
            course.state = action(course.state, course)
    except Halt as halt:
        outcome = halt.outcome
    except KeyboardInterrupt:
        outcome = Outcome.INTERRUPTED
    except (MemoryError, RuntimeError) as error:
        short = str(error) if isinstance(error, RunError) else want_of_memory(error)
        if short is None or course.state.best is None:  # another fault, or nothing to keep
            raise
        outcome, note = Outcome.TOO_LARGE, short
    trained = _result(course, outcome, note)
    on_event(Finished(trained.outcome))
    return trained


def _result(course: Course, outcome: Outcome, note: str) -> Trained:
    state = course.state
    best = state.best or as_trained(state, math.nan)
    if outcome.status == "done" and not math.isfinite(best.heldout):
        outcome = Outcome.DIVERGED
    if outcome is Outcome.FINISHED:
        note = f"The last stage ended because {state.reason}."
    return replace(
        best,
        objective=state.drawn.objective if state.drawn else None,
        parting=state.parting,
        outcome=outcome,
        sentence=f"{outcome.value} {note}".strip(),
        seconds=course.elapsed(),
    )
