"""What was solved before, kept by the content of the problem: numbers in .npz files, nothing that runs."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from pathlib import Path

import numpy as np

from kanpde.errors import InputError
from kanpde.files.atomic import replace_file
from kanpde.problems.problem import Problem
from kanpde.references.families import Family
from kanpde.references.interpolants import Chebyshev, Fourier, Interpolant, Pieces, Triangles

AXES = {"chebyshev": Chebyshev, "fourier": Fourier, "pieces": Pieces}
VERSION = 3
"""To be raised when a solver changes: what was stored before is then solved anew."""

Function = Interpolant | Triangles

NUMBERS = ("error", "seconds", "unknowns", "energies", "energy_errors")


def cache_folder() -> Path:
    """$KANPDE_CACHE, or kanpde in the user's folder for caches."""
    own = os.environ.get("KANPDE_CACHE")
    return Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kanpde"


def cache_path(problem: Problem, method: str, ladder: tuple[int, ...]) -> Path:
    """The file for a problem's content, whatever its name and title; another VERSION has other files."""
    content = {key: value for key, value in problem.source.items() if key not in ("title", "settings")}
    stated = json.dumps([content, method, list(ladder), VERSION])
    return cache_folder() / f"reference-{hashlib.sha256(stated.encode()).hexdigest()[:24]}.npz"


def load_values(problem: Problem, method: str, ladder: tuple[int, ...]) -> tuple[Function | Family, dict] | None:
    """What was stored; None where there is nothing, or nothing that can be read."""
    path = cache_path(problem, method, ladder)
    try:
        content = path.read_bytes()  # np.load leaves a file open that it finds spoiled
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            numbers = {name: stored[name] for name in NUMBERS}
            values = _values(stored, problem)
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
        return None
    scalars = {name: numbers[name].item() for name in ("error", "seconds", "unknowns")}
    return values, {**numbers, **scalars}


def store_values(
    problem: Problem, method: str, ladder: tuple[int, ...], values: Function | Family, numbers: dict
) -> None:
    """Keep a solution; a folder that cannot be written to keeps nothing."""
    path = cache_path(problem, method, ladder)
    arrays = {name: np.asarray(numbers[name]) for name in NUMBERS}
    if isinstance(values, Family):
        arrays |= _packed_axes(values.axes, "family_")
        for number, member in enumerate(values.members):
            arrays |= _packed(member, f"member_{number}_")
    else:
        arrays |= _packed(values, "")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, _npz(arrays))
    except (OSError, InputError):
        return


def _values(stored, problem: Problem) -> Function | Family:
    space = problem.domain.dimension - len(problem.family)
    if not problem.family:
        return _function(stored, "", space)
    axes = tuple(_axis(stored, f"family_axis_{place}") for place in range(len(problem.family)))
    count = int(np.prod([axis.count for axis in axes]))
    return Family(axes, tuple(_function(stored, f"member_{number}_", space) for number in range(count)))


def _function(stored, prefix: str, dimension: int) -> Function:
    if f"{prefix}cells" in stored:
        return Triangles(**{name: stored[f"{prefix}{name}"] for name in Triangles.__dataclass_fields__})
    axes = tuple(_axis(stored, f"{prefix}axis_{place}") for place in range(dimension))
    return Interpolant(axes, stored[f"{prefix}values"])


def _packed(values: Function, prefix: str) -> dict[str, np.ndarray]:
    if isinstance(values, Triangles):
        return {f"{prefix}{name}": getattr(values, name) for name in Triangles.__dataclass_fields__}
    return {f"{prefix}values": values.values, **_packed_axes(values.axes, prefix)}


def _packed_axes(axes: tuple, prefix: str) -> dict[str, np.ndarray]:
    arrays = {}
    for place, axis in enumerate(axes):
        name = f"{prefix}axis_{place}"
        arrays[f"{name}_kind"] = np.array(next(kind for kind, cls in AXES.items() if isinstance(axis, cls)))
        arrays |= {f"{name}_{own}": np.asarray(getattr(axis, own)) for own in type(axis).__dataclass_fields__}
    return arrays


def _npz(arrays: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def _axis(stored, name: str) -> Chebyshev | Fourier | Pieces:
    kind = AXES[str(stored[f"{name}_kind"])]
    own = {own: stored[f"{name}_{own}"] for own in kind.__dataclass_fields__}
    return kind(**{name: value if value.ndim else value.item() for name, value in own.items()})
