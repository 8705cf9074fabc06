"""The same as the picture of a run, a small figure for each panel: for pages that may be narrow."""

from collections.abc import Callable
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.ticker import MaxNLocator

from kanpde.reports.plots.courses import courses_of, draw_columns
from kanpde.reports.plots.fields import ERROR_COLORS, draw_profile, error_title, largest
from kanpde.reports.plots.lattices import is_lattice, lattice_panels
from kanpde.reports.plots.maps import Limits, draw_in_view, label_bar
from kanpde.reports.plots.potentials import (
    draw_potentials,
    draw_state_errors,
    fields_alone,
    has_errors,
    has_potentials,
)
from kanpde.reports.plots.styles import color_map, label, value_range
from kanpde.reports.plots.views import View, regions_of, view_of
from kanpde.results.archive import RunData

PANEL_WIDTH = 3.9


def panel_figures(data: RunData) -> list[tuple[str, Figure]]:
    """The same as `solution_figure`, a small figure for each panel with its caption: for pages that may be narrow."""
    if is_lattice(data):
        return [(caption, _panel(partial(_draw_alone, draw))) for caption, draw in lattice_panels(data)]
    found = []
    if has_potentials(data):
        found.append(("Potential and effective potential 1/u", _panel(partial(_draw_in_one, draw_potentials, data))))
    if has_errors(data):
        found.append(("Errors of the states", _panel(partial(_draw_in_one, draw_state_errors, data))))
    for name, region in regions_of(data, fields_alone(data)).items():
        found += [(caption, _panel(draw)) for caption, draw in _field_panels(view_of(data, name, region))]
    for caption, shown, labels in courses_of(data):
        found.append((f"{caption}, by step", _panel(partial(_draw_course, data=shown, labels=labels))))
    return found


def _draw_alone(draw: Callable[[Axes], None], figure: Figure) -> None:
    draw(figure.subplots())


def _draw_in_one(draw: Callable[[Figure, SubplotSpec, RunData], None], data: RunData, figure: Figure) -> None:
    draw(figure, figure.add_gridspec(1, 1)[0], data)


def _panel(draw: Callable[[Figure], None]) -> Figure:
    figure = Figure(figsize=(PANEL_WIDTH, 0.8 * PANEL_WIDTH), layout="constrained")
    FigureCanvasAgg(figure)
    draw(figure)
    return figure


def _field_panels(view: View) -> list[tuple[str, Callable[[Figure], None]]]:
    name = view.name + view.where.replace("\n", " ")
    if len(view.axes) == 1:
        error = "" if view.error is None else f"; {error_title(view)}"
        return [(f"{name}{error}", lambda figure: draw_profile(figure, figure.add_gridspec(1, 1)[0], view))]
    colors, scale = color_map(*value_range([view.solution, view.reference]))
    panels = [(f"{name}, computed", view.solution, colors, scale)]
    if view.reference is not None:
        panels.append((f"{name}, reference", view.reference, colors, scale))
    if view.error is not None:
        panels.append((error_title(view), view.error, ERROR_COLORS, (0.0, largest(view.error) or 1.0)))
    return [
        (title, partial(_draw_one_map, view=view, values=values, colors=colors, limits=limits))
        for title, values, colors, limits in panels
    ]


def _draw_one_map(figure: Figure, view: View, values: np.ndarray, colors: str, limits: Limits) -> None:
    axes = figure.subplots()
    mesh = draw_in_view(view, axes, values, colors, limits)
    label_bar(figure.colorbar(mesh, ax=axes, ticks=MaxNLocator(6), fraction=0.05))
    vertical, horizontal = view.axes
    label(axes, "", horizontal, vertical)


def _draw_course(figure: Figure, data: RunData, labels: dict[str, str]) -> None:
    axes = figure.subplots()
    draw_columns(axes, data, labels)
    label(axes, "", "step", None)
