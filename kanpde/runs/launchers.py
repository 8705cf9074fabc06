"""What Hydra's launchers need to run jobs beside each other: cores shared out, Ctrl-C kept from their processes.

    basic             one job after the other, in this process
    joblib            several processes on this machine
    submitit_local    the same by submitit, to try out what Slurm will do
    submitit_slurm    an array of Slurm jobs
    ray               a Ray cluster, or this machine
"""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from pathlib import Path
from threading import Event, Thread, current_thread, main_thread

from omegaconf import DictConfig, OmegaConf

from kanpde.errors import InputError
from kanpde.runs.stops import DEFAULTS, SIGNALS

BASIC = "basic"


def check_launcher(name: str, launcher: DictConfig) -> None:
    """Refuse what a launcher would only find out after it has begun."""
    if name == "joblib" and launcher.n_jobs == 0:
        raise InputError(
            "hydra.launcher.n_jobs needs a number of processes, or -1 for all cores; 0 came. Write "
            "hydra.launcher.n_jobs=2, say."
        )
    if name == "submitit_slurm" and shutil.which("sbatch") is None:
        raise InputError(
            "hydra/launcher=submitit_slurm needs Slurm; there is no sbatch here. Start the sweep where jobs are "
            "submitted, or choose hydra/launcher=submitit_local."
        )


def threads_per_job(name: str, launcher: DictConfig, jobs: int) -> int | None:
    """The threads of each of so many jobs: the cores, divided by the jobs that run at the same time.

    None leaves the choice to PyTorch: where one job runs at a time, and where OMP_NUM_THREADS says what is wanted.
    """
    if name == BASIC or "OMP_NUM_THREADS" in os.environ:
        return None
    if asked := _asked_cores(name, launcher):
        return asked
    at_once = _at_once(name, launcher, usable_cores())
    return max(1, usable_cores() // min(at_once, jobs)) if at_once else 1


def _asked_cores(name: str, launcher: DictConfig) -> int | None:
    """What is asked for each job, of Slurm or of Ray."""
    wanted = {"submitit_local": "cpus_per_task", "submitit_slurm": "cpus_per_task", "ray": "ray.remote.num_cpus"}
    asked = OmegaConf.select(launcher, wanted[name]) if name in wanted else None
    return max(1, int(asked)) if asked else None


def _at_once(name: str, launcher: DictConfig, cores: int) -> int | None:
    """Jobs at a time on this machine, at most; None where others hand out cores, one a job unless asked for more.

    >>> _at_once("joblib", OmegaConf.create({"n_jobs": -2}), cores=8)
    7
    """
    if name == "joblib":
        asked = launcher.n_jobs
        return asked if asked > 0 else max(1, cores + 1 + asked)
    return cores if name == "submitit_local" else None


def usable_cores() -> int:
    """Cores that this process may use, which in a batch job or a container are fewer than there are."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):
        return cores
    return cores if quota == "max" else max(1, min(cores, round(int(quota) / int(period))))


@contextmanager
def children_shielded(on_interrupt: Callable[[], None]) -> Iterator[None]:
    """Inside, Ctrl-C, SIGTERM and SIGHUP call a function here; Ctrl-C does not reach processes started meanwhile.

    A terminal sends Ctrl-C to all of them. Caught in the middle of an import or of writing, they would die in as many
    ways; so they begin with the signal blocked, which they inherit from the thread that starts them. Here it is
    delivered to the one thread that does not block it, and handled in the main thread as ever.
    """
    if not hasattr(signal, "pthread_sigmask") or current_thread() is not main_thread():  # Windows; a service
        yield
        return
    resource_tracker.ensure_running()  # some versions unblock the signal when they start this process
    over = Event()
    Thread(target=over.wait, daemon=True).start()
    taken = [getattr(signal, name) for name in SIGNALS if signal.getsignal(getattr(signal, name)) in DEFAULTS]
    before = {number: signal.signal(number, lambda number, frame: on_interrupt()) for number in taken}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in before.items():
            signal.signal(number, handler)
        over.set()
