"""Requests from public trackers, written as their authors would, with all defaults but a limit of time.

    python tests/benchmarks/requests.py [FOLDER] [--only NAME …] [--limit 30] [--report]

The problems lie in `requests/`; the first line of each names where it was asked, and `# truth:` gives a closed form
where there is one, `# learned:` the constants. A run is a line of FOLDER/requests.csv, kept and never made again; those
quoted are in outputs/reference/requests.csv. What comes of a request is one of

    below 1e-3   solved to that, by the closed form or else by the reference
    solved       called solved, and right to 1e-2 as far as there is something to compare with
    honest       called unsure or unsolved, or refused since there is no solution
    refused      not to be said in the language
    silent       called solved, and wrong by more than 1e-2
"""

import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch
from kept_rows import kept_rows
from truths import relative_l2

import kanpde
from kanpde.cli.main import main as command
from kanpde.errors import InputError
from kanpde.problems.language import Scope, compile_expression, parse_expression
from kanpde.results.archive.folders import runs_below

PROBLEMS = Path(__file__).parent / "requests"
COLUMNS = ("problem", "source", "outcome", "word", "error", "bar", "truth", "seconds", "said")
GOOD, RIGHT = 1e-3, 1e-2


def row(name: str, folder: Path, limit: float) -> dict:
    """One request: checked, then solved by the command line."""
    begun, path = time.perf_counter(), PROBLEMS / f"{name}.yaml"
    found = {"problem": name, "source": path.read_text().splitlines()[0].removeprefix("# ")}
    found |= dict.fromkeys(COLUMNS[3:], math.nan)
    try:
        kanpde.load_problem(path)
    except InputError as refusal:
        honest = "no solution" in str(refusal)
        return found | {"outcome": "honest" if honest else "refused", "word": "", "said": str(refusal)}
    words = [f"problem={path}", f"output.folder={folder}", "device=cpu", f"training.time_limit={limit}"]
    command(["solve", *words, "output.plot=false"])
    run = kanpde.open_run(folder / name / runs_below(folder / name)[0][0][0])
    word, metrics = run.data.attributes["verdict"], run.metrics
    error, bar = metrics.get("rel_l2", math.nan), metrics.get("reference_error", math.nan)
    truth = true_error(path, run.data) if "# truth: " in path.read_text() else learned_error(path, metrics)
    said = run.data.attributes.get("verdict_reason", "")
    return found | {
        "outcome": outcome_of(word, error, truth), "word": word, "error": error, "bar": bar, "truth": truth,
        "seconds": time.perf_counter() - begun, "said": said,
    }  # fmt: skip


def outcome_of(word: str, error: float, truth: float) -> str:
    known = truth if math.isfinite(truth) else error
    if word != "solved":
        return "honest"
    return "below 1e-3" if known < GOOD else "silent" if known > RIGHT else "solved"


def true_error(path: Path, data) -> float:
    """Relative L2 over the fields of the closed form; NaN where there is none."""
    lines = [line for line in path.read_text().splitlines() if line.startswith("# truth: ")]
    if not lines:
        return math.nan
    axes = dict(data.axes)
    grid = np.meshgrid(*axes.values(), indexing="ij")
    points = torch.from_numpy(np.stack([x.ravel() for x in grid], axis=1))
    known = {}
    for name, text in _parts(lines[0].removeprefix("# truth: ")):
        expression = parse_expression(text, Scope(tuple(axes)), path.name)
        known[name] = compile_expression(expression, tuple(axes))(points).numpy().reshape(grid[0].shape)
    return relative_l2(data.fields, known)


def learned_error(path: Path, metrics: dict[str, float]) -> float:
    """The worst relative error of the constants whose values are known; NaN where none are."""
    lines = [line for line in path.read_text().splitlines() if line.startswith("# learned: ")]
    parts = _parts(lines[0].removeprefix("# learned: ")) if lines else []
    return max((abs(metrics[f"parameter_{name}"] / float(value) - 1) for name, value in parts), default=math.nan)


def _parts(text: str) -> list[tuple[str, str]]:
    """Names and expressions of `u: exp(x), v: 1`; commas inside brackets stay."""
    cut, depth, parts = 0, 0, []
    for place, character in enumerate(text + ","):
        depth += (character in "([") - (character in ")]")
        if character == "," and depth == 0:
            parts.append(text[cut:place])
            cut = place + 1
    return [(name.strip(), value.strip()) for name, value in (part.split(":", 1) for part in parts)]


def summary(rows: list[dict]) -> list[str]:
    """How many of each outcome, as the figures ask."""
    count = {word: sum(r["outcome"] == word for r in rows) for word in dict.fromkeys(r["outcome"] for r in rows)}
    said = len(rows) - count.get("refused", 0)
    good = count.get("below 1e-3", 0) + count.get("honest", 0)
    return [
        f"{len(rows)} requests: " + ", ".join(f"{number} {word}" for word, number in count.items()),
        f"expressible {said} ({100 * said / len(rows):.0f} %); below 1e-3 or honestly unsolved {good} "
        f"({100 * good / len(rows):.0f} %); silent {count.get('silent', 0)}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", default="outputs/requests", type=Path)
    parser.add_argument("--only", nargs="+", default=sorted(path.stem for path in PROBLEMS.glob("*.yaml")))
    parser.add_argument("--limit", type=float, default=30.0)
    parser.add_argument("--report", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cases = () if options.report else [(name, options.folder, options.limit) for name in options.only]
    rows = kept_rows(options.folder / "requests.csv", COLUMNS, 1, cases, row)
    for found in rows:
        errors = f"{float(found['error']):9.1e} {float(found['truth']):9.1e}"
        print(f"{found['problem']:20} {found['outcome']:10} {errors} {found['said'][:120]}")
    print(*summary(rows), sep="\n")


if __name__ == "__main__":
    main()
