"""Maps of values over a plane, with color bars, gray where there is no domain."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colorbar import Colorbar
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.ticker import MaxNLocator
from scipy import ndimage

from kanpde.reports.plots.styles import INK, drawable, finite, label
from kanpde.reports.plots.views import TIME, View

MISSING = "#cccccc"
MOST_SMOOTHED = 250**2
Limits = tuple[float, float]
Map = tuple[str, np.ndarray, str, Limits]
"""Title, values, colors and their limits."""

COVERED = 500  # cells an axis of what covers the outside of a domain


def draw_panels(
    figure: Figure,
    cell: SubplotSpec,
    grid_axes: Mapping[str, np.ndarray],
    panels: Sequence[Map],
    draw: Callable[..., QuadMesh],
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


def draw_map(
    axes: Axes, grid: Mapping[str, np.ndarray], values: np.ndarray, colors: str, limits: Limits, alike: bool = True
) -> QuadMesh:
    (_, y), (_, x) = grid.items()
    palette = colormaps[colors].with_extremes(bad=MISSING)
    # Interpolated colors look smooth on coarse grids; they cannot leave out values, and are slow on fine grids.
    smooth = drawable(values).all() and min(len(x), len(y)) > 1 and values.size <= MOST_SMOOTHED
    shading: Literal["gouraud", "nearest"] = "gouraud" if smooth else "nearest"
    mesh = axes.pcolormesh(x, y, finite(values), cmap=palette, vmin=limits[0], vmax=limits[1], shading=shading)
    if min(len(x), len(y)) > 1:
        axes.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
        axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))  # more lie over each other on narrow maps
        if alike and TIME not in grid and 1 / 3 < np.ptp(y) / np.ptp(x) < 3:
            axes.set_aspect("equal")
    return mesh


def draw_in_view(view: View, axes: Axes, values: np.ndarray, colors: str, limits: Limits) -> QuadMesh:
    """A map, gray and outlined where shapes are cut away, with the ends of windows."""
    for end in view.ends if TIME in view.axes else ():
        axes.axvline(end, color=INK, lw=0.7, ls=(0, (2, 3)), alpha=0.6)
    if view.data is not None:
        for own, style in ((view.data.fitted, "o"), (~view.data.fitted, "x")):
            axes.plot(view.data.places[own, 1], view.data.places[own, 0], style, color=INK, mfc="none", ms=2.5, mew=0.5,
                      alpha=0.6)  # fmt: skip
    if view.region is None:
        return draw_map(axes, view.axes, values, colors, limits, view.alike)
    inside = view.inside(tuple(view.axes.values()))
    mesh = draw_map(axes, view.axes, _continued(values, inside), colors, limits, view.alike)
    _cover_outside(axes, view)
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
    middles = [(edges[1:] + edges[:-1]) / 2 for edges in ends]
    if outside.any() and not outside.all():
        smooth = ndimage.gaussian_filter(outside.astype(float), 1.0)
        axes.contour(middles[1], middles[0], smooth, levels=[0.5], colors=[INK], linewidths=0.9)


def _add_color_bar(figure: Figure, axes: Axes, mesh: QuadMesh) -> None:
    """As high as the map, whatever its aspect; every tick says its whole number."""
    label_bar(figure.colorbar(mesh, cax=axes.inset_axes((1.03, 0, 0.05, 1)), ticks=MaxNLocator(6)))


def label_bar(bar: Colorbar) -> None:
    bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:.6g}".replace("-", "\N{MINUS SIGN}"))
    bar.ax.tick_params(labelsize=8)
