"""What a claim is, what judging it gives, and where that is kept so that it need not be done twice."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from kanpde.errors import InputError
from kanpde.files.atomic import made_folder, replace_file
from kanpde.files.regular import read_regular

MOST_BYTES = 2**26
ANOTHER = "--folder FOLDER"


class Judgment(StrEnum):
    """How a claim ends."""

    HOLDS = "holds"
    FAILS = "does not hold"
    OPEN = "not resolved"


@dataclass(frozen=True)
class Judged:
    """One claim re-run: the verdict, the paper's figure, ours with its least and greatest over seeds.

    `what` says what the figure is, where it is no error, and over what least and greatest are taken.
    """

    name: str
    verdict: Judgment
    paper: str
    ours: float
    least: float
    greatest: float
    sentence: str
    what: str = ""

    @property
    def between(self) -> str:
        """Our figure, its least and greatest, and what it is."""
        return f"{self.ours:.3g}; {self.least:.3g} to {self.greatest:.3g}: {self.what or 'error, over seeds'}"

    def lines(self) -> list[str]:
        """For people."""
        ours = f"  ours: {self.between}"
        return [f"{self.name}: {self.verdict}", f"  paper: {self.paper}", ours, f"  {self.sentence}"]


@dataclass(frozen=True)
class Claim:
    """A sentence that can be put to the test.

    Args:
        name: On the command line.
        statement: What is claimed, and by whom.
        run: Puts it to the test.
        place: Where lists have it among the others.
    """

    name: str
    statement: str
    run: Callable[[Parts], Judged]
    place: int = 100


class Parts:
    """Figures that a claim is made of, kept one by one, so that a claim that was stopped goes on where it was.

    Args:
        path: Where they are kept; nowhere unless given.
    """

    def __init__(self, path: Path | None = None):
        self.path = path
        self.known: dict[str, Any] = _plain(path) if path is not None and os.path.lexists(path) else {}

    def __call__(self, label: str, compute: Callable[[], Any]) -> Any:
        """The figure of this label: known, or computed now and kept. Plain numbers, texts, lists and mappings."""
        if label not in self.known:
            self.known[label] = compute()
            if self.path is not None:
                made_folder(self.path.parent, ANOTHER)
                replace_file(self.path, json.dumps(self.known, indent=1).encode())
        return self.known[label]


def _plain(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(read_regular(path, MOST_BYTES))
    except (ValueError, RecursionError):  # which Unreadable is one of
        found = None
    if not isinstance(found, dict):
        raise InputError(f"{path} needs to be a claim's figures; it is not. Remove it, or use --again.")
    return found


def judged(claim: Claim, folder: Path, again: bool = False) -> Judged:
    """The claim's outcome: out of the folder, or run now and kept there."""
    kept = None if again else stored(claim.name, folder)
    if kept is not None:
        return kept
    parts = folder / f"{claim.name}.parts.json"
    if again:
        parts.unlink(missing_ok=True)
    found = claim.run(Parts(parts))
    made_folder(folder, ANOTHER)
    replace_file(folder / f"{claim.name}.json", json.dumps(asdict(found), indent=1).encode())
    return found


def stored(name: str, folder: Path) -> Judged | None:
    """What was kept of an earlier run; None where there is none.

    Raises:
        InputError: The file is not one of ours.
    """
    path = folder / f"{name}.json"
    if not os.path.lexists(path):
        return None
    try:
        data = json.loads(read_regular(path, MOST_BYTES))
        return Judged(**{**data, "verdict": Judgment(data["verdict"])})
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise InputError(f"{path} needs to be a claim's outcome; it is not. Remove it, or use --again.") from error
