"""Where jobs run: three calls each, `submit`, `alive`, `stop`; everything else travels by the job's folder."""

import contextlib
import json
import math
import os
import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from pkgutil import resolve_name
from time import monotonic
from typing import Any, Protocol

from kanpde.errors import InputError
from kanpde.service.children import Children
from kanpde.service.folders import JobFolder

RAY_PAUSE = 2.0
"""Seconds between two questions to a Ray cluster about one job."""
NEEDS = {
    "slurm": "needs Slurm and the package submitit; one of them is missing here. Run: pip install submitit, on a "
    "machine with sbatch.",
    "ray": 'needs a Ray cluster and the package ray; one of them is missing here. Run: pip install "ray[default]", and '
    "set RAY_API_SERVER_ADDRESS to the cluster's dashboard, http://HOST:8265.",
}


class Engine(Protocol):
    """A place where jobs run."""

    def submit(self, folder: JobFolder) -> str:
        """Start a job; returns how to find it again."""

    def alive(self, folder: JobFolder, handle: str) -> bool:
        """Whether the job runs, or waits for its turn there."""

    def stop(self, folder: JobFolder, handle: str, kill: bool) -> None:
        """Interrupt a job, which has the file `stop` already, or kill it."""


class LocalEngine:
    """This machine: processes from the fork server, known by the locks they hold."""

    def __init__(self, children: Children, share: dict[str, Any]):
        self.children, self.share = children, share

    def submit(self, folder: JobFolder) -> str:
        self.children.start_job(folder.path, self.share)
        return ""

    def alive(self, folder: JobFolder, handle: str) -> bool:
        return folder.held()

    def stop(self, folder: JobFolder, handle: str, kill: bool) -> None:
        process = folder.holder()
        if process is not None and folder.held():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL if kill else signal.SIGINT)


def job_command(folder: JobFolder, share: dict[str, Any]) -> list[str]:
    """The command that does a job on another machine."""
    return [sys.executable, "-m", "kanpde.service.job", str(folder.path), json.dumps(share)]


class SlurmEngine:
    """Slurm, by submitit, which also runs jobs here to try out what Slurm will do: cluster="local"."""

    def __init__(self, folder: Path, share: dict[str, Any], cluster: str = "slurm"):
        submitit = resolve_name("submitit")
        self.share, self.folder, self.cluster = share, folder, cluster
        self.executor = submitit.AutoExecutor(folder=folder, cluster=cluster)
        minutes = 10 + share["limits"]["time_limit"] // 60
        self.executor.update_parameters(timeout_min=minutes, cpus_per_task=share["threads"] or 1)
        self.jobs = {"slurm": submitit.SlurmJob, "local": submitit.LocalJob}[cluster]
        self.call = submitit.helpers.CommandFunction

    def submit(self, folder: JobFolder) -> str:
        return str(self.executor.submit(self.call(job_command(folder, self.share), verbose=False)).job_id)

    def alive(self, folder: JobFolder, handle: str) -> bool:
        return folder.held() or (bool(handle) and not self._job(handle).done())

    def stop(self, folder: JobFolder, handle: str, kill: bool) -> None:
        if kill and handle:
            self._job(handle).cancel()

    def _job(self, handle: str) -> Any:
        return self.jobs(folder=self.folder, job_id=handle, tasks=[0])


class RayEngine:
    """A Ray cluster, by its Jobs API: at RAY_API_SERVER_ADDRESS, or at this machine's port 8265."""

    def __init__(self, share: dict[str, Any]):
        self.share = share
        self.client = resolve_name("ray.job_submission:JobSubmissionClient")()
        self.asked: dict[str, tuple[float, bool]] = {}

    def submit(self, folder: JobFolder) -> str:
        command = shlex.join(job_command(folder, self.share))
        return self.client.submit_job(entrypoint=command, entrypoint_num_cpus=self.share["threads"] or 1)

    def alive(self, folder: JobFolder, handle: str) -> bool:
        return folder.held() or (bool(handle) and self._goes_on(handle))

    def stop(self, folder: JobFolder, handle: str, kill: bool) -> None:
        if kill and handle:
            self.client.stop_job(handle)

    def _goes_on(self, handle: str) -> bool:
        """What the cluster says of a job, asked now and then; while nobody answers, what it said last."""
        time, going = self.asked.get(handle, (-math.inf, True))
        if going and monotonic() - time > RAY_PAUSE:
            with contextlib.suppress(OSError):
                going = not self._ended(handle)
            self.asked[handle] = monotonic(), going
        return going

    def _ended(self, handle: str) -> bool:
        try:
            return self.client.get_job_status(handle).is_terminal()
        except RuntimeError as error:
            if "does not exist" in str(error):
                return True  # the cluster was started anew and knows nothing of it
            raise OSError(str(error)) from error


def engine_of(name: str, children: Children, state: Path, share: dict[str, Any]) -> Engine:
    """The engine of a name.

    Raises:
        InputError: Its package is missing, or what it talks to.
    """
    made: dict[str, Callable[[], Engine]] = {
        "local": lambda: LocalEngine(children, share),
        "slurm": lambda: SlurmEngine(state / "slurm", share),
        "ray": lambda: RayEngine(share),
    }
    try:
        return made[name]()
    except (ImportError, RuntimeError, ConnectionError) as error:
        raise InputError(f"--engine {name} {NEEDS[name]}") from error
