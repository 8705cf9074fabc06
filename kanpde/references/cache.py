"""What was solved before, kept by the content of the problem: numbers in .npz files, nothing that runs."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from kanpde.files.caches import cache_folder
from kanpde.files.kept import keep_arrays, kept_arrays
from kanpde.files.regular import Unreadable
from kanpde.problems.problem import Problem
from kanpde.references.families import Family
from kanpde.references.interface import Field
from kanpde.references.interpolants import Axis, ChebyshevAxis, FourierAxis, Interpolant, Pieces
from kanpde.references.meshed import Function, Meshed
from kanpde.references.simplices import count, degree_of

AXES: dict[str, type[ChebyshevAxis | FourierAxis | Pieces]] = {
    "chebyshev": ChebyshevAxis,
    "fourier": FourierAxis,
    "pieces": Pieces,
}
MESHED = ("nodes", "cells", "numbers", "values")
VERSION = 6
"""To be raised when a solver changes: what was stored before is then solved anew."""

NUMBERS = ("error", "seconds", "unknowns", "energies", "energy_errors")


def cache_path(problem: Problem, method: str, ladder: tuple[int, ...]) -> Path:
    """The file for a problem's content, whatever its name and title; another VERSION has other files."""
    content = {key: value for key, value in problem.content().items() if key not in ("title", "settings")}
    stated = json.dumps([content, method, list(ladder), VERSION])
    return cache_folder() / f"reference-{hashlib.sha256(stated.encode()).hexdigest()[:24]}.npz"


def load_values(
    problem: Problem, method: str, ladder: tuple[int, ...]
) -> tuple[Function | Family, dict[str, Any]] | None:
    """What was stored; None where there is nothing, or nothing that can be read."""
    try:
        stored = kept_arrays(cache_path(problem, method, ladder), unsummed=True)
        return _values(stored, problem), {name: _number(stored, name) for name in NUMBERS}
    except (Unreadable, KeyError, ValueError, TypeError):
        return None


def _number(stored: Mapping[str, np.ndarray], name: str) -> float | np.ndarray:
    values = _real(stored, name)
    if name in ("energies", "energy_errors"):
        return values.reshape(len(values))
    return values.item()


