"""A page on a folder of runs of several problems: a small picture and the verdict of each, problem by problem."""

from collections.abc import Iterable, Sequence

from kanpde.reports.cards import SHOWN, inline_picture
from kanpde.reports.html import Child, Markup, element, items, page, section
from kanpde.reports.plots import panel_figures
from kanpde.results.archive import RunData
from kanpde.results.metrics import metric_text
from kanpde.results.verdicts import verdict_in

MOST_PICTURES = 60
PICTURE_DPI = 70


def index_page(title: str, runs: Sequence[tuple[str, RunData]], skipped: Iterable[str] = ()) -> str:
    """All runs found, by problem, and what could not be read.

    Args:
        title: Of the page: the folder.
        runs: Where each lies and what its archive holds.
        skipped: A sentence on each file left out.
    """
    problems: dict[str, list[Markup]] = {}
    for place, (path, data) in enumerate(runs):
        shown = _run(path, data, place < MOST_PICTURES)
        problems.setdefault(str(data.attributes.get("title")), []).append(shown)
    left_out = list(skipped)
    return page(
        title,
        element("h1", title),
        element("p", f"{len(runs)} runs of {len(problems)} problems.", class_="lead"),
        [section(name, element("div", shown, class_="figures")) for name, shown in sorted(problems.items())],
        section("Left out", items(left_out)) if left_out else None,
    )


def _run(path: str, data: RunData, pictured: bool) -> Markup:
    told = [f"{name} {metric_text(name, data.metrics[name])}" for name in SHOWN[:1] if name in data.metrics]
    verdict = verdict_in(data.attributes, data.metrics)
    words = f"{data.model.kind}, seed {data.attributes.get('seed')}: {verdict.word.value}"
    caption = [element("b", words), element("br"), ", ".join(told), element("br"), element("code", path)]
    return element("figure", _thumbnail(data) if pictured else None, element("figcaption", caption))


def _thumbnail(data: RunData) -> Child:
    """The first panel of the run's picture."""
    figures = panel_figures(data)
    if not figures:
        return None
    name, figure = figures[0]
    return inline_picture(figure, name, PICTURE_DPI)
