"""Error against parameters, operations and seconds: one panel each."""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatterSciNotation, LogLocator, MaxNLocator, NullFormatter

from kanpde.models.networks import title_of
from kanpde.reports.plots.styles import BLUE, FAINT, GREEN, INK, ORANGE, PURPLE, SKY, VERMILION, legend
from kanpde.results.classical import Classical
from kanpde.studies.comparisons import BUDGETS, Comparison, Series, kinds_of
from kanpde.studies.power_laws import PowerLaw

COLORS = ((BLUE, SKY, GREEN, INK), (VERMILION, ORANGE, PURPLE), (GREEN, INK, SKY), (PURPLE, ORANGE, BLUE))
"""Of the series of one kind of model, kind after kind."""

MARKERS, SINGLE_MARKERS = "osD^vP", "x+12"
LABELS = {"parameters": "trainable parameters", "flops": "FLOPs per step", "seconds": "seconds of training"}
CLASSICAL_LABELS = {"parameters": "unknowns", "seconds": "seconds"}
BELOW = 30.0
PANEL = (3.9, 4.4)  # inches; the size at which its letters are those of the text around it


def scaling_figure(comparison: Comparison, classical: Sequence[Classical] = ()) -> Figure:
    """All panels side by side, for a file."""
    figure = Figure(figsize=(13, 5.2), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(BUDGETS), sharey=True)
    for axes, budget in zip(panels, BUDGETS, strict=True):
        _draw_panel(axes, comparison, classical, budget)
    panels[0].set_ylabel("relative L2 error")
    _add_legend(figure, panels, columns=4)
    return figure


