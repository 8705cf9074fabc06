"""A run in one picture: the solution, its reference, their difference, and how training went."""

import io
import textwrap
import warnings

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from kanpde.reports.plots.courses import draw_history
from kanpde.reports.plots.fields import draw_view
from kanpde.reports.plots.lattices import draw_lattice, is_lattice, lattice_panels
from kanpde.reports.plots.potentials import (
    draw_potentials,
    draw_state_errors,
    fields_alone,
    has_errors,
    has_potentials,
)
from kanpde.reports.plots.styles import INK
from kanpde.reports.plots.views import regions_of, view_of
from kanpde.results.archive import RunData
from kanpde.results.verdicts import Word, verdict_in

WIDTH = 11.0  # inches
HISTORY_HEIGHT = 3.0
CAPTION_HEIGHT = 0.9
PROFILE_HEIGHT = 3.9
MAP_HEIGHT = 3.1
POTENTIAL_HEIGHT = 5.0
PICTURES = ("pdf", "png", "svg")
SECONDS_OF_PANEL = 0.5
"""What drawing takes of each panel, on one core."""

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
        >>> from kanpde.results.archive import ModelData, RunData
        >>> x = np.linspace(0, 1, 50)
        >>> model = ModelData("kan", "{}", {}, {})
        >>> run = RunData({"title": "a line"}, {"x": x}, {"u": x}, {}, {}, model, {})
        >>> [axes.get_title() for axes in solution_figure(run).axes][0]
        'u'
    """
    if is_lattice(data):
        return _lattice_figure(data)
    line = len(data.axes) == 1
    regions = regions_of(data, fields_alone(data))
    views = [view_of(data, name, region) for name, region in regions.items()]
    potentials = [POTENTIAL_HEIGHT if line else MAP_HEIGHT] * has_potentials(data)
    errors = [PROFILE_HEIGHT] * has_errors(data)
    heights = [*potentials, *errors, *[PROFILE_HEIGHT if line else MAP_HEIGHT] * len(views), HISTORY_HEIGHT]
    spaced = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08, hspace=0.04)
    figure = Figure(figsize=(WIDTH, sum(heights) + CAPTION_HEIGHT), layout=spaced)
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(len(heights), 1, height_ratios=heights)
    cells = [grid[row, 0] for row in range(len(heights))]
    if potentials:
        draw_potentials(figure, cells[0], data)
    if errors:  # the states themselves are in the potential
        draw_state_errors(figure, cells[len(potentials)], data)
    for view, cell in zip(views, cells[len(potentials) :], strict=False):
        draw_view(figure, cell, view)
    draw_history(figure, grid[-1], data)
    _write_caption(figure, data)
    return figure


def drawing_seconds(data: RunData) -> float:
    """About what drawing a run takes; a panel has no more values than pixels, and below them is the history."""
    return SECONDS_OF_PANEL * (len(data.fields) + 2)


def _lattice_figure(data: RunData) -> Figure:
    """Two pictures a row."""
    rows = (len(lattice_panels(data)) + 1) // 2
    figure = Figure(figsize=(WIDTH, PROFILE_HEIGHT * max(rows, 1) + CAPTION_HEIGHT), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(max(rows, 1), 2)
    draw_lattice(figure, [grid[divmod(place, 2)] for place in range(len(lattice_panels(data)))], data)
    _write_caption(figure, data)
    return figure


def png_bytes(figure: Figure, dpi: float = 130) -> bytes:
    """A figure as a PNG file's content, at so many pixels an inch."""
    return picture_bytes(figure, "png", dpi)


def picture_bytes(figure: Figure, kind: str, dpi: float = 130) -> bytes:
    """A figure as the content of a file of a kind in `PICTURES`, the same for the same figure.

    In vector formats color maps become pixels, and all else stays lines and letters.
    """
    if kind != "png":
        with_pixels(figure)
    buffer, undated = io.BytesIO(), {"pdf": {"CreationDate": None}, "svg": {"Date": None}}
    with rc_context({"svg.hashsalt": "kanpde", "pdf.fonttype": 42}), warnings.catch_warnings():
        # A title in a script that the font lacks becomes boxes; no reason to alarm anybody.
        warnings.filterwarnings("ignore", message="Glyph")
        figure.savefig(buffer, format=kind, dpi=dpi, metadata=undated.get(kind))
    return buffer.getvalue()


def with_pixels(figure: Figure) -> None:
    """Let color maps be pixels in vector formats: as lines they are megabytes."""
    for axes in figure.findobj(Axes):
        for mesh in axes.collections:
            if isinstance(mesh, QuadMesh):
                mesh.set_rasterized(True)


def _write_caption(figure: Figure, data: RunData) -> None:
    """The title above, a line of figures below; both in color, and the reason, if the run did not end well."""
    status = str(data.attributes.get("status", "done"))
    color = STATUS_COLORS.get(status, INK)
    title = textwrap.shorten(str(data.attributes.get("title", "")), 100, placeholder=" …")
    verdict = verdict_in(data.attributes, data.metrics)
    if verdict.word is Word.UNSOLVED:
        color = STATUS_COLORS["failed"]
    words = [status, verdict.word.value] if status == "done" else [status]
    lines = [" · ".join([*_figures(data), *words])]
    lines += textwrap.wrap(verdict.reason, 145)[:2] if verdict.word is not Word.SOLVED and status == "done" else []
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
    if "test_error" in known:
        parts.append(f"held-out data missed by {known['test_error']:.1e}")
    elif "data_misfit" in known:
        parts.append(f"data missed by {known['data_misfit']:.1e}")
    if "wall_time_s" in known:
        parts.append(f"{known['wall_time_s']:.1f} s")
    return parts
