"""Figures of `kanpde serve`, each beside what was asked: times of the server in seconds of its processor, by /proc.

    python tests/benchmarks/service.py [--only NAME …] [--kills 20]

The machine is told to be quiet by whoever starts this; wall times depend on it, processor times hardly.
"""

import argparse
import contextlib
import gzip
import http.client
import itertools
import json
import os
import random
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
os.environ.setdefault("OMP_NUM_THREADS", "1")  # of the jobs, as everything shares two cores

from service import fuzz  # noqa: E402
from service.conftest import LONG, SHORT, Served, until  # noqa: E402

import kanpde.service  # noqa: E402

STATIC = Path(kanpde.service.__file__).parent / "static"
TICKS = os.sysconf("SC_CLK_TCK")


def cpu(process: int) -> float:
    """Seconds of processor that one process has taken."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def cpu_of_children(server: int) -> float:
    """Seconds of processor that questions have taken: those of the fork server's children which have ended."""
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            fields = (path / "stat").read_text().rpartition(")")[2].split()
            if int(fields[1]) == server and b"forkserver" in (path / "cmdline").read_bytes():
                return (int(fields[13]) + int(fields[14])) / TICKS
    raise LookupError("there is no fork server")


def resident(process: int) -> float:
    """Megabytes in memory."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


class Connection:
    """Requests over one connection that is kept."""

    def __init__(self, served: Served):
        self.connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=120)
        self.headers = {"Authorization": f"Bearer {served.token}", "Content-Type": "application/json"}

    def __call__(self, method: str, path: str, body: object = None) -> object:
        self.connection.request(method, path, None if body is None else json.dumps(body), self.headers)
        answer = self.connection.getresponse()
        content = answer.read()
        assert answer.status < 300, content
        return json.loads(content)


@contextlib.contextmanager
def served(*options: str) -> Iterator[Served]:
    with tempfile.TemporaryDirectory() as folder:
        found = Served(Path(folder) / "outputs", *options).start()
        try:
            found.json("POST", "/processes/check/execution", {"problem": "poisson_1d"})  # the fork server has loaded
            yield found
        finally:
            found.clean()


def start() -> Iterator[tuple[str, str, str]]:
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        found = Served(Path(folder) / "outputs").start()
        wall, taken = time.perf_counter() - begun, cpu(found.process.pid)
        yield "start to the first answer", "≤ 1 s", f"{wall:.2f} s wall, {taken:.2f} s CPU"
        yield "server in memory at its start", "≤ 60 MB", f"{resident(found.process.pid):.0f} MB"
        found.clean()


def requests() -> Iterator[tuple[str, str, str]]:
    with served() as found:
        ask, process = Connection(found), found.process.pid
        id = found.submit()
        found.ended(id)
        before, begun, count = cpu(process), time.perf_counter(), 2000
        for _ in range(count):
            ask("GET", f"/jobs/{id}")
        taken, wall = cpu(process) - before, time.perf_counter() - begun
        yield "GET /jobs/{id}", "≤ 1.2 ms CPU, ≥ 500/s", f"{1000 * taken / count:.2f} ms CPU, {count / wall:.0f}/s"
        before, count = cpu_of_children(process), 15
        times = [timed(lambda: ask("POST", "/processes/check/execution", {"problem": "burgers"})) for _ in range(count)]
        taken = (cpu_of_children(process) - before) / count
        yield "check of burgers", "≤ 0.4 s", f"{taken:.2f} s CPU, {statistics.median(times):.2f} s wall"
        found.submit(settings=LONG)
        before = cpu(process)
        time.sleep(10)
        idle = (cpu(process) - before) / 10
        before, count, begun = cpu(process), 100, time.perf_counter()
        for seed in range(1, count + 1):
            ask("POST", "/processes/solve/execution", {"problem": "poisson_1d", "settings": {**LONG, "seed": seed}})
        taken = (cpu(process) - before - idle * (time.perf_counter() - begun)) / count
        yield "a submission, in the server", "≤ 3 ms CPU", f"{1000 * taken:.1f} ms CPU"
        yield "the server while one job runs and nobody asks", "", f"{100 * idle:.1f} % of a core"
        yield "server in memory after all this", "≤ 60 MB", f"{resident(process):.0f} MB"
        for job in ask("GET", "/jobs?status=accepted")["jobs"]:
            ask("DELETE", f"/jobs/{job['jobID']}")


def timed(function: Callable[[], object]) -> float:
    begun = time.perf_counter()
    function()
    return time.perf_counter() - begun


def first_point() -> Iterator[tuple[str, str, str]]:
    with served() as found:
        times = []
        for seed in range(5):
            begun = time.perf_counter()
            id = found.submit(settings={**LONG, "seed": seed})
            until(lambda id=id: found.steps(id), "a step")
            times.append(time.perf_counter() - begun)
            asked = time.perf_counter()
            found.json("DELETE", f"/jobs/{id}")
            found.ended(id)
            times.append(time.perf_counter() - asked)
        yield "submission to the first step", "≤ 2 s", f"{statistics.median(times[::2]):.2f} s"
        yield "Stop to the archive", "≤ 10 s", f"{statistics.median(times[1::2]):.2f} s"


def events() -> Iterator[tuple[str, str, str]]:
    with served() as found:
        id = found.submit(settings=LONG)
        until(lambda: found.steps(id) > 3, "steps")
        os.kill(found.pid_of(id), signal.SIGSTOP)  # only our lines come from here on
        delays: list[list[float]] = []
        stop = threading.Event()

        def listen() -> None:
            mine: list[float] = []
            delays.append(mine)
            connection = http.client.HTTPConnection("127.0.0.1", found.port, timeout=120)
            size = (found.state / "jobs" / id / "events.jsonl").stat().st_size
            headers = {"Authorization": f"Bearer {found.token}", "Last-Event-ID": str(size)}
            connection.request("GET", f"/jobs/{id}/events", headers=headers)
            answer = connection.getresponse()
            while not stop.is_set():
                line = answer.fp.readline()
                if line.startswith(b'data: {"event": "note"'):
                    mine.append(time.time() - json.loads(line[6:])["at"])

        listeners = [threading.Thread(target=listen, daemon=True) for _ in range(100)]
        for one in listeners:
            one.start()
        time.sleep(3)
        before, begun = cpu(found.process.pid), time.perf_counter()
        with (found.state / "jobs" / id / "events.jsonl").open("a") as file:
            while time.perf_counter() - begun < 15:
                file.write(json.dumps({"event": "note", "text": "", "at": time.time()}) + "\n")
                file.flush()
                time.sleep(0.2)
        share = (cpu(found.process.pid) - before) / (time.perf_counter() - begun)
        stop.set()
        late = sorted(delay for mine in delays for delay in mine)
        yield "event to a listener, p99", "≤ 0.2 s", f"{late[int(0.99 * len(late))]:.3f} s, 100 listeners, 5 events/s"
        yield "100 listeners", "≤ 10 % of a core", f"{100 * share:.1f} %, {resident(found.process.pid):.0f} MB"
        os.kill(found.pid_of(id), signal.SIGKILL)


def queue() -> Iterator[tuple[str, str, str]]:
    with tempfile.TemporaryDirectory() as folder:
        limits = Path(folder) / "limits.yaml"
        limits.write_text("queued: 2000\n")
        with served("--limits", str(limits)) as found:
            for first in (0, 500):
                sweep = {"seed": list(range(first, first + 500))}
                found.json("POST", "/processes/solve/execution",
                           {"problem": "poisson_1d", "settings": LONG, "sweep": sweep})  # fmt: skip
            ask = Connection(found)
            times = [timed(lambda: ask("GET", "/jobs?limit=100")) for _ in range(30)]
            yield "1000 queued: a page of 100", "≤ 50 ms", f"{1000 * statistics.median(times):.0f} ms"
            begun = time.perf_counter()
            found.kill()
            found.start()
            yield "1000 queued: killed and started again", "≤ 2 s", f"{time.perf_counter() - begun:.2f} s"


def evaluation() -> Iterator[tuple[str, str, str]]:
    with served() as found:
        run = found.ended(found.submit())["run"]
        ask, asked = Connection(found), {"points": [[0.5]], "expressions": ["u"]}
        ask("POST", f"/runs/{run}/evaluate", asked)
        count, begun = 0, time.perf_counter()
        while time.perf_counter() - begun < 5:
            ask("POST", f"/runs/{run}/evaluate", asked)
            count += 1
        yield "warm evaluation", "≥ 150/s", f"{count / (time.perf_counter() - begun):.0f}/s"


def kills(count: int) -> Iterator[tuple[str, str, str]]:
    draw = random.Random(0)
    for what in ("server", "job", "both"):
        lost = twice = 0
        with served() as found:
            for number in range(count):
                id = found.submit(settings={**SHORT, "training": {**SHORT["training"], "steps": 30}, "seed": number})
                time.sleep(draw.uniform(0, 1.5))
                if what != "server":
                    kill_job(found, id)
                if what != "job":
                    found.kill()
                    found.start()
                ended = found.ended(id)
                text = found.state / "jobs" / id / "events.jsonl"
                begun = text.read_text().count('"event": "started"') if text.exists() else 0
                lost += ended["status"] != "successful" and (what == "server" or ended["status"] != "failed")
                twice += begun > (2 if what == "both" else 1)
        yield f"kill -9 of {what}, {count} random moments", "0 lost, 0 twice", f"{lost} lost, {twice} twice"


def kill_job(found: Served, id: str) -> None:
    with contextlib.suppress(FileNotFoundError, IndexError, ProcessLookupError):
        if not (found.state / "jobs" / id / "end.json").exists():
            os.kill(found.pid_of(id), signal.SIGKILL)


def sizes() -> Iterator[tuple[str, str, str]]:
    parts = [path for path in STATIC.iterdir() if path.suffix in (".js", ".css", ".svg") and "viewer" not in path.name]
    total = sum(len(gzip.compress(path.read_bytes())) for path in parts)
    yield "page, gzipped, without the viewer", "≤ 250 kB", f"{total / 1000:.0f} kB"
    package = STATIC.parent
    lines = sum(len(path.read_text().splitlines()) for path in package.glob("*.py"))
    script = sum(len(path.read_text().splitlines()) for path in (package / "web" / "src").glob("*.js"))
    yield "own code", "≤ 900 lines Python, ≤ 450 JavaScript", f"{lines} and {script}"


def fuzzed(count: int = 10_000) -> Iterator[tuple[str, str, str]]:
    """Faults are printed with what made them."""
    with served() as found:
        run = found.ended(found.submit())["run"]
        statuses: Counter[int] = Counter()
        for asked in itertools.islice(fuzz.requests(random.Random(0), found.token, run), count):
            method, path, headers, body = asked
            status = found.request(method, path, body, headers)[0]
            statuses[status] += 1
            if status == 500 or status >= 508:
                print(status, asked, file=sys.stderr, flush=True)
        told = ", ".join(f"{status}: {many}" for status, many in sorted(statuses.items()))
        yield f"{count} fuzzed requests", "no 500", told


PARTS = {one.__name__: one for one in (start, requests, first_point, events, queue, evaluation, sizes, fuzzed)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", choices=[*PARTS, "kills"], default=[*PARTS, "kills"])
    parser.add_argument("--kills", type=int, default=20)
    given = parser.parse_args()
    print("| what | asked | measured |\n|---|---|---|", flush=True)
    for name in given.only:
        for row in kills(given.kills) if name == "kills" else PARTS[name]():
            print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
