"""The HTML of the service: readable without JavaScript, made lively by the modules in static/.

All text goes through `element`, which escapes it. Data for scripts lies in `data-` attributes: no script is inline.
"""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, HTMLResponse, Response

from kanpde.reports.html import Child, Markup, element, facts, table
from kanpde.results.held_out import HELDOUT_RESIDUAL, HELDOUT_RMS
from kanpde.service.bodies import TITLES, Refused
from kanpde.service.guards import VIEWER_POLICY
from kanpde.service.services import Service
from kanpde.service.table import ENDED, Row

STATIC = Path(__file__).parent / "static"
KINDS = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".html": "text/html"}
PLACES = (("/", "Problems"), ("/new", "New problem"), ("/jobs", "Jobs"), ("/runs", "Runs"), ("/docs", "Programs"))
EMPTY = """title: Poisson equation on an interval
coordinates: {x: [0, 1]}
fields: [u]
equations: {poisson: u_xx = -sin(pi*x)}
boundary: {"*": u = 0}
"""
DOWNLOADS = (
    ("result.h5", "archive"),
    ("history.jsonl", "history"),
    ("solution.png", "picture"),
    ("report.html", "report"),
)

RUN_HEADS = "choose", "run", "status", "model", "seed", "error", "held-out residual", "parameters", "seconds", "created"
RUN_FIGURES = ("rel_l2", HELDOUT_RMS, "n_parameters", "wall_time_s")
MEASURES = (("rel_l2", "relative error"), ("loss", "loss"), (HELDOUT_RESIDUAL, "held-out residual"))
PYTHON = """import kanpde

run = kanpde.open_run("{folder}/result.h5")
run.solution([[{point}]])
run.solution.derivative("{field}", [[{point}]])"""
CLIENT = """from kanpde.service import Client

job = Client("http://127.0.0.1:8765", token).solve("burgers", settings={"seed": 1})
job.wait()
job.download("result.h5", "burgers.h5")"""
SHELL = """kanpde submit problem=burgers seed=1 --at URL --wait

curl -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" \\
  http://127.0.0.1:8765/processes/solve/execution -d '{"problem": "burgers", "settings": {"seed": 1}}'"""


def wanted(request: Request) -> bool:
    """Whether a browser asks, rather than a program; `f=json` and `f=html` decide."""
    chosen = request.query_params.get("f")
    return chosen == "html" if chosen else "text/html" in request.headers.get("accept", "")


def add_paths(app: FastAPI, service: Service) -> None:
    """The pages that are nothing else, and what they load."""

    @app.get("/", include_in_schema=False)
    async def home() -> Response:
        return _problems_page((await service.remembered("problems"))["problems"])

    @app.get("/new", include_in_schema=False)
    async def new(job: str = "") -> Response:
        if not job:
            return _editor_page("New problem", EMPTY, "")
        row = service.job(job)
        spec = service.place.job(row.id).spec()
        if spec["text"]:
            return _editor_page(row.title, service.place.job(row.id).problem(), "")
        text = (await _problem_of(service, spec["name"]))["text"]
        return _editor_page(row.title, text, spec["name"])

    @app.get("/problems/{name}", include_in_schema=False)
    async def problem(name: str) -> Response:
        found = await _problem_of(service, name)
        return _editor_page(found["title"], found["text"], name)

    @app.get("/problems/{name}/statement", include_in_schema=False)
    async def statement(name: str) -> dict[str, Any]:
        await _problem_of(service, name)
        return await service.remembered("typeset", name=name)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return _docs_page(app.openapi(), service.place.root.name)

    @app.get("/static/{name}", include_in_schema=False)
    async def static(request: Request, name: str) -> Response:
        path = STATIC / name
        if path.name != name or path.suffix not in KINDS or not path.is_file():
            raise Refused(404, "There is no such part of the page. Load the page again.")
        headers = {"Cache-Control": "no-cache"}
        if name.startswith("viewer"):
            origin = f"{request.url.scheme}://{request.headers['host']}"
            headers |= {
                "Content-Security-Policy": VIEWER_POLICY.replace("{origin}", origin),
                "X-Frame-Options": "SAMEORIGIN",
            }
        return FileResponse(path, media_type=KINDS[path.suffix], headers=headers)


async def _problem_of(service: Service, name: str) -> dict[str, Any]:
    found = (await service.remembered("problems"))["problems"]
    one = next((one for one in found if one["name"] == name), None)
    if one is None:
        raise Refused(404, "There is no problem of this name. See the list of problems.")
    return one


