"""Colors and labels that all figures share."""

from matplotlib.axes import Axes

# Okabe and Ito's colors: told apart by color-blind readers, and in print.
BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"
CYCLE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
INK, FAINT = "#222222", "#888888"


def label(axes: Axes, title: str, horizontal: str | None, vertical: str | None) -> None:
    """Title and axes, as plain text: names may come from a stranger's file."""
    axes.set_title(title, fontsize=10.5, color=INK, parse_math=False)
    if horizontal is not None:
        axes.set_xlabel(horizontal, parse_math=False)
    if vertical is not None:
        axes.set_ylabel(vertical, parse_math=False)
    axes.tick_params(labelsize=8.5)
