"""Fuzzing by the hour: `python tests/fuzz/runner.py problems --count 1000 --seed 0`.

A fault is whatever ends in anything but an answer or an InputError of one line: another exception, a warning, or more
than LONGEST seconds. Prints what came, and the smallest input of each kind of fault.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import inputs
import numpy as np

import kanpde
from kanpde.cli.show import run_lines, shown_lines
from kanpde.errors import InputError
from kanpde.problems.catalog import load_problem, read_problem_text
from kanpde.results.archive import read_archive, write_archive
from kanpde.results.exports import FORMATS, export_run
from kanpde.runs.settings import compose
from kanpde.studies.files import collected, csv_text, write_report, write_study

LONGEST = 30


class TooLong(BaseException):
    """An input took more than LONGEST seconds of the processor."""


@contextmanager
def limited() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TooLong

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, LONGEST)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def problems(rng: random.Random, folder: Path) -> None:
    load_problem(read_problem_text(inputs.problem_text(rng), "fuzz"), name="fuzz")


LINE = {"coordinates": {"x": [0, 1]}, "fields": ["u"]}
SOLVED = {**LINE, "equations": "u_xx = 1", "boundary": {"*": "u = 0"}}


def data_files(rng: random.Random, folder: Path) -> None:
    path = folder / rng.choice(("v.npy", "v.npz", "v.csv", "v.h5", "v"))
    path.write_bytes(inputs.data_file(rng))
    dataset = {"dataset": "u"} if rng.random() < 0.3 else {}
    load_problem(
        rng.choice(
            [
                {**LINE, "fit": True, "data": {"file": str(path)}},
                {**SOLVED, "reference": {"method": "file", "file": str(path)}},
                {**SOLVED, "coefficients": {"V": {"file": str(path), **dataset}}, "equations": "u_xx = V"},
            ]
        )
    )


def _solved(folder: Path) -> kanpde.Run:
    """A small run, made once in a folder."""
    whole = folder / "whole.h5"
    if not whole.exists():
        kanpde.solve("poisson_1d", model={"width": [3]}, training={"stages": 1, "starts": 1, "steps": 2}).save(whole)
    return kanpde.open_run(whole)


def archives(rng: random.Random, folder: Path) -> None:
    before = _solved(folder)
    whole = folder / "whole.h5"
    path = folder / "changed.h5"
    path.write_bytes(inputs.changed_bytes(whole.read_bytes(), rng))
    run, points = kanpde.open_run(path), np.linspace(0, 1, 5)[:, None]
    assert run.metrics == before.metrics, "metrics that are not those written"
    assert np.array_equal(run.solution(points), before.solution(points)), "another solution"


def crafted(rng: random.Random, folder: Path) -> None:
    """An archive of a stranger's making through everything that reads one; what is refused once may be elsewhere."""
    whole = _solved(folder)
    path = folder / "crafted" / "result.h5"
    path.parent.mkdir(exist_ok=True)
    write_archive(path, inputs.crafted(whole.data, rng))
    refused = []
    slow = rng.choice((_reported, _compared, _exported, _evaluated))
    for use in (_shown, _collected, slow):
        try:
            use(path)
        except InputError as error:
            refused.append(error)
    if refused:
        raise refused[0]


def _shown(path: Path) -> None:
    data = read_archive(path)
    "\n".join([*shown_lines(data), *run_lines([(str(path), data)])]).encode(errors="replace")


def _evaluated(path: Path) -> None:
    kanpde.open_run(path).solution(np.linspace(0, 1, 5)[:, None])


def _reported(path: Path) -> None:
    write_report(path)


def _collected(path: Path) -> None:
    csv_text(collected([path]))


def _compared(path: Path) -> None:
    write_study(path.parent, collected([path]))


def _exported(path: Path) -> None:
    for name in FORMATS:
        export_run(read_archive(path), name, path.parent)


def words(rng: random.Random, folder: Path) -> None:
    compose(inputs.words(rng))


KINDS: dict[str, Callable[[random.Random, Path], None]] = {
    "problems": problems, "data": data_files, "archives": archives, "crafted": crafted, "words": words,
}  # fmt: skip


def outcome(kind: str, seed: int, folder: Path) -> str:
    """`answer`, `refused`, or the fault that one input makes."""
    try:
        with warnings.catch_warnings(), limited():
            warnings.simplefilter("error")
            KINDS[kind](random.Random(f"{kind} {seed}"), folder)
    except InputError as error:
        return "refused" if 0 < len(str(error)) < 2000 else "a message of another length"
    except (Exception, TooLong) as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {str(error)[:80]} ({Path(last.filename).name}:{last.lineno})"
    return "answer"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=list(KINDS))
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    counts: Counter[str] = Counter()
    first: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for seed in range(options.seed, options.seed + options.count):
            found = outcome(options.kind, seed, Path(folder))
            counts[found] += 1
            first.setdefault(found, seed)
    for found, count in counts.most_common():
        print(f"{count:7} {found}" + ("" if found in ("answer", "refused") else f"   first with seed {first[found]}"))
    return int(set(counts) > {"answer", "refused"})


if __name__ == "__main__":
    sys.exit(main())