def error_page(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """What cannot be shown, for people."""
    title = TITLES.get(status, "Refused")
    shown = page(title, element("h1", title), element("p", detail), status=status)
    shown.headers.update(headers or {})
    return shown


def page(title: str, *body: Child, script: str = "", status: int = 200) -> HTMLResponse:
    """A whole document with the ways to the others."""
    links = [element("a", name, href=path) for path, name in PLACES]
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", f"{title} – kanpde"),
        Markup('<link rel="icon" href="/static/icon.svg"><link rel="stylesheet" href="/static/style.css">'),
        element("script", type="module", src=f"/static/{script}.js") if script else None,
    )
    nav = element("nav", element("a", "kanpde", href="/", class_="name"), links, aria_label="Pages")
    top = element("header", element("a", "Skip to the content", href="#main", class_="skip"), nav)
    main = element("main", *body, id="main", tabindex="-1")
    whole = element("html", head, element("body", top, main), lang="en")
    return HTMLResponse(f"<!DOCTYPE html>\n{whole}\n", status)


def _search() -> Markup:
    return element("label", "Find ", element("input", type="search", id="find", autocomplete="off"), class_="find")


def _live(id: str, *text: Child) -> Markup:
    """A line whose changes are read out."""
    return element("p", *text, id=id, role="status", aria_live="polite")


def _region(name: str, *body: Child, **more: str | None) -> Markup:
    """A part that scrolls, and so can be reached by the keyboard."""
    return element("div", *body, tabindex="0", role="region", aria_label=name, **more)


def _section(title: str, *body: Child) -> Markup:
    return element("section", element("h2", title), *body)


def _code(text: str, **more: str) -> Markup:
    return element("pre", text, tabindex="0", **more)


def _nothing(what: str) -> Markup:
    return element("p", f"No {what} yet. ", element("a", "Choose a problem", href="/"), ".")


def _problems_page(problems: list[dict[str, Any]]) -> Response:
    cards = [
        element(
            "li",
            element("h2", element("a", one["title"], href=f"/problems/{one['name']}")),
            element("div", [element("code", text) for text in one["equations"][:3]], class_="equations"),
            element("p", one["name"], class_="faint"),
            class_="problem", data_name=one["name"],
        )
        for one in problems
    ]  # fmt: skip
    own = element("a", "write your own", href="/new")
    about = element("p", "Choose one to look at it, change it and solve it; or ", own, ".")
    listed = element("ul", cards, class_="problems")
    return page("Problems", element("h1", "Problems"), about, _search(), listed, script="problems")


def _editor_page(title: str, text: str, name: str) -> Response:
    """The text, what the checks say of it, the settings, and the ways to solve it."""
    area = element("textarea", text, id="text", spellcheck="false", rows="16", aria_label="Problem file")
    chosen = element("input", type="file", id="files", multiple="")
    files = element("label", "Files that it names ", chosen, class_="files")
    equations = _region("Equations", id="equations", class_="equations")
    checked = _section("Checked", _live("verdict", "Not yet."), equations, element("div", id="estimate"))
    same = element(
        "details",
        element("summary", "As a command line, as Python"),
        _code("", id="command", aria_label="As a command line"),
        _code("", id="python", aria_label="As Python"),
    )
    solve = element("button", "Solve", id="solve", class_="main")
    study = element("button", "Scaling study", id="study")
    several = element("p", "Several values, with commas: a run for each combination.", class_="faint")
    form = element(
        "form",
        element("div", solve, study, class_="buttons"),
        _live("answer"),
        _section("Settings", element("div", id="settings")),
        _section("Sweep", several, element("div", id="sweep")),
        id="form",
    )
    left = element("div", _section("Problem file", area, files), checked, same)
    both = element("div", left, form, class_="two", data_name=name, id="editor")
    return page(title, element("h1", title), both, script="editor")


def jobs_page(service: Service, rows: list[Row]) -> Response:
    """All jobs, the newest first."""
    cells = [_job_cells(service, row) for row in rows]
    found = table(("job", "status", "message", "submitted", "run"), cells, stacked=True) if rows else _nothing("jobs")
    return page("Jobs", element("h1", "Jobs"), element("div", found, id="jobs", class_="texts"), script="jobs")


