"""The files that a problem names: known by the hash of the numbers in them, which travel with the problem.

    coefficients: {V: {file: v.npy}}   ->   coefficients: {V: {file: v.npy, sha256: 3c9d…}}

and the samples under `coefficients.V.values`. A problem out of an archive finds its samples there and looks at no disk.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kanpde.errors import InputError
from kanpde.files.regular import Unreadable, cut_path, plain_name, read_regular
from kanpde.files.yaml import Entries

DIGEST = "sha256"
PLACES = ("file", "dataset")
"""Keys that say where samples are, not what they are."""

Arrays = dict[str, np.ndarray]


class NamedFiles:
    """Samples by what they are for: read from files, or, where some are handed over, taken from those alone.

    Args:
        given: What an archive holds, by `<what>.<name>`; the disk is left alone then.
    """

    def __init__(self, given: Mapping[str, np.ndarray] | None = None):
        self.given = given
        self.samples: Arrays = {}
        self.digests: dict[str, str] = {}

    def has(self, what: str) -> bool:
        """Whether samples can be had; a file that is to be read always counts."""
        return self.given is None or bool(self._handed(what))

    def arrays(self, what: str, entry: Mapping[str, Any], where: str, read: Callable[[Path], Arrays]) -> Arrays:
        """The samples of one entry, finite doubles by name.

        Args:
            what: Such as `coefficients.V`.
            entry: Of the problem file, with `file` and perhaps `sha256`.
            where: The place for messages.
            read: What makes samples of a file.

        Raises:
            InputError: They cannot be read, or are not those that the entry asks for.
        """
        if self.given is None:
            found = _read(entry["file"], where, read)
        elif not (found := self._handed(what)):
            raise InputError(
                f"{where} needs the samples of {Path(str(entry['file'])).name:.60}, which the archive should hold; it "
                "does not. Give the problem file beside its data in place of the archive."
            )
        found = {name: _checked(values, name, where) for name, values in found.items()}
        self.digests[what] = digest = samples_sha256(found)
        if entry.get(DIGEST) not in (None, digest):
            raise InputError(
                f"{where} needs the samples of {DIGEST} {str(entry[DIGEST]):.12}…; those that came have {digest:.12}…. "
                f"Give the file that was meant, or remove {DIGEST}."
            )
        self.samples |= {f"{what}.{name}": values for name, values in found.items()}
        return found

    def _handed(self, what: str) -> Arrays:
        start = f"{what}."
        given = self.given or {}
        return {key.removeprefix(start): values for key, values in given.items() if key.startswith(start)}

    def sealed(self, data: Entries) -> Entries:
        """The problem's data with the bare name and the hash of every file that was read."""
        sealed = dict(data)
        for what, digest in self.digests.items():
            key, _, name = what.partition(".")
            if name:
                sealed[key] = {**sealed[key], name: _entry(sealed[key][name], digest)}
            else:
                sealed[key] = _entry(sealed[key], digest)
        return sealed


def _entry(entry: Entries, digest: str) -> Entries:
    name = Path(entry["file"]).name
    return {**entry, "file": name if plain_name(name) and "${" not in name else "samples", DIGEST: digest}


def without_places(data: Entries) -> Entries:
    """The problem's data without the names of files whose content is known: what a run's key depends on.

    >>> without_places({"title": "t", "data": {"file": "obs.csv", "sha256": "3c9d", "seed": 1}})
    {'title': 't', 'data': {'sha256': '3c9d', 'seed': 1}}
    """
    return {key: _content(value) for key, value in data.items()}


def _content(value: object) -> object:
    if not isinstance(value, dict):
        return value
    known = DIGEST in value
    return {key: _content(inner) for key, inner in value.items() if not (known and key in PLACES)}


def samples_sha256(arrays: Mapping[str, np.ndarray]) -> str:
    """The hash of arrays of doubles: their names, shapes and numbers."""
    found = hashlib.sha256()
    for name in sorted(arrays):
        values = np.ascontiguousarray(arrays[name], dtype="<f8")
        found.update(json.dumps([name, values.shape]).encode())
        found.update(values.tobytes())
    return found.hexdigest()


def _read(name: object, where: str, read: Callable[[Path], Arrays]) -> Arrays:
    path = Path(str(name))
    try:
        return read(path)
    except Unreadable as reason:
        raise InputError(f"{where} needs a file that can be read; {cut_path(path)} {reason}. Check the path.") from None


def _checked(values: np.ndarray, name: str, where: str) -> np.ndarray:
    if values.dtype.kind not in "fiu" or not np.isfinite(values).all():
        raise InputError(f"{where} needs finite real numbers; {name} has others (or NaN). Replace them.")
    return np.ascontiguousarray(values, dtype=float)


def utf8_text(path: Path, most: int) -> str:
    """A text in UTF-8.

    Raises:
        Unreadable: It is none, or longer than `most` bytes.
    """
    try:
        return read_regular(path, most).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable("is no text in UTF-8") from None
