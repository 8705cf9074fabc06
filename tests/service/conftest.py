"""A service as its users have it: `kanpde serve` in a process of its own."""

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import kanpde
from kanpde.service import Client

pytest.importorskip("fastapi", reason="kanpde serve needs the extra `service`")

TINY = {"model": {"width": [3], "grid": 4, "degree": 4}}
SHORT = {**TINY, "training": {"stages": 1, "starts": 1, "start_steps": 0, "steps": 2}}
LONG = {**TINY, "optimizer": "adam", "training": {"stages": 1, "starts": 1, "steps": 10**6, "time_limit": 300}}
PATIENCE = 120.0


_seeds = itertools.count(1000)


def fresh(settings: dict) -> dict:
    """Settings that no run had before."""
    return {**settings, "seed": next(_seeds)}


def until(condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """What a condition returns once it is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError(f"after {seconds:.0f} s still not: {what}")


class Served:
    """One service on a folder, which can be killed and started again."""

    def __init__(self, folder: Path, *options: str):
        self.folder, self.options = folder, options
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process: subprocess.Popen | None = None

    def start(self) -> "Served":
        line = [sys.executable, "-m", "kanpde", "serve", str(self.folder), "--no-open", "--port", str(self.port)]
        environment = {**os.environ, "PYTHONPATH": str(Path(kanpde.__file__).parents[1])}
        with open(self.folder.parent / "serve.log", "a") as log:
            self.process = subprocess.Popen(
                [*line, *self.options], stdout=log, stderr=subprocess.STDOUT, env=environment, start_new_session=True
            )
        until(self._answers, "the service answers")
        return self

    def _answers(self) -> bool:
        assert self.process.poll() is None, (self.folder.parent / "serve.log").read_text()
        try:
            return self.request("GET", "/health")[0] == 200
        except OSError:
            return False

    @property
    def state(self) -> Path:
        return self.folder / ".service"

    @property
    def token(self) -> str:
        return (self.state / "token").read_text()

    @property
    def client(self) -> Client:
        return Client(f"http://127.0.0.1:{self.port}", self.token)

    def request(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and content of an answer; the token is sent unless headers have another Authorization."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, method=method)
        sent = {"Content-Type": "application/json"} | (headers or {})
        if "Authorization" not in sent and (self.state / "token").is_file():
            sent["Authorization"] = f"Bearer {self.token}"
        for name, value in sent.items():
            request.add_header(name, value)
        try:
            with urllib.request.build_opener(_Stay).open(request, timeout=PATIENCE) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), error.read()

    def json(self, method: str, path: str, body: Any = None) -> Any:
        status, _, content = self.request(method, path, body)
        assert status < 300, content
        return json.loads(content)

    def submit(self, problem: str = "poisson_1d", settings: dict | None = None, **more: Any) -> str:
        body = {"problem": problem, "settings": SHORT if settings is None else settings, **more}
        return self.json("POST", "/processes/solve/execution", body)["jobID"]

    def status(self, id: str) -> str:
        return self.json("GET", f"/jobs/{id}")["status"]

    def ended(self, id: str) -> dict[str, Any]:
        """The job's status once it has ended."""
        return until(lambda: self._ended(id), f"{id} ends")

    def _ended(self, id: str) -> dict[str, Any] | None:
        found = self.json("GET", f"/jobs/{id}")
        return found if found["status"] in ("successful", "failed", "dismissed") else None

    def pid_of(self, id: str) -> int:
        return int((self.state / "jobs" / id / "lock").read_text().split()[0])

    def archive_of(self, id: str) -> Path:
        return self.folder / self.json("GET", f"/jobs/{id}")["run"] / "result.h5"

    def steps(self, id: str) -> int:
        path = self.state / "jobs" / id / "events.jsonl"
        return path.read_text().count('{"event": "step"') if path.exists() else 0

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)

    def rest(self) -> None:
        """Withdraw what waits and kill what runs."""
        until(self._rests, "nothing waits and nothing runs")

    def _rests(self) -> bool:
        waiting, running = (self.json("GET", f"/jobs?status={one}")["jobs"] for one in ("accepted", "running"))
        for job in waiting:
            self.json("DELETE", f"/jobs/{job['jobID']}")
        self.kill_jobs()
        return not waiting and not running

    def clean(self) -> None:
        """End the service and what it left running."""
        if self.process is not None and self.process.poll() is None:
            self.stop()
        self.kill_jobs()

    def kill_jobs(self) -> None:
        for path in (self.state / "jobs").glob("*/lock"):
            if not (path.parent / "end.json").exists() and path.read_text():
                try:
                    os.kill(int(path.read_text().split()[0]), signal.SIGKILL)
                except ProcessLookupError:
                    continue


class _Stay(urllib.request.HTTPRedirectHandler):
    """Redirects are looked at, not followed."""

    def redirect_request(self, *arguments):
        return None


@pytest.fixture(scope="session")
def service(tmp_path_factory) -> Iterator[Served]:
    """One that all tests share which do it no harm; its folder holds a finished run."""
    served = Served(tmp_path_factory.mktemp("served") / "outputs").start()
    served.ended(served.submit())
    yield served
    served.clean()


@pytest.fixture(scope="module")
def mortal(tmp_path_factory) -> Iterator[Served]:
    """One to be killed, by one test of a module after the other."""
    served = Served(tmp_path_factory.mktemp("mortal") / "outputs")
    yield served
    served.clean()


@pytest.fixture
def own_service(mortal: Served) -> Iterator[Served]:
    """The one to be killed, alive and at rest."""
    if mortal.process is None or mortal.process.poll() is not None:
        mortal.start()
    mortal.rest()
    yield mortal
