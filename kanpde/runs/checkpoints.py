"""The checkpoint in a run's folder: the journal of its training, written now and then, read by the same command."""

import json
import math
import sys
import time
from pathlib import Path

from kanpde.errors import InputError
from kanpde.files.atomic import replace_file
from kanpde.files.regular import Unreadable, read_regular
from kanpde.results.provenance import versions
from kanpde.solving.training.journal import Journal, RecordedCall, calls_in, journal_bytes

CHECKPOINT = "checkpoint.npz"
EVERY = 10.0
"""Seconds between two checkpoints; more where writing one takes long."""
DEAREST = 0.02
"""Share of the time that may go into writing them."""
MOST_BYTES = 2**29


class Checkpoint:
    """Keeps the journal of one run in its folder."""

    def __init__(self, folder: Path, sha256: str):
        self.path = folder / CHECKPOINT
        self.identity = f"{sha256} {json.dumps(versions())}"
        self.last, self.pause, self.told = -math.inf, EVERY, False

    def journal(self) -> Journal:
        """The journal to go on with, a new one where there is none of this run by these versions."""
        return Journal(self._calls(), self)

    def _calls(self) -> list[RecordedCall] | None:
        try:
            return calls_in(read_regular(self.path, MOST_BYTES), self.identity)
        except Unreadable:  # mostly because there is none
            return None
        except ValueError:
            print(f"warning: {self.path} cannot be read; the run begins anew.", file=sys.stderr)
            return None

    def __call__(self, journal: Journal) -> None:
        """Write it, if it is time: once the run has a folder, then every few seconds."""
        if self.path.parent.is_dir() and time.monotonic() - self.last >= self.pause:
            self.write(journal)

    def write(self, journal: Journal) -> bool:
        """Write it now; a disk that is full ends no training, and is said once."""
        begun = time.monotonic()
        try:
            replace_file(self.path, journal_bytes(journal, self.identity))
        except InputError as error:
            if not self.told:
                print(f"warning: there is no checkpoint to go on from: {error}", file=sys.stderr)
            self.told = True
            return False
        finally:
            self.last = time.monotonic()
            self.pause = max(EVERY, (self.last - begun) / DEAREST)
        return True

    def remove(self) -> None:
        """The run is archived, and there is nothing to go on with."""
        self.path.unlink(missing_ok=True)
