"""Sweeps that are killed, stopped, run side by side, under each launcher that is installed."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import pytest
from omegaconf import OmegaConf

import kanpde
from kanpde.cli.main import main
from kanpde.files.locks import FolderLock
from kanpde.runs import jobs, launchers, sweeps
from kanpde.runs.choices import LAUNCHERS
from kanpde.runs.jobs import JobState, Result
from kanpde.runs.launchers import threads_per_job, usable_cores
from kanpde.runs.settings import compose
from kanpde.solving.training.events import Started

TINY = ["model.width=[3]", "model.grid=4", "model.degree=4", "training.stages=1", "training.starts=1"]
FEW = [*TINY, "training.start_steps=0", "training.steps=12", "output.resolution=9", "output.plot=false"]
LONG = [*TINY, "training.steps=1000000", "output.plot=false", "optimizer=adam", "training.time_limit=300"]
ROD = """
title: A rod
coordinates: {x: [0, 1]}
fields: [u]
equations: {heat: u_xx = auto}
boundary: {"*": u = auto}
exact: {u: "sin(3*x)"}
"""


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(kanpde.__file__).parents[1]))
    return tmp_path


@pytest.fixture
def started():
    """Starts a sweep in a process group of its own, as a terminal does, and waits for something to happen."""
    processes = []

    def start(until: Callable[[], bool], *words: str) -> subprocess.Popen:
        line = [sys.executable, "-m", "kanpde", "solve", *words]
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        process = subprocess.Popen(line, start_new_session=True, **options)
        processes.append(process)
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline and process.poll() is None:
            if until():
                return process
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        raise AssertionError(process.communicate()[0].decode())

    yield start
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def archives() -> list[Path]:
    return sorted(Path().glob("outputs/*/*/*/result.h5"))


def status(archive: Path) -> str:
    with h5py.File(archive) as file:
        return str(file.attrs["status"])


def running() -> int:
    """Runs that have taken a few steps."""
    return sum(path.read_text().count("\n") > 3 for path in Path().glob("outputs/*/*/*/history.jsonl"))


def leftovers() -> list[Path]:
    return [path for path in Path().rglob(".*") if path.name.startswith((".lock", ".stop", ".result"))]


# Killed, stopped, met


def test_a_killed_sweep_goes_on_with_no_finished_run_lost_or_repeated(started, capsys):
    words = ["-m", *FEW, "seed=range(0,8)", "training.steps=100", "optimizer=adam"]
    process = started(lambda: len(archives()) >= 2, *words)
    process.kill()
    process.wait()
    before = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in archives()}
    assert 2 <= len(before) < 8
    assert main(["solve", *words]) == 3  # a hundred steps of Adam solve nothing
    assert f"{8 - len(before)} done, {len(before)} skipped" in capsys.readouterr().out
    assert [status(path) for path in archives()] == ["done"] * 8
    assert {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in before} == before
    assert leftovers() == []


def test_two_processes_at_one_run(started, capsys):
    process = started(lambda: running() == 1, *LONG)
    history = next(Path().glob("outputs/*/*/*/history.jsonl"))
    assert main(["solve", *LONG]) == 0
    said = f"under way: process {process.pid} on "
    assert said in capsys.readouterr().out
    assert main(["solve", "-m", *LONG, "rerun=true"]) == 0
    assert said.partition(": ")[2] in capsys.readouterr().out
    assert process.poll() is None and archives() == []
    size = history.stat().st_size
    process.send_signal(signal.SIGINT)  # the first of them is not disturbed
    assert process.wait(timeout=60) == 130
    assert history.stat().st_size > size and status(archives()[0]) == "interrupted"
    assert leftovers() == []


def test_a_run_that_another_process_finished_meanwhile_is_not_made_again(monkeypatch, capsys):
    """It is done between the look at the folder and the taking of its lock."""
    assert main(["solve", *FEW]) == 0
    before = archives()[0].stat()
    monkeypatch.setattr(sweeps, "skipped", lambda config: None)
    monkeypatch.setattr(sweeps, "settled", lambda config: None)
    assert main(["solve", "-m", *FEW]) == 0
    assert "1 skipped" in capsys.readouterr().out
    assert archives()[0].stat().st_mtime_ns == before.st_mtime_ns


# Failures


def test_what_failed_is_tried_again_only_when_asked(monkeypatch, capsys):
    failing = [*FEW, "optimizer=adam", "optimizer.learning_rate=1e200", "training.steps=20"]
    assert main(["solve", *failing]) == 1
    before = archives()[0].stat().st_ino
    for words in (failing, ["-m", *failing]):
        assert main(["solve", *words]) == 1
        said = capsys.readouterr()
        assert "It failed before, and rerun=failed tries again. The run diverged" in said.out + said.err
    assert archives()[0].stat().st_ino == before
    assert main(["solve", "-m", *failing, "rerun=failed"]) == 1
    assert archives()[0].stat().st_ino != before


def test_a_fault_that_leaves_no_archive_is_remembered_too(monkeypatch, capsys):
    def faulty(config, listen, **others):
        listen(Started(1, 1, (4,), ("interior",)))
        raise ZeroDivisionError("of some kind")

    with monkeypatch.context() as broken:
        broken.setattr(jobs, "solve_config", faulty)
        assert main(["solve", *FEW]) == 1
    assert main(["solve", "-m", *FEW, "seed=0,1"]) == 1
    said = capsys.readouterr().out
    assert "1 done, 1 failed" in said and "It failed before" in said and "of some kind" in said
    assert main(["solve", "-m", *FEW, "seed=0,1", "rerun=failed"]) == 0
    assert "1 done, 1 skipped" in capsys.readouterr().out


def test_rerun_takes_three_values(capsys):
    assert main(["solve", *FEW, "rerun=maybe"]) == 2
    assert "rerun needs true or false or one of failed" in capsys.readouterr().err


calls: list[list[str]] = []


class BrokenLauncher:
    """Runs the first job, and loses its workers over the second."""

    def __init__(self, master, task):
        """Nothing to keep."""

    def launch(self, overrides, initial_job_idx):
        calls.append([words[-1] for words in overrides])
        if len(overrides) > 2:
            assert main(["solve", *overrides[0]]) == 0
            (history,) = Path("outputs").glob("*/*/*/history.jsonl")
            killed = compose(overrides[1]).folder
            killed.mkdir(parents=True)
            (killed / history.name).write_text(history.read_text().splitlines()[0])
        raise RuntimeError("A worker process\nwas terminated")


def test_a_launcher_that_breaks_down_goes_on_with_what_it_had_not_begun(monkeypatch, capsys):
    calls.clear()
    with monkeypatch.context() as broken:
        broken.setattr(sweeps, "_launcher", BrokenLauncher)
        assert main(["solve", "-m", *FEW, "seed=0,1,2,3"]) == 1
    said = capsys.readouterr().out
    assert calls == [["seed=0", "seed=1", "seed=2", "seed=3"], ["seed=2", "seed=3"]]
    assert "1 done, 3 failed" in said
    assert "Its process was killed. basic: A worker process was terminated" in said
    assert said.count("It did not begin. basic: ") == 2
    assert main(["solve", "-m", *FEW, "seed=0,1,2,3"]) == 0  # nothing was marked: they had not failed by themselves
    assert "3 done, 1 skipped" in capsys.readouterr().out


# Launchers


def needs(module: str) -> pytest.MarkDecorator:
    missing = importlib.util.find_spec(f"hydra_plugins.{module}") is None
    return pytest.mark.skipif(missing, reason=f"{module} is not installed")


@needs("hydra_joblib_launcher")
def test_joblib_finds_problems_by_path_and_by_file_and_is_stopped_by_ctrl_c(empty_folder, started, monkeypatch, capsys):
    (empty_folder / "mine").mkdir()
    (empty_folder / "mine" / "rod.yaml").write_text(ROD)
    (empty_folder / "bar.yaml").write_text(ROD)
    monkeypatch.setenv("KANPDE_PROBLEM_PATH", "mine")
    words = ["-m", *LONG, "problem=rod,bar.yaml", "seed=0,1", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    process = started(lambda: running() == 2, *words)
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=90)[0].decode()
    assert process.returncode == 130, said
    assert "2 interrupted, 2 not begun" in said and "Traceback" not in said
    assert [path.parts[1:3] for path in archives()] == [("rod", "kan")] * 2
    assert [status(path) for path in archives()] == ["interrupted"] * 2
    assert leftovers() == []


@needs("hydra_joblib_launcher")
def test_joblib_goes_on_after_kill(empty_folder, started, capsys):
    (empty_folder / "bar.yaml").write_text(ROD)
    words = ["-m", *FEW, "problem=bar.yaml", "seed=range(0,5)", "training.steps=150", "optimizer=adam"]
    words += ["hydra/launcher=joblib", "hydra.launcher.n_jobs=1"]
    process = started(lambda: len(archives()) >= 2, *words)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = {path: path.stat().st_mtime_ns for path in archives()}
    assert main(["solve", *words[:-2]]) == 3  # by another launcher, or the same
    assert f"{5 - len(before)} done, {len(before)} skipped" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert [status(path) for path in archives()] == ["done"] * 5


# What stands in for Slurm here: a job is a process, of which nothing is known but its files.
SLURM = {
    "sbatch": """script="${@: -1}"
