"""Train layers of shipped problems (optimizer=lm) as a user does; the table of tests/README.md is of their archives.

    python tests/benchmarks/figures.py [--seeds 0 1 2] [--threads 2] [--folder outputs/figures] [--problems …]

Every figure is the median over the seeds. Runs that are in the folder already are read, not made again.
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch

import kanpde
from kanpde.results.provenance import hardware, versions
from kanpde.runs.run import Run

ROOT = Path(__file__).parents[2]
START, END = "<!-- figures -->", "<!-- /figures -->"

ASKED = {
    "poisson_2d": [(1e-6, 10), (1e-8, 30)],
    "poisson_2d_paper": [(1e-7, 30)],
    "helmholtz_2d": [(1e-5, 60)],
    "diffusion_1d": [(1e-6, 60)],
    "diffusion_variable": [(1e-6, 60)],
    "wave_1d": [(1e-6, 60)],
    "biharmonic_1d": [(1e-6, 60)],
    "bratu": [(1e-5, 120)],
    "sine_gordon": [(1e-5, 120)],
    "fisher": [(1e-5, 120)],
    "heat_robin": [(1e-5, 120)],
    "burgers": [(1e-3, 120)],
    "allen_cahn": [(1e-3, 120)],
    "laplace_holes": [(1e-4, 120)],
    "poisson_1d": [(1e-6, 60)],
    "advection_1d": [(1e-6, 60)],
    "diffusion_2d": [(1e-6, 60)],
    "reaction_diffusion": [(1e-6, 60)],
    "poisson_5d": [(1e-6, 60)],
    "eikonal": [(1e-6, 60)],
    "heat_3d": [(1e-6, 60)],
}
"""Relative L2 error and the seconds within which it is to be reached; from poisson_1d on, nobody asked."""


def solved(problem: str, seed: int, options: argparse.Namespace) -> Run:
    """The run of one problem and seed, by the command that a user types."""
    words = [f"problem={problem}", "optimizer=lm", f"seed={seed}", f"threads={options.threads}"]
    command = [sys.executable, "-m", "kanpde", "solve", *words, f"output.folder={options.folder / str(seed)}"]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    (archive,) = (options.folder / str(seed) / problem).glob("*/*/result.h5")
    return kanpde.open_run(archive)


def seconds_to(run: Run, tolerance: float) -> float:
    """Seconds of training after which the error, as followed in the history, stays below the tolerance.

    In windows of time the history follows each window's own error: what counts is the whole, when all are trained.
    """
    if "window" in run.history:
        return run.metrics["wall_time_s"] if run.metrics["rel_l2"] <= tolerance else float("inf")
    above = [t for t, e in zip(run.history["time_s"], run.history["rel_l2"], strict=True) if e > tolerance]
    below = [t for t, e in zip(run.history["time_s"], run.history["rel_l2"], strict=True) if e <= tolerance]
    later = [t for t in below if not above or t > max(above)]
    return min(later, default=float("inf"))


def row(problem: str, runs: list[Run]) -> str:
    """One line of the table."""
    asked = "; ".join(f"{tolerance:.0e} in {limit} s" for tolerance, limit in ASKED[problem])
    reached = "; ".join(_seconds(statistics.median(seconds_to(run, tol) for run in runs)) for tol, _ in ASKED[problem])
    errors = sorted(run.metrics["rel_l2"] for run in runs)
    final, worst = statistics.median(errors), errors[-1]
    total = statistics.median(run.metrics["wall_time_s"] for run in runs)
    parameters = int(runs[0].metrics["n_parameters"])
    return f"| `{problem}` | {asked} | {reached} | {final:.1e} | {worst:.1e} | {total:.0f} s | {parameters} |"


def _seconds(value: float) -> str:
    return "not reached" if value == float("inf") else f"{value:.1f} s"


def start_up(threads: int, repeats: int = 3) -> float:
    """Seconds from typing the command to the first training step, the median of a few."""
    command = [sys.executable, "-m", "kanpde", "solve", "training.starts=1", "training.stages=1", "training.steps=1"]
    command += [f"threads={threads}", "rerun=true", "output.plot=false", "output.folder=outputs/start"]
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
            for line in process.stderr:
                if "step 1:" in line:
                    times.append(time.perf_counter() - begun)
                    break
            process.communicate()
    return statistics.median(times)


def table(options: argparse.Namespace) -> str:
    """The document's text between its markers."""
    about = hardware(torch.device("cpu"))
    lines = [
        f"Relative L2 errors of trained layers, medians over seeds {', '.join(map(str, options.seeds))}; "
        f"{options.threads} threads of {about['processor']}, PyTorch {versions()['torch']}, float64. Times are seconds "
        "of training, short starts included, until the error stays below what is asked.",
        "",
        "| problem | asked | reached after | error at the end | worst seed | whole run | parameters |",
        "|---|---|---|---|---|---|---|",
    ]
    for problem in options.problems:
        lines.append(row(problem, [solved(problem, seed, options) for seed in options.seeds]))
        print(lines[-1], flush=True)
    lines += ["", f"From typing the command to the first training step: {start_up(options.threads):.1f} s."]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path("outputs/figures"))
    parser.add_argument("--problems", nargs="+", default=list(ASKED), choices=list(ASKED))
    options = parser.parse_args()
    text = table(options)
    readme = ROOT / "tests" / "README.md"
    before, rest = readme.read_text().split(START)
    readme.write_text(f"{before}{START}\n{text}\n{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    main()