def _job_cells(service: Service, row: Row) -> tuple[Child, ...]:
    link = element("a", row.title or row.process, href=f"/jobs/{row.id}")
    run = row.folder.replace("/", "/\u200b")  # may be broken there
    return link, _badge(row.status), service.supervisor.status_of(row), _time(row.created), run


def job_page(service: Service, row: Row) -> Response:
    """One job: its state, its curves while it runs, its notes, Stop."""
    ended = row.status in ENDED
    message = element("span", service.supervisor.status_of(row), id="message")
    state = _live("state", _badge(row.status, "status"), " ", message)
    unknown = None if row.process == "solve" else ""  # how many runs a study takes is seen as it goes
    bar = element("progress", max="100", value="0", id="progress", aria_label="Progress", hidden=unknown)
    ways = [
        element("button", "Stop", id="stop", hidden="" if ended else None),
        element("a", "Change and solve again", href=f"/new?job={row.id}"),
    ]
    place = f"/runs/{row.folder}" if row.process == "solve" else f"/jobs/{row.id}/results/report.html"
    name = "Its run" if row.process == "solve" else "Its report"
    ways.append(element("a", name, href=place, id="to-run", hidden=None if ended else ""))
    latest = element("table", element("caption", "The latest measurements"), element("tbody", id="latest"))
    waiting = element("p", "Nothing has been measured yet.", class_="faint")
    course = element(
        "div",
        element("div", waiting, id="curve", class_="curve"),
        _region("Latest measurements", latest, class_="scroll", id="measured", hidden=""),
        class_="beside",
    )
    notes = element("ol", id="notes", class_="notes", tabindex="0", aria_label="Notes")
    log = element("a", "log", href=f"/jobs/{row.id}/results/log.txt")
    return page(
        row.title or "Job",
        element("h1", row.title or row.process),
        state,
        bar,
        element("div", ways, class_="buttons"),
        _section("Course" if row.process == "solve" else "Error against size", course),
        _section("Notes", notes),
        element("p", log, class_="faint"),
        element("div", id="job", data_id=row.id, data_process=row.process),
        script="job",
    )


def runs_page(rows: list[dict[str, Any]]) -> Response:
    """The table of runs, which the script sorts and filters; chosen ones are compared."""
    head = element("thead", element("tr", [element("th", text, scope="col") for text in RUN_HEADS]))
    body = element("tbody", [element("tr", _run_cells(row)) for row in rows])
    shown = _region("Runs", element("table", head, body, class_="stacked"), class_="scroll", id="runs")
    buttons = element("div", element("button", "Compare the chosen", class_="main"), class_="buttons")
    form = element("form", _search(), shown, buttons, action="/compare", method="get")
    return page("Runs", element("h1", "Runs"), form if rows else _nothing("runs"), script="runs")


def _run_cells(row: dict[str, Any]) -> list[Markup]:
    name, metrics = row["run"], row.get("metrics", {})
    box = element("input", type="checkbox", name="run", value=name, aria_label=f"Choose {name}")
    link = element("a", row.get("title") or name, href=f"/runs/{name}")
    first = element("th", link, element("br"), element("span", name, class_="faint"), scope="row")
    plain = [row.get("status", ""), row.get("kind", ""), str(row.get("seed", ""))]
    shown: list[tuple[str, str | None]] = [(text, None) for text in plain]
    shown += [(_number(metrics.get(key)), _exact(metrics.get(key))) for key in RUN_FIGURES]
    shown.append((_time(row.get("created", "")), None))
    cells = [
        element("td", text, data_value=value, data_label=head)
        for (text, value), head in zip(shown, RUN_HEADS[2:], strict=True)
    ]
    return [element("td", box, data_label=RUN_HEADS[0]), first, *cells]


def _exact(value: float | None) -> str:
    return "" if value is None else repr(value)


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return str(value) if isinstance(value, int) else f"{value:.2e}" if not 0.01 <= abs(value) < 1e4 else f"{value:.3g}"


