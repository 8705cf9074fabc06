"""The published study: KAN against MLP on five problems by the shipped command, and with longer training.

    python tests/benchmarks/studies.py [--folder outputs/studies] [--studies …]

Runs are made where they are missing (two hours in all; stop it whenever you like), then tables and figures are written
to outputs/reference/ and the table of outputs/README.md is written anew.
"""

import argparse
import csv
import io
import json
import shlex
import statistics
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from kanpde.reports.plots.styles import BLUE, FAINT, INK, VERMILION
from kanpde.studies.archive import StudyData, read_study_data
from kanpde.studies.comparisons import BUDGETS, Comparison, Pair, ratio
from kanpde.studies.figures import BELOW, plain_ticks, scaling_figure
from kanpde.studies.files import csv_text
from kanpde.studies.runner import plan_of

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "outputs" / "reference"
START, END = "<!-- studies -->", "<!-- /studies -->"

STUDIES = {
    "poisson_2d": ["problem=poisson_2d"],
    "poisson_2d_paper": ["problem=poisson_2d_paper"],
    "diffusion_1d": ["problem=diffusion_1d"],
    "helmholtz_2d": ["problem=helmholtz_2d"],
    "burgers": ["problem=burgers", "preset=fronts", "threads=2", "training.windows=[0.2,0.32,0.42,0.6]",
                "training.adapt=true", "training.resample=5"],
}
"""The words behind `kanpde scaling`."""

FEWER = ["study.seeds=3", "study.tuning_seeds=1", "study.match=[parameters]"]
FINER = ["study.kan_degrees=[3]", "study.grids=[4,8,16,32]", "study.widths=[]", "study.points=2000"]
LONGER = {
    "poisson_2d_longer": ["problem=poisson_2d", "study.steps=480", *FEWER],
    "poisson_2d_paper_longer": ["problem=poisson_2d_paper", "study.steps=480", *FEWER],
    "poisson_2d_cubic": ["problem=poisson_2d", *FINER, "study.steps=480", *FEWER],
}
"""Four times as many steps, to see what the first five leave to training."""


def studied(name: str, folder: Path) -> StudyData:
    """A study by the command that a user types; finished runs are only read."""
    words = [*(STUDIES | LONGER)[name], f"output.folder={folder}"]
    subprocess.run([sys.executable, "-m", "kanpde", "scaling", *words], check=True, stdout=subprocess.DEVNULL)
    return read_study_data(plan_of(words).folder / "scaling.h5")


def minutes(outcome: StudyData) -> float:
    """Of training, tuning included."""
    return sum(record.seconds for record in (*outcome.records, *outcome.tuning)) / 60


# The table of outputs/README.md


def row(name: str, outcome: StudyData, one: Comparison) -> str:
    chosen = json.loads(outcome.attributes["chosen_json"])
    kan, mlp = chosen["kan"], chosen["mlp"]
    cells = [f"`{name}`", f"degree {kan['degree']}, width {kan['width'][0]}"]
    cells += [f"depth {len(mlp['width'])}, {mlp['activation']}"]
    cells += [verdicts([pair for pair in one.pairs if pair.budget == budget]) for budget in BUDGETS]
    cells += [f"{lowest(one, 'kan'):.1e} / {lowest(one, 'mlp'):.1e}"]
    cells += [f"{len(outcome.records) + len(outcome.tuning)}", f"{minutes(outcome):.0f}"]
    return f"| {' | '.join(cells)} |"


def verdicts(pairs: list[Pair]) -> str:
    """KAN better : MLP better : not resolved, and the median of the MLP's error over the KAN's."""
    if not pairs:
        return "no pairs"
    counts = [sum(pair.better == name for pair in pairs) for name in ("kan", "mlp", "")]
    return f"{' : '.join(map(str, counts))}; {ratio(statistics.median(pair.advantage for pair in pairs))}"


def lowest(one: Comparison, model: str) -> float:
    """The lowest median error over the sizes of a model."""
    return min(center.median for series in one.series if series.model == model for center in series.centers)


def table(outcomes: dict[str, StudyData]) -> str:
    """The document's text between its markers."""
    first = next(iter(outcomes.values())).attributes
    hardware, versions = json.loads(first["hardware_json"]), json.loads(first["versions_json"])
    heads = [f"equal {words}" for words in BUDGETS.values()]
    lines = [
        f"One thread (`burgers`: two) of {hardware['processor']}, PyTorch {versions['torch']}, float64. The columns "
        "of equal budgets count the pairs in which the KAN : the MLP has the lower error : that are not resolved, and "
        "give the MLP's error over the KAN's, the median of these pairs.",
        "",
        f"| problem | KAN, tuned | MLP, tuned | {' | '.join(heads)} | lowest error, KAN / MLP | runs | minutes |",
        f"|{'---|' * (6 + len(heads))}",
        *(row(name, outcome, outcome.comparisons()[0]) for name, outcome in outcomes.items()),
    ]
    return "\n".join(lines)


