"""How a run goes, on one line that changes: what a notebook shows."""

import sys
from typing import IO, Any

from kanpde.files.texts import printable
from kanpde.runs.progress import Display, Listener
from kanpde.solving.training.events import Finished

PAUSE = 0.2
WIDTH = 110


class LiveLine(Display):
    """One line, written over by the next; notes are left out but for the first."""

    def __init__(self, stream: IO[str]):
        super().__init__()
        self.stream, self.last, self.shown = stream, -PAUSE, ""

    def __call__(self, event: object) -> None:
        super().__call__(event)
        if isinstance(event, Finished):
            self._show(f"{self.shown}  {event.outcome}")
            self.stream.write("\n")

    def step(self, text: str, record: Any) -> None:
        seconds = float(record.get("time_s", 0.0))
        if seconds - self.last >= PAUSE:
            self.last, self.shown = seconds, f"{seconds:.1f} s  {text}"
            self._show(self.shown)

    def note(self, text: str) -> None:
        self._show(text)

    def _show(self, text: str) -> None:
        self.stream.write("\r" + printable(text)[:WIDTH].ljust(WIDTH))
        self.stream.flush()


def live_line(wanted: bool | None) -> Listener | None:
    """What shows a run, if that is wanted; where nobody says, notebooks want it."""
    return LiveLine(sys.stdout) if (in_notebook() if wanted is None else wanted) else None


def in_notebook() -> bool:
    """Whether this is the kernel of a notebook."""
    found = sys.modules.get("IPython")
    shell = found.get_ipython() if found is not None else None
    return type(shell).__name__ == "ZMQInteractiveShell"
