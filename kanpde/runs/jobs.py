"""Runs and their folders: what a command does with one composition of settings."""

import contextlib
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

from omegaconf import OmegaConf

from kanpde.errors import InputError, RunError
from kanpde.files.atomic import DRAFT, replace_file, sweep_drafts
from kanpde.files.locks import LOCK, FolderLock, Held
from kanpde.files.regular import cut_path
from kanpde.reports.plots import drawing_seconds, png_bytes, solution_figure
from kanpde.results.archive import ARCHIVE, RunData, read_archive
from kanpde.results.verdicts import Verdict, Word, verdict_in
from kanpde.runs.budgets import Budget
from kanpde.runs.checkpoints import CHECKPOINT, Checkpoint
from kanpde.runs.hydra_composition import Composition, compose_mapping, own_sweep
from kanpde.runs.progress import History, Listener, append_record, display, last_record, write_history
from kanpde.runs.run import Run, own_threads, solve_config, train_beside
from kanpde.runs.settings import RETRY, Config, config_of, flat_settings
from kanpde.runs.stops import Stops, leave_at_once
from kanpde.runs.trackers import Tracked, check_tracker, following
from kanpde.solving.processes import Lost, agreed, joined, part, several
from kanpde.solving.training.allocation import keep_freed_memory
from kanpde.solving.training.events import Finished, Note, Started, Step
from kanpde.solving.training.memory import bounded_memory, want_of_memory

HISTORY, PICTURE = "history.jsonl", "solution.png"
MOST_PARTS = 200
UNDRAWN = "It was stopped while it was drawn."
NO_TIME_TO_DRAW = "There was no time to draw it; the same command draws it. Or allow more: training.time_limit."

UNSOLVED_EXIT = 3

Watch = Callable[[Config], AbstractContextManager[Listener]]
"""What shows a run to whoever waits for it."""


class JobState(Enum):
    """How a job ended; the value is the word a summary uses."""

    DONE = "done"
    SKIPPED = "skipped"
    INTERRUPTED = "interrupted"
    NOT_BEGUN = "not begun"
    ELSEWHERE = "under way"
    FAILED = "failed"
    BESIDE = "trained for another process"

    @property
    def exit_code(self) -> int:
        # 130 is what shells report for a program that Ctrl-C ended.
        return {JobState.INTERRUPTED: 130, JobState.NOT_BEGUN: 130, JobState.FAILED: 1}.get(self, 0)


@dataclass(frozen=True)
class Result:
    """What became of a job: plain data, so that it comes back from other processes. `words` are those of a sweep."""

    state: JobState
    folder: str
    sentence: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    reference: str = ""  # the method that found what the error is measured against
    verdict: Verdict | None = None  # of a run that has an archive

    @property
    def exit_code(self) -> int:
        """That of the state; a run that came to its end without a solution has one of its own."""
        return UNSOLVED_EXIT if self.unsolved else self.state.exit_code

    @property
    def unsolved(self) -> bool:
        """Whether it came to its end, now or before, and is not to be believed."""
        return self._disbelieved is not None

    @property
    def _disbelieved(self) -> Verdict | None:
        """The verdict of a run that came to its end and is not to be believed."""
        ended = self.state in (JobState.DONE, JobState.SKIPPED)
        return self.verdict if ended and self.verdict is not None and self.verdict.word is Word.UNSOLVED else None

    def note(self) -> str:
        """The error where one was measured, else the sentence on how the job ended."""
        error = self.metrics.get("rel_l2")
        if (verdict := self._disbelieved) is not None:
            return f"unsolved: {verdict.reason}"
        told = self.state in (JobState.DONE, JobState.SKIPPED, JobState.INTERRUPTED) and error is not None
        return f"rel_l2 {error:.2e}" if told else self.sentence


class _Settled(Exception):
    """There is nothing to do in a run's folder; carries the result."""

    def __init__(self, result: Result):
        self.result = result


ENDED = (JobState.DONE.value, JobState.INTERRUPTED.value, JobState.FAILED.value)
"""What an archive may say of its run; a stranger's that says otherwise counts as none."""


# What a folder holds


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
    return data if data is not None and data.attributes.get("status") == JobState.DONE.value else None


def left(folder: Path) -> Result | None:
    """How the run in a folder ended, as its files tell; None where there is none, or it was killed.

    A run that could leave no archive, for want of memory or by a fault of kanpde, has said so in its history.
    """
    data, end = archived(folder), last_record(folder / HISTORY)
    status = None if data is None else str(data.attributes.get("status"))
    if end.get("status") == JobState.FAILED.value and status not in (JobState.DONE.value, JobState.FAILED.value):
        return Result(JobState.FAILED, str(folder), str(end.get("reason")))
    if data is None or status not in ENDED:
        return None
    verdict = verdict_in(data.attributes, data.metrics)
    reason = str(data.attributes.get("stop_reason"))
    return Result(JobState(status), str(folder), reason, dict(data.metrics), verdict=verdict)