def scaling_panels(comparison: Comparison, classical: Sequence[Classical] = ()) -> list[tuple[str, Figure]]:
    """A figure for each budget, with its caption, for pages that may be narrow."""
    found = []
    for budget, words in BUDGETS.items():
        figure = Figure(figsize=PANEL, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots()
        _draw_panel(axes, comparison, classical, budget)
        axes.set_ylabel("relative L2 error")
        _add_legend(figure, [axes], columns=1)
        found.append((f"Error against {words}", figure))
    return found


def _draw_panel(axes: Axes, comparison: Comparison, classical: Sequence[Classical], budget: str) -> None:
    for series, color, marker in _styled(comparison.series):
        _draw_series(axes, series, budget, color, marker)
    axes.set(xscale="log", yscale="log", xlabel=LABELS[budget])
    low, high, across = *_extent(comparison), axes.get_xlim()
    for series, color, _ in _styled(comparison.series):
        if budget == "parameters" and series.order is not None:
            _draw_theory(axes, series, color)
    _draw_classical(axes, classical, budget)
    reference = max((record.reference_error for record in comparison.records), default=math.nan)
    # Classical solvers may go on far below: that the line leaves the picture says it.
    low = low / BELOW if classical else low
    if low < reference < high:
        axes.axhline(reference, color=FAINT, lw=1, ls="-.", label="error of the reference")
    axes.set_ylim(low, high)
    if budget != "seconds":
        axes.set_xlim(across)
    plain_ticks(axes)
    axes.grid(color="#e4e4e4", lw=0.6)


def _extent(comparison: Comparison) -> tuple[float, float]:
    """What shows every run; intervals may be cut."""
    errors = [record.error for record in comparison.records] or [1.0]
    return min(errors) / 3, max(errors) * 3


def _styled(series: Iterable[Series]) -> list[tuple[Series, str, str]]:
    ordered = sorted(series, key=lambda one: not one.growth)
    kinds = kinds_of(one.sizes[0].first for one in ordered)
    found, counts = [], dict.fromkeys(kinds, 0)
    for one in ordered:
        kind, place = kinds.index(one.model) % len(COLORS), counts[one.model]
        if not one.growth:
            found.append((one, FAINT, SINGLE_MARKERS[kind]))
            continue
        found.append((one, COLORS[kind][place % len(COLORS[kind])], MARKERS[(place + 3 * kind) % len(MARKERS)]))
        counts[one.model] += 1
    return found


def _draw_series(axes: Axes, series: Series, budget: str, color: str, marker: str) -> None:
    """Medians with their intervals, each seed faintly; a plateau's sizes are hollow; the law dashed."""
    known = sorted(
        (pair for pair in zip(series.sizes, series.centers, strict=True) if pair[0].budget(budget) > 0),
        key=lambda pair: pair[0].budget(budget),
    )
    if not known:
        return
    law = series.laws[budget]
    x = np.array([size.budget(budget) for size, _ in known])
    y = np.array([center.median for _, center in known])
    for size, center in known:
        axes.plot([size.budget(budget)] * len(size.errors), size.errors, ".", color=color, ms=4, alpha=0.35)
        if center.low > 0:
            axes.plot([size.budget(budget)] * 2, [center.low, center.high], color=color, lw=1, alpha=0.7)
    axes.plot(x, y, color=color, lw=1, alpha=0.5)
    kept = np.array(law.kept, dtype=bool)
    label = f"{series.name}{_exponent(law)}" if series.growth else f"single sizes of other {title_of(series.model)}s"
    axes.plot(x[kept], y[kept], marker, color=color, ms=6, label=label, ls="none")
    axes.plot(x[~kept], y[~kept], marker, color=color, ms=6, mfc="white", ls="none")
    if law.resolved:
        ends = np.array([x[kept].min(), x[kept].max()])
        axes.plot(ends, law.error(ends), color=color, lw=1.8, ls=(0, (4, 2)))


def _exponent(law: PowerLaw) -> str:
    return f": α = {law.exponent:.2g} ({law.low:.2g} to {law.high:.2g})" if law.resolved else ": α not resolved"


def _draw_theory(axes: Axes, series: Series, color: str) -> None:
    """h^(k+1) from the first size on."""
    x = np.array([size.budget("parameters") for size in series.sizes])
    grids = np.array([size.first.grid for size in series.sizes], dtype=float)
    line = series.centers[0].median * (grids / grids[0]) ** -(series.degree + 1)
    axes.plot(x, line, color=color, lw=1.1, ls=":", label=f"theory for splines: order k + 1 = {series.degree + 1}")


def _draw_classical(axes: Axes, classical: Sequence[Classical], budget: str) -> None:
    if budget not in CLASSICAL_LABELS:
        return
    for method in dict.fromkeys(one.method for one in classical):
        own = [one for one in classical if one.method == method]
        x = [one.unknowns if budget == "parameters" else one.seconds for one in own]
        axes.plot(x, [one.error for one in own], "x-", color=INK, lw=1, ms=5, label=f"classical solver: {method}")


def plain_ticks(axes: Axes) -> None:
    """Whole decades below each other; a short axis says 2 and 5 too."""
    low, high = axes.get_xlim()
    decades = math.log10(high / low)
    short = MaxNLocator(4, steps=(1, 2, 5, 10))
    long = LogLocator(subs=(1, 2, 5) if decades < 1.6 else (1,), numticks=12)
    axes.xaxis.set_major_locator(short if decades < 0.7 else long)
    axes.xaxis.set_major_formatter(_plain_number if decades < 4 and high < 1e5 else LogFormatterSciNotation())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(labelsize=9)


def _plain_number(value: float, _: object) -> str:
    return f"{value:g}"


def _add_legend(figure: Figure, panels: Sequence[Axes], columns: int) -> None:
    found: dict[str, Artist] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            name = label.replace(": α", ":\nα") if columns == 1 else label.partition(": α")[0]
            found.setdefault(name, handle)
    if found:
        legend(
            figure, list(found.values()), list(found), loc="outside lower center", ncols=columns, frameon=False,
            fontsize=8.5,
        )  # fmt: skip
