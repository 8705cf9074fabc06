"""Problems from YAML files: found, read, resolved and checked.

    title: Viscous Burgers equation
    coordinates: {x: [-1, 1], t: [0, 1]}
    fields: [u]
    parameters: {nu: 0.01/pi}
    equations: {momentum: u_t + u*u_x = nu*u_xx}
    boundary: {"*": u = 0}
    initial: u = -sin(pi*x)
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kanpde.errors import InputError
from kanpde.files.regular import Unreadable, open_regular, own_path, plain_name
from kanpde.files.texts import shortened, suggestion
from kanpde.files.yaml import Entries, plain_data
from kanpde.problems.checks import check_problem
from kanpde.problems.language import ExpressionError
from kanpde.problems.listing import problem_data, problem_folders, problem_names, read_problem_text
from kanpde.problems.problem import Condition, Problem
from kanpde.problems.reading.messages import wrong_kind
from kanpde.problems.reading.problem_file import read_statement
from kanpde.problems.reading.shape_lists import listed_shapes
from kanpde.problems.tasks.lattice import Lattice

__all__ = [
    "Condition", "Problem", "confined", "file_contents", "load_problem", "problem_folders", "problem_names",
    "read_problem_file", "read_problem_text",
]  # fmt: skip


def load_problem(
    source: str | os.PathLike[str] | Mapping[str, Any],
    parameters: Mapping[str, Any] | None = None,
    name: str | None = None,
    label: str | None = None,
    samples: Mapping[str, np.ndarray] | None = None,
) -> Problem:
    """Read, resolve and check a problem.

    >>> load_problem("burgers", parameters={"nu": 0.02}).parameters
    {'nu': 0.02}

    Args:
        source: The name of a problem in `problem_folders()`, the path of a YAML file, or the data of one.
        parameters: Values that replace those of the file.
        name: What to call the problem; by default the file's name without its ending.
        label: What messages call it; by default the file's name.
        samples: What the files that it names hold, out of an archive; they are not looked for on disk then.

    Raises:
        InputError: the problem cannot be found, read or solved; the message says what to do.
    """
    data, own_label, own_name = _read(source, name)
    label = label or own_label
    data = data if samples is not None else _with_folder(data, Path.cwd())
    if parameters:
        data = _with_parameters(data, parameters, label)
    try:
        problem = read_statement(data, label, _checked_problem_name(name or own_name), samples)
        if isinstance(problem.task, Lattice):  # checked as it was read
            return problem
        return replace(problem, warnings=(*check_problem(problem, label), *problem.warnings))
    except ExpressionError as error:  # from a check that follows no single key
        raise InputError(f"{label} {error}") from None


def changed_problem(
    problem: str | os.PathLike[str] | Mapping[str, Any] | Problem, changes: Mapping[str, Any] | None
) -> Problem:
    """A problem as it is given, some entries of its file replaced: {"title": "Mine", "parameters.nu": 0.1}.

    Raises:
        InputError: It cannot be found or read, or is no problem with the changes.
    """
    loaded = problem if isinstance(problem, Problem) else load_problem(problem)
    if not changes:
        return loaded
    data = dict(loaded.source)
    for key, value in changes.items():
        _replace(data, key.split("."), key, plain_data({key: value}, "problem")[key])
    return load_problem(data, name=loaded.name, samples=loaded.samples or None)


def _replace(data: Entries, path: list[str], key: str, value: object) -> None:
    """Replace one entry by its dotted name, in a copy of each mapping on the way; a new one only at the top."""
    first, *rest = path
    if not rest:
        data[first] = value
        return
    inner = data.get(first)
    if not isinstance(inner, dict) or rest[0] not in inner:
        known = list(inner) if isinstance(inner, dict) else []
        hint = suggestion(rest[0], known) or f" There is {', '.join(known) or 'nothing'}."
        raise InputError(f"problem.{key}: there is no such entry of the problem.{hint}")
    data[first] = dict(inner)
    _replace(data[first], rest, key, value)


def read_problem_file(path: str | os.PathLike[str]) -> Entries:
    """The plain data of a problem file, safe but unchecked: strings, numbers, lists, mappings."""
    path = Path(path)
    return _with_folder(problem_data(path), path.parent)


# finding and naming


def _read(source: str | os.PathLike[str] | Mapping[str, Any], name: str | None) -> tuple[Entries, str, str]:
    """The data, the label for messages and the name."""
    if isinstance(source, Mapping):
        label = name or "problem"
        return plain_data(source, label), label, label
    if not isinstance(source, (str, os.PathLike)):
        raise InputError(f"load_problem needs a name, a path or a dict; it has {type(source).__name__}. Pass one.")
    path = _problem_path(source)
    return read_problem_file(path), path.name, path.stem


def _problem_path(source: str | os.PathLike[str]) -> Path:
    text = os.fspath(source)
    if not isinstance(source, str) or text.endswith((".yaml", ".yml")) or "/" in text or os.sep in text:
        return own_path(text)
    names = problem_names()
    if text not in names:
        hint = suggestion(text, names)
        raise InputError(
            f"problem needs a name or the path of a .yaml file; {shortened(text)} is neither.{hint} There are "
            f"{', '.join(names)}."
        )
    return names[text]


def _checked_problem_name(name: str) -> str:
    """Run folders are called after it."""
    if not isinstance(name, str) or not re.fullmatch(r"[^\W_.][\w. +-]{0,79}", name):
        raise InputError(
            f"problem needs a name of letters, digits, - and _ (its runs go to a folder of that name); it is "
            f"{shortened(name)}. Rename it."
        )
    return name


def confined(data: Entries, folder: str | os.PathLike[str]) -> Entries:
    """The data of a stranger's problem, whose files are those of one folder and no others.

    >>> confined({"reference": {"method": "file", "file": "u.npz"}}, "/srv/upload")["reference"]["file"]
    '/srv/upload/u.npz'

    Args:
        data: As `read_problem_text` or `plain_data` gives it; unchecked.
        folder: Where the files are that came with the problem.

    Raises:
        InputError: A file is named by more than a bare name, so that it may lie elsewhere.
    """

    def inside(name: str) -> str:
        if not plain_name(name):
            raise InputError(
                f"problem: file needs the bare name of a file sent along, such as v.npy; it has {shortened(name)}. "
                "Send the file, and give its name alone."
            )
        return str(Path(folder).absolute() / name)

    return _with_files(data, inside)


def file_contents(data: Entries) -> tuple[str, ...]:
    """What the files that a problem names hold, as hashes: another content is another problem."""
    names: list[str] = []

    def noted(name: str) -> str:
        names.append(name)
        return name

    _with_files(data, noted)
    return tuple(map(_content_hash, names))


def _content_hash(name: str) -> str:
    try:
        with open_regular(name) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (Unreadable, OSError) as reason:  # the reading itself says so in full
        return str(reason)


def _with_folder(data: Entries, folder: Path) -> Entries:
    """The data with absolute names of files, so that they mean the same anywhere."""
    return _with_files(data, lambda name: str((folder / name).absolute()))


def _with_files(data: Entries, place: Callable[[str], str]) -> Entries:
    """The data with another name for each file that it names: those of coefficients, shapes, the reference and data."""
    moved = dict(data)
    if isinstance(shapes := data.get("shapes"), dict):
        moved["shapes"] = {name: _moved(listed_shapes(value), place) for name, value in shapes.items()}
    if isinstance(coefficients := data.get("coefficients"), dict):
        moved["coefficients"] = {name: _moved(value, place) for name, value in coefficients.items()}
    return moved | {key: _moved(data[key], place) for key in ("data", "reference") if key in data}


def _moved(value: object, place: Callable[[str], str]) -> object:
    if isinstance(value, dict) and isinstance(value.get("file"), str):
        return {**value, "file": place(value["file"])}
    return value


def _with_parameters(data: Entries, parameters: Mapping[str, Any], label: str) -> Entries:
    own = data.get("parameters") or {}
    if not isinstance(own, dict):
        raise wrong_kind(f"{label}: parameters", "a mapping", own, "{nu: 0.01}")
    for name in parameters:
        if name not in own:
            hint = suggestion(str(name), own) or " Use these, or add it to the file."
            raise InputError(
                f"{label}: parameters are {', '.join(own) or 'none'}; {shortened(str(name))} is not among them.{hint}"
            )
    given = plain_data(parameters, f"{label}: parameters")
    return {**data, "parameters": {**own, **given}}
