"""Processes from a fork server, which has loaded kanpde once: jobs, questions, warm evaluators.

A job outlives the server: its process is forked twice, so that it belongs to nobody, and is known by its lock. A
question is answered or killed within seconds, so that no input can hold the server up. Answers come as JSON and plain
bytes, never pickled: a child reads what strangers wrote.
"""

import json
import multiprocessing
import threading
import time
from collections import OrderedDict
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from kanpde.service.doors import enter

PRELOADED = "kanpde.service.work"
MOST_BYTES = 256 * 2**20
SECONDS = 20.0
IDLE = 600.0
WARM = 4


class Unanswered(Exception):
    """A question took too long or too much and was stopped; the text says so."""


class Children:
    """The fork server's children. All calls block; they are made from threads of their own."""

    def __init__(self) -> None:
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload([PRELOADED])
        self.starting = threading.Lock()
        self.evaluators: OrderedDict[str, Evaluator] = OrderedDict()
        self.choosing = threading.Lock()

    def start_job(self, folder: Path, share: dict[str, int]) -> None:
        """Start the process of a job; on return its lock is held, or it has ended already."""
        process = self._started("job", str(folder), share)
        process.join()
        process.close()

    def ask(self, name: str, seconds: float = SECONDS, /, **payload: Any) -> dict[str, Any]:
        """The answer to one question, from a process of its own.

        Raises:
            Unanswered: It was stopped.
        """
        ours, theirs = self.context.Pipe()
        process = self._started("question", theirs, name, payload, seconds)
        theirs.close()
        try:
            return json.loads(_received(ours, seconds))
        finally:
            _end(process, ours)

    def evaluate(
        self, archive: Path, version: str, request: dict[str, Any], points: bytes
    ) -> tuple[dict[str, Any], bytes]:
        """Ask the warm process that has an archive open; it is started where there is none.

        Args:
            archive: The run's file.
            version: Changes whenever the file does.
            request: What to compute; points: float64, row by row.

        Raises:
            Unanswered: It was stopped.
        """
        evaluator = self._evaluator(f"{archive}@{version}", archive)
        try:
            return evaluator.answer(request, points)
        except Unanswered:
            self._drop(f"{archive}@{version}")
            raise

    def _evaluator(self, key: str, archive: Path) -> "Evaluator":
        with self.choosing:
            for old in [k for k, one in self.evaluators.items() if time.monotonic() - one.used > IDLE]:
                self.evaluators.pop(old).close()
            if key not in self.evaluators:
                ours, theirs = self.context.Pipe()
                process = self._started("evaluator", theirs, str(archive))
                theirs.close()
                self.evaluators[key] = Evaluator(process, ours)
            self.evaluators.move_to_end(key)
            while len(self.evaluators) > WARM:
                self.evaluators.popitem(last=False)[1].close()
            return self.evaluators[key]

    def _drop(self, key: str) -> None:
        with self.choosing:
            if key in self.evaluators:
                self.evaluators.pop(key).close()

    def close(self) -> None:
        """End the evaluators; jobs go on."""
        for key in list(self.evaluators):
            self._drop(key)

    def _started(self, *arguments: Any) -> BaseProcess:
        # A job's process ends at once; what runs on is forked from it and is no child of the server.
        process = self.context.Process(target=enter, args=arguments, daemon=True)
        with self.starting:
            process.start()
        return process


class Evaluator:
    """A process that has one run open, asked by one thread at a time."""

    def __init__(self, process: BaseProcess, connection: Connection):
        self.process, self.connection = process, connection
        self.asking = threading.Lock()
        self.used = time.monotonic()

    def answer(self, request: dict[str, Any], points: bytes) -> tuple[dict[str, Any], bytes]:
        with self.asking:
            self.used = time.monotonic()
            try:
                self.connection.send_bytes(json.dumps(request).encode())
                self.connection.send_bytes(points)
            except OSError as error:
                raise Unanswered("The evaluation was stopped. Ask again.") from error
            return json.loads(_received(self.connection, SECONDS)), _received(self.connection, SECONDS)

    def close(self) -> None:
        _end(self.process, self.connection)


def _received(connection: Connection, seconds: float) -> bytes:
    try:
        if not connection.poll(seconds):
            raise Unanswered(f"An answer within {seconds:.0f} s is needed; this took longer. Ask for less.")
        return connection.recv_bytes(MOST_BYTES)
    except (EOFError, OSError) as error:
        raise Unanswered("The answer took too much time or memory and was stopped. Ask for less.") from error


def _end(process: BaseProcess, connection: Connection) -> None:
    process.kill()
    process.join()
    process.close()
    connection.close()
