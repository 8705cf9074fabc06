"""HTML, escaped by construction: a plain string is text, whoever wrote it; only `element` makes markup."""

import html
from collections.abc import Iterable, Sequence

VOID = frozenset({"meta", "br", "hr", "img", "input"})

STYLE = """
:root { color-scheme: light; --ink: #1d1d1f; --faint: #6b6b70; --rule: #d9d9de; --ground: #f6f6f8; --warn: #8a5a00; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1.2rem 1rem 3rem; color: var(--ink); background: #fff;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .3rem; text-wrap: balance; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; padding-top: .5rem; border-top: 1px solid var(--rule); }
h3 { font-size: 1rem; margin: 1.3rem 0 .3rem; }
p, ul, dl { margin: .5rem 0; }
ul { padding-left: 1.2rem; }
li { margin: .25rem 0; }
.faint { color: var(--faint); font-size: .88rem; }
.lead { font-size: 1.05rem; }
.warning { border-left: .25rem solid #d9a400; background: #fff8e1; padding: .5rem .8rem; margin: .5rem 0; }
.failed { border-left-color: #b00020; background: #fdecee; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .6rem; margin: 1rem 0; }
.card { background: var(--ground); border-radius: .5rem; padding: .6rem .8rem; }
.card b { display: block; font-size: 1.2rem; line-height: 1.3; font-variant-numeric: tabular-nums; }
.card span { color: var(--faint); font-size: .82rem; }
.math { margin: .55rem 0; font-size: 1.1rem; line-height: 2; }
.math svg { max-width: 100%; margin: 0 .12em; }
.math .where { font-size: .88rem; margin-left: 1em; color: var(--faint); }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); gap: 1rem; }
figure { margin: .6rem 0; min-width: 0; }
figure svg { display: block; width: 100%; height: auto; max-width: 34rem; margin: 0 auto; }
figure img { display: block; max-width: 100%; margin: 0 auto; }
figure.wide svg { max-width: 100%; }
figcaption { color: var(--faint); font-size: .88rem; text-align: center; }
.scroll { overflow-x: auto; margin: .6rem 0; }
table { border-collapse: collapse; font-size: .86rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--faint); padding-bottom: .3rem; }
th, td { padding: .3rem .5rem; text-align: right; border-bottom: 1px solid var(--rule); white-space: nowrap; }
th { font-weight: 600; vertical-align: bottom; white-space: normal; }
th:first-child, td:first-child { text-align: left; padding-left: 0; white-space: normal; min-width: 6rem; }
dl { display: grid; grid-template-columns: minmax(7rem, max-content) 1fr; gap: .2rem .9rem; font-size: .9rem; }
dt { color: var(--faint); } dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }
pre { background: var(--ground); padding: .7rem; border-radius: .4rem; font-size: .78rem; white-space: pre-wrap;
  overflow-wrap: anywhere; }
code { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: .9em; overflow-wrap: anywhere; }
details > summary { cursor: pointer; color: #0057a0; margin: .5rem 0; }
@media (max-width: 30rem) {
  body { padding: 1rem .8rem 2rem; } h1 { font-size: 1.35rem; }
  dl { grid-template-columns: minmax(5.5rem, 32%) 1fr; }
  th, td { padding: .3rem .4rem; }
  .stacked thead { display: none; } .stacked, .stacked caption, .stacked tbody, .stacked tr { display: block; }
  .stacked tr { border-bottom: 1px solid var(--rule); padding: .35rem 0; }
  .stacked td { display: flex; justify-content: space-between; gap: 1rem; border: 0; padding: .1rem 0;
    white-space: normal; }
  .stacked td::before { content: attr(data-label); color: var(--faint); text-align: left; flex: none; }
  .stacked td:first-child { font-weight: 600; }
}
@page { margin: 16mm 14mm; }
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; }
  h1 { font-size: 17pt; } h2 { font-size: 13pt; break-after: avoid; } h3 { break-after: avoid; }
  figure, tr, .card, .math, .warning { break-inside: avoid; }
  thead { display: table-header-group; }
  .scroll { overflow: visible; } table { font-size: 7.5pt; } th, td { padding: .15rem .35rem; }
  .figures { grid-template-columns: 1fr 1fr; }
  details:not([open]) { display: none; }
}
"""


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
