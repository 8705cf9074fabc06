"""What the children of the fork server do: jobs and questions. The server itself never loads this module.

A job calls what the commands call, `attempt` for a run and `run_study` for a study, and writes down every event.
"""

import contextlib
import json
import math
import os
import resource
import signal
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Any

from kanpde.errors import InputError
from kanpde.files.atomic import replace_file
from kanpde.files.memory import free_memory
from kanpde.files.yaml import read_yaml, write_yaml
from kanpde.problems.catalog import load_problem, problem_names, read_problem_file
from kanpde.problems.check_report import findings, statement_lines
from kanpde.problems.language import latex_of, text_of
from kanpde.reports.formulas import formula
from kanpde.reports.run_report import run_report
from kanpde.reports.sections import problem_section
from kanpde.results.archive import read_archive
from kanpde.results.metrics import ROWS
from kanpde.runs.hydra_composition import compose_mapping
from kanpde.runs.jobs import HISTORY, JobState, Result, Watch, attempt, skipped
from kanpde.runs.launchers import usable_cores
from kanpde.runs.progress import Listener
from kanpde.runs.schema import settings_schema
from kanpde.runs.settings import Config, override_words
from kanpde.service.doors import work
from kanpde.service.evaluation import evaluator as evaluator  # asked for by name
from kanpde.service.folders import EventFile, JobFolder, sign
from kanpde.service.limits import Limits
from kanpde.service.requests import (
    ALLOWED,
    Asked,
    composed,
    each_composed,
    estimate,
    jobs_of,
    line_of,
    name_of,
    sent_problem_data,
    without_paths,
    words_of,
)
from kanpde.solving.training.events import Finished, Note, StageEnded, Started, StartEnded, Step
from kanpde.studies.files import write_study
from kanpde.studies.plans import Study
from kanpde.studies.runner import plan_of, run_study

MEMORY = 2 * 2**30  # bytes that a question may take
STATUS = {
    JobState.DONE: "successful", JobState.SKIPPED: "successful", JobState.FAILED: "failed",
    JobState.INTERRUPTED: "dismissed", JobState.NOT_BEGUN: "dismissed",
}  # fmt: skip


# Jobs


@work
def job(path: str, share: dict[str, int]) -> None:
    """Begin the job in a process that outlives the server, and return."""
    lock = JobFolder(Path(path)).hold()
    if lock is None or os.fork():  # another process is at it, or this is not the job's process
        return
    try:
        os.setsid()
        perform(Path(path), share, lock)
    finally:
        os._exit(0)


def perform(path: Path, share: dict[str, int], lock: IO[str]) -> None:
    """Do a job whose lock is held, and write how it ended; nothing if it has ended already."""
    folder = JobFolder(path)
    if folder.end() is not None:
        return
    sign(lock)
    with _logged(folder), EventFile(folder.events) as events:
        stop = Stopping(folder)
        _keep_to(share)
        try:
            result = PERFORMED[folder.spec()["process"]](folder, share, stop, events)
        except InputError as error:
            result = Result(JobState.FAILED, "", str(error))
        except KeyboardInterrupt:
            result = Result(JobState.NOT_BEGUN, "", "It was stopped before there was anything to keep.")
        except Exception as error:
            traceback.print_exc()
            fault = f"{type(error).__name__}: a fault of kanpde; log.txt has the traceback."
            result = Result(JobState.FAILED, "", fault)
        stop.over()
        folder.finish(_end_of(result, share))


def _end_of(result: Result, share: dict[str, Any]) -> dict[str, Any]:
    root = Path(share["root"])
    return {
        "status": STATUS[result.state],
        "state": result.state.value,
        "sentence": without_paths(result.sentence, root, root.parent),
        "warnings": [without_paths(one, root, root.parent) for one in result.warnings],
        "metrics": _finite(dict(result.metrics)),
        "finished": datetime.now(UTC).isoformat(timespec="microseconds"),
    }


