"""Where jobs run: three calls each, `submit`, `alive`, `stop`; everything else travels by the job's folder."""

import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, Protocol

from kanpde.errors import InputError
from kanpde.service.children import Children
from kanpde.service.folders import JobFolder


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


def command_of(folder: JobFolder, share: dict[str, Any]) -> list[str]:
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
        return str(self.executor.submit(self.call(command_of(folder, self.share), verbose=False)).job_id)

    def alive(self, folder: JobFolder, handle: str) -> bool:
        return bool(handle) and (folder.held() or not self._job(handle).done(force_check=True))

    def stop(self, folder: JobFolder, handle: str, kill: bool) -> None:
        if kill and handle:
            self._job(handle).cancel()

    def _job(self, handle: str):
        return self.jobs(folder=self.folder, job_id=handle, tasks=[0])


def engine_of(name: str, children: Children, state: Path, share: dict[str, Any]) -> Engine:
    """The engine of a name.

    Raises:
        InputError: Its package is missing.
    """
    if name == "local":
        return LocalEngine(children, share)
    try:
        return SlurmEngine(state / "slurm", share)
    except (ImportError, RuntimeError) as error:
        raise InputError(
            f"--engine {name} needs Slurm and the package submitit; one of them is missing here. Run: pip install "
            "submitit, on a machine with sbatch."
        ) from error