def settled(config: Config) -> Result | None:
    """The result of a run that need not be made, because it is finished, or failed and is not to be tried again."""
    before = None if config.rerun is True else left(config.folder)
    if before is None or before.state is JobState.INTERRUPTED:
        return None
    if before.state is JobState.FAILED:
        sentence = f"It failed before, and rerun=failed tries again. {before.sentence}"
        return None if config.rerun == RETRY else replace(before, sentence=sentence)
    return replace(before, state=JobState.SKIPPED, sentence="finished before; rerun=true solves it again")


def skipped(config: Config) -> Result | None:
    """The result of a run that need not be made, or none after a check that its folder could be written."""
    result = settled(config)
    if result is None:
        check_tracker(config.tracker)
        _check_writable(config.folder)
        return None
    picture = config.folder / PICTURE
    if result.state is JobState.SKIPPED:
        _tidy(config.folder)
        if config.output.plot and not picture.exists():
            _draw(config.folder, picture)
    return result


def _tidy(folder: Path) -> None:
    """Remove what a process left that was killed between its archive and its end, if nobody is in the folder."""
    if not any(found in (LOCK, CHECKPOINT) or found.endswith(DRAFT) for found in os.listdir(folder)):
        return
    with contextlib.suppress(Held, OSError), FolderLock(folder) as lock:
        lock.take()
        sweep_drafts(folder)
        (folder / CHECKPOINT).unlink(missing_ok=True)


def _draw(folder: Path, picture: Path) -> None:
    """The picture that a finished run lacks, where it may be written."""
    data = finished(folder)
    if data is not None and os.access(folder, os.W_OK):
        replace_file(picture, png_bytes(solution_figure(data)))


# Solving


def solve_one(words: Sequence[str]) -> Result:
    """Solve what override words describe, in the folder that belongs to it, unless that was done before.

    Raises:
        InputError: The settings cannot be used; nothing has been written then.
    """
    joined()
    composition = compose_mapping(words)
    config = config_of(composition)
    if swept := own_sweep(composition.hydra):
        names = ", ".join(swept)
        print(f"note: this experiment sweeps over {names}; one run is made. Add -m for all.", file=sys.stderr)
    return _solved_together(config, composition) if several() else skipped(config) or attempt(config, composition)


def _solved_together(config: Config, composition: Composition) -> Result:
    """The same where torchrun has started several processes: the first one looks, writes and reports."""
    if joined():
        leave_at_once()
        try:
            if agreed(False):
                train_beside(config)
        except Lost as lost:
            return Result(JobState.FAILED, "", str(lost))
        return Result(JobState.BESIDE, "", "")
    result, sound = None, False
    try:
        result = skipped(config)
        sound = True
    finally:  # the others wait for this
        agreed(sound and result is None)
    return attempt(config, composition) if result is None else result


def on_terminal(config: Config) -> AbstractContextManager[Listener]:
    return display(sys.stderr, config.training)


def attempt(config: Config, composition: Composition, watch: Watch = on_terminal) -> Result:
    """Run a checked config; everything that can go wrong with the run itself comes back as a result."""
    with Stops(part) as stops, FolderLock(config.folder) as lock:
        try:
            if config.folder.is_dir():
                _claim(lock, config)
                sweep_drafts(config.folder)
            keep_freed_memory()
            budget = Budget(config.training.time_limit)
            with bounded_memory(), own_threads(config.threads):
                run, checkpoint = _trained(config, composition, lock, watch, stops, budget)
            kept = _write(run, config, composition, checkpoint)
            in_time = drawing_seconds(run.data) <= budget.left()
            whole = not in_time or _drawn(run, config, stops)
        except InputError:
            raise
        except _Settled as found:
            return found.result
        except Exception as error:
            return _failed(config, _sentence(error))
    state = JobState(run.status) if whole else JobState.INTERRUPTED
    reason = run.stop_reason if whole else f"{run.stop_reason} {UNDRAWN}"
    return Result(
        state, str(config.folder), reason, dict(run.metrics),
        (*run.warnings, *kept, *([] if in_time or not config.output.plot else [NO_TIME_TO_DRAW])),
        reference=str(run.data.attributes["reference"]), verdict=run.verdict,
    )  # fmt: skip


def _claim(lock: FolderLock, config: Config) -> None:
    """Take the folder for this process; another one may be in it, or have finished the run by now."""
    try:
        lock.take()
    except Held as holder:
        sentence = f"{holder} is solving it"
        raise _Settled(Result(JobState.ELSEWHERE, str(config.folder), sentence)) from None
    except OSError as error:
        raise no_folder(config.folder, error) from error
    if (result := settled(config)) is not None:
        raise _Settled(result)


def _sentence(error: Exception) -> str:
    if isinstance(error, (RunError, Lost)):
        return str(error)
    if sentence := want_of_memory(error):
        return sentence
    if isinstance(error, OSError):
        return f"The run could not be written: {error}. Free space there, or set output.folder=…."
    traceback.print_exception(error)
    return f"{type(error).__name__}: {error} (a fault of kanpde: the traceback is above)"


