"""A standing benchmark: problems × routes × seeds, the error over time, and what a classical solver needs beside.

    case → run → row, kept at once in bench.json;    rows → bench.csv, bench.png, bench.md

A row that is there is not made again, so a benchmark that was stopped goes on where it was, and one can grow.
"""

import csv
import io
import json
import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from kanpde.errors import InputError, RunError
from kanpde.files.atomic import made_folder, replace_file
from kanpde.files.regular import read_regular
from kanpde.problems.catalog import Problem, load_problem
from kanpde.reports.plots.styles import CYCLE, FAINT, INK, legend, log_scale
from kanpde.results.classical import classical_solutions
from kanpde.results.held_out import HELDOUT_RMS
from kanpde.results.provenance import git_commit, hardware, versions
from kanpde.runs.run import solve
from kanpde.solving.training.events import Event, Step
from kanpde.studies.figures import plain_ticks
from kanpde.studies.peers import PEERS, peer_result

ROWS, TABLE, FIGURE, MARKDOWN = "bench.json", "bench.csv", "bench.png", "bench.md"
MOST_BYTES = 2**28
CLASSICAL = "classical"
WRONG = 0.05
"""An error above which nothing may be called solved."""

COLUMNS = 4
PANEL = (3.2, 2.7)  # inches


@dataclass(frozen=True)
class Case:
    """What makes a row the one that it is.

    route: An optimizer, a peer's name, or "classical".
    bare: Whether the settings of the problem's file were left out.
    """

    problem: str
    route: str
    seed: int
    limit: float
    bare: bool = False


@dataclass(frozen=True)
class BenchRow:
    """One run.

    error: Relative L2 error; NaN where none is known, or there was no run.
    bar: Error of what it is measured against.
    word: Of the verdict; "refused", "failed" or "missing" where there is none.
    seconds: Of training; whole: of the run with its reference and measuring; cpu: of the processor, likewise.
    curve: Seconds of training and the lowest error by then.
    """

    case: Case
    error: float = math.nan
    bar: float = math.nan
    heldout: float = math.nan
    word: str = ""
    estimate: float = math.nan
    seconds: float = math.nan
    whole: float = math.nan
    cpu: float = math.nan
    unknowns: int = 0
    reason: str = ""
    curve: tuple[tuple[float, float], ...] = field(default=())


    def reaches(self, error: float) -> float:
        """Seconds of training after which the error was as low; infinite if it never was.

        >>> row = BenchRow(Case("a", "auto", 0, 9), error=1e-6, seconds=3.0, curve=((0.5, 1e-2), (2.0, 1e-5)))
        >>> row.reaches(1e-3), row.reaches(2e-6), row.reaches(1e-9)
        (2.0, 3.0, inf)
        """
        timed = [*self.curve, (self.seconds, self.error)]
        return min((at for at, lowest in timed if lowest <= error), default=math.inf)


Say = Callable[[str], None]


@dataclass(frozen=True)
class Bench:
    """The rows in a folder."""

    folder: Path
    rows: tuple[BenchRow, ...] = ()

    def with_rows(self, more: Sequence[BenchRow]) -> "Bench":
        """These added, and all of them written."""
        grown = replace(self, rows=(*self.rows, *more))
        told = {"machine": hardware(torch.device("cpu")), "versions": versions(), "git_commit": git_commit()}
        content = {**told, "rows": [asdict(row) for row in grown.rows]}
        made_folder(self.folder, "--folder FOLDER")
        replace_file(self.folder / ROWS, json.dumps(content).encode())
        return grown

    @property
    def cases(self) -> set[Case]:
        return {row.case for row in self.rows}


def stored(folder: Path) -> Bench:
    """What a folder holds; nothing yet where it has no bench.json.

    Raises:
        InputError: The file there is none of these.
    """
    path = folder / ROWS
    if not path.exists():
        return Bench(folder)
    try:
        told = json.loads(read_regular(path, MOST_BYTES))
        return Bench(folder, tuple(map(_row, told["rows"])))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        said = f"{path}: rows of a benchmark are needed; {error}. Remove it, or choose another folder."
        raise InputError(said) from None