grep '^#SBATCH' "$script" > options
export SLURM_JOB_ID=7 SLURM_NTASKS=1 SLURM_JOB_NUM_NODES=1 SLURM_NODEID=0 SLURM_PROCID=0 SLURM_LOCALID=0
export SLURM_JOB_NODELIST=localhost
setsid bash "$script" > /dev/null 2> errors < /dev/null &
echo "Submitted batch job 7"
""",
    "srun": """while [[ "$1" == -* ]]; do [[ "$1" == --output || "$1" == --error ]] && shift; shift; done
exec "$@"
""",
    "sacct": "echo 'JobID|State|NodeList|'\n",
    "scancel": "",
}


@needs("hydra_submitit_launcher")
@pytest.mark.skipif(not Path("/bin/bash").exists(), reason="the stand-in for Slurm is in bash")
def test_slurm_runs_jobs_with_the_cores_that_were_asked_for(empty_folder, monkeypatch, capsys):
    (empty_folder / "bin").mkdir()
    for name, text in SLURM.items():
        (empty_folder / "bin" / name).write_text(f"#!/bin/bash\n{text}")
        (empty_folder / "bin" / name).chmod(0o755)
    (empty_folder / "mine").mkdir()
    (empty_folder / "mine" / "rod.yaml").write_text(ROD)
    monkeypatch.setenv("KANPDE_PROBLEM_PATH", "mine")
    monkeypatch.setenv("PATH", f"{empty_folder / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    signal.alarm(120)  # ends the tests rather than waiting for a job that is gone
    words = ["hydra/launcher=submitit_slurm", "hydra.launcher.partition=cpu", "hydra.launcher.cpus_per_task=2"]
    assert main(["solve", "-m", *FEW, "problem=rod", *words]) == 0
    signal.alarm(0)
    assert "1 done" in capsys.readouterr().out
    options = Path("options").read_text()
    assert all(f"#SBATCH --{o}\n" in options for o in ("partition=cpu", "cpus-per-task=2", "job-name=kanpde"))
    with h5py.File(archives()[0]) as file:
        assert json.loads(file.attrs["hardware_json"])["threads"] == 2


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_launcher_that_is_not_installed_is_refused_with_the_command_that_installs_it(launcher, empty_folder, capsys):
    module = f"hydra_plugins.{LAUNCHERS[launcher].replace('-', '_')}"
    if launcher == "basic" or importlib.util.find_spec(module):
        pytest.skip("it is installed")
    assert main(["solve", "-m", *FEW, f"hydra/launcher={launcher}"]) == 2
    package = LAUNCHERS[launcher]
    said = f"hydra/launcher={launcher} needs the package {package}; it is not installed. Run: pip install {package}"
    assert said in capsys.readouterr().err
    assert list(empty_folder.iterdir()) == []


@pytest.mark.parametrize(
    ("module", "words", "said"),
    [
        ("hydra_joblib_launcher", ["hydra/launcher=joblib", "hydra.launcher.n_jobs=0"], "hydra.launcher.n_jobs needs"),
        ("hydra_submitit_launcher", ["hydra/launcher=submitit_slurm"], "there is no sbatch here"),
    ],
)
def test_what_a_launcher_cannot_do_is_refused(module, words, said, empty_folder, monkeypatch, capsys):
    if importlib.util.find_spec(f"hydra_plugins.{module}") is None:
        pytest.skip(f"{module} is not installed")
    monkeypatch.setattr(launchers.shutil, "which", lambda name: None)
    assert main(["solve", "-m", *FEW, *words]) == 2
    assert said in capsys.readouterr().err
    assert list(empty_folder.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "launcher", "jobs", "threads"),
    [
        ("basic", {}, 8, None),
        ("joblib", {"n_jobs": 2}, 8, 4),
        ("joblib", {"n_jobs": 3}, 8, 2),
        ("joblib", {"n_jobs": -1}, 8, 1),
        ("joblib", {"n_jobs": -1}, 2, 4),
        ("joblib", {"n_jobs": -5}, 8, 2),
        ("joblib", {"n_jobs": 20}, 40, 1),
        ("submitit_local", {"cpus_per_task": None}, 3, 2),
        ("submitit_local", {"cpus_per_task": None}, 30, 1),
        ("submitit_slurm", {"cpus_per_task": None}, 3, 1),
        ("submitit_slurm", {"cpus_per_task": 6}, 3, 6),
        ("ray", {"ray": {"remote": {}}}, 3, 1),
        ("ray", {"ray": {"remote": {"num_cpus": 2}}}, 3, 2),
    ],
)
def test_cores_are_divided_among_the_jobs_that_run_at_once(name, launcher, jobs, threads, monkeypatch):
    monkeypatch.setattr(launchers, "usable_cores", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert threads_per_job(name, OmegaConf.create(launcher), jobs) == threads
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert threads_per_job(name, OmegaConf.create(launcher), jobs) is None


def test_a_job_has_its_share_of_threads_unless_told_otherwise(monkeypatch):
    seen = []

    def attempt(config, composition, watch):
        seen.append(config.threads)
        return Result(JobState.DONE, str(config.folder), "not really")

    monkeypatch.setattr(sweeps, "threads_per_job", lambda name, launcher, jobs: 7)
    monkeypatch.setattr(sweeps, "attempt", attempt)
    assert main(["solve", "-m", *FEW]) == main(["solve", "-m", *FEW, "threads=2"]) == 0
    assert seen == [7, 2]


def test_usable_cores_are_some():
    assert 1 <= usable_cores() <= os.cpu_count()


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="signals of POSIX")
def test_the_first_ctrl_c_asks_and_the_second_leaves(empty_folder, capsys):
    stop, mask = empty_folder / "outputs" / ".stop", signal.pthread_sigmask(signal.SIG_BLOCK, [])
    with pytest.raises(KeyboardInterrupt), sweeps._stopped_by_ctrl_c(stop):
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000):
            if stop.exists():
                break
            time.sleep(0.01)
        child = subprocess.run(["cat", "/proc/self/status"], capture_output=True, text=True)
        assert "SigBlk:\t0000000000000002" in child.stdout or not child.stdout
        assert "Ctrl-C again leaves at once" in capsys.readouterr().err
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(10)
    assert stop.exists()
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == mask
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


# Overhead


def test_a_finished_run_costs_a_sweep_little():
    words = ["solve", "-m", *FEW, "seed=range(0,3)"]
    assert main(words) == 0
    begun = time.process_time()
    assert main(words) == 0
    assert time.process_time() - begun < 3 * 0.5


def test_a_lock_held_is_no_failure(capsys):
    assert main(["solve", *FEW, "output.plot=false"]) == 0
    folder = archives()[0].parent
    archives()[0].unlink()
    with FolderLock(folder) as lock:
        lock.take()
        assert main(["solve", "-m", *FEW]) == 0
    assert "1 under way" in capsys.readouterr().out
