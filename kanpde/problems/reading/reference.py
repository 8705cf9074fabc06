"""The key `reference`: what the error is measured against, and how it is found."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from kanpde.errors import InputError
from kanpde.files.arrays import Members, comma_separated, file_kind, read_npz
from kanpde.files.discovery import module_names
from kanpde.files.hdf5 import read_datasets
from kanpde.files.regular import Missing, Unreadable
from kanpde.files.yaml import Entries
from kanpde.problems.language import shortened, suggestion
from kanpde.problems.named_files import Arrays, utf8_text
from kanpde.problems.reading.entries import Source
from kanpde.problems.reading.messages import wrong_kind

SOLVERS = Path(__file__).parents[2] / "references" / "methods"
"""A method that problem files can ask for is a module of this folder, whose name alone is known here."""

REFERENCE_METHODS = ("exact", *module_names(SOLVERS), "file")
MOST_BYTES = 500_000_000
LEAST_RESOLVED, MOST_RESOLVED = 8, 20_000


def check_reference(statement: Source, exact: Mapping[str, object]) -> None:
    """Refuse what no reference can be found by; the file itself is read by `read_reference`."""
    reference = statement.data.get("reference")
    if reference is None:
        return
    where, asked = statement.where("reference"), reference if isinstance(reference, dict) else {"method": reference}
    method = asked.get("method")
    if not isinstance(method, str) or method not in REFERENCE_METHODS:
        raise wrong_kind(where, f"a method ({', '.join(REFERENCE_METHODS)})", reference, "{method: lines}")
    if method == "exact" and not exact:
        raise InputError(f"{where} needs exact: {{field: …}}; there is none. Add it.")
    known = {"file": ("method", "file", "error", "sha256"), "exact": ("method",)}.get(method, ("method", "resolution"))
    for key in asked:
        if key not in known:
            hint = suggestion(str(key), known) or " Remove it."
            raise InputError(f"{where} by {method} takes {' and '.join(known)}; it has {shortened(key)}.{hint}")
    if method == "file":
        _check_file(asked, where)
    _check_resolution(asked.get("resolution", LEAST_RESOLVED), f"{where}.resolution")


def _check_file(asked: Entries, where: str) -> None:
    name, error = asked.get("file"), asked.get("error", 0.0)
    if not isinstance(name, str) or not name.strip():
        raise wrong_kind(f"{where}.file", "the name of a file (.npz, .h5 or .csv)", name, "file: solution.npz")
    if isinstance(error, bool) or not isinstance(error, (int, float)) or not 0 <= error < math.inf:
        raise wrong_kind(f"{where}.error", "the relative error of the values, a number from 0", error, "error: 1e-6")


def _check_resolution(resolution: object, where: str) -> None:
    if type(resolution) is not int or not LEAST_RESOLVED <= resolution <= MOST_RESOLVED:
        raise wrong_kind(where, f"a whole number from {LEAST_RESOLVED} to {MOST_RESOLVED}", resolution, "64")


def read_reference(statement: Source, coordinates: tuple[str, ...], fields: tuple[str, ...]) -> None:
    """Read the values that the reference's file holds; what they are worth is seen where they are compared.

    An archive that holds none can do without: nothing is measured then.
    """
    asked = statement.data.get("reference")
    if not isinstance(asked, dict) or asked.get("method") != "file" or not statement.files.has("reference"):
        return
    where = statement.where("reference.file")

    def read(path: Path) -> Arrays:
        try:
            return _arrays(path, coordinates, fields)
        except Missing as name:
            needed = ", ".join((*coordinates, *fields))
            raise InputError(
                f"{where} needs arrays or columns named {needed}; {path.name} lacks {name}. Add it."
            ) from None

    statement.files.arrays("reference", asked, where, read)


def _arrays(path: Path, coordinates: tuple[str, ...], fields: tuple[str, ...]) -> Arrays:
    names = (*coordinates, *fields)
    match file_kind(path):
        case "hdf5":
            return read_datasets(path, names, coordinates, MOST_BYTES)
        case "npz":
            members = read_npz(path, MOST_BYTES)
            return {name: _member(members, name) for name in names}
        case "npy":
            raise Unreadable("holds one array without names; np.savez writes several with theirs")
    return _columns(utf8_text(path, MOST_BYTES), coordinates, fields)


def _member(members: Members, name: str) -> np.ndarray:
    if name not in members.names:
        raise Missing(name)
    return members[name]


def _columns(text: str, coordinates: tuple[str, ...], fields: tuple[str, ...]) -> Arrays:
    """Columns in any order, lines in any order: one for every node of a grid."""
    lines = [line for _, line in comma_separated(text)]
    header = [word.strip() for word in lines[0]] if lines else []
    for name in (*coordinates, *fields):
        if header.count(name) != 1:
            raise Missing(name)
    if any(len(line) != len(header) for line in lines):
        raise Unreadable("has lines of another length than its first one")
    try:
        columns = {n: np.array([float(line[header.index(n)]) for line in lines[1:]]) for n in (*coordinates, *fields)}
    except ValueError:
        raise Unreadable("has words among its numbers") from None
    return _on_grid(columns, coordinates, fields)


def _on_grid(columns: Arrays, coordinates: tuple[str, ...], fields: tuple[str, ...]) -> Arrays:
    """The lines in the order of a grid's nodes, the last coordinate fastest."""
    nodes, places = zip(*(np.unique(columns[name], return_inverse=True) for name in coordinates), strict=True)
    shape, count = tuple(map(len, nodes)), len(columns[coordinates[0]])
    whole = math.prod(shape)
    flat = np.ravel_multi_index(places, shape) if 0 < whole == count else np.zeros(0)
    if len(np.unique(flat)) != max(whole, 1):
        raise Unreadable(f"has {count} lines, and a grid of {' x '.join(map(str, shape))} nodes needs one each")
    order = np.argsort(flat)
    values = {name: columns[name][order].reshape(shape) for name in fields}
    return {**dict(zip(coordinates, nodes, strict=True)), **values}
