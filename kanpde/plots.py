"""A run in one picture: the solution, its reference, their difference, and how training went."""

import io
import textwrap
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import QuadMesh
from matplotlib.colorbar import Colorbar
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.ticker import LogFormatterSciNotation, LogLocator, MaxNLocator, NullLocator
from scipy import ndimage

from kanpde.archive import RunData, replace_file
from kanpde.errors import InputError
from kanpde.plot_styles import BLUE, CYCLE, FAINT, INK, PURPLE, VERMILION, label
from kanpde.potential_plots import draw_potentials, effective_potential, has_potentials, potentials_of
from kanpde.problems import load_problem, read_problem_text
from kanpde.regions import Region

WIDTH = 11.0  # inches
PANEL_WIDTH = 3.9
HISTORY_HEIGHT = 3.0
CAPTION_HEIGHT = 0.9
PROFILE_HEIGHT = 3.9
MAP_HEIGHT = 3.1
POTENTIAL_HEIGHT = 5.0
SOLUTION_COLORS, ERROR_COLORS, POTENTIAL_COLORS = "viridis", "magma", "cividis"
MISSING = "#cccccc"
TIME = "t"
MOST_BLOCKS = 6
LARGEST_DRAWN = 1e300
MOST_SMOOTHED = 250**2
COVERED = 500  # cells an axis of what covers the outside of a domain
STATUS_COLORS = {"done": INK, "interrupted": "#8a5a00", "failed": "#b00020"}


def solution_figure(data: RunData) -> Figure:
    """Draw a run: per field the solution, the reference and their difference; below, the course of training.

    One axis is drawn as curves, two as maps (time to the right), more as a slice through the middle of the rest.

    Args:
        data: The run; references, history and metrics may be missing, values may be NaN or infinite.

    Returns:
        A figure that belongs to no window and no global state.

    Example:
        >>> import numpy as np
        >>> from kanpde.archive import ModelData, RunData
        >>> x = np.linspace(0, 1, 50)
        >>> model = ModelData("kan", "{}", {}, {})
        >>> run = RunData({"title": "a line"}, {"x": x}, {"u": x}, {}, {}, model, {})
        >>> [axes.get_title() for axes in solution_figure(run).axes][0]
        'u'
    """
    region = _region(data)
    views = [_view(data, name, region) for name in data.solved_fields if data.axes]
    line = len(data.axes) == 1
    potentials = [POTENTIAL_HEIGHT if line else MAP_HEIGHT] * has_potentials(data)
    heights = [*potentials, *[PROFILE_HEIGHT if line else MAP_HEIGHT] * len(views), HISTORY_HEIGHT]
    figure = Figure(figsize=(WIDTH, sum(heights) + CAPTION_HEIGHT), layout="constrained")
    FigureCanvasAgg(figure)
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08, hspace=0.04)
    grid = figure.add_gridspec(len(heights), 1, height_ratios=heights)
    cells = list(grid)
    if potentials:
        (draw_potentials if line else _draw_potential_maps)(figure, cells[0], data)
    for view, cell in zip(views, cells[len(potentials) :], strict=False):
        _draw_view(figure, cell, view)
    _draw_history(figure, grid[-1], data)
    _write_caption(figure, data)
    return figure


def save_figure(figure: Figure, path: str | Path, dpi: float = 130) -> None:
    """Save as PNG, whole or not at all.

    Args:
        figure: What to save.
        path: Of the file; its folder exists.
        dpi: Pixels an inch.

    Raises:
        InputError: The folder is missing, not writable or full.
    """
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # A title in a script that the font lacks becomes boxes; no reason to alarm anybody.
        warnings.filterwarnings("ignore", message="Glyph")
        figure.savefig(buffer, format="png", dpi=dpi)
    replace_file(path, buffer.getvalue())


