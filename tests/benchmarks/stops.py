"""Stops runs at random moments, by kill -9, SIGTERM, SIGHUP, Ctrl-C and Ctrl-C twice, and starts them again.

    python tests/benchmarks/stops.py [trials] [single|sweep|route] [kill term hup int twice …]

After the first training step nothing may be lost: a signal leaves an archive that opens, without a traceback; kill -9
leaves no half file; the same command then ends with the parameters of an undisturbed run, bit for bit, and leaves
neither drafts nor locks nor a checkpoint behind. One moment in three is drawn from the end, where the run is measured,
archived and, in single runs, drawn. Runs are forked from one process that has imported everything.
"""

import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import h5py
import numpy as np
import torch

from kanpde.cli.main import main
from kanpde.cli.solve import solve_command  # noqa: F401  imported before the fork
from kanpde.errors import InputError
from kanpde.results.archive import read_archive
from kanpde.runs.progress import last_record

RUN = [
    "solve", "problem=poisson_1d", "model.width=[3]", "model.grid=8", "training.stages=3", "training.steps=12",
    "training.starts=2", "training.start_steps=3", "output.resolution=21", "device=cpu", "threads=1",
]  # fmt: skip
KINDS = {
    "kill": [signal.SIGKILL],
    "term": [signal.SIGTERM],
    "hup": [signal.SIGHUP],
    "int": [signal.SIGINT],
    "twice": [signal.SIGINT, signal.SIGINT],
}
OURS = (".lock", "checkpoint.npz")
ROUTE = ["solve", "problem=diffusion_1d", "output.resolution=21", "device=cpu", "threads=1"]
MODES = {"single": [*RUN, "seed=0"], "sweep": [*RUN, "-m", "seed=0,1,2"], "route": ROUTE}
"""`route` is all defaults: exact last layers on a ladder of sizes, whose rungs are chosen by the time that is left."""


def started(words: list[str], log: Path) -> int:
    """The process id of a command, forked from this process."""
    process = os.fork()
    if process:
        return process
    code = 99
    try:
        target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(target, 1)
        os.dup2(target, 2)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        code = main(words)
    except SystemExit as end:
        code = end.code or 0
    finally:
        os._exit(code)


def waited(process: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def parameters(folder: Path) -> dict[str, list[np.ndarray]]:
    """Those of every finished run, by its folder."""
    found = {}
    for path in sorted(folder.glob("*/*/*/result.h5")):
        with h5py.File(path) as file:
            if file.attrs["status"] == "done":
                found[path.parent.name] = [file["model/parameters"][name][()] for name in file["model/parameters"]]
    return found


def unreadable(folder: Path) -> list[str]:
    faults = []
    for path in folder.glob("*/*/*/result*.h5"):
        try:
            read_archive(path)
        except InputError as error:
            faults.append(f"{path.name}: {error}")
    return faults


def histories(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*/*/*/history.jsonl") if path.stat().st_size]


def moment(folder: Path, process: int, seconds: float, draw: random.Random) -> None:
    """Wait until a random moment after the first step, or near the end of a run."""
    at_the_end = draw.random() < 1 / 3
    while os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        found = histories(folder)
        if found and (not at_the_end or any("status" in last_record(path) for path in found)):
            break
        time.sleep(0.0005)
    time.sleep(draw.random() * (0.6 if at_the_end else seconds))


def trial(
    mode: str, kind: str, whole: dict, seconds: float, folder: Path, draw: random.Random
) -> tuple[str, list[str]]:
    """What a stop came to, and what was lost by it."""
    shutil.rmtree(folder, ignore_errors=True)
    words, log, faults = [*MODES[mode], f"output.folder={folder}"], folder.with_suffix(".log"), []
    process = started(words, log)
    moment(folder, process, seconds, draw)
    for number, sent in enumerate(KINDS[kind]):
        if number:
            time.sleep(draw.choice([0.001, 0.01, 0.1, 0.3]))
        if os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            os.kill(process, sent)
    code = waited(process)
    text = log.read_text(errors="replace")
    faults += unreadable(folder)
    if kind != "kill":
        begun = [path.parent for path in histories(folder)]
        faults += [f"{run.name} has no archive" for run in begun if not (run / "result.h5").exists()]
        faults += ["a traceback" for _ in [0] if "Traceback" in text]
        faults += [f"exit code {code}" for _ in [0] if code not in (0, 130)]
    left = [path for path in folder.rglob(".*") if path.name == ".lock" or path.suffix == ".part"]
    faults += [f"{path.name} is left" for path in left if kind != "kill"]
    again = waited(started(words, log))
    text += log.read_text(errors="replace")
    found = parameters(folder)
    alike = found.keys() == whole.keys() and all(all(map(np.array_equal, found[name], whole[name])) for name in whole)
    left = [path.name for path in folder.rglob("*") if path.name in OURS or path.suffix == ".part"]
    faults += [f"the same command ended with {again}" for _ in [0] if again]
    faults += ["another result" for _ in [0] if not alike]
    faults += [f"{name} is left in the end" for name in left]
    place = max(text.find("Traceback"), 0)
    return f"exit {code}", [*faults, text[max(place - 500, 0) :][:3000]] if faults else []


def measured(modes: list[str], kinds: list[str], trials: int, seed: int = 0) -> int:
    """Run all trials and print the figures; the number of those that lost anything."""
    torch.set_num_threads(1)
    lost, draw = 0, random.Random(seed)
    with tempfile.TemporaryDirectory() as above:
        for mode in modes:
            folder = Path(above) / mode
            begun = time.monotonic()
            assert waited(started([*MODES[mode], f"output.folder={folder}"], Path(above) / "log")) == 0
            whole, seconds = parameters(folder), time.monotonic() - begun
            ends = {kind: Counter[str]() for kind in kinds}
            for number in range(trials):
                for kind in kinds:
                    end, faults = trial(mode, kind, whole, seconds, folder, draw)
                    ends[kind][end] += 1
                    lost += bool(faults)
                    if faults:
                        print(f"{mode} {kind} {number}: {'; '.join(faults)}", flush=True)
                if number + 1 in (*range(0, trials, max(1, trials // 10)), trials):
                    told = "; ".join(f"{kind} {dict(ends[kind])}" for kind in kinds)
                    print(f"{mode}: {number + 1} moments each in {seconds:.1f} s: {told}; {lost} lost", flush=True)
    print(f"{lost} of {trials * len(kinds) * len(modes)} lost anything")
    return lost


if __name__ == "__main__":
    given = sys.argv[1:]
    count = next((int(word) for word in given if word.isdigit()), 100)
    chosen = [mode for mode in MODES if mode in given] or list(MODES)
    sys.exit(min(measured(chosen, [kind for kind in KINDS if kind in given] or list(KINDS), count), 1))