def _failed(config: Config, sentence: str) -> Result:
    """A run that ended without an archive; where it had begun, its history tells, so that a sweep knows next time."""
    if config.folder.is_dir():
        with contextlib.suppress(OSError):  # a full disk, which the sentence is about then
            append_record(config.folder / HISTORY, {"status": JobState.FAILED.value, "reason": sentence})
    return Result(JobState.FAILED, str(config.folder), sentence)


def _trained(
    config: Config, composition: Composition, lock: FolderLock, watch: Watch, stops: Stops, budget: Budget
) -> tuple[Run, Checkpoint]:
    checkpoint = Checkpoint(config.folder, config.sha256)
    journal = checkpoint.journal()
    before = journal.steps
    with (
        watch(config) as show,
        History(config.folder / HISTORY) as history,
        following(config.tracker, _tracked(config)) as track,
    ):

        def listen(event: object) -> None:
            if isinstance(event, Started):
                _open_folder(config.folder, composition)
                _claim(lock, config)
                show(Note(f"{config.problem.title}: {config.folder}"))
                if before:
                    show(Note(f"going on from the checkpoint: {before} steps were made before"))
            if isinstance(event, Finished):
                checkpoint.write(journal)  # what follows may be stopped as well
            for follow in (history, track, show):
                follow(event)
            if isinstance(event, Step):
                stops.look()

        run = solve_config(config, listen, journal=journal, stops=stops, budget=budget)
        track.ended(run.status, run.metrics)
        return run, checkpoint


def _tracked(config: Config) -> Tracked:
    settings = {name: str(value) for name, value in flat_settings(config).items()}
    return Tracked(config.folder, config.problem.name, f"{config.model_name}/{config.key}", settings)


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
        raise no_folder(folder, error) from error


def _write(run: Run, config: Config, composition: Composition, checkpoint: Checkpoint) -> tuple[str, ...]:
    """Archive a run; one that did not end well stands beside a finished one, whose files stay."""
    archive = config.folder / ARCHIVE
    warnings: tuple[str, ...] = ()
    if run.status != JobState.DONE.value and finished(config.folder) is not None:
        archive = _beside(archive, run)
        warnings = (f"{ARCHIVE} of an earlier run that was finished is kept; this one is in {archive.name}.",)
    try:
        if not (config.folder / HISTORY).is_file():  # somebody has removed it meanwhile
            _open_folder(config.folder, composition)
            write_history(config.folder / HISTORY, run.history, run.status, run.stop_reason)
        run.save(archive)
    except (InputError, OSError) as error:
        raise _elsewhere(run, config, error) from error
    if run.status != JobState.INTERRUPTED.value:
        checkpoint.remove()
    return warnings


def _beside(path: Path, run: Run) -> Path:
    return path.with_suffix(f".{run.status}{path.suffix}")


def _elsewhere(run: Run, config: Config, reason: Exception) -> RunError:
    """Keep an archive that its folder does not take where there is room, and say where."""
    name = f"kanpde-{config.problem.name}-{config.key}.h5"
    for folder in (Path.cwd(), Path.home(), Path(tempfile.gettempdir())):
        try:
            run.save(folder / name)
        except (InputError, OSError):
            continue
        return RunError(f"{reason} The archive of this run is in {folder / name} instead; move it to {config.folder}.")
    state = "; what was trained is kept, and the same command with rerun=failed goes on from there"
    kept = state if (config.folder / CHECKPOINT).is_file() else ""
    return RunError(f"{reason} It could be written nowhere else{kept}. Free space, or set output.folder=….")


def _drawn(run: Run, config: Config, stops: Stops) -> bool:
    """Draw a run; False if it was stopped meanwhile, which leaves the picture to the next command."""
    picture = config.folder / PICTURE
    if run.status != JobState.DONE.value and finished(config.folder) is not None:
        picture = _beside(picture, run)
    try:
        stops.reopen()
        if config.output.plot:
            replace_file(picture, png_bytes(solution_figure(run.data)))
        stops.close()
    except KeyboardInterrupt:
        return False
    return True


def _check_writable(folder: Path) -> None:
    """Refuse a folder that the run could not be written to; each part of its name is a call of `mkdir` to Python."""
    if len(folder.parts) > MOST_PARTS:
        raise no_folder(folder, f"it lies more than {MOST_PARTS} folders deep")
    try:
        os.lstat(folder / ".hydra" / "overrides.yaml")  # the longest name in it
    except (FileNotFoundError, NotADirectoryError, PermissionError):  # which is told apart below
        pass
    except OSError as error:
        raise no_folder(folder, error.strerror) from None
    above = next(path for path in (folder, *folder.absolute().parents) if os.path.exists(path))
    if not above.is_dir():
        raise no_folder(folder, f"{above} is a file")
    if not os.access(above, os.W_OK | os.X_OK):
        raise no_folder(folder, f"{above} may not be written to")


def no_folder(folder: Path, reason: object) -> InputError:
    return InputError(f"{cut_path(folder)}: a folder to write the run in is needed; {reason}. Set output.folder=….")
