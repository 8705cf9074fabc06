"""Runs and their folders: what a command does with one composition of settings, or with a sweep of them."""

import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

import torch
from hydra._internal.callbacks import Callbacks
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig, OmegaConf

from kanpde.archive import RunData, read_archive
from kanpde.config import Config, config_of
from kanpde.errors import InputError, RunError
from kanpde.memory import bounded_memory, free_memory, want_of_memory
from kanpde.optimizers import OPTIMIZERS
from kanpde.overrides import (
    Composition,
    compose_mapping,
    compose_whole,
    config_loader,
    hydra_1_3,
    sweep_jobs,
    without_foreign,
)
from kanpde.plots import save_figure, solution_figure
from kanpde.progress import History, display
from kanpde.runs import Run, solve_config
from kanpde.training import Started

ARCHIVE, HISTORY, PICTURE = "result.h5", "history.jsonl", "solution.png"


class State(Enum):
    """How a job ended; the value is the word a summary uses."""

    DONE = "done"
    SKIPPED = "skipped"
    INTERRUPTED = "interrupted"
    NOT_BEGUN = "not begun"
    FAILED = "failed"

    @property
    def exit_code(self) -> int:
        # 130 is what shells report for a program that Ctrl-C ended.
        return {State.INTERRUPTED: 130, State.NOT_BEGUN: 130, State.FAILED: 1}.get(self, 0)


@dataclass(frozen=True)
class Result:
    """What became of a job: plain data, so that it comes back from other processes. `words` are those of a sweep."""

    state: State
    folder: str
    sentence: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    reference: str = ""  # the method that found what the error is measured against

    def note(self) -> str:
        """The error where one was measured, else the sentence on how the job ended."""
        error = self.metrics.get("rel_l2")
        return self.sentence if error is None or self.state is State.FAILED else f"rel_l2 {error:.2e}"


def archived(folder: Path) -> RunData | None:
    """What a run left in its folder; an archive that cannot be read is said, and does not count."""
    archive = folder / ARCHIVE
    if not os.path.exists(archive):  # unlike the method, False where the folder may not be entered
        return None
    try:
        return read_archive(archive)
    except InputError as error:
        print(f"warning: {error} The run counts as not made.", file=sys.stderr)
        return None


def finished(folder: Path) -> RunData | None:
    """The archive of a run that came to its end."""
    data = archived(folder)
    return data if data is not None and data.attributes.get("status") == "done" else None


def skipped(config: Config) -> Result | None:
    """The result of a run that need not be made, or none after a check that its folder could be written."""
    data = None if config.rerun else finished(config.folder)
    if data is None:
        _check_writable(config.folder)
        return None
    picture = config.folder / PICTURE
    if config.output.plot and not picture.exists() and os.access(config.folder, os.W_OK):
        save_figure(solution_figure(data), picture)
    return Result(State.SKIPPED, str(config.folder), "finished before; rerun=true solves it again", dict(data.metrics))


def solve_one(words: Sequence[str]) -> Result:
    """Solve what override words describe, in the folder that belongs to it, unless that was done before.

    Raises:
        InputError: The settings cannot be used; nothing has been written then.
    """
    composition = compose_mapping(words)
    config = config_of(composition)
    return skipped(config) or attempt(config, composition)


def attempt(config: Config, composition: Composition, bar: bool = True) -> Result:
    """Run a checked config; everything that can go wrong with the run itself comes back as a result."""
    try:
        with bounded_memory():
            run = _trained(config, composition, bar)
        kept = _write(run, config)
    except InputError:
        raise
    except RunError as error:
        return _failed(config, str(error))
    except Exception as error:
        if sentence := want_of_memory(error):
            return _failed(config, sentence)
        if isinstance(error, OSError):
            return _failed(config, f"The run could not be written: {error}. Free space there, or set output.folder=….")
        traceback.print_exc()
        return _failed(config, f"{type(error).__name__}: {error} (a fault of kanpde: the traceback is above)")
    return Result(
        State(run.status), str(config.folder), run.stop_reason, dict(run.metrics), (*run.warnings, *kept),
        reference=str(run.data.attributes["reference"]),
    )  # fmt: skip


def _failed(config: Config, sentence: str) -> Result:
    return Result(State.FAILED, str(config.folder), sentence)


def _trained(config: Config, composition: Composition, bar: bool) -> Run:
    with display(sys.stderr, config.training, bar) as show, History(config.folder / HISTORY) as history:

        def listen(event: object) -> None:
            if isinstance(event, Started):
                _check_memory(event, config)
                _open_folder(config.folder, composition)
                show.note(f"{config.problem.title}: {config.folder}")
            history(event)
            show(event)

        return solve_config(config, listen)


def _check_memory(event: Started, config: Config) -> None:
    """Refuse a Jacobian that cannot fit, rather than fill the memory for minutes first; later stages need more."""
    free = free_memory()
    on_gpu = config.device != "cpu" and torch.cuda.is_available()
    if free is None or on_gpu or not isinstance(config.optimizer, OPTIMIZERS["lm"]):
        return
    needed = event.points * event.parameters * getattr(torch, config.dtype).itemsize
    if needed > free:
        raise InputError(
            f"optimizer=lm needs the derivatives of {event.points} residuals by {event.parameters} parameters in "
            f"memory, {needed / 2**30:.3g} GiB; {free / 2**30:.3g} GiB are free. Use optimizer=lbfgs or adam, a "
            "smaller model, or fewer points (sampling.points)."
        )


