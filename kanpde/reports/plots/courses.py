"""How training went: losses, errors and energies by step."""

from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.ticker import MaxNLocator

from kanpde.reports.plots.styles import (
    CYCLE,
    FAINT,
    INK,
    LARGEST_DRAWN,
    drawable,
    label,
    legend,
    log_scale,
    positive,
    say,
)
from kanpde.results.archive import RunData
from kanpde.results.held_out import HELDOUT_ENERGY, HELDOUT_RESIDUAL

MOST_BLOCKS = 6
MOST_STEPS = 2**53


def draw_history(figure: Figure, cell: SubplotSpec, data: RunData) -> None:
    grid = cell.subgridspec(1, 2)
    for part, (caption, shown, labels) in enumerate(courses_of(data)):
        axes = figure.add_subplot(grid[0, part])
        draw_columns(axes, shown, labels)
        label(axes, caption, "step", None)


def courses_of(data: RunData) -> list[tuple[str, RunData, dict[str, str]]]:
    """What training lowered and how the error went: captions, and columns of the history with their names."""
    if HELDOUT_ENERGY in data.history:
        caption, above = _energy_above(data)
        return [
            (caption, above, {"loss": "trained", HELDOUT_ENERGY: "held out"}),
            ("Error", data, {"rel_l2": "relative L2 error"}),
        ]
    blocks = _largest_blocks(data)
    hidden = sum(name.startswith("loss_") for name in data.history) - len(blocks) if blocks else 0
    losses = {"loss": "total"} | {name: name.removeprefix("loss_") for name in blocks}
    errors = {"rel_l2": "relative L2 error", HELDOUT_RESIDUAL: "held-out residual (rms)"}
    return [(f"Loss ({hidden} smaller blocks not shown)" if hidden else "Loss", data, losses),
            ("Error and held-out residual", data, errors)]  # fmt: skip


def _energy_above(data: RunData) -> tuple[str, RunData]:
    """Energies are of any sign: how far they are above the reference, or above the least one seen."""
    known = [value for name, value in data.metrics.items() if name.endswith("_reference") and "energy" in name]
    columns = {name: data.history[name] for name in ("loss", HELDOUT_ENERGY) if name in data.history}
    seen = np.concatenate([values[drawable(values)] for values in columns.values()])
    least = sum(known) if known else seen.min(initial=LARGEST_DRAWN)
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


def draw_columns(axes: Axes, data: RunData, labels: dict[str, str]) -> None:
    """Curves on a logarithmic scale; the total loss in ink, everything else in color."""
    step = _steps(data)
    columns = {name: positive(data.history[name]) for name in labels if name in data.history}
    columns = {name: values for name, values in columns.items() if np.isfinite(values).any()}
    if not columns:
        say(axes, "not measured" if step.size else "no steps recorded")
        return
    colors = dict(zip([name for name in labels if name != "loss"], CYCLE, strict=False)) | {"loss": INK}
    for name, values in columns.items():
        _draw_column(axes, step, values, color=colors[name], label=labels[name], lw=2.2 if name == "loss" else 1.3)
    log_scale(axes, np.concatenate([*columns.values()]))
    _frame_steps(axes, step)
    _mark_stages(axes, step, data.history.get("grid"))
    _add_time(axes, step, data.history.get("time_s"))
    legend(axes, frameon=False, fontsize=8.5, ncols=2 if len(columns) > 4 else 1)


def _steps(data: RunData) -> np.ndarray:
    """The steps of the history; counted anew where they are no numbers of steps."""
    counted = np.arange(len(next(iter(data.history.values()), ())), dtype=float)
    step = np.asarray(data.history.get("step", counted), dtype=float)
    return step if np.all(np.abs(step) < MOST_STEPS) else counted


def _draw_column(axes: Axes, step: np.ndarray, values: np.ndarray, **style: Any) -> None:
    """Joined over the steps without a value; where these are the most, the measured ones are marked."""
    known = np.isfinite(values)
    marker = "o" if known.sum() <= max(3, step.size / 2) else None
    axes.plot(step[known], values[known], marker=marker, ms=3, **style)


def _frame_steps(axes: Axes, step: np.ndarray) -> None:
    margin = 0.02 * np.ptp(step) or 1.0
    axes.set_xlim(step.min() - margin, step.max() + margin)
    axes.xaxis.set_major_locator(MaxNLocator(7, integer=True))
    axes.grid(axis="y", color="#dddddd", lw=0.6)
    low, high = np.log10(axes.get_ylim())
    axes.set_ylim(10**low, 10 ** min(high + 0.1 * (high - low), 300.0))  # room at the top for the names of the stages


def _mark_stages(axes: Axes, step: np.ndarray, grid: np.ndarray | None) -> None:
    """A thin line where the grid changes, with the new grid beside it."""
    if grid is None or not drawable(grid).all() or not np.any(grid):
        return
    starts = [0, *(np.flatnonzero(np.diff(grid)) + 1)]
    ends = [*starts[1:], step.size - 1]
    for start, end in zip(starts, ends, strict=True):
        if start:
            axes.axvline(step[start], color=FAINT, lw=0.8, ls=":")
        if step[end] - step[start] >= 0.1 * np.ptp(step):  # else there is no room for the text
            axes.annotate(
                f"grid {grid[start]:g}", (step[start], 1), xytext=(3, -3), xycoords=("data", "axes fraction"),
                textcoords="offset points", va="top", fontsize=7.5, color=FAINT,
            )  # fmt: skip


def _add_time(axes: Axes, step: np.ndarray, seconds: np.ndarray | None) -> None:
    """A second scale on top: the seconds at which the steps were done."""
    if seconds is None or not drawable(seconds).all() or np.ptp(seconds) == 0:
        return
    elapsed = np.maximum.accumulate(seconds)
    ticks = MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(elapsed[0], elapsed[-1])
    ticks = [tick for tick in ticks if elapsed[0] <= tick <= elapsed[-1]]
    places = np.interp(ticks, elapsed, step)
    shown: list[int] = []
    for number, place in enumerate(places):  # early steps may be slow: their labels would lie on one another
        if not shown or place - places[shown[-1]] >= 0.06 * np.ptp(step):
            shown.append(number)
    top = axes.secondary_xaxis("top")
    top.set_xticks(places[shown], [f"{ticks[number]:g} s" for number in shown])
    top.tick_params(labelsize=7.5, colors=FAINT, length=2)
