"""Are verdicts to be believed? Many runs, good and bad, each with its true error and with the estimate made without it.

    python tests/benchmarks/calibration.py [FOLDER] [--report] [--variants route,route_3,route_1]

Runs shipped problems and variants with starved budgets, low degrees, few points, small networks, other methods and
harder parameters; each run is a line of FOLDER/calibration.csv, and a run that is there is not made again. `--report`
only reads the file. The summary is what the README quotes; its runs are in outputs/reference/calibration.csv.
"""

import argparse
import math
import random
import time
from pathlib import Path

import torch
from kept_rows import kept_rows

import kanpde
from kanpde.problems.catalog import problem_names
from kanpde.results.error_equation import estimated_error
from kanpde.results.signs import equation_signs, relative_residual
from kanpde.results.verdicts import Word, verdict_of
from kanpde.solving.ansatz.exact_conditions import ansatz_of

LIMIT = 8
VARIANTS = {
    "route": {"model": None, "training": {"time_limit": LIMIT}},  # the default: no model named, the route chosen
    "route_3": {"model": None, "training": {"time_limit": 3}},
    "route_1": {"model": None, "training": {"time_limit": 1}},
    "short": {"training": {"time_limit": LIMIT}},
    "starved": {"training": {"stages": 1, "steps": 4, "starts": 1, "time_limit": LIMIT}},
    "two_stages": {"training": {"stages": 2, "steps": 15, "starts": 1, "time_limit": LIMIT}},
    "one_stage": {"training": {"stages": 1, "steps": 25, "starts": 2, "time_limit": LIMIT}},
    "low_degree": {"model": {"degree": 4, "grid": 3}, "training": {"stages": 2, "time_limit": LIMIT}},
    "narrow": {"model": {"width": [2], "grid": 3}, "training": {"stages": 2, "time_limit": LIMIT}},
    "few_points": {"sampling": {"density": 1.0}, "training": {"stages": 2, "time_limit": LIMIT}},
    "penalty": {"training": {"conditions": "penalty", "stages": 2, "time_limit": LIMIT}},
    "adam": {"optimizer": "adam", "training": {"stages": 1, "time_limit": LIMIT}},
    "mlp": {"model": "mlp", "training": {"stages": 1, "time_limit": LIMIT}},
}
COLUMNS = (
    "problem", "variant", "true", "bar", "estimate", "word", "size", "unexplained", "residual", "seconds", "reason",
)  # fmt: skip


def cases() -> list[tuple[str, str, dict]]:
    """All of them, in an order that is mixed and always the same, so that a part of them is a sample."""
    names = [name for name, path in problem_names().items() if kanpde.load_problem(path).equations]
    found = [(name, variant, settings) for variant, settings in VARIANTS.items() for name in names]
    random.Random(0).shuffle(found)
    return found


def row(name: str, variant: str, settings: dict) -> dict | None:
    """One run: its true error, and what signs say without a reference; None for an unfit variant or unknown truth."""
    begun = time.perf_counter()
    settings = dict(settings)
    model = settings.pop("model", "kan")
    model = {"kind": "kan", **model} if isinstance(model, dict) else model
    settings |= {} if model is None else {"model": model}
    settings["training"] = {"windows": None, **settings["training"]} if variant == "one_stage" else settings["training"]
    try:
        run = kanpde.solve(name, threads=1, **settings)
    except kanpde.errors.InputError:  # a variant that a problem does not take
        return None
    if "rel_l2" not in run.metrics:
        return None
    ansatz = ansatz_of(run.problem, settings["training"].get("conditions", "exact"))
    unknown = {key: value for key, value in run.metrics.items() if key not in ("rel_l2", "reference_error")}
    verdict = verdict_of(unknown, equation_signs(run.solution, ansatz, unknown))
    found = estimated_error(run.solution, ansatz)
    return {
        "problem": name, "variant": variant, "true": run.metrics["rel_l2"], "bar": run.metrics["reference_error"],
        "estimate": verdict.estimate, "word": verdict.word.value, "size": found.size if found else math.nan,
        "unexplained": found.unexplained if found else math.nan, "residual": relative_residual(run.solution),
        "seconds": time.perf_counter() - begun, "reason": verdict.reason,
    }  # fmt: skip


def summary(rows: list[dict]) -> list[str]:
    """The three figures: wrong runs that say so, right runs that are doubted, estimates within a factor of ten."""
    runs = [(float(r["true"]), float(r["estimate"]), r["word"]) for r in rows if float(r["bar"]) < 0.1]
    wrong, right = [r for r in runs if r[0] > 0.1], [r for r in runs if r[0] < 1e-3]
    said = sum(word == Word.UNSOLVED for _, _, word in wrong)
    called_solved = sum(word == Word.SOLVED for _, _, word in wrong)
    doubted = sum(word == Word.UNSOLVED for _, _, word in right)
    near = sum(true / 10 <= estimate <= 10 * true for true, estimate, _ in runs)
    return [
        f"{len(runs)} runs",
        f"true error above 10 %: {len(wrong)}, of which unsolved {said} ({said / max(len(wrong), 1):.1%}), "
        f"solved {called_solved}",
        f"true error below 1e-3: {len(right)}, of which unsolved {doubted} ({doubted / max(len(right), 1):.1%})",
        f"estimate within a factor of 10: {near} ({near / max(len(runs), 1):.1%})",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", default="outputs/calibration", type=Path)
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--variants", default=",".join(VARIANTS), help="some of them, with commas between")
    options = parser.parse_args()
    torch.set_num_threads(1)
    path = options.folder / "calibration.csv"
    chosen = options.variants.split(",")
    asked = [] if options.report else [case for case in cases() if case[1] in chosen]
    print(*summary(kept_rows(path, COLUMNS, 2, asked, row)), sep="\n")


if __name__ == "__main__":
    main()