def _keep_to(share: dict[str, Any]) -> None:
    """A job's part of the machine; `bounded_memory` keeps the smaller bound."""
    os.chdir(Path(share["root"]).parent)  # so that archives name no folder above the one they are in
    free = share["memory"] or free_memory()
    if free is not None:
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        resource.setrlimit(resource.RLIMIT_DATA, (max(free // share["workers"], 2**29), hard))


@contextmanager
def _logged(folder: JobFolder) -> Iterator[None]:
    """What a job would show goes to its log; the file descriptors as well, for what libraries print."""
    with folder.log.open("a", encoding="utf-8") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
        with contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
            yield


class Stopping:
    """Ends a job once it is asked to stop, and never while its archive is being written.

    It interrupts once wherever that strikes, and again between steps and between runs, of which there are none once an
    interrupt was heeded: one may be lost in a finalizer, in a callback of a C library, or in somebody's `except`.
    """

    def __init__(self, folder: JobFolder):
        self.file, self.done = folder.stop, False
        signal.signal(signal.SIGINT, lambda number, frame: self._raise())

    def look(self) -> None:
        if self.file.exists():
            self._raise()

    def look_between(self) -> None:
        """Between two steps or runs, where an interrupt cuts nothing off."""
        if self.file.exists():
            self.done = True
            raise KeyboardInterrupt

    def over(self) -> None:
        self.done = True

    def _raise(self) -> None:
        if not self.done:
            self.done = True
            raise KeyboardInterrupt


def _solve(folder: JobFolder, share: dict[str, Any], stop: Stopping, events: EventFile) -> Result:
    spec = folder.spec()
    words = [*spec["words"], *_own_words(share)]
    config, composition, _ = composed(_asked(folder), words, Limits(**share["limits"]))

    follow = Following(events, config.folder / HISTORY)
    while True:
        result = skipped(config) or attempt(config, composition, watching(events, stop))
        if result.state is not JobState.ELSEWHERE:
            return result
        follow(result.sentence)
        stop.look()
        time.sleep(0.5)


def watching(events: EventFile, stop: Stopping) -> Watch:
    """Writes down what happens in a run, and asks whether it is to stop."""

    @contextmanager
    def watch(config: Config) -> Iterator[Listener]:
        writer = EventWriter(events, config)

        def listen(event: object) -> None:
            if isinstance(event, Finished):
                stop.over()
            writer(event)
            (stop.look_between if isinstance(event, Step) else stop.look)()

        yield listen

    return watch


class Following:
    """Shows a run that another process is solving, a command perhaps, from the history it writes."""

    def __init__(self, events: EventFile, history: Path):
        self.events, self.history, self.place, self.told = events, history, 0, False

    def __call__(self, sentence: str) -> None:
        if not self.told:
            self.events.write("note", text=sentence)
            self.told = True
        with contextlib.suppress(OSError), self.history.open("rb") as file:
            file.seek(self.place)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self.place += len(line)
                record = json.loads(line)
                if "step" in record:
                    self.events.write("step", **record)


class EventWriter:
    """Writes the events of a run as lines of JSON; what was not measured is null."""

    def __init__(self, events: EventFile, config: Config):
        self.events, self.training = events, config.training

    def __call__(self, event: object) -> None:
        match event:
            case Note(text):
                self.events.write("note", text=text)
            case Started(parameters, points, grids, _):
                self.events.write("started", parameters=parameters, points=points, grids=list(grids))
            case StartEnded(start, starts, heldout):
                text = f"start {start + 1} of {starts}: held-out residual {heldout:.1e}"
                self.events.write("note", text=text)
            case Step(record):
                self.events.write("step", **_finite(record), progress=self._progress(record))
            case StageEnded(stage, reason):
                self.events.write("stage", stage=stage + 1, text=f"stage {stage + 1} ended: {reason}")
            case Finished(outcome):
                self.events.write("note", text=str(outcome))

    def _progress(self, record: dict[str, float]) -> int:
        steps = self.training.window_count * self.training.stages * self.training.steps
        share = max(record.get("step", 0) / max(steps, 1), record.get("time_s", 0.0) / self.training.time_limit)
        return min(100, int(100 * share))


def _study(folder: JobFolder, share: dict[str, Any], stop: Stopping, events: EventFile) -> Result:
    spec, asked = folder.spec(), _asked(folder)
    plan = plan_of([*spec["words"], *_problem_words(folder, asked), *_own_words(share)])

    def say(line: str) -> None:
        events.write("note", text=without_paths(line, Path(share["root"]).parent))
        stop.look_between()

    def made(model: str, result: Result) -> None:
        error, parameters = (_number(result.metrics.get(name)) for name in ("rel_l2", "n_parameters"))
        events.write("run", model=model, parameters=parameters, error=error)

    outcome = run_study(plan, say, made)
    stop.over()
    write_study(plan.folder, outcome)
    sentences = [line for comparison in outcome.comparisons() for line in comparison.conclusions()]
    for sentence in sentences:
        events.write("note", text=sentence)
    return Result(JobState.DONE, str(plan.folder), " ".join(sentences[:2]) or "The study is complete.")


def _problem_words(folder: JobFolder, asked: Asked) -> list[str]:
    """A study makes its runs from words, so a problem that came as text needs a file."""
    if asked.text is None:
        return [f"problem={asked.name}"]
    path = folder.path / "files" / f"{name_of(asked)}.yaml"
    path.parent.mkdir(exist_ok=True)
    replace_file(path, write_yaml(sent_problem_data(asked)).encode())
    return [f"problem={path}"]


def _own_words(share: dict[str, Any]) -> list[str]:
    """What the operator decides: where runs go, and their part of the cores, which OMP_NUM_THREADS may have settled."""
    threads = share["threads"] or (None if "OMP_NUM_THREADS" in os.environ else usable_cores() // share["workers"])
    return override_words(output={"folder": Path(share["root"]).name}, threads=threads and max(1, threads))


def _asked(folder: JobFolder) -> Asked:
    spec = folder.spec()
    return Asked(spec["name"], folder.problem() if spec["text"] else None, spec.get("files"))


PERFORMED: dict[str, Callable[..., Result]] = {"solve": _solve, "scaling": _study}


# Questions


@work
def question(connection: Connection, name: str, payload: dict[str, Any], seconds: float) -> None:
    """Answer one question, within bounds that the system enforces; `seconds` are the processor's."""
    _bound(math.ceil(seconds))
    root = Path(payload.pop("root", "/nowhere"))
    try:
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
            answer = ANSWERS[name](**payload)
    except InputError as error:
        message = without_paths(str(error), root, root.parent)
        answer = {"refused": message, "line": line_of(str(payload.get("text") or ""), message)}
    except MemoryError:
        answer = {"refused": "This needs more memory than a question may take. Ask for less.", "line": None}
    except Exception:
        traceback.print_exc()
        answer = {"fault": "The server could not answer; its log says why."}
    with contextlib.suppress(BrokenPipeError):  # whoever asked is gone
        connection.send_bytes(json.dumps(answer).encode())


def _bound(seconds: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, hard))


def ready() -> dict[str, Any]:
    """Whether the fork server has loaded; what processors there are, and what is free."""
    return {"cores": usable_cores(), "memory": free_memory()}


def check(name: str, text: str | None, files: str | None, settings: object, limits: dict[str, Any]) -> dict[str, Any]:
    """The checks of a problem with settings: equations as text, LaTeX and SVG, warnings, verdicts, sizes."""
    asked, bounds = Asked(name, text, files), Limits(**limits)
    config, _, sizes = composed(asked, words_of(settings), bounds)
    problem = config.problem
    return {
        "ok": True,
        "name": problem.name,
        "title": problem.title,
        "equations": [
            {"name": key, "text": f"{text_of(one)} = 0", "latex": f"{latex_of(one)} = 0"}
            for key, one in problem.equations.items()
        ],
        "html": problem_section(problem.yaml()),
        "statement": list(statement_lines(problem)),
        "verdicts": list(dict.fromkeys(findings(problem))),
        "warnings": list(dict.fromkeys((*problem.warnings, *config.warnings))),
        "estimate": _finite(estimate(config, sizes)),
        "folder": f"{problem.name}/{config.model_name}/{config.key}",
    }


def prepare(
    name: str, text: str | None, files: str | None, settings: object, sweep: object, limits: dict[str, Any]
) -> dict[str, Any]:
    """The jobs of a submission, each composed and within the limits: words and run folder."""
    asked, bounds = Asked(name, text, files), Limits(**limits)
    lists, notes = jobs_of(settings, sweep, bounds)
    jobs: dict[str, dict[str, Any]] = {}
    for words, (config, *_) in zip(lists, each_composed(asked, lists, bounds), strict=True):
        folder = f"{config.problem.name}/{config.model_name}/{config.key}"
        jobs.setdefault(folder, {"folder": folder, "words": words, "title": config.problem.title})
    return {"jobs": list(jobs.values()), "notes": notes, "name": name_of(asked) if text is not None else name}


def prepare_study(
    name: str, text: str | None, files: str | None, preset: str, study: object, settings: object, limits: dict[str, Any]
) -> dict[str, Any]:
    """The one job of a study."""
    asked, bounds = Asked(name, text, files), Limits(**limits)
    config, *_ = composed(asked, words_of(settings), bounds)
    words = [f"preset={preset}", *words_of(settings), *override_words(study=plain_study(study))]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{config.problem.name}.yaml"
        if text is not None:
            path.write_text(write_yaml(sent_problem_data(asked)), encoding="utf-8")
        plan = plan_of([*words, f"problem={path}" if text is not None else f"problem={name}"])
    _check_study(plan.study, bounds)
    place = plan.folder.relative_to(plan.config.output.folder)
    job = {"folder": str(place), "words": words, "title": f"Study: {config.problem.title}"}
    return {"jobs": [job], "notes": [], "name": config.problem.name}


def _check_study(study: Study, bounds: Limits) -> None:
    """Refuse a study of too many runs, or of too long ones."""
    sizes = len(study.grids) + len(study.widths)
    tuning = len(study.kan_degrees) * len(study.kan_widths) + len(study.mlp_depths) * len(study.mlp_activations)
    most = sizes * study.seeds * (1 + (len(study.models) - 1) * len(study.match)) + tuning * study.tuning_seeds
    if most > bounds.jobs or study.time_limit > bounds.time_limit:
        raise InputError(
            f"A study may have {bounds.jobs} runs of {bounds.time_limit} s; up to {most} of {study.time_limit:g} s "
            "came. Set fewer seeds or grids."
        )


def plain_study(study: object) -> dict[str, Any]:
    """The settings of a study, names and values checked as those of a group are."""
    words_of({"training": study})
    return dict(study) if isinstance(study, dict) else {}


def problems() -> dict[str, Any]:
    """All problems by name: title, equations as written, text."""
    listed = []
    for name, path in problem_names().items():
        try:
            data = read_problem_file(path)
        except InputError as error:
            listed.append({"name": name, "title": f"does not load: {error}", "equations": [], "text": ""})
            continue
        text = path.read_text(encoding="utf-8-sig")
        listed.append({"name": name, "title": str(data.get("title", name)), "equations": _stated(data), "text": text})
    return {"problems": listed}


def _stated(data: dict[str, Any]) -> list[str]:
    """What a problem file asks for, as it was written: equations, or what is lowered, or a lattice's energies."""
    match data:
        case {"equations": dict(equations)}:
            return [str(one) for one in equations.values()]
        case {"equations": one}:
            return [str(one)]
        case {"energy": one}:
            return [f"least energy, of {one}"]
        case {"eigen": {"energy": one}}:
            return [f"lowest states, of {one}"]
        case {"lattice": {"onsite": one}}:
            return [f"onsite energy {one}"]
    return []


def typeset(name: str) -> dict[str, Any]:
    """The problem of a name as mathematics, and how many lines of it say what is asked for."""
    problem = load_problem(name)
    return {"html": problem_section(problem.yaml()), "lines": max(1, len(problem.equations))}


def rows(archives: list[str]) -> dict[str, Any]:
    """What the table of runs shows of each archive; one that cannot be read says so."""
    return {"rows": {path: _row(Path(path)) for path in archives}}


def _row(path: Path) -> dict[str, Any]:
    try:
        data = read_archive(path)
    except InputError:
        return {"status": "unreadable"}
    about = data.attributes
    shown = {name: str(about.get(name, "")) for name in ("title", "status", "created", "stop_reason", "verdict")}
    return {**shown, "seed": int(about.get("seed", 0)), "kind": data.model.kind, "metrics": _finite(data.metrics)}


def report(archive: str) -> dict[str, Any]:
    """The report of a run as HTML."""
    return {"html": run_report(read_archive(Path(archive)))}


def about(archive: str) -> dict[str, Any]:
    """What evaluating a run takes: coordinates, box, fields; its problem and settings."""
    data = read_archive(Path(archive))
    return {
        "words": _words_of_run(Path(archive).parent),
        "axes": {name: [float(values.min()), float(values.max())] for name, values in data.axes.items()},
        "fields": [name for name in data.fields if not name.endswith(("_ref", "_error"))],
        "problem_yaml": str(data.attributes.get("problem_yaml", "")),
        "history": {name: [_number(x) for x in values] for name, values in data.history.items()},
        **_row(Path(archive)),
    }


def _words_of_run(folder: Path) -> list[str]:
    """The words of `kanpde solve` that make a run again, without those of the operator and without his folders."""
    try:
        found = read_yaml((folder / ".hydra" / "overrides.yaml").read_text(encoding="utf-8"), "overrides.yaml")
    except (OSError, InputError):
        return []
    words = [word for word in found if isinstance(word, str)] if isinstance(found, list) else []
    problem = next((word for word in words if word.startswith("problem=")), "")
    named = problem if problem and "/" not in problem else "problem=problem.yaml"
    return [named, *(word for word in words if not word.startswith(("problem=", "output.", "threads=")))]


def schema() -> dict[str, Any]:
    """JSON Schema of the settings that a client may set."""
    whole = settings_schema()
    return {**whole, "properties": {name: whole["properties"][name] for name in ALLOWED}}


def titles() -> dict[str, Any]:
    """What people call the metrics."""
    return {row.name: row.title for row in ROWS if row.title}


def _finite(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _number(value) for name, value in values.items()}


def _number(value: Any) -> Any:
    if isinstance(value, (bool, str)) or value is None:
        return value
    number = float(value)
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() and not isinstance(value, float) else number


ANSWERS: dict[str, Callable[..., dict[str, Any]]] = {
    one.__name__: one
    for one in (ready, check, prepare, prepare_study, problems, typeset, rows, report, about, schema, titles)
}

# Once, in the fork server: Hydra looks for its plugins, Matplotlib for its fonts; no question waits for that.
compose_mapping([])
formula("x", "x")