@dataclass(frozen=True)
class View:
    """One field, cut down to at most two axes: the first drawn upwards, the second to the right."""

    name: str
    where: str  # the slice, as " at z = 0.5", or nothing
    axes: dict[str, np.ndarray]
    solution: np.ndarray
    reference: np.ndarray | None
    error: np.ndarray | None
    region: Region | None = None  # that shapes leave of the plane that is drawn

    def inside(self, axes: Sequence[np.ndarray]) -> np.ndarray:  # upwards, to the right -> bool [n, m]
        """Which points of a grid belong to the domain."""
        upwards, right = np.meshgrid(*axes, indexing="ij")
        if self.region is None:
            return np.ones(upwards.shape, dtype=bool)
        points = np.stack([right.ravel(), upwards.ravel()], axis=1)
        return self.region.holds(torch.from_numpy(points)).numpy().reshape(upwards.shape)


def _view(data: RunData, name: str, region: Region | None = None) -> View:
    shown = _shown_axes(tuple(data.axes))
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
    return View(name, where, axes, parts[name], reference, _size(error), region)


def _region(data: RunData) -> Region | None:
    """What shapes leave of a plane whose axes are the two that are drawn; None is all of it."""
    text = str(data.attributes.get("problem_yaml", ""))
    if "shapes" not in text or len(data.axes) < 2:
        return None
    try:
        problem = load_problem(read_problem_text(text, "archive"), name="archive")
    except InputError:  # of a version with other rules
        return None
    drawn = tuple(problem.coordinates[axis] for axis in problem.region.axes) if problem.region else ()
    return problem.region if drawn == _shown_axes(tuple(data.axes))[::-1] else None


def _keys(name: str) -> tuple[str, str, str]:
    return name, f"{name}_ref", f"{name}_error"


def _size(error: np.ndarray | None) -> np.ndarray | None:
    return None if error is None else np.abs(error)


def _shown_axes(names: tuple[str, ...]) -> tuple[str, ...]:
    """Upwards and to the right: time to the right, the first space coordinate too where time is not shown."""
    space = [name for name in names if name != TIME]
    if len(names) == 1:
        return names
    if len(space) == 1:
        return space[0], TIME
    return space[1], space[0]


# Fields


def _draw_view(figure: Figure, cell: SubplotSpec, view: View) -> None:
    if len(view.axes) == 1:
        _draw_profile(figure, cell, view)
    else:
        _draw_maps(figure, cell, view)


def _draw_profile(figure: Figure, cell: SubplotSpec, view: View) -> None:
    ((name, x),) = view.axes.items()
    heights = [2] if view.error is None else [2, 1]
    grid = cell.subgridspec(len(heights), 1, height_ratios=heights)
    upper = figure.add_subplot(grid[0])
    if not _drawable(view.solution).any():
        _say(upper, "no finite values")
    upper.plot(x, _finite(view.solution), color=BLUE, lw=2.2, label=f"{view.name}, computed")
    if view.reference is not None:
        upper.plot(x, _finite(view.reference), color=VERMILION, lw=1.4, ls=(0, (4, 3)), label="reference")
        upper.legend(frameon=False, fontsize=9)
    label(upper, view.name + _missing_note(view.solution), name if view.error is None else None, view.name)
    upper.set_xlim(x[0], x[-1])
    if view.error is not None:
        lower = figure.add_subplot(grid[1], sharex=upper)
        upper.tick_params(labelbottom=False)
        _draw_error_profile(lower, x, view.error)
        label(lower, _error_title(view), name, "|error|")


def _draw_error_profile(axes: Axes, x: np.ndarray, error: np.ndarray) -> None:
    positive = _positive(error)
    known = np.isfinite(positive).any()
    axes.plot(x, positive if known else _finite(error), color=PURPLE, lw=1.4)
    if known:
        _log_scale(axes, positive)
        # A few roundings to zero must not stretch the axis over twenty decades.
        axes.set_ylim(bottom=max(np.nanmin(positive), np.nanmax(positive) * 1e-5) / 2)


def _draw_maps(figure: Figure, cell: SubplotSpec, view: View) -> None:
    scale = _range([view.solution, view.reference])
    there = view.inside(tuple(view.axes.values()))
    panels = [(view.name + view.where + _missing_note(view.solution[there]), view.solution, SOLUTION_COLORS, scale)]
    if view.reference is not None:
        panels.append(("reference" + _missing_note(view.reference[there]), view.reference, SOLUTION_COLORS, scale))
    if view.error is not None:
        panels.append((_error_title(view), view.error, ERROR_COLORS, (0.0, _largest(view.error) or 1.0)))
    _draw_panels(figure, cell, view.axes, panels, partial(_draw_in_view, view))


