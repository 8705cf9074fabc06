"""Solutions from elsewhere: values on a grid in a file, `reference: {method: file, file: solution.npz}`.

.npz and .h5 hold an array for every coordinate (its nodes) and one for every field, shaped by the coordinates in their
order; archives of this program are such files. .csv has a first line of names and a line for every node of the grid.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np
from scipy.interpolate import make_interp_spline

from kanpde.errors import InputError
from kanpde.problems.language import shortened
from kanpde.problems.problem import Problem
from kanpde.references.interpolants import Interpolant

SUFFIXES = (".npz", ".h5", ".csv")
MOST_BYTES, MOST_VALUES = 500_000_000, 50_000_000
FEWEST = 4
SLACK = 1e-9


@dataclass(frozen=True, eq=False)
class Spline:
    """The spline of degree five, three where nodes are few, through values at increasing nodes."""

    nodes: np.ndarray

    @cached_property
    def basis(self):
        return make_interp_spline(self.nodes, np.eye(len(self.nodes)), k=5 if len(self.nodes) > 5 else 3)

    def matrix(self, x: np.ndarray) -> np.ndarray:  # [n] -> [n, N]
        return self.basis(np.clip(x, self.nodes[0], self.nodes[-1]))


def read_table(problem: Problem) -> tuple[Interpolant, float]:
    """The values that the file of `reference` holds, interpolated, and their relative error.

    The error is what the file's author says, `reference.error`; else the difference that every second node makes.

    Raises:
        InputError: the file cannot be read, or does not hold the solution on a grid over the box.
    """
    asked, where = problem.source["reference"], f"{problem.name}: reference.file"
    table = _Table(problem, where, _arrays(Path(asked["file"]), problem, where))
    full = table.interpolant(1)
    if "error" in asked:
        return full, float(asked["error"])
    return full, _difference(table.interpolant(2), full, problem)


def check_table(problem: Problem) -> None:
    """Refuse a file that `reference` names and that cannot be used."""
    asked = problem.source.get("reference")
    if isinstance(asked, dict) and asked.get("method") == "file":
        read_table(problem)


def _difference(coarse: Interpolant, fine: Interpolant, problem: Problem) -> float:
    random = np.random.default_rng(0).random((2000, problem.domain.dimension))
    points = np.array(problem.domain.lower) + random * np.array(problem.domain.lengths)
    before, after = coarse(points), fine(points)
    return float(np.linalg.norm(after - before) / (np.linalg.norm(after) or 1.0))


@dataclass(frozen=True, eq=False)
class _Table:
    """Arrays by name, checked."""

    problem: Problem
    where: str
    arrays: Mapping[str, np.ndarray]

    def interpolant(self, stride: int) -> Interpolant:
        """Through every node, or every second one and the last."""
        nodes, values = self.nodes, self.values
        for axis, x in enumerate(nodes):
            kept = np.arange(len(x))
            if stride > 1 and len(x) >= 2 * FEWEST:
                kept = np.unique(np.append(kept[::stride], kept[-1]))
            nodes[axis], values = x[kept], np.take(values, kept, axis=axis + 1)
        return Interpolant(tuple(map(Spline, nodes)), values)

    @property
    def nodes(self) -> list[np.ndarray]:
        return [self._nodes(axis, name) for axis, name in enumerate(self.problem.coordinates)]

    def _nodes(self, axis: int, name: str) -> np.ndarray:
        x, (low, high) = self.arrays[name], (self.problem.domain.lower[axis], self.problem.domain.upper[axis])
        if x.ndim != 1 or len(x) < FEWEST or not (np.diff(x) > 0).all():
            raise InputError(
                f"{self.where} needs {FEWEST} or more increasing nodes of {name}; it has an array of the shape "
                f"{list(x.shape)} that is not. Correct the file."
            )
        slack = SLACK * (high - low)
        end = x[-1] + (x[-1] - x[-2] if axis in self.problem.periodic else 0)
        if x[0] > low + slack or end < high - slack:
            raise InputError(
                f"{self.where} needs nodes that cover the range of {name}, {low:g} to {high:g}; they go from {x[0]:g} "
                f"to {x[-1]:g}. Add what is missing."
            )
        return np.append(x, x[0] + high - low) if self._open(axis, x) else x

    def _open(self, axis: int, x: np.ndarray) -> bool:
        """Whether a period ends before its last node, which is the first again."""
        low, high = self.problem.domain.lower[axis], self.problem.domain.upper[axis]
        return axis in self.problem.periodic and x[-1] < high - SLACK * (high - low)

    @property
    def values(self) -> np.ndarray:  # [fields, N_1, …]
        shape = tuple(len(self.arrays[name]) for name in self.problem.coordinates)
        for name in self.problem.fields:
            if self.arrays[name].shape != shape:
                raise InputError(
                    f"{self.where} needs {name} at every node, an array of the shape {list(shape)} for "
                    f"{', '.join(self.problem.coordinates)}; it has {list(self.arrays[name].shape)}. Correct the file."
                )
        values = np.stack([self.arrays[name] for name in self.problem.fields])
        for axis, name in enumerate(self.problem.coordinates):
            if self._open(axis, self.arrays[name]):
                values = np.concatenate([values, np.take(values, [0], axis=axis + 1)], axis=axis + 1)
        return values


# reading


def _arrays(path: Path, problem: Problem, where: str) -> dict[str, np.ndarray]:
    """The coordinates' and fields' arrays, real and finite."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"{where} may have {MOST_BYTES // 1_000_000} MB; {path.name} has more. Thin it out.")
        found = {".npz": _from_npz, ".h5": _from_h5, ".csv": _from_csv}[path.suffix](path, problem)
    except KeyError as error:
        needed = ", ".join((*problem.coordinates, *problem.fields))
        raise InputError(
            f"{where} needs arrays or columns named {needed}; {path.name} lacks {error.args[0]}. Add it."
        ) from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise InputError(f"{where} needs a file that can be read; {path}: {reason}. Check the path.") from None
    for name, values in found.items():
        if values.dtype.kind not in "fiu" or not np.isfinite(values).all():
            raise InputError(
                f"{where} needs finite real numbers; {name} in {path.name} has others (or NaN). Replace them."
            )
    return {name: values.astype(float) for name, values in found.items()}


def _from_npz(path: Path, problem: Problem) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
        return {name: _one(stored, name) for name in (*problem.coordinates, *problem.fields)}


def _one(stored, name: str):
    if name not in stored:
        raise KeyError(name)
    return stored[name]


def _from_h5(path: Path, problem: Problem) -> dict[str, np.ndarray]:
    """Datasets at the root or in the group `solution`; dimension scales say in which order the axes are stored."""
    with h5py.File(path, "r") as root:
        group = root["solution"] if isinstance(root.get("solution", getlink=False), h5py.Group) else root
        return {name: _dataset(group, name, problem) for name in (*problem.coordinates, *problem.fields)}


def _dataset(group: h5py.Group, name: str, problem: Problem) -> np.ndarray:
    if name not in group:
        raise KeyError(name)
    found = group[name]
    if not isinstance(found, h5py.Dataset) or found.is_virtual or found.external or found.size > MOST_VALUES:
        raise ValueError(f"{shortened(name)} is no plain array of up to {MOST_VALUES} numbers")
    values = np.asarray(found[()])
    labels = [Path(one[0].name).name if len(one) else one.label for one in found.dims] if name in problem.fields else []
    if len(labels) == len(problem.coordinates) and set(labels) == set(problem.coordinates):
        values = values.transpose([labels.index(coordinate) for coordinate in problem.coordinates])
    return values


def _from_csv(path: Path, problem: Problem) -> dict[str, np.ndarray]:
    """Columns in any order, lines in any order: one for every node of a grid."""
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    header = [word.strip() for word in lines[0].split(",")] if lines else []
    for name in (*problem.coordinates, *problem.fields):
        if header.count(name) != 1:
            raise KeyError(name)
    if len(lines) < 2:
        raise ValueError("it has no values")
    table = np.loadtxt(lines[1:], delimiter=",", ndmin=2)
    if table.shape[1:] != (len(header),):
        raise ValueError(f"its lines have {table.shape[1]} values and its first one {len(header)} names")
    columns = dict(zip(header, table.T, strict=True))
    nodes, places = zip(
        *(np.unique(columns[name], return_inverse=True) for name in problem.coordinates), strict=True
    )
    shape = tuple(map(len, nodes))
    flat = np.ravel_multi_index(places, shape)
    if len(np.unique(flat)) != np.prod(shape) or len(flat) != np.prod(shape):
        raise ValueError(f"it has {len(flat)} lines, and a grid of {' x '.join(map(str, shape))} nodes needs one each")
    order = np.argsort(flat)
    return {**dict(zip(problem.coordinates, nodes, strict=True)),
            **{name: columns[name][order].reshape(shape) for name in problem.fields}}  # fmt: skip
