"""Figures of runs: one picture, or a panel each.

From the bottom up:

    styles      colors, labels and scales
    views       what is shown of a field
    maps        values over a plane
    fields      a field, its reference, their difference
    potentials  V, 1/u, states at their energies
    courses     how training went
    pictures    a run in one picture
    panels      a small figure for each part of it
    diagrams    a network, edge by edge
"""

from kanpde.reports.plots.panels import panel_figures
from kanpde.reports.plots.pictures import (
    PICTURES,
    drawing_seconds,
    picture_bytes,
    png_bytes,
    solution_figure,
    with_pixels,
)

__all__ = [
    "PICTURES", "drawing_seconds", "panel_figures", "picture_bytes", "png_bytes", "solution_figure", "with_pixels",
]  # fmt: skip
