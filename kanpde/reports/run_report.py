"""The report of one run, from its archive alone."""

import math
from collections.abc import Mapping

from kanpde.reports.figures import drawing
from kanpde.reports.html import Child, Markup, cards, element, facts, folded, page, section, table, warning
from kanpde.reports.plots import panel_figures
from kanpde.reports.sections import mapping_of, number, problem_section, provenance_section
from kanpde.results.archive import RunData
from kanpde.results.held_out import HELDOUT_RMS
from kanpde.results.metrics import ROWS, metric_digits, metric_title
from kanpde.results.verdicts import verdict_in
from kanpde.symbolic.diagrams import diagram_points, network_diagram
from kanpde.symbolic.readings import stored_network

FIRST = tuple(row.name for row in ROWS if row.headline)
NAMES = {row.name: row.title for row in ROWS if row.title}
PARTED = 10.0
"""Held-out over training residual above which the solution is not to be believed."""


def run_report(data: RunData) -> str:
    """A page on one run: what was asked, what came out, how far to trust it."""
    about = data.attributes
    title = str(about.get("title", "A run"))
    status, verdict = str(about.get("status", "unknown")), verdict_in(about, data.metrics)
    return page(
        title,
        element("h1", title),
        element(
            "p",
            f"{data.model.kind.upper()}, seed {about.get('seed', '?')}: {status}. ",
            str(about.get("stop_reason", "")),
            class_="lead",
        ),  # fmt: skip
        element("p", element("b", verdict.word.value), f": {verdict.reason}", class_="lead"),
        [warning(text, failed=status == "failed") for text in run_warnings(data)],
        cards((NAMES[name], number(data.metrics[name])) for name in FIRST if _measured(data.metrics, name)),
        element("p", measured_against(data)),
        problem_section(str(about.get("problem_yaml", "")), data.samples),
        section("Solution and training", element("div", _figures(data), class_="figures")),
        section(
            "What was run",
            facts(_settings(data)),
            folded("All settings", element("pre", str(about.get("config_yaml", "")))),
        ),
        _formula_section(data),
        section("Figures", _metrics(data.metrics)),
        provenance_section(about),
    )


def _formula_section(data: RunData) -> Child:
    """What was read from the fields, and the networks it was read from; nothing where nobody looked."""
    about, parts = data.symbolic_attributes, []
    for field in data.solved_fields or ("edge",):
        if f"structure_{field}" in about:
            parts.append(folded(f"Structure of {field}", element("pre", str(about[f"structure_{field}"]))))
        if f"sentence_{field}" not in about:
            continue
        sign = " = " if about.get(f"found_{field}") else ": "
        parts.append(element("p", element("strong", field), sign, str(about[f"sentence_{field}"])))
        stored = stored_network(data, field)
        if stored is not None:
            inputs = tuple(stored[1].get("inputs", data.axes))
            figure = network_diagram(stored[0], diagram_points(stored[0]), inputs, field)
            parts.append(element("div", drawing(figure, f"The network of {field}", f"n-{field}"), class_="figures"))
    if not parts:
        return None
    verification = about.get("verification")
    return section("Formulas", *parts, element("p", str(verification)) if verification else None)


def _figures(data: RunData) -> list[Markup]:
    return [drawing(figure, caption, f"f{place}") for place, (caption, figure) in enumerate(panel_figures(data))]


def measured_against(data: RunData) -> str:
    """What the error was measured against: method, its own error, seconds."""
    method, metrics = str(data.attributes.get("reference", "none")), data.metrics
    if "realization" in data.spectrum:
        formula = data.attributes.get("formula")
        return f"The edge, as a formula: {formula} ({data.attributes.get('formula_errors')})." if formula else ""
    if "rel_l2" not in metrics:
        return "No error was measured: there is neither an exact solution nor a reference."
    if method == "exact":
        return "Measured against the exact solution, evaluated in double precision."
    own = f"its own error {number(metrics.get('reference_error', math.nan))}"
    seconds = f"{number(metrics.get('reference_time_s', math.nan))} s"
    unknowns = f"{metrics.get('reference_unknowns', math.nan):.0f} unknowns"
    return f"Measured against a classical solver: {method}, {unknowns}, {own}, {seconds}."


def run_warnings(data: RunData) -> list[str]:
    """What a careful reader wants to know, from the figures in the archive."""
    metrics, status, found = data.metrics, str(data.attributes.get("status")), []
    if status != "done":
        found.append(f"The run is {status}: {data.attributes.get('stop_reason')}")
    if metrics.get("rel_l2", math.inf) < metrics.get("reference_error", 0.0):
        found.append("The error is below that of the reference: it says no more than that the two agree.")
    held, trained = metrics.get(HELDOUT_RMS, 0.0), metrics.get("residual_rms", math.inf)
    if trained > 0 and held > PARTED * trained:
        found.append(
            f"The held-out residual is {held / trained:.0f} times the training residual: the points were fitted rather "
            "than the equation."
        )
    outside = metrics.get("outside_grid_fraction", 0.0)
    if outside > 0.01:
        found.append(f"{outside:.0%} of the hidden activations lie outside their grids, where the end pieces continue.")
    return found


def _settings(data: RunData) -> list[tuple[str, Child]]:
    described = mapping_of(data.model.config_json)
    design = described.get("design")
    design = design if isinstance(design, dict) else {}
    rows: list[tuple[str, Child]] = [("model", data.model.kind)]
    rows += [(str(key), str(value)) for key, value in design.items()]
    return rows + [(name, str(described[name])) for name in ("conditions", "dtype") if name in described]


def _metrics(metrics: Mapping[str, float]) -> Markup:
    known = [*NAMES, *(name for name in metrics if name not in NAMES)]
    shown = [name for name in known if _measured(metrics, name)]
    rows = [(metric_title(name), number(float(metrics[name]), metric_digits(name))) for name in shown]
    return table(["", "value"], rows)


def _measured(metrics: Mapping[str, float], name: str) -> bool:
    return name in metrics and not math.isnan(metrics[name])
