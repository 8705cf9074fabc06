"""The report of a study, from scaling.h5 or the runs' archives alone."""

import math
from collections.abc import Iterable, Sequence
from itertools import combinations, product
from typing import Any

import numpy as np

from kanpde.files.yaml import write_yaml
from kanpde.models.networks import title_of
from kanpde.reports.figures import drawing
from kanpde.reports.html import Child, Markup, cards, element, facts, folded, items, page, section, table, warning
from kanpde.reports.sections import mapping_of, number, problem_section, provenance_section, span
from kanpde.studies.archive import StudyData
from kanpde.studies.comparisons import BUDGETS, VERDICT_RULE, Comparison, Pair, Series, Size, compare, kinds_of, ratio
from kanpde.studies.figures import scaling_panels
from kanpde.studies.power_laws import INTERVAL_RULE, PLATEAU_RULE, Center, PowerLaw
from kanpde.studies.records import FAILURE_RULE, Record

TUNING_RULE = (
    "Each model was chosen among the candidates listed, all of about the same number of parameters, by the lowest "
    "median error over seeds that are not used below."
)
CHOSEN_BEFORE = (("degree", "width"), ("depth", "activation"))
"""What older studies wrote of a chosen candidate, where newer ones name its runs."""


def study_report(outcome: StudyData) -> str:
    """A page on a study: what was asked, who wins where, how the error falls, and how far to trust it."""
    about = outcome.attributes
    title = str(about.get("title", "Runs"))
    comparisons = outcome.comparisons()
    heading = f"{' against '.join(map(title_of, kinds_of(outcome.records)))}: {title}".removeprefix(": ")
    return page(
        heading,
        element("h1", heading),
        element("p", _lead(outcome, comparisons), class_="lead"),
        [warning(text, failed=True) for text in _failures(outcome)],
        cards(_counts(outcome)),
        _problem(comparisons[0]) if _one_problem(comparisons) else None,
        [_comparison(one, outcome, place, comparisons) for place, one in enumerate(comparisons)],
        _own_section(outcome),
        _tuning(outcome),
        _classical(outcome),
        section("Rules", items([INTERVAL_RULE, PLATEAU_RULE, VERDICT_RULE, FAILURE_RULE, *_matching(outcome)])),
        _left_out(outcome),
        provenance_section(about),
    )


def _lead(outcome: StudyData, comparisons: Sequence[Comparison]) -> str:
    if not comparisons:
        return "No run could be read, so nothing can be concluded."
    several = f" in {len(comparisons)} groups of equal settings" if len(comparisons) > 1 else ""
    return f"{len(outcome.records)} runs{several}: how the error falls with size, and which model wins at equal budget."


def _failures(outcome: StudyData) -> list[str]:
    failed = [record for record in outcome.records if record.status == "failed"]
    lines = [f"{len(failed)} of {len(outcome.records)} runs failed: {failed[0].stop_reason}"] if failed else []
    if outcome.skipped:
        lines.append(f"Left out: {len(outcome.skipped)} that cannot be used; they are listed below with the reasons.")
    return lines


def _counts(outcome: StudyData) -> list[tuple[str, str]]:
    records = outcome.records
    best = [(f"lowest error of a {title_of(kind)}", number(min(one.error for one in records if one.model == kind)))
            for kind in kinds_of(records)]  # fmt: skip
    counts = [("runs", str(len(records))), ("failed", str(sum(one.status == "failed" for one in records)))]
    hours = sum(one.seconds for one in records) / 3600
    spent = ("hours of training", number(hours)) if hours >= 1 else ("minutes of training", number(60 * hours))
    return [*best, *counts, spent]


def _one_problem(comparisons: Sequence[Comparison]) -> bool:
    return len({write_yaml(one.settings["problem"]) for one in comparisons}) == 1


def _problem(one: Comparison) -> Markup:
    return problem_section(write_yaml(one.settings["problem"]))


def _comparison(one: Comparison, outcome: StudyData, place: int, comparisons: Sequence[Comparison]) -> Child:
    several = "" if len(comparisons) == 1 else f", group {place + 1} of {len(comparisons)}"
    own = None if _one_problem(comparisons) else [element("p", one.records[0].title, class_="lead"), _problem(one)]
    classical = outcome.classical if _one_problem(comparisons) else ()
    panels = [drawing(figure, caption, f"c{place}p{i}")
              for i, (caption, figure) in enumerate(scaling_panels(one, classical))]  # fmt: skip
    return [
        own,
        section(f"Results{several}", items(one.conclusions()), element("div", panels, class_="figures"), _legend(one)),
        section(f"Exponents{several}", _laws(one.series)),
        section(f"Pairs at equal budget{several}", _pairs(one)),
        section(f"Sizes{several}", _sizes(one), _conditions(one)),
    ]


