"""The folder of one job: what was asked, what happened, how it ended.

    spec.json  problem.yaml  files/  lock  stop  events.jsonl  log.txt  end.json

A file is whole or absent, but for events.jsonl, which grows by lines. Whether a job is alive is told by its lock alone,
which the system lets go when the process ends, however it ends; a process number can be another's by now.
"""

import fcntl
import json
import os
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from kanpde.files.atomic import replace_file

TRIES, PAUSE = 80, 0.025
"""A lock may be held for a moment by whoever asks whether it is held."""

LAST_BYTES = 65536


@dataclass(frozen=True)
class JobFolder:
    """The files of one job; `path` ends in its id."""

    path: Path

    @property
    def events(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def log(self) -> Path:
        return self.path / "log.txt"

    @property
    def stop(self) -> Path:
        """Its existence asks the job to stop; seen at every event, on whichever machine."""
        return self.path / "stop"

    def create(self, spec: dict[str, Any], problem: str | None) -> None:
        """Write what was asked.

        Raises:
            InputError: The folder cannot be written to.
            OSError: The same, before there is one.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        if problem is not None:
            replace_file(self.path / "problem.yaml", problem.encode())
        replace_file(self.path / "spec.json", json.dumps(spec).encode())

    def spec(self) -> dict[str, Any]:
        return json.loads((self.path / "spec.json").read_text(encoding="utf-8"))

    def problem(self) -> str:
        return (self.path / "problem.yaml").read_text(encoding="utf-8")

    def end(self) -> dict[str, Any] | None:
        """How the job ended; None while it has not."""
        try:
            return json.loads((self.path / "end.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None

    def finish(self, end: dict[str, Any]) -> None:
        replace_file(self.path / "end.json", json.dumps(end).encode())

    def hold(self) -> IO[str] | None:
        """Lock the job for as long as the file returned is open in this process or one forked from it; None if held."""
        file = open(self.path / "lock", "a+", encoding="utf-8")  # noqa: SIM115
        for _ in range(TRIES):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return file
            except BlockingIOError:
                time.sleep(PAUSE)
        file.close()
        return None

    def held(self) -> bool:
        """Whether a process works on the job."""
        try:
            with open(self.path / "lock", encoding="utf-8") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def holder(self) -> int | None:
        """The number of the process that holds the lock on this machine, as it signed; only good while it is held."""
        try:
            number, _, host = (self.path / "lock").read_text(encoding="utf-8").partition(" ")
        except FileNotFoundError:
            return None
        return int(number) if number.isdigit() and host == os.uname().nodename else None

    def last_event(self, name: str = "") -> dict[str, Any]:
        """The newest event, of one kind where a name is given; empty where there is none."""
        try:
            with self.events.open("rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - LAST_BYTES))
                lines = file.read().splitlines()
        except FileNotFoundError:
            return {}
        start = f'{{"event": "{name}'.encode()
        found = next((line for line in reversed(lines) if line.startswith(start) and line.endswith(b"}")), b"{}")
        return json.loads(found)


def sign(lock: IO[str]) -> None:
    """Write into a lock who holds it, so that whoever stops the job knows whom to interrupt."""
    lock.truncate(0)
    lock.write(f"{os.getpid()} {os.uname().nodename}")
    lock.flush()


class EventFile(AbstractContextManager[Any]):
    """Appends events as lines; a half line that a killed process left is cut off: nobody was shown it."""

    def __init__(self, path: Path):
        self.file = path.open("ab")
        kept = path.read_bytes().rfind(b"\n") + 1 if path.stat().st_size else 0
        self.file.truncate(kept)

    def write(self, event: str, **values: Any) -> None:
        self.file.write(json.dumps({"event": event, **values}).encode() + b"\n")
        self.file.flush()

    def __exit__(self, *error: object) -> None:
        self.file.close()
