"""What was solved before, kept by the content of the problem: numbers in .npz files, nothing that runs."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from pathlib import Path

import numpy as np

from kanpde.archive import replace_file
from kanpde.errors import InputError
from kanpde.references.interpolants import Chebyshev, Fourier, Interpolant, Pieces, Triangles
from kanpde.statements import Problem

AXES = {"chebyshev": Chebyshev, "fourier": Fourier, "pieces": Pieces}
VERSION = 1
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


def load_interpolant(problem: Problem, method: str, ladder: tuple[int, ...]) -> tuple[Function, dict] | None:
    """What was stored; None where there is nothing, or nothing that can be read."""
    path = cache_path(problem, method, ladder)
    try:
        content = path.read_bytes()  # np.load leaves a file open that it finds spoiled
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            numbers = {name: stored[name] for name in NUMBERS}
            values = _function(stored, problem.domain.dimension)
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
        return None
    scalars = {name: numbers[name].item() for name in ("error", "seconds", "unknowns")}
    return values, {**numbers, **scalars}


def store_interpolant(
    problem: Problem, method: str, ladder: tuple[int, ...], values: Function, numbers: dict
) -> None:
    """Keep a solution; a folder that cannot be written to keeps nothing."""
    path = cache_path(problem, method, ladder)
    arrays = {**_arrays(values), **{name: np.asarray(numbers[name]) for name in NUMBERS}}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, _npz(arrays))
    except (OSError, InputError):
        return


def _arrays(values: Function) -> dict[str, np.ndarray]:
    if isinstance(values, Triangles):
        return _own(values)
    arrays = {"values": values.values}
    for place, axis in enumerate(values.axes):
        kind = next(kind for kind, cls in AXES.items() if isinstance(axis, cls))
        arrays[f"axis_{place}_kind"] = np.array(kind)
        arrays |= {f"axis_{place}_{name}": np.asarray(value) for name, value in _own(axis).items()}
    return arrays


def _function(stored, dimension: int) -> Function:
    if "cells" in stored:
        return Triangles(**{name: stored[name] for name in Triangles.__dataclass_fields__})
    return Interpolant(tuple(_axis(stored, place) for place in range(dimension)), stored["values"])


def _npz(arrays: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def _own(axis: object) -> dict:
    return {name: getattr(axis, name) for name in type(axis).__dataclass_fields__}


def _axis(stored, place: int) -> Chebyshev | Fourier | Pieces:
    kind = AXES[str(stored[f"axis_{place}_kind"])]
    own = {name: stored[f"axis_{place}_{name}"] for name in kind.__dataclass_fields__}
    return kind(**{name: value if value.ndim else value.item() for name, value in own.items()})