# Files of outputs/reference/


def summary(name: str, outcome: StudyData, one: Comparison) -> dict:
    """What a study found, as numbers for other programs."""
    texts = {key.removesuffix("_json"): json.loads(outcome.attributes[key])
             for key in ("chosen_json", "study_json", "hardware_json", "versions_json")}  # fmt: skip
    return {
        "command": shlex.join(["kanpde", "scaling", *(STUDIES | LONGER)[name]]),
        "commit": outcome.attributes["git_commit"],
        **texts,
        "minutes_of_training": round(minutes(outcome), 1),
        "conclusions": one.conclusions(),
        "laws": [
            {"series": series.name, "against": against, "exponent": law.exponent, "interval": [law.low, law.high]}
            if law.resolved
            else {"series": series.name, "against": against, "not resolved": law.reason}
            for series in one.series
            for against, law in series.every_law.items()
        ],
        "pairs": [
            {
                "budget": pair.budget,
                **{
                    model: {"size": size.first.size, "budget": size.budget(pair.budget), "error": center.median,
                            "interval": [center.low, center.high]}
                    for model, size, center in ((pair.kinds[0], pair.first, pair.first_center),
                                                (pair.kinds[1], pair.second, pair.second_center))
                },
                "better": pair.better or "not resolved",
            }
            for pair in one.pairs
        ],
        "classical": [asdict(solution) for solution in outcome.classical],
    }  # fmt: skip


def overview(outcomes: dict[str, StudyData]) -> Figure:
    """Error against parameters, a panel a study."""
    figure = Figure(figsize=(13, 4), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(outcomes), squeeze=False)[0]
    for axes, (name, outcome) in zip(panels, outcomes.items(), strict=True):
        draw(axes, outcome)
        axes.set_title(name, fontsize=10)
    panels[0].set_ylabel("relative L2 error, medians and 95% intervals")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    return figure


def draw(axes: Axes, outcome: StudyData) -> None:
    (one, *_) = outcome.comparisons()
    axes.set(xscale="log", yscale="log", xlabel="parameters")
    styles = {("kan", "grid"): (BLUE, "o", "KAN, finer grids"), ("kan", "width"): (BLUE, "s", "KAN, wider"),
              ("mlp", "width"): (VERMILION, "D", "MLP, wider")}  # fmt: skip
    for series in one.series:
        if (series.model, series.growth) not in styles:
            continue
        color, marker, label = styles[series.model, series.growth]
        x = [size.budget("parameters") for size in series.sizes]
        y = [center.median for center in series.centers]
        bars = [[m - c.low for m, c in zip(y, series.centers, strict=True)],
                [c.high - m for m, c in zip(y, series.centers, strict=True)]]  # fmt: skip
        hollow = {"mfc": "white"} if marker == "s" else {}
        axes.errorbar(x, y, bars, fmt=f"{marker}-", color=color, ms=5, lw=1, elinewidth=0.8, label=label, **hollow)
    limits = axes.get_xlim(), axes.get_ylim()
    known = [(solution.unknowns, solution.error) for solution in outcome.classical]
    if known:
        axes.plot(*zip(*known, strict=True), "x-", color=INK, lw=1, ms=4, label="classical solver, unknowns")
    axes.set(xlim=limits[0], ylim=(limits[1][0] / BELOW, limits[1][1]))
    plain_ticks(axes)
    axes.grid(color=FAINT, lw=0.3)


def write(outcomes: dict[str, StudyData], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, outcome in outcomes.items():
        one = outcome.comparisons()[0]
        scaling_figure(one, outcome.classical).savefig(folder / f"{name}.png", dpi=90)
        (folder / f"{name}.csv").write_text(without_paths(csv_text(outcome)))
        found = json.dumps(summary(name, outcome, one), indent=1, ensure_ascii=False)
        (folder / f"{name}.json").write_text(f"{found}\n")
    first = {name: outcome for name, outcome in outcomes.items() if name in STUDIES}
    overview(first).savefig(folder / "studies.png", dpi=90)


def without_paths(text: str) -> str:
    """A study's table without its last column, which says where the archives lie on this machine."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(line[:-1] for line in csv.reader(text.splitlines()))
    return buffer.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("outputs/studies"))
    parser.add_argument("--studies", nargs="+", default=[*STUDIES, *LONGER], choices=[*STUDIES, *LONGER])
    options = parser.parse_args()
    outcomes = {name: studied(name, options.folder) for name in options.studies}
    write(outcomes, REFERENCE)
    readme = ROOT / "outputs" / "README.md"
    before, rest = readme.read_text().split(START)
    readme.write_text(f"{before}{START}\n{table(outcomes)}\n{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    main()
