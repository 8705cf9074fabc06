"""Solutions from elsewhere: values on a grid in a file, `reference: {method: file, file: solution.npz}`.

.npz and .h5 hold an array for every coordinate (its nodes) and one for every field, shaped by the coordinates in their
order; archives of this program are such files. .csv has a first line of names and a line for every node of the grid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from kanpde.errors import InputError
from kanpde.problems.problem import Problem

FEWEST = 4
SLACK = 1e-9


class SplineTable:
    """The tensor-product spline of degree five, three along axes of few nodes, through values on a grid.

        u(x, y, …) = Σ c_ij… B_i(x) C_j(y) …

    Only the few functions that do not vanish at a point are evaluated there, so that long axes cost nothing.
    """

    def __init__(self, nodes: Sequence[np.ndarray], values: np.ndarray):  # [N_i] each, [fields, N_1, …]
        self.lower, self.upper = (np.array([x[end] for x in nodes]) for end in (0, -1))
        self.unknowns, knots, degrees = values.size, [], []
        for axis, x in enumerate(nodes, 1):
            one = scipy.interpolate.make_interp_spline(x, np.moveaxis(values, axis, 0), k=5 if len(x) > 5 else 3)
            values = np.moveaxis(one.c, 0, axis)
            knots.append(one.t)
            degrees.append(one.k)
        self.spline = scipy.interpolate.NdBSpline(
            tuple(knots), np.ascontiguousarray(np.moveaxis(values, 0, -1)), tuple(degrees)
        )

    def __call__(self, points: np.ndarray) -> np.ndarray:  # [n, d] -> [n, fields]
        return self.spline(np.clip(np.asarray(points, dtype=float), self.lower, self.upper))


def read_reference_table(problem: Problem) -> tuple[SplineTable, float]:
    """The values that the file of `reference` holds, interpolated, and their relative error.

    The error is what the file's author says, `reference.error`; else the difference that every second node makes.

    Raises:
        InputError: the file cannot be read, or does not hold the solution on a grid over the box.
    """
    asked, where = problem.source["reference"], f"{problem.name}: reference.file"
    start = "reference."
    arrays = {key.removeprefix(start): values for key, values in problem.samples.items() if key.startswith(start)}
    if not arrays:
        raise InputError(
            f"{where} needs the values of the reference; the archive of an earlier version holds none. "
            "Give the problem file beside its reference in place of the archive."
        )
    table = _Table(problem, where, arrays)
    full = table.interpolant(1)
    if "error" in asked:
        return full, float(asked["error"])
    return full, _difference(table.interpolant(2), full, problem)


def check_table(problem: Problem) -> None:
    """Refuse a file that `reference` names and that cannot be used."""
    asked = problem.source.get("reference")
    if isinstance(asked, dict) and asked.get("method") == "file":
        read_reference_table(problem)


def _difference(coarse: SplineTable, fine: SplineTable, problem: Problem) -> float:
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

    def interpolant(self, stride: int) -> SplineTable:
        """Through every node, or every second one and the last."""
        nodes, values = self.nodes, self.values
        for axis, x in enumerate(nodes):
            kept = np.arange(len(x))
            if stride > 1 and len(x) >= 2 * FEWEST:
                kept = np.unique(np.append(kept[::stride], kept[-1]))
            nodes[axis], values = x[kept], np.take(values, kept, axis=axis + 1)
        return SplineTable(nodes, values)

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
