"""How far runs go beyond their limits: CPU seconds of the reference, of training and of all that comes after.

    python tests/benchmarks/limits.py [seconds] [problem or file …]

Every problem is solved with `training.time_limit` of so many seconds (10 unless given), in a process of its own, forked
from one that has imported everything, with an empty cache. The reference may take as long as training, and what comes
after training 5 s and a quarter of it. The whole run may take half of the limit more, and 10 s, on the clock: that says
something only where nothing else is at work, so the load is told beside it. Without problems: those shipped and those
of `unseen`.
"""

import ast
import os
import resource
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import torch

from kanpde.problems.listing import problem_names
from kanpde.runs.hydra_composition import compose_mapping
from kanpde.runs.jobs import attempt
from kanpde.runs.settings import config_of
from kanpde.solving.training.events import Finished, Note, Started

UNSEEN = Path(__file__).parent / "unseen"
CPU_LIMIT = 300
"""Seconds after which a run is given up."""


def measured(problem: str, seconds: float, folder: Path) -> dict[str, float]:
    """CPU seconds by part of a run, in this process, and those of the whole on the clock."""
    begun, marks = time.perf_counter(), [("begin", time.process_time())]

    @contextmanager
    def watch(config):
        def listen(event):
            if isinstance(event, Note) and event.text.startswith("reference: ") and "unknowns" in event.text:
                marks.append(("reference", time.process_time()))
            elif isinstance(event, Started | Finished) and marks[-1][0] != type(event).__name__:
                marks.append((type(event).__name__, time.process_time()))

        yield listen

    words = [f"problem={problem}", f"training.time_limit={seconds:g}", f"output.folder={folder}", "device=cpu"]
    composition = compose_mapping(words)
    result = attempt(config_of(composition), composition, watch)
    end, found = time.process_time(), dict(marks)
    started = found.get("Started", end)
    finished = found.get("Finished", end)
    print(f"{problem}: {result.state.value}, {result.note()[:90]}", file=sys.stderr)
    whole = time.perf_counter() - begun
    return {"before": started - marks[0][1], "training": finished - started, "after": end - finished, "whole": whole}


def in_process(problem: str, seconds: float, folder: Path) -> dict[str, float] | None:
    """The same in a process of its own; None if it did not come to an end."""
    reading, writing = os.pipe()
    if (process := os.fork()) == 0:
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT, CPU_LIMIT))
        os.environ["KANPDE_CACHE"] = str(folder / "cache")
        try:
            os.write(writing, repr(measured(problem, seconds, folder)).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as file:
        told = file.read()
    os.waitpid(process, 0)
    return ast.literal_eval(told) if told else None


def main(words: list[str]) -> int:
    numbers = [word for word in words if word.replace(".", "").isdigit()]
    seconds = float(numbers[0]) if numbers else 10.0
    given = [word for word in words if word not in numbers]
    problems = given or [*problem_names(), *(str(path) for path in sorted(UNSEEN.glob("*.yaml")))]
    torch.set_num_threads(1)
    allowed, over = {"before": 1.25 * seconds + 5, "training": 1.25 * seconds, "after": seconds / 4 + 5}, 0
    allowed["whole"] = 1.5 * seconds + 10
    for problem in problems:
        with tempfile.TemporaryDirectory() as folder:
            found = in_process(problem, seconds, Path(folder))
        late = ["no end"] if found is None else [part for part in allowed if found[part] > allowed[part]]
        over += bool(late)
        told = "" if found is None else ", ".join(f"{part} {value:.1f}" for part, value in found.items())
        load = f"load {os.getloadavg()[0]:.1f}"
        print(f"{Path(problem).stem}: {told}, {load}{' OVER: ' + ' '.join(late) if late else ''}", flush=True)
    told = ", ".join(f"{part} {most:.1f}" for part, most in allowed.items())
    print(f"{over} of {len(problems)} over: {told} s")
    return min(over, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
