"""Whatever ends a run after its first step leaves its best state; the same command goes on from there."""

import errno
import json
import os
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from kanpde.cli.main import main
from kanpde.errors import InputError
from kanpde.results.archive import read_archive
from kanpde.runs import jobs, run, sweeps
from kanpde.runs.progress import History
from kanpde.runs.run import Run
from kanpde.runs.stops import Stops
from kanpde.solving.training.events import Step

WORDS = [
    "solve", "problem=poisson_1d", "model.width=[2]", "model.grid=4", "training.stages=2", "training.steps=4",
    "training.starts=1", "output.resolution=11", "device=cpu",
]  # fmt: skip


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return tmp_path


def folder() -> Path:
    (found,) = Path("outputs/poisson_1d/kan").iterdir()
    return found


def status(path: Path | None = None) -> str:
    return str(read_archive(path or folder() / "result.h5").attributes["status"])


def at_step(monkeypatch, step: int, act) -> None:
    """Do something as the history is told of a step."""
    real = History.__call__

    def told(self, event):
        real(self, event)
        if isinstance(event, Step) and event.record["step"] == step:
            act()

    monkeypatch.setattr(History, "__call__", told)


def interrupt_first(struck, owner, name):
    """Ctrl-C in the first call of a function, which goes on."""
    real, calls = getattr(owner, name), []

    def once(*args):
        calls.append(1)
        if len(calls) == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return real(*args)

    struck.setattr(owner, name, once)


def interrupt_in(monkeypatch, module, name: str) -> None:
    """Ctrl-C as a function is called."""

    def struck(*args, **kwargs):
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("nothing interrupted it")

    monkeypatch.setattr(module, name, struck)


