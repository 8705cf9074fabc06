"""One process at a time in a run's folder."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kanpde.files import locks
from kanpde.files.locks import FolderLock, Held

pytestmark = pytest.mark.skipif(locks.fcntl is None, reason="no flock here")

HOLDER = """
import importlib.util, pathlib, sys, time
spec = importlib.util.spec_from_file_location("locks", {source!r})  # without the seconds that PyTorch takes
locks = importlib.util.module_from_spec(spec)
spec.loader.exec_module(locks)
with locks.FolderLock(pathlib.Path({folder!r})) as lock:
    {body}
"""


def process(folder: Path, body: str) -> subprocess.Popen:
    script = HOLDER.format(source=locks.__file__, folder=str(folder), body=body)
    return subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)


@pytest.fixture
def holder(tmp_path):
    with process(tmp_path, "lock.take(); print('taken', flush=True); time.sleep(60)") as other:
        assert other.stdout.readline() == "taken\n"
        yield other
        other.kill()


def test_a_second_process_is_told_who_is_there(tmp_path, holder):
    with FolderLock(tmp_path) as lock, pytest.raises(Held, match=f"process {holder.pid} on "):
        lock.take()
    assert holder.poll() is None and (tmp_path / ".lock").exists()


def test_a_process_that_is_killed_leaves_a_lock_that_can_be_taken(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / ".lock").exists()
    with FolderLock(tmp_path) as lock:
        lock.take()
        assert (tmp_path / ".lock").read_text().startswith(f"process {os.getpid()} on ")
    assert not (tmp_path / ".lock").exists()


def test_a_lock_is_taken_once_and_given_back(tmp_path):
    with FolderLock(tmp_path) as lock:
        lock.take()
        lock.take()
        with FolderLock(tmp_path) as other, pytest.raises(Held):
            other.take()
        assert (tmp_path / ".lock").exists()
    assert list(tmp_path.iterdir()) == []


def test_a_lock_never_taken_leaves_nothing(tmp_path):
    with FolderLock(tmp_path / "no such folder"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_many_processes_never_meet(tmp_path):
    """Each adds a line while it holds the lock; files that others remove meanwhile must not let two of them in."""
    body = f"""
    for turn in range(50):
        with locks.FolderLock(lock.path.parent) as mine:
            while mine.file is None:
                try:
                    mine.take()
                except locks.Held:
                    pass
            path = pathlib.Path({str(tmp_path / "count")!r})
            count = int(path.read_text()) if path.exists() else 0
            time.sleep(0)
            path.write_text(str(count + 1))
"""
    others = [process(tmp_path, body.strip()) for _ in range(4)]
    assert [other.wait(timeout=60) for other in others] == [0] * 4
    for other in others:
        other.communicate()
    assert (tmp_path / "count").read_text() == "200"


def test_a_file_system_without_locks_is_said(tmp_path, monkeypatch, capsys):
    def unknown(file, how):
        raise OSError(locks.UNKNOWN[0], "Function not implemented")

    monkeypatch.setattr(locks.fcntl, "flock", unknown)
    with FolderLock(tmp_path) as lock:
        lock.take()
    assert "cannot be locked" in capsys.readouterr().err
