"""What a sweep costs beside its runs, and what a second core brings.

    python tests/benchmarks/sweeps.py [--jobs 8] [--steps 400] [--finished 20]

Prints the seconds that a sweep spends on each finished run when it is started again (start-up left out), and how many
times faster eight equal jobs are with two processes of joblib than one after the other. The second figure means
something only where two cores are free.
"""

import argparse
import contextlib
import io
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# One thread a job in both cases; before PyTorch is imported, and inherited by the jobs.
os.environ["OMP_NUM_THREADS"] = "1"

from kanpde.cli.main import main

TINY = ["model.width=[3]", "model.grid=4", "model.degree=4", "training.stages=1", "training.starts=1"]
FEW = [*TINY, "training.start_steps=0", "training.steps=2", "output.plot=false"]
EQUAL = ["training.stages=1", "training.starts=1", "optimizer=adam", "training.time_limit=3600", "output.plot=false"]
TWO = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]


def silently(words: list[str]) -> None:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        if main(words) != 0:
            raise SystemExit("a run failed")


def per_finished_run(count: int, folder: str) -> tuple[float, float]:
    """Wall and processor seconds for each of so many finished runs, in a process that has started already."""
    words = ["solve", "-m", *FEW, f"seed=range(0,{count})", f"output.folder={folder}"]
    silently(words)
    wall, work = time.perf_counter(), time.process_time()
    silently(words)
    return (time.perf_counter() - wall) / count, (time.process_time() - work) / count


def seconds_of_sweep(jobs: int, steps: int, folder: str, launcher: list[str]) -> float:
    """Seconds from typing a sweep's command to its end, everything included."""
    words = ["-m", *EQUAL, f"training.steps={steps}", f"seed=range(0,{jobs})", f"output.folder={folder}", *launcher]
    begun = time.perf_counter()
    options = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run([sys.executable, "-m", "kanpde", "solve", *words], **options)
    return time.perf_counter() - begun


def main_benchmark() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=8)
    parser.add_argument("--steps", type=int, default=400, help="of Adam, a job; a job should take ten seconds or more")
    parser.add_argument("--finished", type=int, default=20)
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before")
    with tempfile.TemporaryDirectory() as folder:
        wall, work = per_finished_run(options.finished, str(Path(folder) / "finished"))
        print(f"each of {options.finished} finished runs: {wall:.3f} s, {work:.3f} s of processor time; asked: 0.5 s")
        one = seconds_of_sweep(options.jobs, options.steps, str(Path(folder) / "one"), [])
        two = seconds_of_sweep(options.jobs, options.steps, str(Path(folder) / "two"), TWO)
        asked = "asked of eight jobs on two cores: 1.6"
        print(f"{options.jobs} jobs: {one:.1f} s one by one, {two:.1f} s by two; {one / two:.2f} times faster; {asked}")


if __name__ == "__main__":
    main_benchmark()