def _legend(one: Comparison) -> Markup:
    plateau = any(not all(law.kept) for series in one.series for law in series.laws.values())
    hollow = " Hollow marks are a plateau, left out of the fit." if plateau else ""
    return element("p", "Marks are medians over seeds, bars their 95% intervals, dots single runs, dashes the fitted "
                        f"power laws.{hollow}", class_="faint")  # fmt: skip


def _laws(series: Iterable[Series]) -> Markup:
    """A row for each series; what there is to say of a cell stands below, under its number."""
    rows, reasons = [], list[str]()
    for one in series:
        if one.growth:
            laws = [one.laws[budget] for budget in BUDGETS] + ([one.order] if one.order else [])
            cells = [_law_cell(law, reasons) for law in laws] + ([] if one.order else ["–"])
            rows.append([one.name, *cells, str(one.degree + 1) if one.order else "–"])
    if not rows:
        return element("p", "Every model has a single size, so there is no exponent.")
    headings = ["series", *BUDGETS.values(), "cells of the grid", "k + 1, in theory for cells"]
    notes = [element("p", f"{place}) {reason}.", class_="faint") for place, reason in enumerate(reasons, 1)]
    return Markup(
        table(headings, rows, "Exponent α of error ∝ N^−α with its 95% interval, N being", stacked=True)
        + "".join(notes)
    )


def _law_cell(law: PowerLaw, reasons: list[str]) -> str:
    out = len(law.kept) - sum(law.kept)
    note = law.reason if law.reason else f"{out} of {len(law.kept)} sizes left out as a plateau" if out else ""
    if note and note not in reasons:
        reasons.append(note)
    place = f" {reasons.index(note) + 1})" if note else ""
    return f"{number(law.exponent, 3)} ({span(law.low, law.high)}){place}" if law.resolved else f"not resolved{place}"


def _pairs(one: Comparison) -> Child:
    if not one.pairs:
        return element("p", "No two models are of equal size, operations or seconds, so none can be called better.")
    names = {size.first.name for size in one.sizes}
    short = len(names) == len(one.kinds)
    tables = []
    for kinds, (budget, words) in product(combinations(one.kinds, 2), BUDGETS.items()):
        pairs = [pair for pair in one.pairs if pair.budget == budget and pair.kinds == kinds]
        if pairs:
            whose = f", {' against '.join(map(title_of, kinds))}" if len(one.kinds) > 2 else ""
            tables += [element("h3", f"Equal {words}{whose}"), _pair_table(pairs, words, short)]
    said = element("p", f"{', '.join(sorted(names))}; errors are medians with 95% intervals.") if short else None
    return [said, *tables]


def _pair_table(pairs: Sequence[Pair], words: str, short: bool) -> Markup:
    first, second = map(title_of, pairs[0].kinds)
    headings = [
        first, second, f"{words}, {first} / {second}", f"error of the {first}", f"error of the {second}",
        f"{second}'s over {first}'s", "lower error",
    ]  # fmt: skip
    rows = [
        [_short(pair.first, short), _short(pair.second, short),
         f"{number(pair.first.budget(pair.budget), 3)} / {number(pair.second.budget(pair.budget), 3)}",
         _center(pair.first_center), _center(pair.second_center), ratio(pair.advantage),
         title_of(pair.better) if pair.better else "not resolved"]
        for pair in pairs
    ]  # fmt: skip
    return table(headings, rows, stacked=True)


def _short(size: Size, short: bool) -> str:
    return size.first.size if short else f"{size.first.name} {size.first.size}"


def _center(center: Center) -> str:
    bounded = center.low > 0 and math.isfinite(center.high)
    return f"{number(center.median)} ({span(center.low, center.high)})" if bounded else number(center.median)


def _sizes(one: Comparison) -> Markup:
    rows = []
    for size in one.sizes:
        errors = size.errors
        late = sum(record.timed_out for record in size.records)
        budgets = [number(size.budget(name), 4 if name == "parameters" else 2) for name in BUDGETS]
        found = [number(float(np.median(errors))), span(min(errors), max(errors))]
        counts = [str(count) for count in (len(errors), size.failed, late)]
        rows.append([f"{size.first.name} {size.first.size}", *budgets, *found, *counts])
    headings = [
        "architecture", "parameters", "FLOPs a step", "seconds", "median error", "all errors", "seeds", "failed",
        "at the time limit",
    ]  # fmt: skip
    return table(headings, rows, "Every run counts, failed ones too.")


