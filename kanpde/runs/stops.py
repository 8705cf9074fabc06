"""Signals that ask a run to stop: Ctrl-C, SIGTERM from Slurm and containers, SIGHUP from a terminal that is closed.

The first one interrupts what is being computed; those that come while the best state is being kept wait.
"""

import os
import signal
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from types import FrameType
from typing import Any

STDERR = 2
Handler = Callable[[int, FrameType | None], Any] | int | signal.Handlers | None
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
SAVING = b"stopping already: the best state is being kept; what is not measured by then is left out.\n"


class Stops(AbstractContextManager["Stops"]):
    """Takes the signals of the main thread; elsewhere, and where a program has handlers of its own, it leaves them.

    While `open`, a signal raises KeyboardInterrupt, once; the next ones are counted, until it is opened again.
    """

    def __init__(self) -> None:
        self.asked = 0
        self.open = True
        self.waiting = False
        self.before: dict[int, Handler] = {}

    def __enter__(self) -> "Stops":
        if threading.current_thread() is threading.main_thread():
            for number in (getattr(signal, name) for name in SIGNALS if hasattr(signal, name)):
                if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                    self.before[number] = signal.signal(number, self._take)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _take(self, number: int, frame: FrameType | None) -> None:
        self.asked += 1
        if self.open:
            self.open = False
            raise KeyboardInterrupt
        self.waiting = True
        with suppress(OSError):  # the terminal may be closed
            os.write(STDERR, SAVING)  # print is not made for signals

    def reopen(self) -> None:
        """From here on a signal interrupts; so does one that has come in the meantime.

        Raises:
            KeyboardInterrupt: One has come.
        """
        if self.waiting:
            self.waiting = False
            raise KeyboardInterrupt
        self.open = True

    def close(self) -> None:
        """From here on signals wait."""
        self.open = False

