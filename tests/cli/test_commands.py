"""Commands as a user types them, in an empty folder."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import pytest
import torch

import kanpde
from kanpde.cli.main import main
from kanpde.runs import jobs, memory_checks
from kanpde.runs.choices import GROUPS, config_folder
from kanpde.runs.run import solve_config
from kanpde.solving.training import memory

TINY = ["model.width=[3]", "model.grid=4", "model.degree=4", "training.stages=1", "training.starts=1"]
FEW = [*TINY, "training.start_steps=0", "training.steps=12", "output.resolution=9", "output.plot=false"]
LONG = [*TINY, "training.steps=1000000", "output.plot=false", "optimizer=adam", "training.time_limit=300"]


def command(*words: str, **options) -> subprocess.CompletedProcess:
    line = [sys.executable, "-m", "kanpde", *words]
    return subprocess.run(line, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, **options)


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    # Commands run from elsewhere find the package as this test does, installed or not.
    monkeypatch.setenv("PYTHONPATH", str(Path(kanpde.__file__).parents[1]))
    return tmp_path


def archives(folder: Path) -> list[Path]:
    return sorted(folder.glob("outputs/*/*/*/result.h5"))


def status(archive: Path) -> str:
    with h5py.File(archive) as file:
        return str(file.attrs["status"])


# solve


def test_solve_from_an_empty_folder(empty_folder):
    done = command("solve", *FEW[:-1])
    assert done.returncode == 0, done.stderr
    (archive,) = archives(empty_folder)
    folder = archive.parent
    assert folder.parts[-3:-1] == ("poisson_2d", "kan")
    assert {path.name for path in folder.iterdir()} == {".hydra", "history.jsonl", "result.h5", "solution.png"}
    assert {path.stem for path in (folder / ".hydra").iterdir()} == {"config", "hydra", "overrides"}
    assert {path.name for path in empty_folder.iterdir()} == {"outputs"}
    assert "rel_l2" in done.stdout
    assert "result.h5" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr


def test_the_same_run_is_skipped_and_rerun_on_request(empty_folder, capsys):
    assert main(["solve", *FEW]) == 0
    (archive,) = archives(empty_folder)
    first = archive.stat()
    assert main(["solve", *FEW]) == 0
    assert archive.stat().st_mtime_ns == first.st_mtime_ns
    assert "skipped: finished before" in capsys.readouterr().out
    assert main(["solve", *FEW, "rerun=true"]) == 0
    assert archive.stat().st_ino != first.st_ino
    assert archives(empty_folder) == [archive]


def test_a_broken_archive_is_said_and_the_run_made_again(empty_folder, capsys):
    assert main(["solve", *FEW]) == 0
    (archive,) = archives(empty_folder)
    archive.write_bytes(archive.read_bytes()[:1000])
    assert main(["solve", *FEW]) == 0
    assert "counts as not made" in capsys.readouterr().err
    assert status(archive) == "done"


def test_settings_and_options_come_in_any_order(empty_folder):
    assert main(["solve", "seed=0,1", "-m", *FEW]) == 0
    assert len(archives(empty_folder)) == 2


def test_a_diverging_run_fails_with_its_history(empty_folder, capsys):
    code = main(["solve", *FEW, "optimizer=adam", "optimizer.learning_rate=1e200", "training.steps=20"])
    assert code == 1
    assert "failed: " in capsys.readouterr().err
    (archive,) = archives(empty_folder)
    assert status(archive) == "failed"
    with h5py.File(archive) as file:
        assert len(file["history/step"]) > 0


@pytest.mark.parametrize(
    "words",
    [
        ["solve", "problem=poison_2d"],
        ["solve", "model.gird=3"],
        ["solve", "model.degree=1"],
        ["solve", "model.width=[5,-1]"],
        ["solve", "seed=1,2"],
        ["solve", "-m", "seed=1,2", "model=kan,kn"],
        ["solve", "output.folder=a_file/below", *FEW],
        ["check", "problem=bad.yaml"],
        ["solve", "problem=bad.yaml"],
        ["show", "no/such"],
        ["show", "a_file"],
    ],
    ids=" ".join,
)
def test_bad_input_writes_nothing(empty_folder, capsys, words):
    (empty_folder / "a_file").write_text("no archive\n")
    (empty_folder / "bad.yaml").write_text("title: t\ncoordinates: {x: [0, 1]}\nfields: [u]\nequations: {a: u_x = q}\n")
    before = sorted(empty_folder.rglob("*"))
    assert main(words) == 2
    assert sorted(empty_folder.rglob("*")) == before
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert "Traceback" not in error


def test_bad_input_in_a_process_of_its_own():
    done = command("solve", "problem=poison_2d")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: problem=poison_2d")
    assert "Traceback" not in done.stderr


def test_a_finished_run_is_kept_when_it_is_made_again_and_stopped(empty_folder, capsys, monkeypatch):
    words = ["solve", *FEW[:-1]]
    assert main(words) == 0
    (archive,) = archives(empty_folder)
    before = [path.read_bytes() for path in (archive, archive.with_name("solution.png"))]

    def interrupted(config, listen, **others):
        run = solve_config(config, listen, **others)
        data = dataclasses.replace(run.data, attributes={**run.data.attributes, "status": "interrupted"})
        return dataclasses.replace(run, data=data)

    monkeypatch.setattr(jobs, "solve_config", interrupted)
    assert main([*words, "rerun=true"]) == 130
    assert "is kept" in capsys.readouterr().out
    assert [path.read_bytes() for path in (archive, archive.with_name("solution.png"))] == before
    assert status(archive.with_name("result.interrupted.h5")) == "interrupted"
    assert archive.with_name("solution.interrupted.png").exists()


def test_a_skipped_run_gets_the_picture_it_lacks(empty_folder):
    assert main(["solve", *FEW]) == 0
    (archive,) = archives(empty_folder)
    assert not archive.with_name("solution.png").exists()
    assert main(["solve", *FEW, "output.plot=true"]) == 0
    assert archive.with_name("solution.png").exists()


def test_a_reader_that_has_seen_enough_ends_no_run(empty_folder):
    line = f"{sys.executable} -m kanpde solve {' '.join(FEW)} 2>&1 | head -n 1"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=120)
    assert done.stdout.startswith("Poisson equation")
    assert len(done.stdout.splitlines()) == 1
    (archive,) = archives(empty_folder)
    assert status(archive) == "done"


@pytest.mark.skipif(sys.platform != "linux", reason="the bound is of Linux")
def test_a_run_too_large_ends_in_a_sentence(empty_folder, capsys, monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: 2**30)
    monkeypatch.setattr(memory_checks, "free_memory", lambda: None)
    assert main(["solve", *FEW, "sampling.points=1000000000"]) == 1
    assert "Out of memory" in capsys.readouterr().err
    monkeypatch.setattr(memory_checks, "free_memory", lambda: 2**20)
    assert main(["solve", *FEW, "sampling.points=10000"]) == 2
    assert "optimizer=lm needs the derivatives of 10000 residuals by 72 parameters" in capsys.readouterr().err
    assert torch.empty(2**31, dtype=torch.uint8).numel() == 2**31  # bounded no longer
    assert list(empty_folder.iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="a folder in which nobody may write")
@pytest.mark.parametrize("sweeping", [[], ["-m"]])
def test_a_folder_in_which_nobody_may_write(empty_folder, capsys, sweeping):
    assert main(["solve", *sweeping, *FEW, "output.folder=/proc/runs"]) == 2
    assert "Set output.folder" in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_write_permission(empty_folder, capsys):
    empty_folder.chmod(0o500)
    try:
        assert main(["solve", *FEW]) == 2
    finally:
        empty_folder.chmod(0o700)
    assert "output.folder" in capsys.readouterr().err


# A run that is ended from outside


@pytest.fixture
def started(empty_folder) -> Iterator[Callable[..., subprocess.Popen]]:
    """Starts a long run and returns once it has taken steps."""
    processes = []

    def start(*words: str) -> subprocess.Popen:
        line = [sys.executable, "-m", "kanpde", "solve", *LONG, *words]
        process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        processes.append(process)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            if steps_taken(empty_folder) > 3:
                return process
            time.sleep(0.05)
        process.kill()
        raise AssertionError(process.communicate()[0].decode())

    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


def steps_taken(folder: Path) -> int:
    return sum(len(path.read_text().splitlines()) for path in folder.glob("outputs/*/*/*/history.jsonl"))


def test_ctrl_c_keeps_the_best_state_and_kill_the_old_archive(empty_folder, started):
    process = started()
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=60)[0].decode()
    assert process.returncode == 130, output
    assert "Traceback" not in output
    (archive,) = archives(empty_folder)
    assert status(archive) == "interrupted"
    assert kanpde.open_run(archive).solution is not None

    # What was interrupted is not skipped: the same command solves it again, until it is killed.
    before = archive.read_bytes()
    (archive.parent / "history.jsonl").unlink()
    started().kill()
    assert archive.read_bytes() == before


def test_ctrl_c_ends_a_sweep(empty_folder, started):
    process = started("-m", "seed=0,1")
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=60)[0].decode()
    assert process.returncode == 130, output
    assert "1 interrupted, 1 not begun" in output
    assert [status(archive) for archive in archives(empty_folder)] == ["interrupted"]


def test_kill_leaves_no_half_archive(empty_folder, started):
    process = started()
    process.kill()
    process.wait()
    assert archives(empty_folder) == []
    (history,) = empty_folder.glob("outputs/*/*/*/history.jsonl")
    assert all(json.loads(line) for line in history.read_text().splitlines()[:-1])


# Sweeps


def test_a_sweep_skips_what_is_done_and_reports_failures(empty_folder, capsys):
    words = ["solve", "-m", *FEW, "seed=0,1", "model.grid=3,4"]
    assert main([*words, "seed=0"]) == 0
    capsys.readouterr()
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "2 done, 2 skipped" in said
    lines = [line.split()[:3] for line in said.splitlines() if "outputs" in line]
    assert lines == [
        [end, f"model.grid={grid}", f"seed={seed}"] for grid in (3, 4) for seed, end in ((0, "skipped"), (1, "done"))
    ]
    assert len(archives(empty_folder)) == 4
    failing = ["optimizer=adam", "optimizer.learning_rate=1e-3,1e200", "training.steps=20"]
    assert main(["solve", "-m", *FEW, *failing]) == 1
    assert "1 done, 1 failed" in capsys.readouterr().out


def test_a_sweep_over_two_models_runs_each_distinct_job_once(empty_folder, capsys):
    words = [word for word in FEW if not word.startswith(("model.grid", "model.degree"))]
    assert main(["solve", "-m", *words, "model=kan,mlp", "model.grid=3,4", "training.steps=1"]) == 3
    assert "3 done, 3 of them unsolved" in capsys.readouterr().out
    assert len(archives(empty_folder)) == 3


# The other commands


def test_check_echoes_the_problem(capsys):
    assert main(["check", "problem=poisson_2d"]) == 0
    said = capsys.readouterr().out
    assert "u_xx" in said
    assert said.rstrip().endswith("checks passed")


def test_problems_lists_each_and_says_which_do_not_load(empty_folder, monkeypatch, capsys):
    (empty_folder / "broken.yaml").write_text("title: [unclosed\n")
    monkeypatch.setenv("KANPDE_PROBLEM_PATH", str(empty_folder))
    assert main(["problems"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("poisson_2d ") for line in lines)
    assert any(line.startswith("broken ") and "does not load" in line for line in lines)


def test_show_takes_the_folder_or_the_archive(empty_folder, capsys):
    main(["solve", *FEW])
    (archive,) = archives(empty_folder)
    capsys.readouterr()
    assert main(["show", str(archive.parent)]) == 0
    by_folder = capsys.readouterr().out
    assert main(["show", str(archive)]) == 0
    assert capsys.readouterr().out == by_folder
    assert "rel_l2" in by_folder
    assert ": done" in by_folder


def test_version_and_help_in_a_process_of_its_own():
    done = command("--version")
    assert (done.returncode, done.stdout.strip()) == (0, f"kanpde {kanpde.__version__}")


def test_help_names_every_choice(capsys):
    with pytest.raises(SystemExit):
        main(["solve", "--help"])
    said = capsys.readouterr().out
    choices = {path.stem for group in GROUPS[1:] for path in (config_folder() / group).glob("*.yaml")}
    assert [choice for choice in choices if choice not in said] == []


@pytest.mark.parametrize("words", [[], ["--help"], ["solve", "--help"], ["check", "-h"], ["show", "--help"]])
def test_help_is_short(words, capsys):
    try:
        assert main(words) == 0
    except SystemExit as end:
        assert end.code == 0
    assert 5 < len(capsys.readouterr().out.splitlines()) < 30


def test_an_unknown_command_is_refused(capsys):
    with pytest.raises(SystemExit) as end:
        main(["sovle"])
    assert end.value.code == 2
    assert "solve" in capsys.readouterr().err