def _conditions(one: Comparison) -> Child:
    """What is equal in all runs of a comparison."""
    parts = [(name, one.settings.get(name)) for name in ("optimizer", "sampling", "training", "dtype")]
    shown = [(name, ", ".join(f"{key} {value}" for key, value in part.items() if value is not None)
              if isinstance(part, dict) else str(part)) for name, part in parts]  # fmt: skip
    points = sorted({record.points for record in one.records})
    shown += [("points", ", ".join(map(str, points))), ("reference", _reference(one.records))]
    return [element("h3", "Equal for all of these runs"), facts(shown)]


def _reference(records: Sequence[Record]) -> str:
    first = records[0]
    if first.reference in ("exact", "none"):
        return "the exact solution" if first.reference == "exact" else "unknown"
    return (
        f"{first.reference}, {first.reference_unknowns:.0f} unknowns, its own error {number(first.reference_error)}, "
        f"{number(first.reference_seconds)} s"
    )


def _own_section(outcome: StudyData) -> Child:
    if not outcome.own:
        return None
    chosen = mapping_of(outcome.attributes.get("own_optimizers_json"))
    said = ", ".join(f"{title_of(model)}: {name}" for model, name in chosen.items())
    rows = [[one.name, size.first.size, number(size.budget("parameters"), 4), number(size.budget("seconds")),
             _center(center)] for group in compare(outcome.own) for one in group.series
            for size, center in zip(one.sizes, one.centers, strict=True)]  # fmt: skip
    return section(
        "Each model with its own best optimizer",
        element(
            "p",
            f"Chosen on the seeds of tuning, at its size ({said}). Optimizers differ here, so steps and their "
            "cost do too: compare errors at equal seconds.",
        ),  # fmt: skip
        table(["series", "size", "parameters", "seconds", "error"], rows),
    )


def _tuning(outcome: StudyData) -> Child:
    if not outcome.tuning:
        return None
    chosen = mapping_of(outcome.attributes.get("chosen_json"))
    rows = [[record.name, record.size, str(record.parameters), str(record.seed), number(record.error),
             number(record.heldout), number(record.seconds), "chosen" if _is_chosen(record, chosen) else ""]
            for record in outcome.tuning]  # fmt: skip
    headings = ["candidate", "size", "parameters", "seed", "error", "held-out residual", "seconds", ""]
    return section("Tuning", element("p", TUNING_RULE), table(headings, rows))


def _is_chosen(record: Record, chosen: dict[str, Any]) -> bool:
    own = chosen.get(record.model)
    if not isinstance(own, dict):
        return False
    if isinstance(own.get("runs"), list):
        return record.sha256 in own["runs"]
    said = {*record.name.split(), *map(str, record.width)}
    return any(all(str(own.get(key)) in said for key in keys) for keys in CHOSEN_BEFORE)


def _classical(outcome: StudyData) -> Child:
    if not outcome.classical:
        return None
    rows = [[one.method, str(one.unknowns), number(one.error), number(one.seconds)] for one in outcome.classical]
    text = "The same problem by a classical method on the same machine: what a network is measured against in the end."
    return section("Classical solver", element("p", text), table(["method", "unknowns", "error", "seconds"], rows))


def _matching(outcome: StudyData) -> list[str]:
    study = mapping_of(outcome.attributes.get("study_json"))
    if not study:
        return []
    budgets = study.get("match")
    matched = ", ".join(map(str, budgets)) if isinstance(budgets, list) else ""
    return [
        f"Every run took at most {study.get('steps')} steps on {study.get('points')} points and "
        f"{study.get('time_limit')} seconds; the others were matched to the first by {matched}: parameters from the "
        "architecture, FLOPs per step as counted and seconds as measured in runs of this study, interpolated in the "
        "width. Products and factorizations of matrices are counted; elementwise work, such as evaluating splines, is "
        "not. Runs followed one another, one seed of all sizes after another; seconds are those of the wall clock."
    ]


def _left_out(outcome: StudyData) -> Child:
    unfinished = [record for record in outcome.records if record.status == "interrupted"]
    lines: list[Child] = [[element("code", one.path), f": {one.reason}"] for one in outcome.skipped]
    lines += [[element("code", one.path), ": interrupted"] for one in unfinished]
    if not lines:
        return None
    return section("Left out", element("p", f"Files or runs: {len(lines)}."), folded("Which, and why", items(lines)))