def _row(told: dict[str, Any]) -> BenchRow:
    curve = tuple((float(at), float(error)) for at, error in told["curve"])
    return BenchRow(**{**told, "case": Case(**told["case"]), "curve": curve})


def run_bench(bench: Bench, cases: Sequence[Case], say: Say) -> Bench:
    """Make the rows that are missing, one after the other.

    Raises:
        KeyboardInterrupt: Ctrl-C; what was made before is kept.
    """
    for case in cases:
        if case in bench.cases:
            continue
        rows = classical_rows(case) if case.route == CLASSICAL else [made(case)]
        bench = bench.with_rows(rows)
        for row in rows:
            say(f"{case.problem}, {case.route}, seed {case.seed}: {_told(row)}")
    return bench


def made(case: Case) -> BenchRow:
    """The row of a route of kanpde's, or of a peer's."""
    begun, cpu = time.perf_counter(), time.process_time()
    try:
        row = _peers(case) if case.route in PEERS else _solved(case)
    except InputError as error:
        row = BenchRow(case, word="refused", reason=str(error))
    except RunError as error:
        row = BenchRow(case, word="failed", reason=str(error))
    return replace(row, whole=time.perf_counter() - begun, cpu=time.process_time() - cpu)


def _solved(case: Case) -> BenchRow:
    curve: list[tuple[float, float]] = []

    def listen(event: Event) -> None:
        if isinstance(event, Step):
            error = event.record.get("rel_l2", math.nan)
            if error < min((lowest for _, lowest in curve), default=math.inf):
                curve.append((event.record["time_s"], error))

    run = solve(
        _problem(case), optimizer=case.route, seed=case.seed, threads=1,
        training={"time_limit": case.limit}, on_event=listen, progress=False,
    )  # fmt: skip
    if run.status == "interrupted":
        raise KeyboardInterrupt
    metrics, verdict = run.metrics, run.verdict
    return BenchRow(
        case, error=metrics.get("rel_l2", math.nan), bar=metrics.get("reference_error", math.nan),
        heldout=metrics.get(HELDOUT_RMS, math.nan), word=verdict.word.value, estimate=verdict.estimate,
        seconds=metrics["wall_time_s"], unknowns=int(metrics.get("n_parameters", 0)), reason=run.stop_reason,
        curve=tuple(curve),
    )  # fmt: skip


def _problem(case: Case) -> Problem:
    problem = load_problem(case.problem)
    return replace(problem, settings={}) if case.bare else problem


def _peers(case: Case) -> BenchRow:
    """What another package comes to, with the settings that it recommends."""
    found = peer_result(case.route, _problem(case), case.seed, case.limit)
    return BenchRow(
        case, error=found.error, word=found.word, seconds=found.seconds, reason=found.said, curve=found.curve
    )


def classical_rows(case: Case) -> list[BenchRow]:
    """A row for every resolution of every classical solver that takes the problem; one that says so if none does."""
    found = classical_solutions(_problem(case))
    return [
        BenchRow(case, error=one.error, word=one.method, seconds=one.seconds, whole=one.seconds, unknowns=one.unknowns)
        for one in found
    ] or [BenchRow(case, word="none", reason="No classical solver takes it, or nothing is known to measure by.")]


def _told(row: BenchRow) -> str:
    if math.isnan(row.error):
        return f"{row.word}: {row.reason}"
    return f"rel_l2 {row.error:.1e}, {row.word}, {row.seconds:.1f} s of training, {row.cpu:.1f} s of the processor"


# What is read


def write_bench(bench: Bench) -> list[Path]:
    """CSV, figure and table beside the rows."""
    contents = {TABLE: csv_text(bench.rows).encode(), MARKDOWN: markdown(bench.rows).encode()}
    figure = error_figure(bench.rows)
    picture = io.BytesIO()
    figure.savefig(picture, dpi=150, metadata={"Software": None})
    for name, content in {**contents, FIGURE: picture.getvalue()}.items():
        replace_file(bench.folder / name, content)
    return [bench.folder / name for name in (ROWS, TABLE, FIGURE, MARKDOWN)]


