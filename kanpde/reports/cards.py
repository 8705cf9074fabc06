"""A run in a few lines, and with its picture, as notebooks and folders show it."""

import base64

from matplotlib.figure import Figure

from kanpde.reports.html import Markup, element
from kanpde.reports.plots import png_bytes, solution_figure
from kanpde.results.archive import RunData
from kanpde.results.held_out import HELDOUT_RMS
from kanpde.results.metrics import metric_text
from kanpde.results.verdicts import verdict_in

SHOWN = ("rel_l2", "max_error", HELDOUT_RMS, "n_parameters", "wall_time_s")
CARD_DPI = 55


def summary_lines(data: RunData) -> list[str]:
    """What was solved, how it ended, whether it is to be believed, the first figures."""
    about = data.attributes
    told = [f"{name} {metric_text(name, data.metrics[name])}" for name in SHOWN if name in data.metrics]
    return [
        f"<Run {about.get('title')}: {about.get('status')}, {data.model.kind}, seed {about.get('seed')}>",
        verdict_in(about, data.metrics).line().strip(),
        ", ".join(told),
        str(about.get("stop_reason", "")),
    ]


def run_card(data: RunData) -> Markup:
    """The same as HTML, with the picture inside."""
    image = inline_picture(solution_figure(data), "the run in one picture", CARD_DPI)
    title, *lines = summary_lines(data)
    return element("div", element("b", title.strip("<>")), [element("div", line) for line in lines], image)


def inline_picture(figure: Figure, alt: str, dpi: float) -> Markup:
    """A figure that lies in the page itself."""
    encoded = base64.b64encode(png_bytes(figure, dpi)).decode()
    return element("img", alt=alt, src=f"data:image/png;base64,{encoded}")