def _open_folder(folder: Path, composition: Composition) -> None:
    """Make the run folder, with the composed settings in `.hydra/` laid out as Hydra does.

    The first training event comes here, so that input refused before it leaves no folder behind.
    """
    files = {
        "config": composition.settings,
        "hydra": OmegaConf.create({"hydra": composition.hydra}),
        "overrides": composition.hydra.overrides.task,
    }
    try:
        (folder / ".hydra").mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / ".hydra" / f"{name}.yaml").write_text(OmegaConf.to_yaml(content), encoding="utf-8")
    except OSError as error:
        raise _no_folder(folder, error) from error


def _write(run: Run, config: Config) -> tuple[str, ...]:
    """Archive and draw a run; one that did not end well stands beside a finished one, whose files stay."""
    archive, picture, warnings = config.folder / ARCHIVE, config.folder / PICTURE, ()
    if run.status != State.DONE.value and finished(config.folder) is not None:
        archive, picture = (path.with_suffix(f".{run.status}{path.suffix}") for path in (archive, picture))
        warnings = (f"{ARCHIVE} of an earlier run that was finished is kept; this one is in {archive.name}.",)
    run.save(archive)
    if config.output.plot:
        save_figure(solution_figure(run.data), picture)
    return warnings


def _check_writable(folder: Path) -> None:
    above = next(path for path in (folder, *folder.absolute().parents) if os.path.exists(path))
    if not above.is_dir():
        raise _no_folder(folder, f"{above} is a file")
    if not os.access(above, os.W_OK | os.X_OK):
        raise _no_folder(folder, f"{above} may not be written to")


def _no_folder(folder: Path, reason: object) -> InputError:
    return InputError(f"{folder}: a folder to write the run in is needed; {reason}. Set output.folder=….")


# Sweeps


@dataclass(frozen=True)
class Job:
    """One job of a sweep: its override words and the config they make."""

    words: tuple[str, ...]
    config: Config


def sweep(words: Sequence[str]) -> list[Result]:
    """Solve every combination of the values given, over Hydra's launcher; what is done already is skipped.

    All jobs are checked before the first one starts. One that fails does not stop the others; Ctrl-C does.

    Raises:
        InputError: The settings of a job cannot be used; nothing has been written then.
    """
    jobs = checked_jobs(words)
    results = {job.config.folder: skipped(job.config) for job in jobs}
    pending = [job for job in jobs if results[job.config.folder] is None]
    print(f"{len(jobs)} jobs, {len(pending)} of them to do", file=sys.stderr, flush=True)
    if pending:
        launched = _launched(pending, words)
        results |= {job.config.folder: result for job, result in zip(pending, launched, strict=True)}
    return [replace(results[job.config.folder], words=job.words) for job in jobs]


def checked_jobs(words: Sequence[str]) -> list[Job]:
    """The distinct jobs of a sweep, each composed and checked."""
    lists, notes = without_foreign(sweep_jobs(words))
    for note in notes:
        print(f"note: {note}")
    jobs: dict[Path, Job] = {}
    for job_words in lists:
        job = Job(tuple(job_words), config_of(compose_mapping(job_words)))
        jobs.setdefault(job.config.folder, job)
    return list(jobs.values())


def _launched(jobs: Sequence[Job], words: Sequence[str]) -> list[Result]:
    folder = Path(jobs[0].config.output.folder)
    with hydra_1_3():
        launcher = _launcher(words, folder)
        try:
            returns = launcher.launch([list(job.words) for job in jobs], initial_job_idx=0)
        except KeyboardInterrupt:
            return [_left_by_interrupt(job.config) for job in jobs]
        except OSError as error:  # launchers make the folder before the first job
            raise _no_folder(folder, error) from error
    return [result.return_value for result in returns]


def _left_by_interrupt(config: Config) -> Result:
    data = archived(config.folder)
    if data is None:
        return Result(State.NOT_BEGUN, str(config.folder), "or stopped before there was anything to keep")
    state = State(str(data.attributes["status"]))
    return Result(state, str(config.folder), str(data.attributes["stop_reason"]), dict(data.metrics))


def _launcher(words: Sequence[str], folder: Path) -> Launcher:
    master = compose_whole([word for word in words if word.startswith("hydra")], RunMode.MULTIRUN)
    master.hydra.sweep.dir = str(folder)
    context = HydraContext(config_loader=config_loader(), callbacks=Callbacks(master))
    return Plugins.instance().instantiate_launcher(context, solve_hydra_job, master)


def solve_hydra_job(settings: DictConfig) -> Result:
    """What a launcher runs, in this process or another: a job that ends in a result whatever happens."""
    hydra = HydraConfig.get()
    composition = Composition(settings, hydra)
    config = config_of(composition)
    print(f"\n#{hydra.job.num + 1}  {' '.join(hydra.overrides.task)}", file=sys.stderr, flush=True)
    try:
        result = attempt(config, composition, bar=hydra.runtime.choices["hydra/launcher"] == "basic")
    except InputError as error:
        result = _failed(config, str(error))
    print(f"{result.state.value}: {result.note()}", file=sys.stderr, flush=True)
    if result.state is State.INTERRUPTED:
        raise KeyboardInterrupt
    return result
