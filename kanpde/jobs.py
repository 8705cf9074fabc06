"""Runs and their folders: what a command does with one composition of settings, or with a sweep of them."""

import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
    FAILED = "failed"

    @property
    def exit_code(self) -> int:
        # 130 is what shells report for a program that Ctrl-C ended.
        return {State.INTERRUPTED: 130, State.FAILED: 1}.get(self, 0)


@dataclass(frozen=True)
class Result:
    """What became of a job: plain data, so that it comes back from other processes."""

    state: State
    folder: str
    sentence: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def finished(folder: Path) -> RunData | None:
    """The archive of a run that came to its end; one that cannot be read is said, and does not count."""
    archive = folder / ARCHIVE
    if not archive.exists():
        return None
    try:
        data = read_archive(archive)
    except InputError as error:
        print(f"warning: {error} The run is made again.", file=sys.stderr)
        return None
    return data if data.attributes.get("status") == "done" else None


def skipped(config: Config) -> Result | None:
    """The result of a run that need not be made, after a check that its folder could be written."""
    _check_writable(config.folder)
    data = None if config.rerun else finished(config.folder)
    if data is None:
        return None
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
        run = _trained(config, composition, bar)
        _write(run, config)
    except InputError:
        raise
    except RunError as error:
        return _failed(config, str(error))
    except Exception as error:
        if _out_of_memory(error):
            return _failed(config, "Out of memory. Fewer points (sampling.points), a smaller model or grid need less.")
        traceback.print_exc()
        return _failed(config, f"{type(error).__name__}: {error} (a fault of kanpde: the traceback is above)")
    return Result(State(run.status), str(config.folder), run.stop_reason, dict(run.metrics), run.warnings)


def _failed(config: Config, sentence: str) -> Result:
    return Result(State.FAILED, str(config.folder), sentence)


def _out_of_memory(error: Exception) -> bool:
    # PyTorch's allocator for the CPU raises a plain RuntimeError.
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "can't allocate memory" in str(error)


def _trained(config: Config, composition: Composition, bar: bool) -> Run:
    with display(sys.stderr, config.training, bar) as show, History(config.folder / HISTORY) as history:

        def listen(event: object) -> None:
            if isinstance(event, Started):
                _open_folder(config.folder, composition)
            history(event)
            show(event)

        return solve_config(config, listen)


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
        raise InputError(f"{folder}: a folder to write the run in is needed; {error}. Set output.folder=….") from error


def _write(run: Run, config: Config) -> None:
    run.save(config.folder / ARCHIVE)
    if config.output.plot:
        save_figure(solution_figure(run.data), config.folder / PICTURE)


def _check_writable(folder: Path) -> None:
    above = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not (above.is_dir() and os.access(above, os.W_OK | os.X_OK)):
        raise InputError(f"{folder}: a folder to write runs in is needed; {above} is none. Set output.folder=….")


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
    results = [skipped(job.config) for job in jobs]
    pending = [job for job, result in zip(jobs, results, strict=True) if result is None]
    return [result for result in results if result] + (_launched(pending, words) if pending else [])


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
    with hydra_1_3():
        launcher = _launcher(words, Path(jobs[0].config.output.folder))
        try:
            returns = launcher.launch([list(job.words) for job in jobs], initial_job_idx=0)
        except KeyboardInterrupt:
            return [_left_by_interrupt(job.config) for job in jobs]
    return [result.return_value for result in returns]


def _left_by_interrupt(config: Config) -> Result:
    data = finished(config.folder)
    if data is not None:
        return Result(State.DONE, str(config.folder), "finished before Ctrl-C", dict(data.metrics))
    return Result(State.INTERRUPTED, str(config.folder), "stopped by Ctrl-C, or not begun")


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
    if result.state is State.INTERRUPTED:
        raise KeyboardInterrupt
    return result
