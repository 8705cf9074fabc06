"""Routes compared on every shipped problem that trains: layers trained, and an exact last layer tried first.

    python tests/benchmarks/routes.py [FILE] [--optimizers lm,auto] [--seeds 0] [--limit 40] [--problems a,b]
        [--report]

Each run is a line of FILE, by default outputs/reference/routes.csv, and a run that is there is not made again. All
other settings are the defaults. `--report` only reads the file: a line for each problem, with how the routes compare,
and those whose verdict is "solved" although the error is above a tenth of a percent.
"""

import argparse
import math
import time
from collections import defaultdict
from pathlib import Path

import torch
from kept_rows import kept_rows

import kanpde
from kanpde.problems.catalog import problem_names

COLUMNS = ("problem", "optimizer", "seed", "rel_l2", "bar", "heldout", "word", "estimate", "seconds", "cpu_s", "reason")
WRONG = 1e-3
"""An error above which nothing should be called solved."""


def trained() -> list[str]:
    """Names of the shipped problems that train: all but spectra of lattices."""
    return [name for name, path in problem_names().items() if kanpde.load_problem(path).task.key != "lattice"]


def row(name: str, optimizer: str, seed: int, limit: float) -> dict:
    begun, cpu = time.perf_counter(), time.process_time()
    run = kanpde.solve(name, optimizer=optimizer, seed=seed, threads=1, training={"time_limit": limit})
    metrics = run.metrics
    return {
        "problem": name, "optimizer": optimizer, "seed": seed, "rel_l2": metrics.get("rel_l2", math.nan),
        "bar": metrics.get("reference_error", math.nan),
        "heldout": metrics.get("heldout_residual_rms", math.nan), "word": run.verdict.word.value,
        "estimate": run.verdict.estimate, "seconds": round(time.perf_counter() - begun, 1),
        "cpu_s": round(time.process_time() - cpu, 1), "reason": run.stop_reason,
    }  # fmt: skip


def report(rows: list[dict]) -> list[str]:
    """A line for each problem, then what was called solved and was not."""
    by_problem: dict[str, dict[str, list[dict]]] = defaultdict(lambda: defaultdict(list))
    for one in rows:
        by_problem[one["problem"]][one["optimizer"]].append(one)
    lines = []
    for name, routes in sorted(by_problem.items()):
        told = [
            f"{route} "
            + " ".join(f"{float(one['rel_l2']):.1e} {one['word']} {float(one['seconds']):.0f}s" for one in runs)
            for route, runs in routes.items()
        ]
        lines.append(f"{name:28} " + "   ".join(told))
    wrong = [one for one in rows if one["word"] == "solved" and float(one["rel_l2"]) > max(WRONG, float(one["bar"]))]
    told = [f"{one['problem']} {one['optimizer']} {float(one['rel_l2']):.1e}" for one in wrong]
    return [*lines, f"called solved and above {WRONG:g}: {', '.join(told) or 'none'}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", default="outputs/reference/routes.csv", type=Path)
    parser.add_argument("--optimizers", default="lm,auto")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--limit", default=40.0, type=float)
    parser.add_argument("--problems", default="")
    parser.add_argument("--report", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cases = [
        (name, optimizer, int(seed), options.limit)
        for seed in options.seeds.split(",")
        for name in (options.problems.split(",") if options.problems else trained())
        for optimizer in options.optimizers.split(",")
    ]
    print(*report(kept_rows(options.file, COLUMNS, 3, () if options.report else cases, row)), sep="\n")


if __name__ == "__main__":
    main()