@pytest.mark.parametrize("sent", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_in_training_keeps_the_best_state(monkeypatch, sent):
    with monkeypatch.context() as struck:
        at_step(struck, 3, lambda: os.kill(os.getpid(), getattr(signal, sent)))
        assert main(WORDS) == 130
    assert status() == "interrupted"
    assert read_archive(folder() / "result.h5").metrics["rel_l2"] > 0
    assert (folder() / "checkpoint.npz").is_file()
    again()


def again() -> None:
    assert main(WORDS) == 0
    assert status() == "done"
    assert {path.name for path in folder().iterdir()} == {".hydra", "history.jsonl", "result.h5", "solution.png"}


@pytest.mark.parametrize("place", ["_measured", "metrics_of", "_fields"])
def test_ctrl_c_while_it_is_measured_keeps_what_was_trained(monkeypatch, place):
    with monkeypatch.context() as struck:
        if place == "_fields":  # which what is left needs as well
            interrupt_first(struck, run, place)
        else:
            interrupt_in(struck, run, place)
        assert main(WORDS) == 130
    data = read_archive(folder() / "result.h5")
    assert data.attributes["status"] == "interrupted" and "before it was measured" in data.attributes["stop_reason"]
    assert len(data.history["step"]) == 8 and "rel_l2" not in data.metrics
    again()


@pytest.mark.parametrize(("owner", "name"), [(jobs, "_open_folder"), (jobs.History, "_opened")])
def test_ctrl_c_before_the_history_is_open_is_as_quiet(monkeypatch, capsys, owner, name):
    with monkeypatch.context() as struck:
        interrupt_first(struck, owner, name)
        assert main(WORDS) == 130
    told = capsys.readouterr()
    assert "Traceback" not in told.err and "NoneType" not in told.err + told.out
    again()


def test_an_interrupt_that_somebody_swallows_comes_again_after_the_step(monkeypatch):
    def swallowed():
        with suppress(BaseException):
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as struck:
        at_step(struck, 3, swallowed)
        assert main(WORDS) == 130
    data = read_archive(folder() / "result.h5")
    assert data.attributes["status"] == "interrupted" and "rel_l2" in data.metrics
    assert len(data.history["step"]) == 3
    again()


def test_ctrl_c_twice_keeps_what_was_trained(monkeypatch):
    with monkeypatch.context() as struck:
        at_step(struck, 3, lambda: os.kill(os.getpid(), signal.SIGINT))
        interrupt_in(struck, run, "metrics_of")
        assert main(WORDS) == 130
    assert status() == "interrupted"
    again()


def test_ctrl_c_while_it_is_drawn_leaves_the_picture_to_the_next_command(monkeypatch, capsys):
    with monkeypatch.context() as struck:
        interrupt_in(struck, jobs, "solution_figure")
        assert main(WORDS) == 130
    assert "stopped while it was drawn" in capsys.readouterr().out
    assert status() == "done" and not (folder() / "solution.png").exists()
    again()


def test_a_picture_for_which_there_is_no_time_is_left_to_the_next_command(monkeypatch, capsys):
    with monkeypatch.context() as slow:
        slow.setattr(jobs, "drawing_seconds", lambda data: 1e9)
        assert main(WORDS) == 0
    told = capsys.readouterr()
    assert "There was no time to draw it; the same command draws it." in " ".join((told.out + told.err).split())
    assert status() == "done" and not (folder() / "solution.png").exists()
    again()
    assert (folder() / "solution.png").exists()


def test_ctrl_c_while_it_is_written_waits(monkeypatch):
    real = Run.save

    def slow(self, path):
        os.kill(os.getpid(), signal.SIGINT)
        real(self, path)

    with monkeypatch.context() as struck:
        struck.setattr(Run, "save", slow)
        assert main(WORDS) == 130
    assert status() == "done"
    again()


def test_a_run_folder_that_is_deleted_is_made_again(monkeypatch):
    with monkeypatch.context() as struck:
        at_step(struck, 3, lambda: shutil.rmtree("outputs"))
        assert main(WORDS) == 0
    assert status() == "done"
    lines = [json.loads(line) for line in (folder() / "history.jsonl").read_text().splitlines()]
    assert [line.get("step") for line in lines] == [*range(1, 9), None]
    assert lines[-1]["status"] == "done" and lines[3]["loss"] > 0


def test_an_archive_that_its_folder_does_not_take_is_kept_elsewhere(monkeypatch, capsys, empty_folder):
    real = Run.save

    def full(self, path):
        if "outputs" in Path(path).parts:
            raise InputError(f"{path}: no space left.")
        real(self, path)

    with monkeypatch.context() as struck:
        struck.setattr(Run, "save", full)
        assert main(WORDS) == 1
    (kept,) = empty_folder.glob("kanpde-poisson_1d-*.h5")
    assert str(kept) in capsys.readouterr().err
    assert status(kept) == "done"


def test_where_there_is_room_nowhere_the_state_is_kept(monkeypatch, capsys):
    def full(self, path):
        raise InputError(f"{path}: no space left.")

    with monkeypatch.context() as struck:
        struck.setattr(Run, "save", full)
        assert main(WORDS) == 1
    assert "rerun=failed goes on from there" in capsys.readouterr().err
    assert (folder() / "checkpoint.npz").is_file()
    assert main([*WORDS, "rerun=failed"]) == 0
    assert "going on from the checkpoint: " in capsys.readouterr().err


def test_a_history_that_cannot_be_written_ends_no_training(monkeypatch, capsys):
    def full(record):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("kanpde.runs.progress._line", full)
    assert main(WORDS) == 0
    assert capsys.readouterr().err.count("history.jsonl ends here: No space left") == 1
    assert status() == "done"


def test_what_a_killed_process_left_is_swept(empty_folder):
    assert main(WORDS) == 0
    for name in (".result.h5.0123.part", ".lock", "checkpoint.npz"):
        (folder() / name).write_bytes(b"")
    again()


def test_handlers_of_a_program_are_left(monkeypatch):
    def own(number, frame):
        raise AssertionError("not sent here")

    before = signal.signal(signal.SIGTERM, own)
    try:
        with Stops():
            assert signal.getsignal(signal.SIGTERM) is own
            assert signal.getsignal(signal.SIGHUP) is not signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL


def test_a_signal_interrupts_once_and_the_next_waits():
    with Stops() as stops:
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            stops.reopen()
        stops.reopen()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


# Before a run begins, between the jobs of a sweep, and where nothing can be raised


@pytest.mark.parametrize("sent", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_before_training_is_as_quiet_as_later(monkeypatch, capsys, sent):
    before = signal.getsignal(signal.SIGTERM)

    def struck(*args, **kwargs):
        os.kill(os.getpid(), getattr(signal, sent))
        raise AssertionError("nothing interrupted it")

    monkeypatch.setattr("kanpde.cli.solve.solve_one", struck)
    assert main(WORDS) == 130
    assert "Traceback" not in capsys.readouterr().err and not Path("outputs").exists()
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize("sent", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_between_two_jobs_ends_the_sweep(monkeypatch, capsys, sent):
    real, calls = sweeps.settled, []

    def struck(config):
        calls.append(config)
        if len(calls) == 4:  # both jobs are looked at before, the first is done
            os.kill(os.getpid(), getattr(signal, sent))
        return real(config)

    monkeypatch.setattr(sweeps, "settled", struck)
    monkeypatch.setattr(jobs, "settled", struck)
    assert main([*WORDS, "-m", "seed=0,1"]) == 130
    told = capsys.readouterr()
    assert "Traceback" not in told.err and "not begun" in told.out


@pytest.mark.parametrize("sent", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_that_the_launcher_takes_for_another_error_ends_the_sweep(monkeypatch, capsys, sent):
    """As OmegaConf does with what strikes while it reads settings."""
    real = sweeps._launcher

    def launcher(master, task):
        made = real(master, task)

        def launch(words, initial_job_idx):
            made.launch(words[:1], initial_job_idx=initial_job_idx)
            try:
                os.kill(os.getpid(), getattr(signal, sent))
            except KeyboardInterrupt:
                raise ValueError("full_key: hydra.runtime") from None

        return SimpleNamespace(launch=launch)

    monkeypatch.setattr(sweeps, "_launcher", launcher)
    assert main([*WORDS, "-m", "seed=0,1"]) == 130
    told = capsys.readouterr()
    assert "Traceback" not in told.err and "not begun" in told.out and "rel_l2" in told.out


def test_an_interrupt_in_a_finalizer_is_not_lost(monkeypatch, capsys):
    class Left:
        def __del__(self):
            os.kill(os.getpid(), signal.SIGINT)
            for _ in range(100):  # where the signal is taken, and Python can only print it
                pass

    def strike():
        left = Left()
        del left
        time.sleep(0.1)

    with monkeypatch.context() as struck:
        at_step(struck, 3, strike)
        assert main(WORDS) == 130
    assert "Traceback" not in capsys.readouterr().err
    assert status() == "interrupted"
