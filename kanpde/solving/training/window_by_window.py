"""Training window by window: each is a problem of its own, which starts where the one before ended.

    problem → windows → (problem in window k, ansatz carried on from k-1) → train → network k → Windows

Every window is trained as a whole run would be; the time left is shared evenly among the windows left.
"""

import copy
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import torch
from torch import nn

from kanpde.errors import InputError
from kanpde.models.networks.chains import chain_of
from kanpde.solving.solution import Solution
from kanpde.solving.tasks import Goal, goal_of
from kanpde.solving.time_windows import Windows, in_window, next_piece, window_ends
from kanpde.solving.training.events import Event, Finished, Note, Outcome, Started, Step
from kanpde.solving.training.setup import Setup, Trained, derived_seed
from kanpde.solving.training.stages import train

Track = Callable[[nn.Module], float]


def train_windows(
    setup: Setup, on_event: Callable[[Event], None], track_of: Callable[[Goal], Track]
) -> Trained:
    """Train in the windows of a run, or as a whole where there are none.

    Args:
        setup: As for `train`; its settings say where time is cut.
        on_event: Gets the events of all windows as those of one run.
        track_of: Makes what measures the error within a window, from the goal there.
    """
    ends = window_ends(setup.problem, setup.settings.windows)
    if ends is None:
        return train(setup, on_event)
    if setup.design is None:
        raise InputError(
            "training.windows makes a network for each window and needs model=kan or model=mlp; a module of your own "
            "came. Set training.windows=null."
        )
    return _InTurn(setup, on_event, track_of, ends).run()


class _InTurn:
    """The windows trained so far."""

    def __init__(
        self,
        setup: Setup,
        on_event: Callable[[Event], None],
        track_of: Callable[[Goal], Track],
        ends: tuple[float, ...],
    ):
        self.setup, self.emit, self.track_of, self.ends = setup, on_event, track_of, ends
        self.begun = setup.clock()
        self.pieces: list[Solution] = []
        self.trained: list[Trained] = []
        self.steps = 0

    @property
    def count(self) -> int:
        return len(self.ends) - 1

    def run(self) -> Trained:
        interrupted = False
        try:
            while len(self.trained) < self.count and (not self.trained or self.trained[-1].outcome.status == "done"):
                self._train_next()
        except KeyboardInterrupt:  # between two windows
            if not self.trained:
                raise
            interrupted = True
        result = self._result(Outcome.INTERRUPTED if interrupted else self._outcome())
        self.emit(Finished(result.outcome))
        return result

    def _outcome(self) -> Outcome:
        """How the last window ended, or that some earlier one ran out of its time."""
        last = self.trained[-1].outcome
        return Outcome.TIME if last.status == "done" and self._short_of_time() else last

    def _short_of_time(self) -> list[int]:
        return [place + 1 for place, trained in enumerate(self.trained) if trained.outcome is Outcome.TIME]

    def _train_next(self) -> None:
        setup, place = self.setup, len(self.trained)
        begun, left = self._elapsed(), self.count - place
        share = max((setup.settings.time_limit - begun) / left, 1e-3)
        problem = in_window(setup.problem, *self.ends[place : place + 2])
        piece = next_piece(problem, setup.settings.conditions, self.pieces, nn.Module())
        weights = setup.settings.boundary_weight, setup.settings.data_weight
        goal = goal_of(problem, piece.ansatz, weights, setup.dtype)
        own = replace(
            setup,
            problem=problem,
            goal=goal,
            settings=replace(setup.settings, windows=None, time_limit=share),
            seed=derived_seed(setup.seed, 15485863 * place),
            track=self.track_of(goal),
        )
        trained = train(own, lambda event: self._relay(event, place, begun))
        self.trained.append(trained)
        self.pieces.append(Solution(problem, piece.ansatz, trained.network))

    def _relay(self, event: Event, place: int, begun: float) -> None:
        """Events of one window as those of the run: one start, one end, steps and seconds counted on."""
        match event:
            case Step(record):
                self.steps += 1
                at = {"step": self.steps, "window": place + 1, "time_s": begun + record["time_s"]}
                self.emit(Step({**record, **at}))
            case Started():
                if place == 0:
                    self.emit(event)
                begin, end = self.ends[place : place + 2]
                self.emit(Note(f"window {place + 1} of {self.count}: t from {begin:g} to {end:g}"))
            case Finished():
                pass
            case _:
                self.emit(event)

    def _result(self, outcome: Outcome) -> Trained:
        lengths = [b - a for a, b in pairwise(self.ends[: len(self.trained) + 1])]
        squares = sum(h * trained.heldout**2 for h, trained in zip(lengths, self.trained, strict=True))
        return replace(
            self.trained[-1],
            network=Windows(self.ends, self._networks()),
            points=_joined([trained.points for trained in self.trained]),
            heldout=(squares / sum(lengths)) ** 0.5,
            parting=max(trained.parting for trained in self.trained),
            outcome=outcome,
            sentence=self._sentence(outcome),
            seconds=self._elapsed(),
        )

    def _sentence(self, outcome: Outcome) -> str:
        """How the run ended, which windows fell short, and how far it came."""
        reached, short = len(self.trained), self._short_of_time()
        last = self.trained[-1]
        parts = [last.sentence if outcome is last.outcome and not short else outcome.value]
        if short:
            parts.append(f"Time was short in window {', '.join(map(str, short))} of {self.count}.")
        if reached < self.count:
            parts.append(
                f"Windows from {reached + 1} on were not trained: the solution stands up to t = "
                f"{self.ends[reached - 1]:g}, is as far as window {reached} came up to {self.ends[reached]:g}, and is "
                "merely continued beyond."
            )
        return " ".join(parts)

    def _networks(self) -> list[nn.Module]:
        """Those trained; windows that were not reached go on from the last state without change."""
        networks = [trained.network for trained in self.trained]
        for begin, end in list(pairwise(self.ends))[len(networks) :]:
            still, time = chain_of(copy.deepcopy(networks[-1])), self.setup.problem.time_axis
            still.inputs.lower[time], still.inputs.upper[time] = begin, end
            for parameter in still.layers[-1].parameters():  # the bias of an MLP as well
                parameter.data.zero_()
            networks.append(still)
        return networks

    def _elapsed(self) -> float:
        return self.setup.clock() - self.begun


def _joined(parts: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: torch.cat([part[name] for part in parts if name in part]) for name in names}
