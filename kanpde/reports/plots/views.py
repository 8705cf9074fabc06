"""What is shown of a field: at most two of its axes, and what shapes leave of them."""

import json
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from kanpde.errors import InputError
from kanpde.problems.geometry.regions import Region
from kanpde.results.archive import RunData
from kanpde.results.archived_problems import archived_problem

TIME = "t"
MOST_DRAWN = 500
"""Values along an axis of a map: more than a picture has pixels for."""


@dataclass(frozen=True)
class View:
    """One field, cut down to at most two axes: the first drawn upwards, the second to the right."""

    name: str
    where: str  # the slice, as " at z = 0.5", or nothing
    axes: dict[str, np.ndarray]
    solution: np.ndarray
    reference: np.ndarray | None
    error: np.ndarray | None
    region: "Region | Slice | None" = None  # that shapes leave of what is drawn, and where the field lives
    ends: tuple[float, ...] = ()  # of windows of time, those within
    alike: bool = True  # whether the two axes are lengths that one scale suits
    data: "Marks | None" = None  # measured values of the field

    def inside(self, axes: Sequence[np.ndarray]) -> np.ndarray:  # upwards, to the right -> bool [n, m]
        """Which points of a grid, or of a line, belong to the domain, and to where the field lives."""
        grid = np.meshgrid(*axes, indexing="ij")
        if self.region is None:
            return np.ones(grid[0].shape, dtype=bool)
        space = [part.ravel() for name, part in zip(self.axes, grid, strict=True) if name != TIME][::-1]
        return self.region.holds(torch.from_numpy(np.stack(space, axis=1))).numpy().reshape(grid[0].shape)

    def thinned(self) -> "View":
        """With no more values along an axis than are drawn, the ends among them."""
        counts = [len(values) for values in self.axes.values()]
        chosen = np.ix_(*(np.linspace(0, n - 1, min(n, MOST_DRAWN)).round().astype(int) for n in counts))
        axes = {name: values[own.ravel()] for (name, values), own in zip(self.axes.items(), chosen, strict=True)}
        reference, error = (None if part is None else part[chosen] for part in (self.reference, self.error))
        return replace(self, axes=axes, solution=self.solution[chosen], reference=reference, error=error)


def view_of(data: RunData, name: str, region: "Region | Slice | None" = None) -> View:
    shown = shown_axes(tuple(data.axes))
    middle = {axis: len(values) // 2 for axis, values in data.axes.items() if axis not in shown}
    index = tuple(middle.get(axis, slice(None)) for axis in data.axes)
    order = [[axis for axis in data.axes if axis in shown].index(axis) for axis in shown]
    parts = {key: np.transpose(data.fields[key][index], order) for key in _keys(name) if key in data.fields}
    reference, error = parts.get(f"{name}_ref"), parts.get(f"{name}_error")
    if error is None and reference is not None:
        with np.errstate(all="ignore"):
            error = parts[name] - reference
    where = ", ".join(f"{axis} = {data.axes[axis][i]:.3g}" for axis, i in middle.items())
    axes = {axis: np.asarray(data.axes[axis]) for axis in shown}
    where = textwrap.fill(f" at {where}", 40) if where else ""
    alike = not {TIME, *family_of(data)} & set(axes)
    marks = marks_of(data, name, shown) if "data" in str(data.attributes.get("problem_yaml", "")) else None
    return View(name, where, axes, parts[name], reference, _size(error), region, window_ends_of(data), alike, marks)


@dataclass(frozen=True)
class Marks:
    """Where a field was measured, by the axes that are drawn, what was found, and what of it the fit was shown."""

    places: np.ndarray  # [n, axes]
    values: np.ndarray  # [n]
    fitted: np.ndarray  # bool [n]


MOST_MARKS = 2000
"""Points drawn; of more, so many at even distances in their order."""


def marks_of(data: RunData, name: str, shown: tuple[str, ...]) -> Marks | None:
    """The data of a field that is measured; None where there are none, or axes that are not drawn."""
    if len(shown) != len(data.axes):
        return None
    try:
        problem = archived_problem(data, "archive")
    except InputError:  # of a version with other rules
        return None
    if problem.data is None or name not in problem.data.fields:
        return None
    values = problem.data.values[:, problem.data.fields.index(name)]
    fitted = np.ones(len(values), dtype=bool)
    fitted[list(problem.data.test)] = False
    chosen = np.unique(np.linspace(0, len(values) - 1, min(len(values), MOST_MARKS)).astype(int))
    places = problem.data.points[:, [problem.coordinates.index(axis) for axis in shown]]
    return Marks(places[chosen], values[chosen], fitted[chosen])


def family_of(data: RunData) -> tuple[str, ...]:
    """The axes that are parameters of a family of problems."""
    text = str(data.attributes.get("problem_yaml", ""))
    return tuple(name for name in data.axes if re.search(rf"^\s+{re.escape(name)}:\s*\{{?\s*range", text, re.MULTILINE))


def window_ends_of(data: RunData) -> tuple[float, ...]:
    """Where time was cut, without its begin and end."""
    try:
        found = json.loads(data.model.config_json).get("windows") or []
        return tuple(float(end) for end in found[1:-1])
    except (ValueError, TypeError, AttributeError, RecursionError):  # of a stranger's archive
        return ()


@dataclass(frozen=True)
class Slice:
    """A region of space where one coordinate has a value."""

    region: Region
    place: int
    value: float

    def holds(self, points: Tensor) -> Tensor:  # [n, 2] -> bool [n]
        level = torch.full_like(points[:, :1], self.value)
        return self.region.holds(torch.cat([points[:, : self.place], level, points[:, self.place :]], dim=1))


def regions_of(data: RunData, names: Sequence[str]) -> dict[str, Region | Slice | None]:
    """Of each field what shapes leave of the space that is drawn, where it lives of it; None is all of it."""
    text = str(data.attributes.get("problem_yaml", ""))
    if "shapes" not in text:
        return dict.fromkeys(names)
    try:
        problem = archived_problem(data, "archive")
    except InputError:  # of a version with other rules
        return dict.fromkeys(names)
    space = tuple(problem.coordinates[axis] for axis in problem.region.axes)
    own = {name: problem.home_region(name) for name in names}
    return {name: None if region.whole else _drawn(data, region, space) for name, region in own.items()}


def _drawn(data: RunData, region: Region, space: tuple[str, ...]) -> Region | Slice | None:
    """A region, or its slice where one of three coordinates is left out, if its axes are those that are drawn."""
    shown = tuple(axis for axis in shown_axes(tuple(data.axes))[::-1] if axis != TIME)
    if space == shown:
        return region
    if len(space) != 3 or len(shown) != 2 or tuple(name for name in space if name in shown) != shown:
        return None
    (place,) = (place for place, name in enumerate(space) if name not in shown)
    values = data.axes[space[place]]
    return Slice(region, place, float(values[len(values) // 2]))


def _keys(name: str) -> tuple[str, str, str]:
    return name, f"{name}_ref", f"{name}_error"


def _size(error: np.ndarray | None) -> np.ndarray | None:
    return None if error is None else np.abs(error)


def shown_axes(names: tuple[str, ...]) -> tuple[str, ...]:
    """Upwards and to the right: time to the right, the first space coordinate too where time is not shown."""
    space = [name for name in names if name != TIME]
    if len(names) == 1:
        return names
    if len(space) == 1:
        return space[0], TIME
    return space[1], space[0]