def compare_page(rows: list[dict[str, Any]], titles: Mapping[str, str]) -> Response:
    """Courses overlaid, metrics side by side."""
    if not rows:
        to = element("a", "table of runs", href="/runs")
        return page("Compare", element("h1", "Compared"), element("p", "No runs chosen. Tick some in the ", to, "."))
    found = {name for row in rows for name in row.get("metrics", {})}
    names = [*(name for name in titles if name in found), *sorted(found - set(titles))]
    cells = [(titles.get(name, name), *(_number(row.get("metrics", {}).get(name)) for row in rows)) for name in names]
    figures = table(("figure", *(row["run"].replace("/", "/\u200b") for row in rows)), cells)
    options = [element("option", text, value=name) for name, text in MEASURES]
    slim = [{"run": row["run"], "course": row["course"], "metrics": row.get("metrics", {})} for row in rows]
    return page(
        "Compare",
        element("h1", "Compared"),
        element("label", "Show ", element("select", options, id="measure")),
        element("div", id="curve", class_="curve"),
        _section("Error against size", element("div", id="sizes", class_="curve")),
        _section("Figures", element("div", figures, class_="sticky")),
        element("div", id="compare", data_runs=json.dumps(slim)),
        script="compare",
    )


async def run_page(service: Service, name: str, archive: Path) -> Response:
    """The report, fields to zoom, the box for evaluating, downloads, and how to get the same elsewhere."""
    text = (await service.report(archive)).read_text(encoding="utf-8")
    about = await service.ask("about", archive=str(archive))
    report = Markup(text.partition("<main>")[2].rpartition("</main>")[0])
    folder = f"{service.place.root.name}/{name}"
    point = ", ".join(f"{(low + high) / 2:.4g}" for low, high in about["axes"].values())
    python = PYTHON.format(folder=folder, point=point, field=about["fields"][0])
    downloads = [element("a", label, href=f"/runs/{name}/{file}") for file, label in DOWNLOADS]
    parts = {
        "Fields": _viewer(name),
        "Evaluate here": _evaluation(name, about, point),
        "Downloads": element("p", downloads, class_="links"),
        "As a command line": _command(about["words"], folder),
        "As Python": _code(python),
    }
    ways = [element("a", title, href=f"#{_anchor(title)}") for title in parts]
    return page(
        str(about["title"]),
        element("p", element("a", "All runs", href="/runs"), ways, class_="links"),
        element("article", report, class_="report"),
        [element("div", _section(title, body), id=_anchor(title)) for title, body in parts.items()],
        script="run",
    )


def _anchor(title: str) -> str:
    return f"to-{title.lower().replace(' ', '-')}"


def _command(words: list[str], folder: str) -> Markup:
    """How to make the run again, and to look at it, where it lies."""
    lines = [f"kanpde solve {shlex.join(words)}"] if words else []
    return _code("\n".join([*lines, f"kanpde show {folder}", f"kanpde symbolic {folder}"]))


def _viewer(name: str) -> Markup:
    button = element("button", "Open the fields", id="open-viewer")
    frame = element("div", id="viewer", data_file=f"/runs/{name}/result.h5")
    return element("div", element("p", button, " of any dimension: slices, zoom, profiles."), frame)


def _evaluation(name: str, about: dict[str, Any], point: str) -> Markup:
    points = element("textarea", point, id="points", rows="3")
    expressions = element("input", id="expressions", value=f"{about['fields'][0]}, residual")
    return element(
        "form",
        element("label", f"Points, a line each: {', '.join(about['axes'])}", points),
        element("label", "Expressions, with commas", expressions),
        element("button", "Evaluate", class_="main"),
        _live("told"),
        element("div", id="values"),
        id="evaluate", data_run=name, data_axes=json.dumps(about["axes"]),
    )  # fmt: skip


def _docs_page(schema: dict[str, Any], folder: str) -> Response:
    """The paths for programs, from the OpenAPI description."""
    rows = [
        (method.upper(), element("code", path), str(call.get("description") or call.get("summary", "")))
        for path, calls in schema["paths"].items()
        for method, call in calls.items()
    ]
    paths = table(("method", "path", "what it does"), rows, stacked=True)
    about = facts([
        ("token", f"in {folder}/.service/token, on the machine of the service"),
        ("description", element("a", "OpenAPI 3.1", href="/api")),
        ("standard", "OGC API – Processes, Part 1: core, JSON, job list, dismiss"),
        ("UM-Bridge", "http://127.0.0.1:8765/um/TOKEN: every finished run is a model"),
    ])  # fmt: skip
    return page(
        "Programs",
        element("h1", "For programs"),
        about,
        _section("Python", _code(CLIENT)),
        _section("A shell", _code(SHELL)),
        _section("Paths", element("div", paths, class_="texts")),
    )


def _badge(status: str, id: str | None = None) -> Markup:
    return element("span", status, class_=f"badge {status}", id=id)


def _time(text: str) -> str:
    return text[:16].replace("T", " ")