def csv_text(rows: Sequence[BenchRow]) -> str:
    """A line for each run, its curve left out."""
    file = io.StringIO()
    own = [name.name for name in fields(BenchRow) if name.name not in ("case", "curve")]
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*(name.name for name in fields(Case)), *own])
    for row in rows:
        values = [getattr(row, name) for name in own]
        told = [f"{value:.4g}" if isinstance(value, float) else value for value in values]
        writer.writerow([*asdict(row.case).values(), *told])
    return file.getvalue()


@dataclass(frozen=True)
class Group:
    """All seeds of one route for one problem."""

    rows: tuple[BenchRow, ...]

    @property
    def error(self) -> float:
        """The median."""
        return statistics.median(row.error for row in self.rows)

    @property
    def worst(self) -> BenchRow:
        return max(self.rows, key=lambda row: (math.isnan(row.error), row.error))

    def cell(self, own: "Group | None" = None) -> str:
        """The median error, the worst of several seeds, the time, and the verdict on the worst.

        A peer's, beside the first of our own routes, has the share of its time after which that is as good.
        """
        if all(math.isnan(row.error) for row in self.rows):
            return self.rows[0].word
        worst = f" (worst {self.worst.error:.1e})" if len(self.rows) > 1 else ""
        seconds = statistics.median(row.seconds for row in self.rows)
        said = "" if own is None else own.ahead_of(self)
        return f"{self.error:.1e}{worst}, {seconds:.1f} s" + (said or f", {self.worst.word}" * (own is None))

    def ahead_of(self, peer: "Group") -> str:
        """The median, over its seeds, of our time to the peer's median error over the peer's median time."""
        reached = [row.reaches(peer.error) for row in self.rows]
        share = statistics.median(reached) / statistics.median(row.seconds for row in peer.rows)
        return f"; {self.rows[0].case.route} as good in 1/{1 / share:.0f} of that" if 0 < share < 1 else ""