def _draw_in_view(view: View, axes: Axes, values: np.ndarray, colors: str, limits: tuple) -> QuadMesh:
    """A map, gray where shapes are cut away."""
    if view.region is None:
        return _draw_map(axes, view.axes, values, colors, limits)
    mesh = _draw_map(axes, view.axes, _continued(values, view.inside(tuple(view.axes.values()))), colors, limits)
    _cover_outside(axes, view)
    return mesh


def _draw_potential_maps(figure: Figure, cell: SubplotSpec, data: RunData) -> None:
    """Coefficients, and 1/u up to a little above the largest of them: it has no bound at the walls."""
    shown = _shown_axes(tuple(data.axes))
    maps = {**{name: data.coefficients[name] for name in potentials_of(data)}, "1/u": effective_potential(data)}
    top = 1.2 * max([_range([maps[name]])[1] for name in potentials_of(data)], default=np.nanmedian(maps["1/u"]))
    limits = {name: _range([values]) for name, values in maps.items()}
    limits["1/u"] = limits["1/u"][0], top
    order = [list(data.axes).index(axis) for axis in shown]
    panels = [(name, np.transpose(values, order), POTENTIAL_COLORS, limits[name]) for name, values in maps.items()]
    axes = {axis: np.asarray(data.axes[axis]) for axis in shown}
    _draw_panels(figure, cell, axes, panels, lambda place, *rest: _draw_map(place, axes, *rest))


def _draw_panels(
    figure: Figure, cell: SubplotSpec, grid_axes: dict, panels: Sequence[tuple], draw: Callable[..., QuadMesh]
) -> None:
    """Maps side by side, each with its title, colors and limits."""
    grid = cell.subgridspec(1, len(panels))
    vertical, horizontal = grid_axes
    for column, (title, values, colors, limits) in enumerate(panels):
        axes = figure.add_subplot(grid[column])
        mesh = draw(axes, values, colors, limits)
        _add_color_bar(figure, axes, mesh)
        label(axes, title, horizontal, vertical if column == 0 else None)
        axes.tick_params(labelleft=column == 0)


def _draw_map(axes: Axes, grid: dict, values: np.ndarray, colors: str, limits: tuple) -> QuadMesh:
    (_, y), (_, x) = grid.items()
    palette = colormaps[colors].with_extremes(bad=MISSING)
    # Interpolated colors look smooth on coarse grids; they cannot leave out values, and are slow on fine grids.
    smooth = _drawable(values).all() and min(len(x), len(y)) > 1 and values.size <= MOST_SMOOTHED
    shading = "gouraud" if smooth else "nearest"
    mesh = axes.pcolormesh(x, y, _finite(values), cmap=palette, vmin=limits[0], vmax=limits[1], shading=shading)
    if min(len(x), len(y)) > 1:
        axes.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
        if TIME not in grid and 1 / 3 < np.ptp(y) / np.ptp(x) < 3:
            axes.set_aspect("equal")
    return mesh


