"""Signals that ask a run to stop: Ctrl-C, SIGTERM from Slurm and containers, SIGHUP from a terminal that is closed.

The first one interrupts what is being computed; those that come while the best state is being kept wait. Commands take
them from their first line on (`interruptible`), runs in their own way (`Stops`). Light: nothing is imported for it.
"""

import _thread
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from types import FrameType
from typing import Any

STDERR = 2
Handler = Callable[[int, FrameType | None], Any] | int | signal.Handlers | None
SOON = 0.01
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
SAVING = b"stopping already: the best state is being kept; what is not measured by then is left out.\n"


_struck: list[int] = []


def interrupt(number: int, frame: FrameType | None) -> None:
    """SIGTERM and SIGHUP as Ctrl-C."""
    _struck.append(number)
    raise KeyboardInterrupt


def struck() -> bool:
    """Whether a signal has interrupted this command beside its runs: what it struck may make another error of that."""
    return bool(_struck)


DEFAULTS = (signal.SIG_DFL, signal.default_int_handler, interrupt)


@contextmanager
def interruptible() -> Iterator[None]:
    """Inside, the signals of the main thread that nobody handles raise KeyboardInterrupt, wherever they strike.

    A KeyboardInterrupt in a finalizer or a callback of a C library is printed by Python and lost; it comes again here.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    hook, before = sys.unraisablehook, {}
    for number in (getattr(signal, name) for name in SIGNALS if hasattr(signal, name)):
        if signal.getsignal(number) in DEFAULTS:
            before[number] = signal.signal(number, interrupt)
    sys.unraisablehook = lambda lost: again(lost, hook)
    _struck.clear()
    try:
        yield
    finally:
        _struck.clear()
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)


def again(lost: Any, hook: Callable[[Any], Any]) -> None:
    """Interrupt once more after a KeyboardInterrupt that could not be raised; the rest is as ever."""
    if lost.exc_type is KeyboardInterrupt:
        begun = threading.Event()

        def strike() -> None:
            begun.wait()  # to start a thread takes time on a busy machine, and here it would be lost once more
            time.sleep(SOON)
            _thread.interrupt_main()

        threading.Thread(target=strike, daemon=True).start()
        begun.set()
    else:
        hook(lost)


def leave_at_once() -> None:
    """Let the signals end this process without a word: another one does what has to be done."""
    for number in (getattr(signal, name) for name in SIGNALS if hasattr(signal, name)):
        signal.signal(number, lambda number, frame: os._exit(128 + number))


class Stops(AbstractContextManager["Stops"]):
    """Takes the signals of the main thread; elsewhere, and where a program has handlers of its own, it leaves them.

    While `open`, a signal raises KeyboardInterrupt, once; the next ones are counted, until it is opened again.

    Args:
        before: Called before it is raised.
    """

    def __init__(self, before: Callable[[], None] = lambda: None) -> None:
        self.prepare = before
        self.asked = 0
        self.open = True
        self.waiting = False
        self.before: dict[int, Handler] = {}
        self.hook = sys.unraisablehook

    def __enter__(self) -> "Stops":
        if threading.current_thread() is threading.main_thread():
            for number in (getattr(signal, name) for name in SIGNALS if hasattr(signal, name)):
                if signal.getsignal(number) in DEFAULTS:
                    self.before[number] = signal.signal(number, self._take)
            self.hook, sys.unraisablehook = sys.unraisablehook, self._lost
        return self

    def __exit__(self, *error: object) -> None:
        if sys.unraisablehook == self._lost:
            sys.unraisablehook = self.hook
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _lost(self, lost: Any) -> None:
        """An interrupt that struck where nothing can be raised is raised afterwards."""
        self.open = self.open or lost.exc_type is KeyboardInterrupt
        again(lost, self.hook)

    def _take(self, number: int, frame: FrameType | None) -> None:
        self.asked += 1
        if self.open:
            self.open = False
            self.prepare()
            raise KeyboardInterrupt
        self.waiting = True
        with suppress(OSError):  # the terminal may be closed
            os.write(STDERR, SAVING)  # print is not made for signals

    def look(self) -> None:
        """Between steps, where there are none once a signal was heeded: what was lost on its way is raised once more.

        Raises:
            KeyboardInterrupt: A signal has come.
        """
        if self.asked:
            self.open = self.waiting = False  # however often somebody has asked since
            raise KeyboardInterrupt

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