def markdown(rows: Sequence[BenchRow]) -> str:
    """A row for each problem, a column for each route, and the line of the classical solver that comes nearest."""
    routes = list(dict.fromkeys(row.case.route for row in rows if row.case.route != CLASSICAL))
    head = ["problem", "limit", *routes, "classical solver"]
    lines = [head, ["---"] * len(head)]
    for (name, limit, bare), group in _by_problem(rows):
        own = {route: Group(tuple(row for row in group if row.case.route == route)) for route in routes}
        ours = next((one for route, one in own.items() if route not in PEERS and one.rows), None)
        cells = [one.cell(ours if route in PEERS else None) if one.rows else "" for route, one in own.items()]
        label = f"`{Path(name).stem}`" + (", no settings" if bare else "")
        lines.append([label, f"{limit:g} s", *cells, _classical_cell(group)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _by_problem(rows: Sequence[BenchRow]) -> Iterator[tuple[tuple[str, float, bool], list[BenchRow]]]:
    def key(row: BenchRow) -> tuple[str, float, bool]:
        return row.case.problem, row.case.limit, row.case.bare

    beside = [row for row in rows if row.case.route == CLASSICAL]
    for one in dict.fromkeys(key(row) for row in rows if row.case.route != CLASSICAL):
        own = [row for row in rows if key(row) == one and row.case.route != CLASSICAL]
        yield one, own + [row for row in beside if row.case.problem == one[0]]


def _classical(rows: Sequence[BenchRow]) -> list[BenchRow]:
    """Classical solutions, but those that are nearer to the reference than that to the truth: they are that itself."""
    bar = max((row.bar for row in rows if not math.isnan(row.bar)), default=0.0)
    return [row for row in rows if row.case.route == CLASSICAL and row.error >= bar]


def _classical_cell(rows: Sequence[BenchRow]) -> str:
    """Of the most accurate classical solver: its coarsest resolution below a tenth, one between, and its best.

    Only what is more accurate than all that takes less time is looked at.
    """
    known = sorted((row for row in _classical(rows) if row.error < 0.1), key=lambda row: row.seconds)
    if not known:
        return ""
    best = min(known, key=lambda row: row.error)
    line = [row for row in known if row.word == best.word and row.seconds <= best.seconds]
    front = [row for place, row in enumerate(line) if all(row.error < one.error for one in line[:place])]
    shown = dict.fromkeys((front[0], front[len(front) // 2], front[-1]))
    return f"{best.word}: " + "; ".join(f"{row.error:.1e}, {row.seconds:.2g} s" for row in shown)


def summary(rows: Sequence[BenchRow]) -> list[str]:
    """How many of all runs came below a hundredth, and what was called solved above five."""
    runs = [row for row in rows if row.case.route != CLASSICAL]
    good = sum(row.error < 1e-2 for row in runs)
    wrong = [f"{row.case.problem} ({row.case.route}, {row.error:.1e})" for row in runs
             if row.word == "solved" and row.error > WRONG]  # fmt: skip
    return [
        f"{good} of {len(runs)} runs below 1e-2",
        f"called solved and above {WRONG:.0%}: {', '.join(wrong) or 'none'}",
    ]


def error_figure(rows: Sequence[BenchRow]) -> Figure:
    """The lowest error over seconds of training, a panel for each problem; crosses are classical solutions."""
    groups = list(_by_problem(rows))
    across = max(1, min(COLUMNS, len(groups)))
    down = max(1, math.ceil(len(groups) / across))
    figure = Figure(figsize=(PANEL[0] * across, PANEL[1] * down), layout="constrained")
    FigureCanvasAgg(figure)
    panels = [*figure.subplots(down, across, squeeze=False).flat]
    routes = dict.fromkeys(row.case.route for row in rows if row.case.route != CLASSICAL)
    colors = {route: CYCLE[place % len(CYCLE)] for place, route in enumerate(routes)}
    names = [name for (name, _, _), _ in groups]
    for ((name, limit, bare), group), axes in zip(groups, panels, strict=False):
        _draw(axes, group, colors)
        told = (f", {limit:g} s" if names.count(name) > 1 else "") + (" (no settings)" if bare else "")
        axes.set_title(f"{Path(name).stem}{told}", fontsize=9, color=INK, parse_math=False)
    for axes in panels[len(groups) :]:
        axes.set_axis_off()
    lines = [line for panel in figure.axes for line in panel.get_lines()]
    marks = {str(line.get_label()): line for line in lines}
    if marks:
        legend(figure, [*marks.values()], [*marks], loc="outside upper center", ncols=6, fontsize=8, frameon=False)
    figure.supxlabel("seconds of training", fontsize=9)
    figure.supylabel("relative L2 error", fontsize=9)
    return figure


def _draw(axes: Any, rows: Sequence[BenchRow], colors: dict[str, str]) -> None:
    axes.set(xscale="log", yscale="log")
    for row in _classical(rows):
        if row.error > 0:
            axes.plot([max(row.seconds, 1e-3)], [row.error], "x", color=FAINT, ms=4, label=CLASSICAL)
    for row in rows:
        if row.curve:
            seconds, errors = zip(*row.curve, strict=True)
            seconds, errors = (*seconds, max(row.seconds, seconds[-1])), (*errors, errors[-1])
            style = {"drawstyle": "steps-post", "color": colors[row.case.route], "lw": 1.2}
            axes.plot(seconds, errors, label=row.case.route, **style)
    axes.grid(color="#e4e4e4", lw=0.6)
    plain_ticks(axes)
    if drawn := [line.get_ydata() for line in axes.get_lines()]:
        log_scale(axes, np.concatenate(drawn))
    axes.tick_params(labelsize=7.5)