def _continued(values: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Outside the domain the nearest value inside, so that colors go up to the boundary wherever it cuts the grid."""
    if not inside.any():
        return values
    nearest = ndimage.distance_transform_edt(~inside, return_distances=False, return_indices=True)
    return values[tuple(nearest)]


def _cover_outside(axes: Axes, view: View) -> None:
    """Gray over all that does not belong to the domain."""
    ends = [np.linspace(values[0], values[-1], COVERED + 1) for values in view.axes.values()]
    outside = ~view.inside([(edges[1:] + edges[:-1]) / 2 for edges in ends])
    cover = np.ma.masked_equal(outside.astype(float), 0.0)
    axes.pcolormesh(ends[1], ends[0], cover, cmap=ListedColormap([MISSING]), rasterized=True)


def _add_color_bar(figure: Figure, axes: Axes, mesh: QuadMesh) -> None:
    """As high as the map, whatever its aspect; every tick says its whole number."""
    _label_bar(figure.colorbar(mesh, cax=axes.inset_axes([1.03, 0, 0.05, 1]), ticks=MaxNLocator(6)))


def _label_bar(bar: Colorbar) -> None:
    bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:.6g}".replace("-", "\N{MINUS SIGN}"))
    bar.ax.tick_params(labelsize=8)


def _finite(values: np.ndarray) -> np.ndarray:
    return np.ma.masked_invalid(np.where(_drawable(values), values, np.nan))


def _drawable(values: np.ndarray) -> np.ndarray:
    """Finite, and not so large that differences overflow."""
    with np.errstate(invalid="ignore"):
        return np.abs(values) < LARGEST_DRAWN


def _range(arrays: Sequence[np.ndarray | None]) -> tuple[float, float]:
    """Least and largest finite value; something to draw with where there is none or only one."""
    values = np.concatenate([array[_drawable(array)] for array in arrays if array is not None])
    if values.size == 0:
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (low - 0.5 * (abs(low) or 1), high + 0.5 * (abs(high) or 1))


def _error_title(view: View) -> str:
    largest, where = _largest(view.error), " in this slice" if view.where else ""
    return f"|error of {view.name}|, " + ("unknown" if largest is None else f"max {largest:.2g}{where}")


def _largest(error: np.ndarray) -> float | None:
    known = error[_drawable(error)]
    return float(known.max()) if known.size else None


def _missing_note(values: np.ndarray) -> str:
    missing = int(np.size(values) - _drawable(values).sum())
    return f"\n{missing} of {np.size(values)} values not finite" if missing else ""


# History


def _draw_history(figure: Figure, cell: SubplotSpec, data: RunData) -> None:
    grid = cell.subgridspec(1, 2)
    for part, (caption, shown, labels) in zip(grid, _courses(data), strict=True):
        axes = figure.add_subplot(part)
        _draw_columns(axes, shown, labels)
        label(axes, caption, "step", None)


def _courses(data: RunData) -> list[tuple[str, RunData, dict[str, str]]]:
    """What training lowered and how the error went: captions, and columns of the history with their names."""
    if "heldout_energy" in data.history:
        caption, above = _energy_above(data)
        return [
            (caption, above, {"loss": "trained", "heldout_energy": "held out"}),
            ("Error", data, {"rel_l2": "relative L2 error"}),
        ]
    blocks = _largest_blocks(data)
    hidden = sum(name.startswith("loss_") for name in data.history) - len(blocks) if blocks else 0
    losses = {"loss": "total"} | {name: name.removeprefix("loss_") for name in blocks}
    errors = {"rel_l2": "relative L2 error", "heldout_residual": "held-out residual (rms)"}
    return [(f"Loss ({hidden} smaller blocks not shown)" if hidden else "Loss", data, losses),
            ("Error and held-out residual", data, errors)]  # fmt: skip


def _energy_above(data: RunData) -> tuple[str, RunData]:
    """Energies are of any sign: how far they are above the reference, or above the least one seen."""
    known = [value for name, value in data.metrics.items() if name.endswith("_reference") and "energy" in name]
    columns = {name: data.history[name] for name in ("loss", "heldout_energy")}
    least = sum(known) if known else min(np.nanmin(values, initial=np.inf) for values in columns.values())
    history = {**data.history, **{name: values - least for name, values in columns.items()}}
    return f"Energy above the {'reference' if known else 'least one seen'}", replace(data, history=history)


def _largest_blocks(data: RunData) -> list[str]:
    """Names of the loss columns to draw, in their own order: those that end highest; a single one is the total."""
    names = [name for name in data.history if name.startswith("loss_")]
    if len(names) == 1:
        return []
    last = {name: _last_finite(data.history[name]) for name in names}
    kept = sorted(names, key=lambda name: -last[name])[:MOST_BLOCKS]
    return [name for name in names if name in kept]


def _last_finite(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known[-1]) if known.size else -np.inf


def _draw_columns(axes: Axes, data: RunData, labels: dict[str, str]) -> None:
    """Curves on a logarithmic scale; the total loss in ink, everything else in color."""
    length = len(next(iter(data.history.values()), ()))
    step = np.asarray(data.history.get("step", range(length)), dtype=float)
    columns = {name: _positive(data.history[name]) for name in labels if name in data.history}
    columns = {name: values for name, values in columns.items() if np.isfinite(values).any()}
    if not columns:
        _say(axes, "not measured" if step.size else "no steps recorded")
        return
    colors = dict(zip([name for name in labels if name != "loss"], CYCLE, strict=False)) | {"loss": INK}
    for name, values in columns.items():
        _draw_column(axes, step, values, color=colors[name], label=labels[name], lw=2.2 if name == "loss" else 1.3)
    _log_scale(axes, np.concatenate([*columns.values()]))
    _frame_steps(axes, step)
    _mark_stages(axes, step, data.history.get("grid"))
    _add_time(axes, step, data.history.get("time_s"))
    axes.legend(frameon=False, fontsize=8.5, ncols=2 if len(columns) > 4 else 1)


def _draw_column(axes: Axes, step: np.ndarray, values: np.ndarray, **style) -> None:
    """Joined over the steps without a value; where these are the most, the measured ones are marked."""
    known = np.isfinite(values)
    marker = "o" if known.sum() <= max(3, step.size / 2) else None
    axes.plot(step[known], values[known], marker=marker, ms=3, **style)


def _positive(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, dtype=float)
    return np.where(_drawable(values) & (values > 0), values, np.nan)


def _log_scale(axes: Axes, values: np.ndarray) -> None:
    axes.set_yscale("log")
    known = values[np.isfinite(values)]
    decades = np.log10(known.max()) - np.log10(known.min())
    # Left alone, Matplotlib labels the minor ticks of a short axis, and they lie over each other.
    subs = (1,) if decades > 2 else (1, 3)
    axes.yaxis.set_major_locator(LogLocator(subs=subs, numticks=7) if decades > 0.8 else MaxNLocator(3))
    axes.yaxis.set_major_formatter(LogFormatterSciNotation(minor_thresholds=(np.inf, np.inf)))
    axes.yaxis.set_minor_locator(NullLocator())


def _frame_steps(axes: Axes, step: np.ndarray) -> None:
    margin = 0.02 * np.ptp(step) or 1.0
    axes.set_xlim(step.min() - margin, step.max() + margin)
    axes.xaxis.set_major_locator(MaxNLocator(7, integer=True))
    axes.grid(axis="y", color="#dddddd", lw=0.6)
    low, high = axes.get_ylim()
    # Room at the top for the names of the stages.
    axes.set_ylim(low, high * (high / low) ** 0.1)


def _say(axes: Axes, text: str) -> None:
    """In the place of curves that are not there."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=FAINT)
    axes.set(xticks=[], yticks=[])


def _mark_stages(axes: Axes, step: np.ndarray, grid: np.ndarray | None) -> None:
    """A thin line where the grid changes, with the new grid beside it."""
    if grid is None or not np.isfinite(grid).all() or not np.any(grid):
        return
    starts = [0, *(np.flatnonzero(np.diff(grid)) + 1)]
    ends = [*starts[1:], step.size - 1]
    for start, end in zip(starts, ends, strict=True):
        if start:
            axes.axvline(step[start], color=FAINT, lw=0.8, ls=":")
        if step[end] - step[start] >= 0.1 * np.ptp(step):  # else there is no room for the text
            place = {"xytext": (3, -3), "xycoords": ("data", "axes fraction"), "textcoords": "offset points"}
            axes.annotate(f"grid {grid[start]:g}", (step[start], 1), va="top", fontsize=7.5, color=FAINT, **place)


def _add_time(axes: Axes, step: np.ndarray, seconds: np.ndarray | None) -> None:
    """A second scale on top: the seconds at which the steps were done."""
    if seconds is None or not np.isfinite(seconds).all() or np.ptp(seconds) == 0:
        return
    elapsed = np.maximum.accumulate(seconds)
    ticks = MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(elapsed[0], elapsed[-1])
    ticks = [tick for tick in ticks if elapsed[0] <= tick <= elapsed[-1]]
    top = axes.secondary_xaxis("top")
    top.set_xticks(np.interp(ticks, elapsed, step), [f"{tick:g} s" for tick in ticks])
    top.tick_params(labelsize=7.5, colors=FAINT, length=2)


# Caption


def _write_caption(figure: Figure, data: RunData) -> None:
    """The title above, a line of figures below; both in color, and the reason, if the run did not end well."""
    status = str(data.attributes.get("status", "done"))
    color = STATUS_COLORS.get(status, INK)
    title = textwrap.shorten(str(data.attributes.get("title", "")), 100, placeholder=" …")
    lines = [" · ".join([*_figures(data), status])]
    if status != "done":
        title += f" ({status})"
        lines += textwrap.wrap(str(data.attributes.get("stop_reason", "")), 145)[:3]
    figure.suptitle(title, fontsize=14, color=color, parse_math=False)
    figure.supxlabel("\n".join(lines), fontsize=10, color=color, parse_math=False)


def _figures(data: RunData) -> list[str]:
    metrics = data.metrics
    known = {name: value for name, value in metrics.items() if np.isfinite(value)}
    parts = [data.model.kind.upper()]
    if "n_parameters" in known:
        parts.append(f"{known['n_parameters']:,.0f} parameters")
    if "rel_l2" in known:
        parts.append(f"relative L2 error {known['rel_l2']:.1e}")
    if "wall_time_s" in known:
        parts.append(f"{known['wall_time_s']:.1f} s")
    return parts


# One panel a figure


def panel_figures(data: RunData) -> list[tuple[str, Figure]]:
    """The same as `solution_figure`, a small figure for each panel with its caption: for pages that may be narrow."""
    found, region = [], _region(data)
    if has_potentials(data):
        found.append(("Potential and effective potential 1/u", _panel(lambda figure: _draw_potentials(figure, data))))
    for name in data.solved_fields if data.axes else ():
        view = _view(data, name, region)
        found += [(caption, _panel(draw)) for caption, draw in _field_panels(view)]
    for caption, shown, labels in _courses(data):
        found.append((f"{caption}, by step", _panel(lambda f, d=shown, names=labels: _draw_course(f, d, names))))
    return found


def _draw_potentials(figure: Figure, data: RunData) -> None:
    draw = draw_potentials if len(data.axes) == 1 else _draw_potential_maps
    draw(figure, figure.add_gridspec(1, 1)[0], data)


def _panel(draw: Callable[[Figure], None]) -> Figure:
    figure = Figure(figsize=(PANEL_WIDTH, 0.8 * PANEL_WIDTH), layout="constrained")
    FigureCanvasAgg(figure)
    draw(figure)
    return figure


def _field_panels(view: View) -> list[tuple[str, Callable[[Figure], None]]]:
    name = view.name + view.where.replace("\n", " ")
    if len(view.axes) == 1:
        error = "" if view.error is None else f"; {_error_title(view)}"
        return [(f"{name}{error}", lambda figure: _draw_profile(figure, figure.add_gridspec(1, 1)[0], view))]
    scale = _range([view.solution, view.reference])
    panels = [(f"{name}, computed", view.solution, SOLUTION_COLORS, scale)]
    if view.reference is not None:
        panels.append((f"{name}, reference", view.reference, SOLUTION_COLORS, scale))
    if view.error is not None:
        panels.append((_error_title(view), view.error, ERROR_COLORS, (0.0, _largest(view.error) or 1.0)))
    return [(title, lambda f, rest=rest: _draw_one_map(f, view, *rest)) for title, *rest in panels]


def _draw_one_map(figure: Figure, view: View, values: np.ndarray, colors: str, limits: tuple) -> None:
    axes = figure.subplots()
    mesh = _draw_in_view(view, axes, values, colors, limits)
    _label_bar(figure.colorbar(mesh, ax=axes, ticks=MaxNLocator(6), fraction=0.05))
    vertical, horizontal = view.axes
    label(axes, "", horizontal, vertical)


def _draw_course(figure: Figure, data: RunData, labels: dict[str, str]) -> None:
    axes = figure.subplots()
    _draw_columns(axes, data, labels)
    label(axes, "", "step", None)
