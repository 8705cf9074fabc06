"""Trackers: one interface, followed by a recorder; TensorBoard and MLflow where they are installed."""

import json
import math
from pathlib import Path

import pytest

from kanpde.cli.main import main
from kanpde.results.archive import read_archive
from kanpde.runs import jobs, trackers
from kanpde.runs.trackers import TRACKERS, Choice, FollowingTracker, Tracked, Tracker, check_tracker
from kanpde.solving.training.events import Finished, Outcome, Started, Step

TINY = ["model.width=[3]", "model.grid=4", "model.degree=4", "training.stages=1", "training.starts=1"]
FEW = [*TINY, "training.start_steps=0", "training.steps=12", "output.resolution=9", "output.plot=false"]
STARTED = Started(parameters=10, points=50, grids=(2, 4), blocks=("interior",))


class Recorder(Tracker):
    made: list["Recorder"] = []

    def __init__(self, run: Tracked):
        self.run, self.records, self.ends = run, {}, []
        Recorder.made.append(self)

    def record(self, step, values):
        self.records[step] = values

    def end(self, status, metrics):
        self.ends.append((status, metrics))


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Recorder, "made", [])
    return tmp_path


def archive() -> Path:
    (path,) = Path("outputs").glob("*/*/*/result.h5")
    return path


@pytest.fixture
def recorder(monkeypatch):
    monkeypatch.setitem(TRACKERS, "mlflow", Choice(Recorder, ("json",), "json"))
    return Recorder


def test_a_tracker_gets_every_step_and_the_metrics_and_jsonl_stays(recorder):
    assert main(["solve", *FEW, "tracker=mlflow"]) == 0
    (made,) = recorder.made
    lines = [json.loads(line) for line in (archive().parent / "history.jsonl").read_text().splitlines()]
    known = {line["step"]: {n: v for n, v in line.items() if v is not None and n != "step"} for line in lines[:-1]}
    assert made.records == known and sorted(known) == [*range(1, 13)]
    data = read_archive(archive())
    assert made.ends == [("done", data.metrics)]
    assert (made.run.problem, made.run.name) == ("poisson_2d", f"kan/{archive().parent.name}")
    assert made.run.settings["model.width"] == "(3,)" and made.run.settings["optimizer.kind"] == "lm"


def test_a_tracker_changes_no_key(recorder):
    assert main(["solve", *FEW]) == 0
    assert main(["solve", *FEW, "tracker=mlflow"]) == 0
    assert recorder.made == [] and archive().exists()


def test_a_run_that_fails_ends_its_tracker(recorder, monkeypatch):
    def failing(config, listen, **others):
        listen(STARTED)
        raise MemoryError

    monkeypatch.setattr(jobs, "solve_config", failing)
    assert main(["solve", *FEW, "tracker=mlflow"]) == 1
    assert recorder.made[0].ends == [("failed", {})]


def test_a_tracker_that_fails_is_said_once_and_the_run_goes_on(capsys):
    class Failing(Recorder):
        def record(self, step, values):
            raise OSError("no route to host")

    follow = FollowingTracker(lambda: Failing(Tracked(Path(), "p", "r", {})))
    for event in (STARTED, Step({"step": 1, "loss": 1.0}), Step({"step": 2, "loss": 1.0}), Finished(Outcome.FINISHED)):
        follow(event)
    follow.ended("done", {})
    assert capsys.readouterr().err == "warning: the tracker failed and follows no more: no route to host\n"


def test_what_was_not_measured_is_left_out():
    follow = FollowingTracker(lambda: Recorder(Tracked(Path(), "p", "r", {})))
    follow(STARTED)
    follow(Step({"step": 1, "loss": 1.0, "rel_l2": math.nan}))
    assert Recorder.made[0].records == {1: {"loss": 1.0}}


@pytest.mark.parametrize("sweeping", [[], ["-m"]])
def test_a_tracker_that_is_not_installed_is_refused_before_anything_is_written(
    sweeping, monkeypatch, capsys, empty_folder
):
    monkeypatch.setitem(TRACKERS, "tensorboard", Choice(Recorder, ("no_such_module",), "tensorboard"))
    assert main(["solve", *sweeping, *FEW, "tracker=tensorboard"]) == 2
    said = "tracker=tensorboard needs the package tensorboard; it is not installed. Run: pip install tensorboard"
    assert said in capsys.readouterr().err
    assert list(empty_folder.iterdir()) == []


def test_an_unknown_tracker_is_refused(capsys):
    assert main(["solve", *FEW, "tracker=wandb"]) == 2
    assert "tracker needs one of none, tensorboard, mlflow" in capsys.readouterr().err


def test_none_needs_nothing():
    check_tracker(trackers.NONE)


# The real ones


def test_tensorboard_reads_what_was_written():
    events = pytest.importorskip("tensorboardX.proto.event_pb2", reason="tensorboardX is not installed")
    for _ in range(2):  # made again, the curves are not drawn over the old ones
        assert main(["solve", *FEW, "tracker=tensorboard", "rerun=true"]) == 0
    (file,) = (archive().parent / "tensorboard").iterdir()
    scalars = {}
    for event in records(file.read_bytes()):
        for value in events.Event.FromString(event).summary.value:
            if value.HasField("simple_value"):
                scalars.setdefault(value.tag, []).append(value.simple_value)
    data = read_archive(archive())
    assert scalars["loss"] == pytest.approx(data.history["loss"].tolist(), rel=1e-6)
    assert scalars["final/rel_l2"] == pytest.approx([data.metrics["rel_l2"]], rel=1e-6)


def records(content: bytes):
    """TensorFlow's record files: length in 8 bytes, its checksum in 4, the record, its checksum in 4."""
    while content:
        length = int.from_bytes(content[:8], "little")
        yield content[12 : 12 + length]
        content = content[16 + length :]


def test_mlflow_has_the_run_with_its_metrics(monkeypatch, empty_folder):
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # a database needs more than the small package brings
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (empty_folder / "mlruns").as_uri())
    assert main(["solve", *FEW, "tracker=mlflow"]) == 0
    client = mlflow.MlflowClient(tracking_uri=(empty_folder / "mlruns").as_uri())
    (run,) = client.search_runs([client.get_experiment_by_name("poisson_2d").experiment_id])
    data = read_archive(archive())
    losses = [metric.value for metric in client.get_metric_history(run.info.run_id, "loss")]
    assert losses == data.history["loss"].tolist()
    assert run.data.metrics["final/rel_l2"] == data.metrics["rel_l2"]
    assert (run.info.status, run.data.params["model.width"]) == ("FINISHED", "(3,)")