def _real(stored: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    values = stored[name]
    if values.dtype.kind not in "fi" or not np.isfinite(values).all():
        raise ValueError(f"{name} has no finite numbers")
    return values


def store_values(
    problem: Problem, method: str, ladder: tuple[int, ...], values: Field, numbers: Mapping[str, Any]
) -> None:
    """Keep a solution; a folder that cannot be written to keeps nothing."""
    arrays = {name: np.asarray(numbers[name]) for name in NUMBERS}
    if isinstance(values, Family):
        arrays |= _packed_axes(values.axes, "family_")
        for number, member in enumerate(values.members):
            arrays |= _packed(member, f"member_{number}_")
    else:
        arrays |= _packed(values, "")
    keep_arrays(cache_path(problem, method, ladder), arrays)


def _values(stored: Mapping[str, np.ndarray], problem: Problem) -> Function | Family:
    space = problem.domain.dimension - len(problem.family)
    if not problem.family:
        return _function(stored, "", space, len(problem.fields))
    axes = tuple(_axis(stored, f"family_axis_{place}") for place in range(len(problem.family)))
    chebyshev = tuple(axis for axis in axes if isinstance(axis, ChebyshevAxis))
    count = math.prod(map(_length, axes))
    if len(chebyshev) < len(axes):
        raise ValueError("a family on other nodes than Chebyshev's")
    if f"member_{count}_values" in stored or f"member_{count - 1}_values" not in stored:
        raise ValueError("not as many members as nodes")
    members = (_function(stored, f"member_{number}_", space, len(problem.fields)) for number in range(count))
    return Family(chebyshev, tuple(members))


def _function(stored: Mapping[str, np.ndarray], prefix: str, dimension: int, fields: int) -> Function:
    if f"{prefix}cells" in stored:
        return _meshed(stored, prefix, dimension, fields)
    axes = tuple(_axis(stored, f"{prefix}axis_{place}") for place in range(dimension))
    values = _real(stored, f"{prefix}values")
    if values.shape != (fields, *(_length(axis) for axis in axes)):
        raise ValueError("values that do not fit their axes")
    return Interpolant(axes, values)


def _meshed(stored: Mapping[str, np.ndarray], prefix: str, dimension: int, fields: int) -> Meshed:
    own = {name: _real(stored, f"{prefix}{name}") for name in MESHED}
    axis = _axis(stored, f"{prefix}axis_0") if f"{prefix}axis_0_kind" in stored else None
    time = int(_real(stored, f"{prefix}time").item())
    if not (axis is None or isinstance(axis, Pieces) and 0 <= time < dimension):
        raise ValueError("steps of time that are none")
    cells, numbers = (own[name].astype(np.int64, casting="safe") for name in ("cells", "numbers"))
    lives = _real(stored, f"{prefix}lives") if f"{prefix}lives" in stored else None
    found = Meshed(own["nodes"], cells, numbers, own["values"], axis, time, lives)
    space, places = dimension - (axis is not None), numbers.shape[-1]
    steps = () if axis is None else (_length(axis),)
    fits = (
        found.nodes.shape == (len(found.nodes), space)
        and cells.shape == (len(cells), count(space, 2))
        and numbers.shape == (len(cells), places) and places == count(space, degree_of(space, places))
        and found.values.shape == (fields, *found.values.shape[1:2], *steps)
        and (lives is None or lives.shape == (fields, len(cells)) and lives.any(1).all())
    )  # fmt: skip
    if not (fits and len(cells) and _within(cells, len(found.nodes)) and _within(numbers, found.values.shape[1])):
        raise ValueError("simplices that do not fit their nodes")
    return found


def _within(numbers: np.ndarray, count: int) -> bool:
    return bool(numbers.min() >= 0 and numbers.max() < count)


def _length(axis: ChebyshevAxis | FourierAxis | Pieces) -> int:
    """How many nodes an axis has, found without making them."""
    return (len(axis.breaks) - 1) * (len(axis.unit) - 1) + 1 if isinstance(axis, Pieces) else axis.count


def _packed(values: Field, prefix: str) -> dict[str, np.ndarray]:
    if isinstance(values, Meshed):
        lives = () if values.lives is None else ("lives",)
        arrays = {f"{prefix}{name}": np.asarray(getattr(values, name)) for name in (*MESHED, "time", *lives)}
        return arrays | ({} if values.axis is None else _packed_axes((values.axis,), prefix))
    if not isinstance(values, Interpolant):
        raise TypeError(f"What is kept is given by nodes; {type(values).__name__} is not.")
    return {f"{prefix}values": values.values, **_packed_axes(values.axes, prefix)}


def _packed_axes(axes: Sequence[Axis], prefix: str) -> dict[str, np.ndarray]:
    arrays = {}
    for place, axis in enumerate(axes):
        name = f"{prefix}axis_{place}"
        kind, form = next((kind, form) for kind, form in AXES.items() if isinstance(axis, form))
        arrays[f"{name}_kind"] = np.array(kind)
        arrays |= {f"{name}_{own}": np.asarray(getattr(axis, own)) for own in _parts(form)}
    return arrays


def _parts(form: type[ChebyshevAxis | FourierAxis | Pieces]) -> list[str]:
    """The arrays that make one."""
    return [part.name for part in fields(form)]


def _axis(stored: Mapping[str, np.ndarray], name: str) -> ChebyshevAxis | FourierAxis | Pieces:
    kind = AXES[str(stored[f"{name}_kind"])]
    own = {own: _real(stored, f"{name}_{own}") for own in _parts(kind)}
    parts: dict[str, Any] = {name: value if value.ndim else value.item() for name, value in own.items()}
    axis = kind(**parts)
    whole = isinstance(axis, Pieces) or type(axis.count) is int
    rank = 1 if isinstance(axis, Pieces) else 0
    if not whole or _length(axis) < 2 or any(value.ndim != rank for value in own.values()):
        raise ValueError("an axis without nodes")
    return axis
