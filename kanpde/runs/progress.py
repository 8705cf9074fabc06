"""What is seen of a run while it goes on: a bar on a terminal, plain lines elsewhere, and `history.jsonl`.

Each of these is called with the events of `kanpde.solving.training.events`; none of them knows how training works.
"""

import contextlib
import json
import math
import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column

from kanpde.errors import InputError
from kanpde.files.regular import open_regular
from kanpde.files.texts import printable
from kanpde.solving.tasks import FIGURES
from kanpde.solving.training.events import Finished, Note, StageEnded, Started, StartEnded, Step
from kanpde.solving.training.settings import Training

Listener = Callable[[object], None]
# The most wanted first: a narrow terminal cuts the rest.
MEASURES = ("rel_l2", *FIGURES, "loss")
LAST_BYTES = 65536  # of a history, more than its longest line


def step_text(record: Mapping[str, Any]) -> str:
    """One step in a line; what was not measured is left out.

    >>> step_text({"stage": 1, "grid": 4, "step": 7, "loss": 2e-3, "rel_l2": float("nan")})
    'stage 2 grid 4 step 7: loss 2.0e-03'
    """
    counted = {**record, "stage": record["stage"] + 1} if "stage" in record else record
    place = [f"{name} {counted[name]}" for name in ("window", "stage", "grid", "step") if name in counted]
    measured = [(name.removesuffix("_residual"), record.get(name)) for name in MEASURES]
    digits = next((FIGURES[name] for name in FIGURES if name in record), 2)
    style = ".1e" if digits == 2 else f".{digits}g"
    values = [
        f"{label} {value:{'.1e' if label == 'rel_l2' else style}}"
        for label, value in measured
        if value is not None and math.isfinite(value)
    ]
    return " ".join(place) + (": " + "  ".join(values) if values else "")


class Display(AbstractContextManager[Any]):
    """Show events on a stream: choose with `display`."""

    def __init__(self) -> None:
        self.latest: dict[str, Any] = {}

    def __call__(self, event: object) -> None:
        if isinstance(event, Note):
            self.note(event.text)
        elif isinstance(event, Started):
            self.started(f"{event.parameters} parameters, {event.points} points")
        elif isinstance(event, StartEnded):
            self.note(f"start {event.start + 1} of {event.starts}: heldout {event.heldout_residual:.1e}")
        elif isinstance(event, Step):
            # Errors are measured now and then: keep the last one in sight.
            self.latest |= {key: value for key, value in event.record.items() if not _is_nan(value)}
            self.step(step_text(self.latest), event.record)
        elif isinstance(event, StageEnded):
            self.note(f"stage {event.stage + 1} ended: {event.reason}")

    def started(self, text: str) -> None:
        self.note(text)

    def step(self, text: str, record: Mapping[str, Any]) -> None:
        raise NotImplementedError

    def note(self, text: str) -> None:
        raise NotImplementedError

    def __exit__(self, *error: object) -> None:
        """Nothing to close."""


class Lines(Display):
    """Plain lines, one in `pause` seconds at most: for logs and pipes; `prefix` says whose, where several write."""

    def __init__(
        self, stream: IO[str], pause: float = 2.0, clock: Callable[[], float] = time.monotonic, prefix: str = ""
    ):
        super().__init__()
        self.stream, self.pause, self.clock, self.prefix = stream, pause, clock, prefix
        self.last = -math.inf

    def step(self, text: str, record: Mapping[str, Any]) -> None:
        if self.clock() - self.last >= self.pause:
            self.last = self.clock()
            self.note(f"{record.get('time_s', 0.0):7.1f} s  {text}")

    def note(self, text: str) -> None:
        # A run outlives the terminal or pipe that it was shown on.
        with contextlib.suppress(OSError):
            self.stream.write(f"{self.prefix}{printable(text)}\n")  # in one piece: others may write there as well
            self.stream.flush()


class Bar(Display):
    """A bar that fills with the steps or the time allowed, whichever is further; most runs end before it is full."""

    def __init__(self, stream: IO[str], training: Training):
        super().__init__()
        self.training = training
        text = TextColumn("{task.description}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"))
        columns = (BarColumn(bar_width=8), TimeElapsedColumn(Column(min_width=7)), text)
        self.progress = Progress(*columns, console=Console(file=stream), expand=True)
        self.task = self.progress.add_task("setting up", total=1.0)

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(OSError):
            self.progress.stop()

    def step(self, text: str, record: Mapping[str, Any]) -> None:
        with contextlib.suppress(OSError):  # a run outlives its terminal
            self.progress.update(self.task, completed=self._share(record), description=text)

    def note(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self.progress.console.print(printable(text), highlight=False, markup=False)

    def _share(self, record: Mapping[str, Any]) -> float:
        if "share" in record:  # of what has an end that is known
            return record["share"]
        steps = max(self.training.window_count * self.training.stages * self.training.steps, 1)
        return min(1.0, max(record.get("step", 0) / steps, record.get("time_s", 0.0) / self.training.time_limit))


def display(stream: IO[str], training: Training, bar: bool = True) -> Display:
    """Choose what suits the stream: a bar on a terminal, plain lines elsewhere."""
    return Bar(stream, training) if bar and stream.isatty() else Lines(stream)


class History(AbstractContextManager[Any]):
    """Writes one line of JSON a step; the file appears with the run's first event.

    What was not measured is null, since JSON knows no NaN.
    """

    def __init__(self, path: Path):
        self.path = path
        self.file: IO[str] | None = None

    def __call__(self, event: object) -> None:
        if isinstance(event, Started):
            self.file = self._opened()
        elif isinstance(event, Step):
            self._write(event.record)
        elif isinstance(event, Finished):
            self._write({"status": event.outcome.status, "reason": str(event.outcome)})

    def __exit__(self, *error: object) -> None:
        self._close()

    def _opened(self) -> IO[str]:
        try:
            return self.path.open("w", encoding="utf-8")
        except OSError as error:
            raise InputError(
                f"{self.path}: a file to write the history in is needed; {error.strerror}. Set output.folder=…."
            ) from error

    def _write(self, record: Mapping[str, Any]) -> None:
        if self.file is None:
            return
        try:
            self.file.write(_line(record))
            self.file.flush()
        except OSError as error:  # a disk that is full ends no training
            print(f"warning: {self.path.name} ends here: {error.strerror}.", file=sys.stderr)
            self._close()

    def _close(self) -> None:
        file, self.file = self.file, None
        if file is not None:
            with contextlib.suppress(OSError):  # what could not be written is tried again then
                file.close()


def _line(record: Mapping[str, Any]) -> str:
    return json.dumps({key: None if _is_nan(value) else value for key, value in record.items()}) + "\n"


def write_history(path: Path, columns: Mapping[str, Any], status: str, reason: str) -> None:
    """Write a history anew from its columns; numbers that are whole are written so."""
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    records = [dict(zip(columns, map(_whole, row), strict=True)) for row in rows]
    lines = [*map(_line, records), _line({"status": status, "reason": reason})]
    path.write_text("".join(lines), encoding="utf-8")


def _whole(value: float) -> float:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def append_record(path: Path, record: Mapping[str, Any]) -> None:
    """Add a line to a history that ended without one on how it ended."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")


def last_record(path: Path) -> dict[str, Any]:
    """The last line of a history; empty where there is none, or a half one because the process was killed."""
    try:
        with open_regular(path) as file:
            file.seek(-min(LAST_BYTES, file.seek(0, os.SEEK_END)), os.SEEK_END)
            record = json.loads(file.read(LAST_BYTES).splitlines()[-1])
    except (OSError, IndexError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
