"""Potentials and what sits in them: V, 1/u, states at their energies, and how far states reach."""

from collections.abc import Iterator
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec

from kanpde.reports.plots.maps import draw_map, draw_panels
from kanpde.reports.plots.styles import CYCLE, FAINT, INK, label, legend, log_scale, positive, span, value_range
from kanpde.reports.plots.views import shown_axes
from kanpde.results.archive import RunData
from kanpde.results.archive.record import EFFECTIVE, LANDSCAPE

SMALLEST = 1e-12
"""Of a state, relative to its largest value: below it, a curve on a logarithmic scale is rounding."""
POTENTIAL_COLORS = "cividis"


def has_potentials(data: RunData) -> bool:
    """Whether there is an effective potential to draw, over one coordinate or two."""
    return len(data.axes) <= 2 and not {EFFECTIVE, LANDSCAPE}.isdisjoint(data.coefficients)


def effective_potential(data: RunData) -> np.ndarray:
    """1/u on the grid of the solution, of a run that has it; infinite where u vanishes."""
    if EFFECTIVE in data.coefficients:
        return data.coefficients[EFFECTIVE]
    with np.errstate(divide="ignore"):
        return 1 / data.coefficients[LANDSCAPE]


def fields_alone(data: RunData) -> tuple[str, ...]:
    """The fields that have panels of their own: not states on a line, which are drawn in their potential."""
    within = not data.axes or (len(data.axes) == 1 and bool(states_of(data)))
    return () if within else tuple(data.solved_fields)


def draw_potentials(figure: Figure, cell: SubplotSpec, data: RunData) -> None:
    """Potentials over one coordinate or two."""
    (_draw_line if len(data.axes) == 1 else _draw_maps)(figure, cell, data)


def _draw_line(figure: Figure, cell: SubplotSpec, data: RunData) -> None:
    """V and 1/u with states at their energies; below, states and their bounds on a logarithmic scale."""
    states = states_of(data)
    grid = cell.subgridspec(2 if states else 1, 1)
    ((name, x),) = data.axes.items()
    upper = figure.add_subplot(grid[0])
    _draw_wells(upper, x, data)
    label(upper, _title(data), None if states else name, "energy" if states else "potential")
    if states:
        upper.tick_params(labelbottom=False)
        lower = figure.add_subplot(grid[1], sharex=upper)
        _draw_decay(lower, x, data)
        label(lower, "States and the bound E·u·max|ψ| (dashed)", name, "|ψ| / max|ψ|")
    span(upper, x)


def states_of(data: RunData) -> dict[str, float]:
    """The energies of states by name, where there are states."""
    known = LANDSCAPE in data.coefficients and "energy" in data.spectrum
    return dict(zip(data.solved_fields, data.spectrum["energy"], strict=True)) if known else {}


def _title(data: RunData) -> str:
    states = ["states at their energies"] if states_of(data) else []
    return ", ".join([*potentials_of(data), "effective potential 1/u", *states])


def potentials_of(data: RunData) -> list[str]:
    """Names of the coefficients that are the problem's own."""
    return [name for name in data.coefficients if name not in (EFFECTIVE, LANDSCAPE)]


def _draw_wells(axes: Axes, x: np.ndarray, data: RunData) -> None:
    for name in potentials_of(data):
        axes.fill_between(x, data.coefficients[name], step="mid", color="#d9d9d9", lw=0, label=name)
    axes.plot(x, effective_potential(data), color=INK, lw=1.4, label="1/u")
    own = [data.coefficients[name] for name in potentials_of(data)]
    drawn = np.concatenate([*own, list(states_of(data).values()), [0.0]])
    top, bottom = float(np.nanmax(drawn)), float(np.nanmin(drawn))
    axes.set_ylim(bottom, bottom + 1.15 * (top - bottom) if top > bottom else None)
    _draw_states(axes, x, data, height=0.25 * (top - bottom))
    legend(axes, frameon=False, fontsize=8.5, ncols=4, loc="upper right")


def _draw_states(axes: Axes, x: np.ndarray, data: RunData, height: float) -> None:
    for name, energy, color in _colored(data):
        state = data.fields[name]
        axes.axhline(energy, color=FAINT, lw=0.6, ls=":")
        axes.plot(x, energy + height * state / np.nanmax(np.abs(state)), color=color, lw=1.6, label=name)


def _draw_decay(axes: Axes, x: np.ndarray, data: RunData) -> None:
    u = data.coefficients[LANDSCAPE]
    for name, energy, color in _colored(data):
        size = np.abs(data.fields[name]) / np.nanmax(np.abs(data.fields[name]))
        axes.semilogy(x, np.where(size > SMALLEST, size, np.nan), color=color, lw=1.4, label=name)
        bound = energy * u
        axes.semilogy(x, np.where(bound > 0, bound, np.nan), color=color, lw=1.0, ls=(0, (4, 3)))
    axes.set_ylim(SMALLEST, 10)
    legend(axes, frameon=False, fontsize=8.5, ncols=4, loc="lower right")


def has_errors(data: RunData) -> bool:
    """Whether states on a line are compared with those of a reference."""
    return len(data.axes) == 1 and any(f"{name}_error" in data.fields for name in states_of(data))


def draw_state_errors(figure: Figure, cell: SubplotSpec, data: RunData) -> None:
    """How far all states are off, one curve each."""
    ((name, x),) = data.axes.items()
    axes, drawn = figure.add_subplot(cell), []
    for state, _, color in _colored(data):
        if f"{state}_error" in data.fields:
            drawn.append(positive(np.abs(data.fields[f"{state}_error"])))
            axes.plot(x, drawn[-1], color=color, lw=1.2, label=state)
    sizes = np.concatenate(drawn)
    if np.isfinite(sizes).any():
        log_scale(axes, sizes)
        axes.set_ylim(bottom=max(np.nanmin(sizes), np.nanmax(sizes) * 1e-5) / 2)
    span(axes, x)
    legend(axes, frameon=False, fontsize=8.5, ncols=4)
    label(axes, "Errors of the states", name, "|error|")


def _colored(data: RunData) -> Iterator[tuple[str, float, str]]:
    """Name, energy and color of each state."""
    for (name, energy), color in zip(states_of(data).items(), cycle(CYCLE), strict=False):
        yield name, energy, color


def _draw_maps(figure: Figure, cell: SubplotSpec, data: RunData) -> None:
    """Coefficients, and 1/u up to a little above the largest of them: it has no bound at the walls."""
    shown = shown_axes(tuple(data.axes))
    maps = {**{name: data.coefficients[name] for name in potentials_of(data)}, "1/u": effective_potential(data)}
    top = 1.2 * max([value_range([maps[name]])[1] for name in potentials_of(data)], default=np.nanmedian(maps["1/u"]))
    limits = {name: value_range([values]) for name, values in maps.items()}
    limits["1/u"] = limits["1/u"][0], top
    order = [list(data.axes).index(axis) for axis in shown]
    panels = [(name, np.transpose(values, order), POTENTIAL_COLORS, limits[name]) for name, values in maps.items()]
    axes = {axis: np.asarray(data.axes[axis]) for axis in shown}
    draw_panels(figure, cell, axes, panels, lambda place, *rest: draw_map(place, axes, *rest))
