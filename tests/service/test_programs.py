"""The service from programs: kanpde submit, the Python client; and other engines than this machine's processes."""

import asyncio
import json
import shutil
import subprocess
import sys
from dataclasses import asdict

import numpy as np
import pytest

import kanpde
from kanpde.cli.submit import submission
from kanpde.errors import InputError, RunError
from kanpde.service import Client
from kanpde.service.bodies import Refused, SolveBody
from kanpde.service.children import Children
from kanpde.service.engines import LocalEngine, SlurmEngine
from kanpde.service.folders import JobFolder
from kanpde.service.limits import Limits
from kanpde.service.services import Place, Service
from kanpde.service.table import Table
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
    place = Place(tmp_path, tmp_path / ".service")
    place.jobs.mkdir(parents=True)
    table, children = Table(place.state / "jobs.sqlite"), Children()
    service = Service(place, table, children, LocalEngine(children, {}), 1, Limits())
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(1, 1, 0))
    with pytest.raises(Refused) as refusal:
        asyncio.run(service.submit("solve", SolveBody(problem="poisson_1d"), None))
    assert refusal.value.status == 507 and table.page() == [] and list(place.jobs.iterdir()) == []
    table.close()


# submitit leaves the processes of its local jobs to the garbage collector
@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_jobs_run_by_submitit_and_are_found_again(tmp_path):
    pytest.importorskip("submitit", reason="submitit is not installed")
    root, state = tmp_path / "outputs", tmp_path / "outputs" / ".service"
    share = {"root": str(root), "workers": 1, "threads": 1, "memory": None, "limits": asdict(Limits())}
    folders = [JobFolder(state / "jobs" / name) for name in ("short", "long")]
    for folder, words in zip(folders, (TINY_WORDS, words_of_long()), strict=True):
        spec = {"process": "solve", "name": "poisson_1d", "text": False, "files": None, "words": words}
        folder.create(spec, None)
    engine = SlurmEngine(state / "slurm", share, cluster="local")
    handles = [engine.submit(folder) for folder in folders]
    again = SlurmEngine(state / "slurm", share, cluster="local")  # as after a restart of the server
    until(lambda: folders[0].end() is not None, "the short one ends")
    assert folders[0].end()["status"] == "successful" and list(root.glob("poisson_1d/kan/*/result.h5"))
    until(lambda: not again.alive(folders[0], handles[0]), "and is gone")
    until(lambda: folders[1].last_event("step"), "the long one runs")
    assert again.alive(folders[1], handles[1]) and folders[1].end() is None
    folders[1].stop.touch()
    again.stop(folders[1], handles[1], kill=False)
    until(lambda: folders[1].end() is not None, "it stops by the file alone")
    assert folders[1].end()["status"] == "dismissed"


def words_of_long() -> list[str]:
    from_long = json.loads(json.dumps(LONG["training"]))
    return ["model.width=[3]", "model.grid=4", "model.degree=4", "optimizer=adam",
            *(f"training.{key}={value}" for key, value in from_long.items())]  # fmt: skip
