"""A field, its reference and their difference, as curves or as maps."""

from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec

from kanpde.reports.plots.maps import draw_in_view, draw_panels
from kanpde.reports.plots.styles import (
    BLUE,
    INK,
    PURPLE,
    VERMILION,
    color_map,
    drawable,
    finite,
    label,
    legend,
    log_scale,
    positive,
    say,
    span,
    value_range,
)
from kanpde.reports.plots.views import View

ERROR_COLORS = "magma"


def draw_view(figure: Figure, cell: SubplotSpec, view: View) -> None:
    if len(view.axes) == 1:
        draw_profile(figure, cell, view)
    else:
        _draw_maps(figure, cell, view)


def draw_profile(figure: Figure, cell: SubplotSpec, view: View) -> None:
    ((name, x),) = view.axes.items()
    heights = [2] if view.error is None else [2, 1]
    grid = cell.subgridspec(len(heights), 1, height_ratios=heights)
    upper = figure.add_subplot(grid[0])
    if not drawable(view.solution).any():
        say(upper, "no finite values")
    upper.plot(x, finite(view.solution), color=BLUE, lw=2.2, label=f"{view.name}, computed")
    if view.reference is not None:
        upper.plot(x, finite(view.reference), color=VERMILION, lw=1.4, ls=(0, (4, 3)), label="reference")
    if view.data is not None:
        for own, style, said in ((view.data.fitted, "o", "data"), (~view.data.fitted, "x", "data left out of the fit")):
            if own.any():
                upper.plot(view.data.places[own, 0], finite(view.data.values[own]), style, color=INK, mfc="none", ms=4,
                           mew=0.8, alpha=0.7, label=said)  # fmt: skip
    if view.reference is not None or view.data is not None:
        legend(upper, frameon=False, fontsize=9)
    title = view.name + _missing_note(view.solution[view.inside([x])])
    label(upper, title, name if view.error is None else None, view.name)
    span(upper, x)
    if view.error is not None:
        lower = figure.add_subplot(grid[1], sharex=upper)
        upper.tick_params(labelbottom=False)
        _draw_error_profile(lower, x, view.error)
        label(lower, error_title(view), name, "|error|")


def _draw_error_profile(axes: Axes, x: np.ndarray, error: np.ndarray) -> None:
    sizes = positive(error)
    known = np.isfinite(sizes).any()
    axes.plot(x, sizes if known else finite(error), color=PURPLE, lw=1.4)
    if known:
        log_scale(axes, sizes)
        # A few roundings to zero must not stretch the axis over twenty decades.
        axes.set_ylim(bottom=max(np.nanmin(sizes), np.nanmax(sizes) * 1e-5) / 2)


def _draw_maps(figure: Figure, cell: SubplotSpec, view: View) -> None:
    colors, scale = color_map(*value_range([view.solution, view.reference]))
    there, drawn = view.inside(tuple(view.axes.values())), view.thinned()
    panels = [(view.name + view.where + _missing_note(view.solution[there]), drawn.solution, colors, scale)]
    if view.reference is not None and drawn.reference is not None:
        panels.append(("reference" + _missing_note(view.reference[there]), drawn.reference, colors, scale))
    if view.error is not None and drawn.error is not None:
        panels.append((error_title(view), drawn.error, ERROR_COLORS, (0.0, largest(view.error) or 1.0)))
    draw_panels(figure, cell, drawn.axes, panels, partial(draw_in_view, drawn))


def error_title(view: View) -> str:
    most, where = largest(view.error) if view.error is not None else None, " in this slice" if view.where else ""
    return f"|error of {view.name}|, " + ("unknown" if most is None else f"max {most:.2g}{where}")


def largest(error: np.ndarray) -> float | None:
    known = error[drawable(error)]
    return float(known.max()) if known.size else None


def _missing_note(values: np.ndarray) -> str:
    missing = int(np.size(values) - drawable(values).sum())
    return f"\n{missing} of {np.size(values)} values not finite" if missing else ""
