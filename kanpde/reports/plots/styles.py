"""Colors, labels and scales that all figures share."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatterSciNotation, LogLocator, MaxNLocator, NullLocator

# Okabe and Ito's colors: told apart by color-blind readers, and in print.
BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"
CYCLE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
INK, FAINT = "#222222", "#888888"
LARGEST_DRAWN = 1e300
SEQUENTIAL, DIVERGING = "viridis", "RdBu_r"
SIGNED = 0.05
"""Share of the largest size that the smaller of two signs has to reach, for a field to count as signed."""


def label(axes: Axes, title: str, horizontal: str | None, vertical: str | None) -> None:
    """Title and axes, as plain text: names may come from a stranger's file."""
    axes.set_title(title, fontsize=10.5, color=INK, parse_math=False)
    if horizontal is not None:
        axes.set_xlabel(horizontal, parse_math=False)
    if vertical is not None:
        axes.set_ylabel(vertical, parse_math=False)
    axes.tick_params(labelsize=8.5)


def finite(values: np.ndarray) -> np.ndarray:
    """Masked where it cannot be drawn."""
    return np.ma.masked_invalid(np.where(drawable(values), values, np.nan))


def drawable(values: np.ndarray) -> np.ndarray:
    """Finite, and not so large that differences overflow."""
    with np.errstate(invalid="ignore"):
        return np.abs(values) < LARGEST_DRAWN


def value_range(arrays: Sequence[np.ndarray | None]) -> tuple[float, float]:
    """Least and largest finite value; something to draw with where there is none or only one."""
    values = np.concatenate([array[drawable(array)] for array in arrays if array is not None])
    if values.size == 0:
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (low - 0.5 * (abs(low) or 1), high + 0.5 * (abs(high) or 1))


def color_map(low: float, high: float) -> tuple[str, tuple[float, float]]:
    """Colors for a field and their limits: diverging around zero where it takes both signs.

    >>> color_map(-1.0, 2.0), color_map(0.0, 2.0)
    (('RdBu_r', (-2.0, 2.0)), ('viridis', (0.0, 2.0)))
    """
    largest = max(abs(low), abs(high))
    if min(-low, high) > SIGNED * largest:
        return DIVERGING, (-largest, largest)
    return SEQUENTIAL, (low, high)


def positive(values: np.ndarray) -> np.ndarray:
    """NaN where a logarithmic scale has no place for it."""
    values = np.asarray(values, dtype=float)
    return np.where(drawable(values) & (values > 0), values, np.nan)


def log_scale(axes: Axes, values: np.ndarray) -> None:
    """A logarithmic axis upwards with few labels, none over another."""
    axes.set_yscale("log")
    known = values[np.isfinite(values)]
    decades = np.log10(known.max()) - np.log10(known.min())
    # Left alone, Matplotlib labels the minor ticks of a short axis, and they lie over each other.
    subs = (1,) if decades > 2 else (1, 3)
    axes.yaxis.set_major_locator(LogLocator(subs=subs, numticks=7) if decades > 0.8 else MaxNLocator(3))
    axes.yaxis.set_major_formatter(LogFormatterSciNotation(minor_thresholds=(np.inf, np.inf)))
    axes.yaxis.set_minor_locator(NullLocator())


def legend(owner: Axes | Figure, *entries: Any, **style: Any) -> None:
    """Names of curves as plain text: they may come from a stranger's file."""
    for text in owner.legend(*entries, **style).get_texts():
        text.set_parse_math(False)


def span(axes: Axes, x: np.ndarray) -> None:
    """From the first node to the last, where there are several."""
    if len(x) > 1:
        axes.set_xlim(x[0], x[-1])


def say(axes: Axes, text: str) -> None:
    """In the place of curves that are not there."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=FAINT)
    axes.set(xticks=[], yticks=[])
