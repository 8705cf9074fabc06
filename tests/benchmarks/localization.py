"""Run the shipped problems of Anderson localization as a user does and print what each reaches.

    python tests/benchmarks/localization.py [--threads 2] [--folder outputs/localization] [--problems …]
"""

import argparse
import subprocess
import sys
from pathlib import Path

import kanpde
from kanpde.runs.run import Run

ASKED = {
    "landscape_1d": "5e-4 in 60 s, wells 1e-3",
    "landscape_1d_smooth": "1e-5 in 60 s, wells 1e-3",
    "landscape_2d": "1e-2 in 300 s",
    "schrodinger_random_1d": "energies 1e-4, overlaps 0.9999",
    "schrodinger_quasiperiodic_1d": "",
}


def solved(problem: str, options: argparse.Namespace) -> Run:
    """The run of one problem, by the command that a user types; one that is finished is read."""
    words = [f"problem={problem}", f"threads={options.threads}", f"output.folder={options.folder}"]
    subprocess.run([sys.executable, "-m", "kanpde", "solve", *words], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)  # fmt: skip
    (archive,) = (options.folder / problem).glob("*/*/result.h5")
    return kanpde.open_run(archive)


def row(problem: str, run: Run) -> str:
    """One line of the table."""
    metrics = run.metrics
    energies = max(value for name, value in metrics.items() if name.startswith("energy") and name.endswith("_error"))
    overlap = min((value for name, value in metrics.items() if name.startswith("overlap")), default=None)
    rest = f"1 - {1 - overlap:.0e}" if overlap is not None else ""
    wells = f"{metrics['wells_error']:.1e}" if "wells_error" in metrics else ""
    return (
        f"| `{problem}` | {ASKED[problem]} | {metrics['rel_l2']:.1e} | {energies:.1e} | {rest} | {wells} | "
        f"{metrics['wall_time_s']:.0f} s | {metrics['reference_error']:.0e} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path("outputs/localization"))
    parser.add_argument("--problems", nargs="+", default=list(ASKED), choices=list(ASKED))
    options = parser.parse_args()
    print("| problem | asked | relative L2 error | energy held out | overlap | minima of 1/u | training | reference |")
    print("|---|---|---|---|---|---|---|---|")
    for problem in options.problems:
        print(row(problem, solved(problem, options)), flush=True)


if __name__ == "__main__":
    main()
