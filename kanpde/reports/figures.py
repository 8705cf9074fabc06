"""Figures as inline SVG: sharp at any size, and part of the page."""

import io
import re
import warnings

from matplotlib import rc_context
from matplotlib.figure import Figure

from kanpde.reports.html import Markup, element
from kanpde.reports.plots import with_pixels


def drawing(figure: Figure, caption: str, label: str, wide: bool = False) -> Markup:
    """A figure with its caption.

    Args:
        figure: What to show; its color maps become pixels inside the SVG, everything else stays lines.
        caption: Below it.
        label: Distinct for every figure of a page: names inside an SVG are the whole page's.
        wide: Whether it may take the whole width.
    """
    with_pixels(figure)
    svg = element(
        "figure", svg_of(figure, label, caption), element("figcaption", caption), class_="wide" if wide else None
    )
    return svg


def svg_of(figure: Figure, label: str, title: str) -> Markup:
    buffer = io.StringIO()
    with rc_context({"svg.fonttype": "path", "svg.hashsalt": label}), warnings.catch_warnings():
        # A title in a script that the font lacks becomes boxes; no reason to alarm anybody.
        warnings.filterwarnings("ignore", message="Glyph")
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        # tight: the layout leaves too little room beside axes of equal scales
        figure.savefig(buffer, format="svg", dpi=150, metadata=nothing, bbox_inches="tight", pad_inches=0.04)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text, flags=re.DOTALL)
    return Markup(_named_apart(_sized_by_page(text, title), label))


def _sized_by_page(svg: str, title: str) -> str:
    """Without a size of its own, and with words for those who do not see it."""
    opening, rest = svg.split(">", 1)
    opening = re.sub(r'\s(width|height)="[^"]*"', "", opening)
    return f'{opening} role="img">{element("title", title)}{rest}'


def _named_apart(svg: str, label: str) -> str:
    """Ids and the references to them, prefixed."""
    svg = re.sub(r'\bid="', f'id="{label}-', svg)
    return re.sub(r'(url\(#|href="#)', rf"\g<1>{label}-", svg)
