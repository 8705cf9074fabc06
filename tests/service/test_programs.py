"""The service from programs: kanpde submit, the Python client; and other engines than this machine's processes."""

import asyncio
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

import kanpde
from kanpde.cli.submit import submission
from kanpde.errors import InputError, RunError
from kanpde.service import Client
from kanpde.service.bodies import Refused, SolveBody
from kanpde.service.children import Children
from kanpde.service.engines import Engine, LocalEngine, RayEngine, SlurmEngine, engine_of
from kanpde.service.folders import JobFolder
from kanpde.service.limits import Limits
from kanpde.service.services import Service, ServiceFolders
from kanpde.service.supervisor import Supervisor
from kanpde.service.table import JobTable, Row, now
from service.conftest import LONG, SHORT, Served, until

TINY_WORDS = ["model.width=[3]", "model.grid=4", "model.degree=4", "training.stages=1", "training.starts=1",
              "training.start_steps=0", "training.steps=2"]  # fmt: skip


def submit(service: Served, *words: str, **options) -> subprocess.CompletedProcess:
    address = f"http://127.0.0.1:{service.port}/?token={service.token}"
    line = [sys.executable, "-m", "kanpde", "submit", *words, "--at", address]
    return subprocess.run(line, capture_output=True, text=True, timeout=180, **options)


def test_submit_waits_and_ends_as_the_job_ends(service):
    done = submit(service, "problem=poisson_1d", *TINY_WORDS, "seed=51", "--wait")
    assert done.returncode == 0, done.stderr
    assert "/jobs/" in done.stdout and "successful:" in done.stdout and "stage 1 ended" in done.stderr


def test_submit_sends_a_file_its_changes_and_the_files_it_names(service, tmp_path):
    (tmp_path / "data").mkdir()
    np.save(tmp_path / "data" / "k.npy", np.linspace(1, 2, 9))
    (tmp_path / "mine.yaml").write_text(
        "title: Mine\ncoordinates: {x: [0, 1]}\nfields: [u]\nparameters: {f: 1}\n"
        "coefficients: {k: {file: data/k.npy}}\n"
        'equations: {a: k*u_xx = -f}\nboundary: {"*": u = 0}\n'
    )
    words = ["problem=mine.yaml", "problem.parameters.f=2", *TINY_WORDS, "--wait"]
    done = submit(service, *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    id = done.stdout.split("/jobs/")[1].split()[0]
    run = kanpde.open_run(service.folder / service.json("GET", f"/jobs/{id}")["run"])
    assert run.problem.name == "mine" and run.problem.parameters["f"] == 2


def test_submit_says_what_the_service_says_and_exits_as_solve_does(service):
    done = submit(service, "problem=poisson_1d", "model.gird=4")
    assert done.returncode == 2 and "model.gird" in done.stderr and "Traceback" not in done.stderr
    done = submit(service, "problem=poisson_1d", "output.folder=/tmp")
    assert done.returncode == 2 and "settings.output" in done.stderr
    nobody = subprocess.run([sys.executable, "-m", "kanpde", "submit", "--at", "http://127.0.0.1:1"],
                            capture_output=True, text=True, timeout=60)  # fmt: skip
    assert nobody.returncode in (1, 2) and "Traceback" not in nobody.stderr


def test_words_become_json():
    problem, files, settings, sweep = submission(["problem=burgers", "model=mlp,kan", "seed=range(0,3)",
                                                  "training.conditions=exact", "model.width=[5,5]"], True)  # fmt: skip
    assert (problem, files) == (("burgers", ""), {})
    assert settings == {"training": {"conditions": "exact"}, "model": {"width": [5, 5]}}
    assert sweep == {"model": ["mlp", "kan"], "seed": [0, 1, 2]}
    with pytest.raises(InputError, match="several came"):
        submission(["seed=1,2"], False)


def test_the_client(service, tmp_path):
    client = Client(f"http://127.0.0.1:{service.port}", service.token)
    assert client.check("poisson_1d")["ok"]
    job = client.solve("poisson_1d", {**SHORT, "seed": 61}, key="of the client")
    assert client.solve("poisson_1d", {**SHORT, "seed": 61}, key="of the client").id == job.id
    names = [name for name, _ in job.events()]
    assert names[-1] == "end" and names.count("step") == 2
    ended = job.wait()
    run = kanpde.open_run(job.download("result.h5", tmp_path / "r.h5"))
    found = client.evaluate(ended["run"], [[0.5]], ["u", "u_x"])
    assert found == [[run.solution([[0.5]])[0, 0], run.solution.derivative("u_x", [[0.5]])[0]]]
    with pytest.raises(InputError, match="seed"):
        client.solve("poisson_1d", {"seed": -1})
    with pytest.raises(InputError, match="token"):
        Client(client.base, "wrong").runs()
    with pytest.raises(RunError, match="kanpde serve"):
        Client("http://127.0.0.1:1").runs()


def test_a_full_disk_is_said_before_anything_is_queued(tmp_path, monkeypatch):
    place = ServiceFolders(tmp_path, tmp_path / ".service")
    place.jobs.mkdir(parents=True)
    table, children = JobTable(place.state / "jobs.sqlite"), Children()
    service = Service(place, table, children, LocalEngine(children, {}), 1, Limits())
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(1, 1, 0))
    with pytest.raises(Refused) as refusal:
        asyncio.run(service.submit("solve", SolveBody(problem="poisson_1d"), None))
    assert refusal.value.status == 507 and table.page() == [] and list(place.jobs.iterdir()) == []
    table.close()


