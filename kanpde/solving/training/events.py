"""What training tells whoever watches, and how a run may end."""

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How a run ended; the value is the sentence the user reads."""

    FINISHED = "All stages were completed."
    TARGET = "The held-out residual reached its target."
    TIME = "The time limit was reached; the best state so far is kept."
    BEHIND = "It could be foreseen that the time limit would not do to come below what had been found before."
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
    """What is about to be trained.

    largest: Residuals and parameters of the last stage.
    held: Of their product, how many numbers a method is to hold that wants the derivatives.
    """

    parameters: int
    points: int
    grids: tuple[int, ...]
    blocks: tuple[str, ...]
    largest: tuple[int, int] = (0, 0)
    held: float = 1.0


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
