"""The service from a program, with nothing but the standard library.

    job = Client("http://127.0.0.1:8765", token).solve("burgers", settings={"seed": 1})
    for event in job.events(): …
    job.wait(); job.download("result.h5", "burgers.h5")
"""

import base64
import http.client
import json
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping, Sequence
from http.client import HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qs, quote, urlsplit

from kanpde.errors import InputError, RunError
from kanpde.files.texts import shortened

ENDED = ("successful", "failed", "dismissed")


class Client:
    """A service at an address.

    Args:
        address: As `kanpde serve` prints it, the token in it included; or without, and the token beside it.
        token: What the service knows its users by.
    """

    def __init__(self, address: str, token: str | None = None):
        parts = _parts(address, token or "")
        self.base = f"{parts.scheme}://{parts.netloc}"
        self.token = token or parse_qs(parts.query).get("token", [""])[0]

    def check(
        self, problem: str, settings: Mapping[str, Any] | None = None, files: Mapping[str, bytes] | None = None
    ) -> dict[str, Any]:
        """The checks of a problem, by name or as the text of a problem file."""
        return self._json("POST", "/processes/check/execution", _body(problem, settings, files))

    def solve(
        self,
        problem: str,
        settings: Mapping[str, Any] | None = None,
        files: Mapping[str, bytes] | None = None,
        name: str = "",
        key: str | None = None,
    ) -> "Job":
        """Submit a run.

        Args:
            problem: A name the service knows, or the text of a problem file.
            settings: As words of the command line, nested: {"model": {"width": [5]}, "seed": 1}.
            files: Files that the problem names, by bare name.
            name: Under which the runs of a text are filed.
            key: Submitted again with the same key, the same job comes back.

        Raises:
            InputError: The service cannot use it; the message is that of `kanpde solve`.
        """
        return self.sweep(problem, {}, settings, files, name, key)[0]

    def sweep(
        self,
        problem: str,
        values: Mapping[str, Sequence[Any]],
        settings: Mapping[str, Any] | None = None,
        files: Mapping[str, bytes] | None = None,
        name: str = "",
        key: str | None = None,
    ) -> list["Job"]:
        """Submit a run for every combination of values, {"model": ["kan", "mlp"], "seed": [0, 1]}."""
        body = {**_body(problem, settings, files), "sweep": dict(values), "name": name}
        found = self._json("POST", "/processes/solve/execution", body, key or str(uuid.uuid4()))
        return [Job(self, id) for id in found.get("jobs", [found["jobID"]])]

    def study(self, problem: str, preset: str = "quick", study: Mapping[str, Any] | None = None) -> "Job":
        """Submit a study: KAN against MLP over sizes."""
        body = {"problem": problem, "preset": preset, "study": dict(study or {})}
        return Job(self, self._json("POST", "/processes/scaling/execution", body)["jobID"])

    def job(self, id: str) -> "Job":
        return Job(self, id)

    def runs(self) -> list[dict[str, Any]]:
        """All finished runs and their metrics."""
        return self._json("GET", "/runs")["runs"]

    def evaluate(
        self, run: str, points: Sequence[Sequence[float]], expressions: Sequence[str] = ("u",)
    ) -> list[list[float]]:
        """Values [n, k] of k expressions, such as "u_x" or "residual", at n points of a run `problem/model/key`."""
        body = {"points": [list(map(float, point)) for point in points], "expressions": list(expressions)}
        return self._json("POST", f"/runs/{quote(run)}/evaluate", body)["values"]

    def open(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> HTTPResponse:
        """The response to a request.

        Raises:
            InputError: The service refuses it.
            RunError: There is no service, or it cannot answer now.
        """
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, method=method)
        request.add_header("Authorization", f"Bearer {self.token}")
        request.add_header("Content-Type", "application/json")
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        try:
            return urllib.request.urlopen(request, timeout=150)
        except urllib.error.HTTPError as error:
            kind = InputError if error.code < 500 and error.code != 429 else RunError
            raise kind(_detail(error)) from None
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            reason = getattr(error, "reason", error)
            raise RunError(f"{self.base}: a service is needed; {reason}. Start one: kanpde serve.") from None

    def _json(self, method: str, path: str, body: Any = None, key: str | None = None) -> Any:
        with self.open(method, path, body, {"Idempotency-Key": key} if key else None) as response:
            try:
                return json.load(response)
            except (ValueError, RecursionError, http.client.HTTPException):
                raise RunError(f"{self.base}: a service of kanpde is needed; something else answered.") from None


class Job:
    """A job of a service."""

    def __init__(self, client: Client, id: str):
        self.client, self.id = client, id

    def status(self) -> dict[str, Any]:
        """Status word, message, progress, times."""
        return self.client._json("GET", f"/jobs/{self.id}")

    def stop(self) -> dict[str, Any]:
        """Withdraw it, or stop it with its best state archived."""
        return self.client._json("DELETE", f"/jobs/{self.id}")

    def events(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """What happens, as it happens, ("step", {"loss": …}) say; a connection that breaks is taken up again."""
        position = 0
        while True:
            try:
                with self.client.open("GET", f"/jobs/{self.id}/events?after={position}") as response:
                    for name, data, place in _frames(response, position):
                        position = place
                        yield name, data
                        if name == "end":
                            return
            except (OSError, http.client.HTTPException, RunError):
                time.sleep(1.0)

    def wait(self) -> dict[str, Any]:
        """Its status once it has ended."""
        for _ in self.events():
            pass
        return self.status()

    def download(self, name: str, path: str | Path) -> Path:
        """Fetch result.h5, history.jsonl, solution.png, report.html or log.txt."""
        path = Path(path)
        with self.client.open("GET", f"/jobs/{self.id}/results/{quote(name)}") as response:
            path.write_bytes(response.read())
        return path


def _parts(address: str, token: str) -> SplitResult:
    """An address of HTTP, taken apart; others would read files."""
    words = address + token
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of brackets or ports
        usable = False
    if not usable or not (words.isascii() and words.isprintable()) or " " in words:
        raise InputError(
            f"The address of a service is needed, as http://127.0.0.1:8765; {shortened(address)} is none. Write it as "
            "kanpde serve prints it."
        )
    return parts


def _frames(response: HTTPResponse, position: int) -> Iterator[tuple[str, dict[str, Any], int]]:
    name = ""
    for raw in response:
        key, _, value = raw.decode().rstrip("\n").partition(": ")
        if key == "id":
            position = int(value)
        elif key == "event":
            name = value
        elif key == "data":
            yield name, json.loads(value), position


def _body(problem: str, settings: Mapping[str, Any] | None, files: Mapping[str, bytes] | None) -> dict[str, Any]:
    encoded = {name: base64.b64encode(data).decode() for name, data in (files or {}).items()}
    return {"problem": problem, "settings": dict(settings or {}), "files": encoded}


def _detail(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["detail"])
    except (ValueError, KeyError, TypeError, RecursionError, http.client.HTTPException):
        return f"The service answered {error.code} {error.reason}."
