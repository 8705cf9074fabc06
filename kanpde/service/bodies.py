"""What requests carry, and problem+json (RFC 9457) for those that cannot be met."""

import array
import ast
import base64
import binascii
import hashlib
import itertools
import json
import re
from typing import Any

from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, model_validator

from kanpde.errors import InputError
from kanpde.files.yaml import MAX_BYTES

TITLES = {
    400: "Bad request", 401: "Token needed", 403: "Foreign origin", 404: "Not found", 405: "Method not allowed",
    409: "Conflict", 413: "Too large", 415: "JSON needed", 422: "The input cannot be used", 429: "Too much at once",
    500: "A fault of the server", 503: "Not now", 507: "Disk full",
}  # fmt: skip
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,60}")
MOST_POINTS = 100_000
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+ -]{0,79}")


class Refused(Exception):
    """A request that cannot be met: status, sentence, further members, headers."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None, **members: Any):
        super().__init__(detail)
        self.status, self.detail, self.headers, self.members = status, detail, headers, members


def problem_json(
    status: int, detail: str, headers: dict[str, str] | None = None, members: dict[str, Any] | None = None
) -> JSONResponse:
    """The answer to a request that cannot be met."""
    content = {"type": "about:blank", "title": TITLES.get(status, "Refused"), "status": status, "detail": detail}
    return JSONResponse({**content, **(members or {})}, status, headers, "application/problem+json")


class Body(BaseModel):
    """What is common; OGC clients wrap it into `inputs`."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _unwrapped(cls, data: Any) -> Any:
        return data["inputs"] if isinstance(data, dict) and isinstance(data.get("inputs"), dict) else data


class CheckBody(Body):
    """A problem with settings."""

    problem: str = Field(max_length=MAX_BYTES, description="a name of /problems, or the text of a problem file")
    name: str = Field("", max_length=60, description="under which runs of a text are filed; made of its title")
    settings: dict[str, Any] = Field({}, description="as words of the command line, but as JSON")
    files: dict[str, str] = Field({}, description="files that the problem names, in base64")

    def asked(self) -> dict[str, Any]:
        """Name and text, one of which was given."""
        if NAME.fullmatch(self.problem):
            return {"name": self.problem, "text": None}
        return {"name": self.name, "text": self.problem}

    def contents(self) -> dict[str, bytes]:
        """The files' bytes.

        Raises:
            InputError: A name or the base64 cannot be used.
        """
        return {name: _decoded(name, text) for name, text in self.files.items()}

    def sha(self, process: str) -> str:
        """The same for the same submission."""
        stated = json.dumps([process, self.model_dump()], sort_keys=True)
        return hashlib.sha256(stated.encode("utf-8", "surrogatepass")).hexdigest()


class SolveBody(CheckBody):
    """A run, or with `sweep` one for every combination of its values."""

    sweep: dict[str, list[Any]] = Field({}, description='{"model": ["kan", "mlp"], "seed": [0, 1]}')


class ScalingBody(CheckBody):
    """A study: KAN against MLP over sizes."""

    preset: str = Field("quick", pattern="^[a-z]{1,20}$")
    study: dict[str, Any] = {}


class EvaluateBody(Body):
    """Expressions at points of a finished run."""

    points: list[list[float]] = Field(max_length=MOST_POINTS)
    expressions: list[str] = Field(["u"], max_length=32)
    run: str = Field("", description="problem/model/key; at /processes/evaluate only")


def _decoded(name: str, text: str) -> bytes:
    if not FILE_NAME.fullmatch(name):
        raise InputError(f"files needs bare names of letters, digits, . - and _; {name!r:.60} came. Rename the file.")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InputError(f"files.{name} needs base64; this is none. Encode the file's bytes.") from None


def flat(points: list[list[float]]) -> bytes:
    """Rows of equal length as float64.

    >>> len(flat([[1, 2], [3, 4]]))
    32
    """
    if len({len(row) for row in points}) > 1:
        raise InputError("points needs rows of equal length; they differ. Give one row a point.")
    return array.array("d", itertools.chain.from_iterable(points)).tobytes()


def points_in_npy(content: bytes) -> bytes:
    """The numbers in a .npy file of float64, in C order; nothing else is read, and nothing is unpickled.

    Raises:
        InputError: It holds something else.
    """
    length = int.from_bytes(content[8:10], "little")
    try:
        header = ast.literal_eval(content[10 : 10 + length].decode("latin1").strip())
        known = content[:7] == b"\x93NUMPY\x01" and header["descr"] == "<f8" and not header["fortran_order"]
        shape = tuple(header["shape"])
        fits = len(shape) == 2 and 8 * shape[0] * shape[1] == len(content) - 10 - length
    except (ValueError, SyntaxError, KeyError, TypeError, MemoryError, RecursionError):
        known = fits = False
    if not (known and fits):
        raise InputError("A .npy file of a table of float64 is needed; this is another. Save numpy.float64, C order.")
    if shape[0] > MOST_POINTS:
        raise InputError(f"points may have {MOST_POINTS} rows; {shape[0]} came. Send them in parts.")
    return content[10 + length :]


def write_npy(numbers: bytes, shape: list[int]) -> bytes:
    """Numbers as a .npy file.

    >>> points_in_npy(write_npy(bytes(32), [2, 2])) == bytes(32)
    True
    """
    header = str({"descr": "<f8", "fortran_order": False, "shape": tuple(shape)})
    header = header.ljust((10 + len(header) + 1 + 63) // 64 * 64 - 11) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode("latin1") + numbers
