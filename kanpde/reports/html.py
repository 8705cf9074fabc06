"""HTML, escaped by construction: a plain string is text, whoever wrote it; only `element` makes markup."""

import html
from collections.abc import Iterable, Sequence
from importlib.resources import files

VOID = frozenset({"meta", "br", "hr", "img", "input"})

STYLE = (files("kanpde.reports") / "report.css").read_text(encoding="utf-8")


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Child = str | Iterable["Child"] | None


def element(tag: str, *children: Child, **attributes: str | None) -> Markup:
    """One element; plain strings inside it are escaped, None is left out, `class_` stands for class.

    >>> element("p", "a < b ", element("b", "c"), class_="x")
    '<p class="x">a &lt; b <b>c</b></p>'
    """
    named = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items() if value is not None}
    words = "".join(f' {name}="{html.escape(value)}"' for name, value in named.items())
    opening = f"<{tag}{words}>"
    return Markup(opening if tag in VOID else f"{opening}{_joined(children)}</{tag}>")


def _joined(children: Iterable[Child]) -> str:
    return "".join(_escaped(child) for child in children)


def _escaped(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Markup):
        return child
    return html.escape(child) if isinstance(child, str) else _joined(child)


def page(title: str, *body: Child) -> str:
    """A whole document; the policy in its head forbids whatever might be smuggled in to run or to load."""
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        Markup(f"<style>{STYLE}</style>"),
    )
    return "<!DOCTYPE html>\n" + element("html", head, element("body", element("main", *body)), lang="en") + "\n"


def section(title: str, *body: Child) -> Markup:
    return element("section", element("h2", title), *body)


def table(
    headings: Sequence[str], rows: Iterable[Sequence[Child]], caption: str | None = None, stacked: bool = False
) -> Markup:
    """Rows of cells, in a box of its own that scrolls where the screen is narrower than the table.

    stacked: On narrow screens a row becomes a block, a line for each cell, so that nothing is out of sight.
    """
    head = element("thead", element("tr", [element("th", heading, scope="col") for heading in headings]))
    body = element("tbody", [element("tr", _cells(headings, row)) for row in rows])
    above = element("caption", caption) if caption else None
    kind = "stacked" if stacked else None
    return element("div", element("table", above, head, body, class_=kind), class_="scroll", tabindex="0")


def _cells(headings: Sequence[str], row: Sequence[Child]) -> list[Markup]:
    return [element("td", cell, data_label=name) for name, cell in zip(headings, row, strict=True)]


def facts(pairs: Iterable[tuple[str, Child]]) -> Markup:
    """Names and what they stand for."""
    return element("dl", [(element("dt", name), element("dd", value)) for name, value in pairs])


def items(lines: Iterable[Child]) -> Markup:
    return element("ul", [element("li", line) for line in lines])


def cards(pairs: Iterable[tuple[str, str]]) -> Markup:
    """A few figures to be seen first: what it is, and the figure."""
    return element("div", [element("div", element("b", value), element("span", name), class_="card")
                           for name, value in pairs], class_="cards")  # fmt: skip


def warning(text: Child, failed: bool = False) -> Markup:
    return element("p", text, class_="warning failed" if failed else "warning")


def folded(summary: str, *body: Child) -> Markup:
    """Shown on request."""
    return element("details", element("summary", summary), *body)
