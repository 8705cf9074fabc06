"""Sweeps: every combination of the values given is a job, run by one of Hydra's launchers."""

import contextlib
import os
import secrets
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hydra._internal.callbacks import Callbacks
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext
from omegaconf import DictConfig

from kanpde.errors import InputError
from kanpde.problems.listing import SEARCH_PATH
from kanpde.runs.hydra_composition import (
    Composition,
    compose_master,
    compositions,
    config_loader,
    hydra_1_3,
    sweep_jobs,
    without_foreign,
)
from kanpde.runs.jobs import HISTORY, JobState, Result, Watch, attempt, left, no_folder, on_terminal, settled, skipped
from kanpde.runs.launchers import BASIC, check_launcher, children_shielded, threads_per_job
from kanpde.runs.progress import Lines, Listener
from kanpde.runs.settings import Config, config_of
from kanpde.runs.stops import struck
from kanpde.solving.processes import joined, several
from kanpde.solving.training.events import Finished

STOPPING = (
    "stopping: what runs ends and is archived, what has not begun is left. Ctrl-C again leaves at once, and what runs "
    "ends by itself."
)
NOTHING_KEPT = "or stopped before there was anything to keep"


@dataclass(frozen=True)
class SweepJob:
    """One job of a sweep: its override words and the config they make."""

    words: tuple[str, ...]
    config: Config


def sweep(words: Sequence[str]) -> list[Result]:
    """Solve every combination of the values given; what is finished or failed before is skipped.

    All jobs are checked before the first one starts. One that fails does not stop the others; Ctrl-C does.

    Raises:
        InputError: The settings of a job cannot be used; nothing has been written then.
    """
    joined()
    if several():
        raise InputError(
            "Processes of torchrun train one network together; many runs came, by -m. Leave one of the two out: "
            "hydra/launcher=joblib gives each run a process of its own."
        )
    master = _master(words)
    jobs = checked_jobs(words)
    before = {job.config.folder: skipped(job.config) for job in jobs}
    results = {folder: result for folder, result in before.items() if result is not None}
    pending = [job for job in jobs if job.config.folder not in results]
    print(f"{len(jobs)} jobs, {len(pending)} of them to do", file=sys.stderr, flush=True)
    if pending:
        results |= {job.config.folder: result for job, result in zip(pending, _launched(pending, master), strict=True)}
    return [replace(results[job.config.folder], words=job.words) for job in jobs]


def checked_jobs(words: Sequence[str]) -> list[SweepJob]:
    """The distinct jobs of a sweep, each composed and checked."""
    lists, notes = without_foreign(sweep_jobs(words))
    for note in notes:
        print(f"note: {note}")
    jobs: dict[Path, SweepJob] = {}
    for job_words, composition in zip(lists, compositions(lists), strict=True):
        job = SweepJob(tuple(job_words), config_of(composition))
        jobs.setdefault(job.config.folder, job)
    return list(jobs.values())


# In the process that sweeps


def _master(words: Sequence[str]) -> DictConfig:
    """The settings that the launcher gets; one that is not installed, or cannot work here, is refused."""
    master = compose_master(words)
    check_launcher(_name(master), master.hydra.launcher)
    return master


def _launched(jobs: Sequence[SweepJob], master: DictConfig) -> list[Result]:
    """Run jobs by the launcher, and those it has not come to again, should it break down over another."""
    results: dict[Path, Result] = {}
    while waiting := [job for job in jobs if job.config.folder not in results]:
        results |= _launched_once(waiting, master)
    return [results[job.config.folder] for job in jobs]


def _launched_once(jobs: Sequence[SweepJob], master: DictConfig) -> dict[Path, Result]:
    """The results of some of the jobs by folder: of all, unless the launcher broke down."""
    folder, name = Path(jobs[0].config.output.folder), _name(master)
    master.hydra.sweep.dir = str(folder)
    task = _task(jobs, master)
    before = {job.config.folder: _trace(job.config.folder) for job in jobs}
    with hydra_1_3():
        launcher = _launcher(master, task)
        try:
            with _stopped_by_ctrl_c(task.stop) if name != BASIC else contextlib.nullcontext():
                returns = launcher.launch([list(job.words) for job in jobs], initial_job_idx=0)
        except KeyboardInterrupt:
            return {path: _interrupted(path, trace) for path, trace in before.items()}
        except OSError as error:  # launchers make the folder before the first job
            raise no_folder(folder, error) from error
        except Exception as error:
            if struck():  # while the launcher read settings, which says that something is wrong with them
                return {path: _interrupted(path, trace) for path, trace in before.items()}
            traceback.print_exception(error)
            return _broken_down(before, f"{name}: {' '.join(str(error).split())[:160]}")
    return {job.config.folder: result.return_value for job, result in zip(jobs, returns, strict=True)}


