"""The key `coefficients:`: known functions of the space coordinates, as a formula or as a table."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import sympy

from kanpde.errors import InputError
from kanpde.files.arrays import file_kind, numbers, read_npy
from kanpde.files.hdf5 import read_dataset
from kanpde.files.regular import Unreadable
from kanpde.files.yaml import Entries
from kanpde.problems.geometry.boxes import Box
from kanpde.problems.known_functions import Splines, Steps, Table, coefficient, random_cells, tabulated
from kanpde.problems.language import Scope, check_name, coordinate_symbols, parse_expression, shortened
from kanpde.problems.named_files import Arrays, NamedFiles, utf8_text
from kanpde.problems.reading.messages import wrong_kind
from kanpde.problems.reading.parts import parted_value

MAX_CELLS = 4096
MAX_BYTES = 20_000_000
SHARPEST = 1e-6
"""Width of a smooth step, of a cell, below which it is a jump."""
CELL_KEYS = {"cells", "low", "high", "seed", "smooth"}
FILE_KEYS = {"file", "dataset", "interpolation", "sha256"}
EXAMPLE = "{random_cells: {cells: [50], low: 0, high: 4, seed: 0}}"


def read_coefficients(data: Entries, scope: Scope, box: Box, where: str, files: NamedFiles) -> dict[str, sympy.Expr]:
    """What each name stands for in expressions: a formula, or a table applied to the space coordinates."""
    values: dict[str, sympy.Expr] = {}
    space = [axis for axis, name in enumerate(scope.coordinates) if name not in (scope.time, *scope.family)]
    bounds = [(box.lower[axis], box.upper[axis]) for axis in space]
    for name, value in data.items():
        check_name(name, "coefficient", where)
        key = f"{where}.{name}"
        if name in scope.names:
            raise InputError(f'{key} needs a name of its own; "{name}" is used already. Rename it.')
        inner = replace(scope, fields=(), vectors={}, complexes={}, definitions={**scope.definitions, **values})
        if isinstance(value, (str, int, float)) and not isinstance(value, bool):
            values[name] = parse_expression(value, inner, key)
            continue
        if (parted := parted_value(value, inner, key)) is not None:
            values[name] = parted
            continue
        if not 1 <= len(space) <= 3:
            raise InputError(f"{key} needs one to three space coordinates; there are {len(space)}. Write a formula.")
        symbols = [coordinate_symbols(scope.coordinates)[axis] for axis in space]
        table = _table(value, bounds, key, partial(files.arrays, f"coefficients.{name}"))
        values[name] = coefficient(name, table, (0,) * len(space))(*symbols)
    return values


def _table(value: object, bounds: list[tuple[float, float]], where: str, arrays: Callable[..., Arrays]) -> Table:
    if isinstance(value, dict) and set(value) == {"random_cells"} and isinstance(value["random_cells"], dict):
        return _random(value["random_cells"], bounds, f"{where}.random_cells")
    if isinstance(value, dict) and "file" in value and set(value) <= FILE_KEYS:
        return _from_file(value, bounds, where, arrays)
    raise wrong_kind(where, "a formula, values inside shapes, random_cells or a file", value, EXAMPLE)


def _random(options: Entries, bounds: list[tuple[float, float]], where: str) -> Table:
    if unknown := set(options) - CELL_KEYS:
        raise InputError(f"{where} takes {', '.join(sorted(CELL_KEYS))}; it has {shortened(min(unknown))}. Remove it.")
    counts = options.get("cells")
    good = isinstance(counts, list) and all(type(count) is int and count > 0 for count in counts)
    if not isinstance(counts, list) or not good or len(counts) != len(bounds) or math.prod(counts) > MAX_CELLS:
        wanted = f"{len(bounds)} whole numbers (one a space coordinate, at most {MAX_CELLS} cells in all)"
        raise wrong_kind(f"{where}.cells", wanted, counts, f"cells: {[50] * len(bounds)}")
    defaults = {"low": 0, "high": 1, "smooth": 0}
    low, high, smooth = (_number(options, key, where, default) for key, default in defaults.items())
    if not low <= high or not math.isfinite(high - low) or smooth < 0:
        raise InputError(
            f"{where} needs low <= high and smooth >= 0; it has {low:g}, {high:g}, {smooth:g}. Correct it."
        )
    shortest = min((high - low) / count for (low, high), count in zip(bounds, counts, strict=True))
    if 0 < smooth < SHARPEST * shortest:
        raise InputError(
            f"{where}.smooth needs 0, for jumps, or at least {SHARPEST:.0e} of a cell ({SHARPEST * shortest:.1e}); it "
            f"is {smooth:g}. Write 0."
        )
    seed = options.get("seed", 0)
    if type(seed) is not int or seed < 0:
        raise wrong_kind(f"{where}.seed", "a whole number from 0", seed, "seed: 0")
    axes = tuple(Steps(*ends, count, smooth) for ends, count in zip(bounds, counts, strict=True))
    return random_cells(axes, low, high, seed)


def _number(options: Entries, key: str, where: str, default: float) -> float:
    value = options.get(key, default)
    if type(value) not in (int, float) or not math.isfinite(value):
        raise wrong_kind(f"{where}.{key}", "a number", value, f"{key}: 1")
    return float(value)


def _from_file(options: Entries, bounds: list[tuple[float, float]], where: str, arrays: Callable[..., Arrays]) -> Table:
    kinds = {"linear": 1, "cubic": 3}
    kind = options.get("interpolation", "cubic")
    if not isinstance(kind, str) or kind not in kinds:
        raise wrong_kind(f"{where}.interpolation", "linear or cubic", kind, "interpolation: cubic")
    name, dataset = options["file"], options.get("dataset")
    if not isinstance(name, str) or not name.strip():
        raise wrong_kind(f"{where}.file", "the name of a file (.npy, .csv or .h5)", name, "file: v.npy")
    samples = arrays(options, f"{where}.file", lambda path: _samples(path, dataset, f"{where}.dataset"))["values"]
    least = kinds[kind] + 1
    if samples.ndim != len(bounds) or min(samples.shape) < least:
        raise InputError(
            f"{where}.file needs {len(bounds)} axes of at least {least} samples, ends of the box included; its array "
            f"has the shape {list(samples.shape)}. Sample it on a regular grid over the space coordinates."
        )
    axes = tuple(Splines(*ends, count, kinds[kind]) for ends, count in zip(bounds, samples.shape, strict=True))
    return tabulated(axes, samples)


def _samples(path: Path, dataset: object, where: str) -> Arrays:
    kind, named = file_kind(path), isinstance(dataset, str)
    if (kind == "hdf5") != named:
        raise wrong_kind(where, "a dataset's name in an HDF5 file, and none for others", dataset, "dataset: /fields/v")
    if kind == "npz":
        raise Unreadable("holds several arrays, where one is needed; np.save writes one")
    if isinstance(dataset, str):
        return {"values": read_dataset(path, dataset, MAX_BYTES)}
    if kind == "npy":
        return {"values": read_npy(path, MAX_BYTES)}
    return {"values": np.atleast_1d(numbers(utf8_text(path, MAX_BYTES)).squeeze())}