# Engines


@pytest.fixture
def long_job(tmp_path) -> JobFolder:
    """One that has to be stopped."""
    folder = JobFolder(tmp_path / "outputs" / ".service" / "jobs" / "long")
    words = ["model.width=[3]", "model.grid=4", "model.degree=4", "optimizer=adam",
             *(f"training.{key}={value}" for key, value in LONG["training"].items())]  # fmt: skip
    folder.create({"process": "solve", "name": "poisson_1d", "text": False, "files": None, "words": words}, None)
    return folder


def share_of(folder: JobFolder) -> dict:
    root = str(folder.path.parents[2])
    return {"root": root, "workers": 1, "threads": 1, "memory": None, "limits": asdict(Limits())}


def keeps_its_calls(engine: Engine, again: Engine, folder: JobFolder) -> None:
    """What every engine promises: a job runs, is found again by one made after a restart, stops, and is gone."""
    handle = engine.submit(folder)
    until(lambda: folder.last_event("step"), "the job runs")
    assert again.alive(folder, handle) and folder.end() is None
    folder.stop.touch()
    again.stop(folder, handle, kill=False)
    until(lambda: folder.end() is not None, "it stops by the file alone")
    assert folder.end()["status"] == "dismissed", folder.log.read_text()
    assert list(folder.path.parents[2].glob("poisson_1d/kan/*/result.h5"))
    until(lambda: not again.alive(folder, handle), "and is gone")


# submitit leaves the processes of its local jobs to the garbage collector
@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_jobs_run_by_submitit_and_are_found_again(tmp_path, long_job):
    pytest.importorskip("submitit", reason="submitit is not installed")
    share = share_of(long_job)
    keeps_its_calls(*(SlurmEngine(tmp_path / "slurm", share, cluster="local") for _ in range(2)), long_job)


RAY_NODE = """import os, sys, ray
node = ray.init(num_cpus=2, include_dashboard=True, dashboard_port=0, _temp_dir=sys.argv[1], log_to_driver=False)
print("at", node.dashboard_url, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def ray_cluster(tmp_path_factory, monkeypatch) -> Iterator[None]:
    """One node, in processes of their own, which end with it."""
    if importlib.util.find_spec("ray") is None or importlib.util.find_spec("aiohttp") is None:
        pytest.skip("ray[default] is not installed")
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0",
                   "PYTHONPATH": str(Path(kanpde.__file__).parents[1])}  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:  # sockets need a short path
        line = [sys.executable, "-c", RAY_NODE, folder]
        node = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                text=True, env=environment)  # fmt: skip
        try:
            address = next((text.split()[1] for text in node.stdout if text.startswith("at ")), None)
            assert address, "no node of Ray started"
            monkeypatch.setenv("RAY_API_SERVER_ADDRESS", f"http://{address}")
            monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
            yield
        finally:
            node.stdin.close()
            node.wait(timeout=60)
            node.stdout.close()


def test_jobs_run_by_ray_and_are_found_again(ray_cluster, long_job):
    share = share_of(long_job)
    keeps_its_calls(RayEngine(share), RayEngine(share), long_job)


class Unreachable:
    """An engine whose cluster cannot be reached at first."""

    def __init__(self):
        self.tried = 0

    def submit(self, folder: JobFolder) -> str:
        self.tried += 1
        if self.tried == 1:
            raise ConnectionError("nobody is there")
        folder.finish({"status": "successful", "sentence": "Done."})
        return "handle"

    def alive(self, folder: JobFolder, handle: str) -> bool:
        return False


def test_a_job_waits_while_its_engine_cannot_be_reached(tmp_path, capfd):
    table = JobTable(tmp_path / "jobs.sqlite")
    folder = JobFolder(tmp_path / "a")
    folder.create({}, None)
    table.add([Row(id="a", process="solve", status="accepted", created=now())])
    supervisor = Supervisor(table, lambda id: folder, Unreachable(), 1)

    async def twice() -> None:
        assert not await supervisor._start(table.get("a"))
        assert table.get("a").status == "accepted" and table.get("a").attempts == 0
        assert await supervisor._start(table.get("a")) and await supervisor.settle() == 0

    asyncio.run(twice())
    assert table.get("a").status == "successful" and "nobody is there" in capfd.readouterr().err
    table.close()


def test_an_engine_that_is_not_there_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://127.0.0.1:1")
    monkeypatch.setenv("PATH", "")
    for name, needed in (("slurm", "sbatch"), ("ray", "ray")):
        with pytest.raises(InputError, match=needed):
            engine_of(name, None, tmp_path, share_of(JobFolder(tmp_path / "a" / "b" / "c" / "d")))