def _name(master: DictConfig) -> str:
    return master.hydra.runtime.choices["hydra/launcher"]


def _task(jobs: Sequence[SweepJob], master: DictConfig) -> "SweepTask":
    return SweepTask(
        launcher=_name(master),
        threads=threads_per_job(_name(master), master.hydra.launcher, len(jobs)),
        stop=Path(jobs[0].config.output.folder) / f".stop-{secrets.token_hex(4)}",
        folder=os.getcwd(),
        search_path=os.environ.get(SEARCH_PATH, ""),
    )


def _launcher(master: DictConfig, task: "SweepTask") -> Launcher:
    context = HydraContext(config_loader=config_loader(), callbacks=Callbacks(master))
    return Plugins.instance().instantiate_launcher(context, task, master)


@contextmanager
def _stopped_by_ctrl_c(stop: Path) -> Iterator[None]:
    """Ctrl-C makes a file that the jobs look for, on whichever machine they run; a second one leaves them to it."""

    def interrupt() -> None:
        if stop.exists():
            raise KeyboardInterrupt
        stop.parent.mkdir(parents=True, exist_ok=True)
        stop.touch()
        print(STOPPING, file=sys.stderr, flush=True)

    with children_shielded(interrupt):
        try:
            yield
        except Exception as error:
            if stop.exists():
                raise KeyboardInterrupt from error
            raise
    stop.unlink(missing_ok=True)  # after a second Ctrl-C it stays, for jobs that still wait in a queue


def _trace(folder: Path) -> tuple[int, int] | None:
    """What changes as soon as the run in a folder begins."""
    try:
        found = os.stat(folder / HISTORY)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _interrupted(folder: Path, before: tuple[int, int] | None) -> Result:
    begun = left(folder) if _trace(folder) != before else None
    return begun or Result(JobState.NOT_BEGUN, str(folder), NOTHING_KEPT)


def _broken_down(before: dict[Path, tuple[int, int] | None], reason: str) -> dict[Path, Result]:
    """Of jobs whose launcher broke down, those that had begun; all of them where none had, so that this ends.

    A job that was killed is not marked as failed: it is made again when the sweep is started again.
    """
    begun = [folder for folder, trace in before.items() if _trace(folder) != trace]
    if not begun:
        return {folder: Result(JobState.FAILED, str(folder), f"It did not begin. {reason}") for folder in before}
    killed = {folder: Result(JobState.FAILED, str(folder), f"Its process was killed. {reason}") for folder in begun}
    return {folder: left(folder) or killed[folder] for folder in begun}


# In the process that solves, which may be another one, on another machine


@dataclass(frozen=True)
class SweepTask:
    """What a launcher calls with the composed settings of a job: it ends in a result whatever happens.

    It is sent to the processes of the launcher, with what they would not have from this one by themselves.
    """

    launcher: str
    threads: int | None
    stop: Path
    folder: str
    search_path: str

    def __call__(self, settings: DictConfig) -> Result:
        self._settle_in()
        hydra: Any = HydraConfig.get()  # a DictConfig, which Hydra declares as what it is made of
        composition = Composition(settings, hydra)
        config = config_of(composition)
        if self.stop.exists():
            return Result(JobState.NOT_BEGUN, str(config.folder), "the sweep was stopped before")
        if config.threads is None:
            config = replace(config, threads=self.threads)
        prefix = f"#{hydra.job.num + 1}  "
        _print_line(f"{prefix}{' '.join(hydra.overrides.task)}")
        result = settled(config) or self._solved(config, composition, prefix)
        _print_line(f"{prefix}{result.state.value}: {result.note()}")
        if result.state is JobState.INTERRUPTED and self.launcher == BASIC:
            raise KeyboardInterrupt
        return result

    def _settle_in(self) -> None:
        if self.launcher != BASIC:
            os.chdir(self.folder)
            os.environ[SEARCH_PATH] = self.search_path

    def _solved(self, config: Config, composition: Composition, prefix: str) -> Result:
        try:
            return attempt(config, composition, on_terminal if self.launcher == BASIC else self._watch(prefix))
        except InputError as error:
            return Result(JobState.FAILED, str(config.folder), str(error))
        except KeyboardInterrupt:
            if self.launcher == BASIC:
                raise
            return Result(JobState.NOT_BEGUN, str(config.folder), NOTHING_KEPT)

    def _watch(self, prefix: str) -> Watch:
        @contextmanager
        def watch(config: Config) -> Iterator[Listener]:
            lines = Lines(sys.stderr, pause=10.0, prefix=prefix)

            def listen(event: object) -> None:
                if self.stop.exists() and not isinstance(event, Finished):
                    raise KeyboardInterrupt
                lines(event)

            yield listen

        return watch


def _print_line(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
