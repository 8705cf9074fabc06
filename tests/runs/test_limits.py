"""What a run may take, and what it does not depend on."""

import contextlib
import itertools
import json
import math
import mmap
import time
from dataclasses import replace

import numpy as np
import pytest

import kanpde
from kanpde import references
from kanpde.errors import InputError
from kanpde.files import memory
from kanpde.references import METHODS, _solved
from kanpde.references.interface import Solved
from kanpde.references.means import NotSolved, OutOfMeans, time_limit
from kanpde.reports.plots import drawing_seconds
from kanpde.reports.plots.views import MOST_DRAWN, view_of
from kanpde.results.archive import ModelData, RunData
from kanpde.runs import memory_checks
from kanpde.runs.budgets import GRACE, Budget
from kanpde.runs.settings import compose
from kanpde.solving.training.actions import MEASURE_EVERY, draw_place
from kanpde.solving.training.events import Started, Step

QUICK = {"model": {"width": [3]}, "training": {"stages": 1, "starts": 1, "steps": 12}}


def test_what_is_measured_depends_on_no_clock():
    def slow(event):
        if isinstance(event, Step):
            time.sleep(0.02)

    fast, slowed = (kanpde.solve("poisson_1d", on_event=listen, **QUICK) for listen in (None, slow))
    assert np.array_equal(fast.history["rel_l2"], slowed.history["rel_l2"], equal_nan=True)
    measured = fast.history["step"][np.isfinite(fast.history["rel_l2"])]
    assert all(step == 1 or step % MEASURE_EVERY == 0 for step in measured)
    for name, value in fast.data.model.parameters.items():
        assert np.array_equal(value, slowed.data.model.parameters[name])


def test_no_points_are_drawn_twice():
    places = [draw_place(stage, redraw) for stage in range(20) for redraw in range(600)]
    assert len(set(places)) == len(places)


class Rungs:
    """A reference method whose rungs differ by 1e-6, some of which fail."""

    def __init__(self, failing):
        self.failing = failing

    def solve(self, problem, resolution):
        if resolution in self.failing:
            raise NotSolved(f"fails at {resolution}")
        return Solved(lambda points: np.full((len(points), 1), 1 + 1e-6 * resolution), 10 * resolution)


@pytest.mark.parametrize("failing, kept", [({3}, 20), ({3, 4}, 20), ({1}, 40), (set(), 40)])
def test_a_finer_rung_that_fails_leaves_what_two_have_found(monkeypatch, failing, kept):
    monkeypatch.setitem(METHODS, "rungs", Rungs(failing))
    found = _solved(kanpde.load_problem("poisson_1d"), "rungs", (1, 2, 3, 4))
    assert found.unknowns == kept and 0 < found.error < 1e-5


def test_one_rung_alone_is_no_reference(monkeypatch):
    monkeypatch.setitem(METHODS, "rungs", Rungs({2, 3}))
    with pytest.raises(NotSolved, match="fails"):
        _solved(kanpde.load_problem("poisson_1d"), "rungs", (1, 2, 3))


def test_memory_is_forecast_for_the_last_stage(monkeypatch):
    config = compose(["problem=poisson_1d", "model.width=[3]", "model.grid=64", "training.stages=4"])
    seen = []
    training = {"stages": 4, "starts": 1, "steps": 1}
    kanpde.solve("poisson_1d", model={"width": [3], "grid": 64}, training=training, on_event=seen.append)
    (event,) = [event for event in seen if isinstance(event, Started)]
    assert event.largest[1] > 3 * event.parameters and event.largest[0] > 3 * event.points
    first, last = (8 * event.held * math.prod(pair) for pair in ((event.parameters, event.points), event.largest))
    monkeypatch.setattr(memory_checks, "free_memory", lambda: (first + last) / 2)
    with pytest.raises(InputError, match="in the last of 4 stages"):
        memory_checks.check_memory(event, config)
    monkeypatch.setattr(memory_checks, "free_memory", lambda: last + 1)
    memory_checks.check_memory(event, config)
    monkeypatch.setattr(memory_checks, "free_memory", lambda: 2**14)
    with pytest.raises(InputError, match="optimizer=lm needs"):  # and so in Python
        kanpde.solve("poisson_1d", model={"width": [3]}, training=training)


@pytest.mark.parametrize(
    ("setting", "word"),
    [({"sampling": {"points": 10**9}}, "sampling.points"), ({"model": {"grid": 10**9}}, "model.grid"),
     ({"model": {"width": [10**5, 10**5]}}, "model.width"), ({"model": {"width": [3], "grid": 10**9}}, "model.grid")],
)  # fmt: skip
def test_sizes_are_refused_before_they_are_tried(monkeypatch, setting, word):
    monkeypatch.setattr(memory_checks, "free_memory", lambda: 2**31)
    with pytest.raises(InputError, match=f"{word} asks for"):
        kanpde.solve("poisson_1d", **setting)


def test_windows_are_as_many_as_networks_may_be():
    with pytest.raises(InputError, match="training.windows must be 1 to 10000"):
        compose(["problem=diffusion_1d", "training.windows=100000000"])


def test_memory_is_that_of_the_control_groups_above(tmp_path, monkeypatch):
    """Of a batch system the job's group may be unlimited, and the one above it bounded; caches of files are free."""
    job = tmp_path / "user" / "job"
    job.mkdir(parents=True)
    texts = {"user/memory.max": "5000", "user/memory.current": "3000", "user/memory.stat": "inactive_file 500\n",
             "user/job/memory.max": "max", "user/job/memory.current": "10"}  # fmt: skip
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    own = tmp_path / "cgroup"
    own.write_text("0::/user/job\n")
    assert memory.free_in_group(tmp_path, own) == 2500
    (job / "memory.max").write_text("1000")
    assert memory.free_in_group(tmp_path, own) == 990
    own.write_text("0::/elsewhere\n")
    assert memory.free_in_group(tmp_path, own) is None


def test_the_forecast_is_what_the_last_stage_has():
    run = kanpde.solve("poisson_1d", model={"width": [3], "grid": 64}, on_event=(seen := []).append,
                       training={"stages": 3, "starts": 1, "steps": 1})  # fmt: skip
    (event,) = [event for event in seen if isinstance(event, Started)]
    assert event.largest[1] == run.history["n_parameters"][-1]
    assert len(run.data.points["interior"]) == pytest.approx(event.largest[0], rel=0.3) or run.metrics["rel_l2"] < 1


def test_peak_memory_is_the_runs_own():
    quick = {**QUICK, "training": {**QUICK["training"], "steps": 1}}
    with mmap.mmap(-1, 320 * 2**20) as held:  # gone before the run; an array's may come out of memory freed and kept
        for page in range(0, len(held), mmap.PAGESIZE):
            held[page] = 1
    before = _peak_of_process()
    assert kanpde.solve("poisson_1d", **quick).metrics["peak_memory_mb"] < before - 200


def _peak_of_process() -> float:
    import resource  # noqa: PLC0415  not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def test_a_run_without_time_to_measure_ends_all_the_same(monkeypatch):
    """It has the solution on a coarse grid, the error at few points, a verdict, and says what there was no time for."""
    monkeypatch.setattr(Budget, "measuring", lambda self: -1.0)
    line = {"coordinates": {"x": [0, 1]}, "fields": ["u"], "boundary": {"*": "u = 0"}}
    problem = {**line, "equations": "u_xx = u**3 - 1"}
    for settings in ({}, {"reference": False}):
        run = kanpde.solve(problem, **QUICK, **settings)
        assert [len(axis) for axis in run.data.axes.values()] == [5]
        assert "u_ref" not in run.data.fields and np.isfinite(run.data.fields["u"]).all()
        assert any("no time to measure" in warning for warning in run.warnings)
        assert any("no time to evaluate the solution" in warning for warning in run.warnings)
        assert run.verdict.reason
        assert ("rel_l2" in run.metrics) == (settings == {})
    whole = kanpde.solve(problem, **QUICK, reference=False)
    monkeypatch.undo()
    again = kanpde.solve(problem, **QUICK, reference=False)
    assert len(again.data.axes["x"]) == 1001 and not any("no time" in warning for warning in again.warnings)
    assert np.array_equal(whole.history["loss"], again.history["loss"])


def test_a_reference_that_would_take_too_long_is_not_begun(monkeypatch):
    class Slow(Rungs):
        POWER = 3.0

        def solve(self, problem, resolution):
            begun = time.thread_time()
            while time.thread_time() - begun < 0.05 * resolution**3:
                pass
            return super().solve(problem, resolution)

    monkeypatch.setitem(METHODS, "rungs", Slow(()))
    problem = kanpde.load_problem("poisson_1d")
    with time_limit(0.3), pytest.raises(NotSolved, match="would take about"):
        _solved(problem, "rungs", (1, 4))
    with time_limit(0.6):
        assert _solved(problem, "rungs", (1, 2, 4)).unknowns == 20


@pytest.mark.parametrize("model", [{"kind": "mlp", "width": [4]}, {"kind": "kan", "width": [4]}])
def test_windows_that_are_not_reached_stand_still(model):
    def interrupt(event):
        if isinstance(event, Step) and event.record["window"] == 2:
            raise KeyboardInterrupt

    run = kanpde.solve("diffusion_1d", model=model, on_event=interrupt, reference=False,
                       training={"stages": 1, "starts": 1, "steps": 3, "windows": 3})  # fmt: skip
    assert json.loads(run.data.model.config_json)["windows"] is not None
    x = np.linspace(-1, 1, 11)
    end, later = run.solution(x=x, t=2 / 3), run.solution(x=x, t=1.0)
    assert np.abs(end).max() > 1e-3 and np.abs(later - end).max() < 1e-12


def test_the_reference_is_inside_the_limit_of_the_run(monkeypatch):
    allowed = []
    monkeypatch.setattr(references, "load_values", lambda *_: None)
    monkeypatch.setattr(references, "store_values", lambda *_: allowed.append("stored"))
    monkeypatch.setattr(references, "time_limit", lambda seconds: allowed.append(seconds) or contextlib.nullcontext())
    problem = {"coordinates": {"x": [0, 1]}, "fields": ["u"], "equations": "u_xx = 1 + u", "boundary": {"*": "u = 0"}}
    run = kanpde.solve(problem, model={"width": [3]}, training={**QUICK["training"], "time_limit": 14.0})
    assert run.data.attributes["reference"] == "chebyshev" and allowed == [7.0, "stored"]
    kanpde.solve(problem, model={"width": [3]}, training={**QUICK["training"], "time_limit": 500.0})
    assert allowed[2] == references.SECONDS


def test_all_parts_of_a_run_are_on_one_clock():
    """Whatever each of them takes of what it is given, the whole takes half of the limit more, and a grace."""
    seconds = [0.0]
    for took in itertools.product((0.0, 1.0), repeat=3):
        seconds[0] = 100.0
        budget = Budget(20.0, lambda: seconds[0])
        seconds[0] += took[0] * budget.reference
        seconds[0] += took[1] * budget.limit
        seconds[0] += took[2] * budget.measuring()
        seconds[0] += budget.left()
        assert seconds[0] - 100 <= 1.5 * 20 + 2 * GRACE
    late = Budget(1.0, iter([0.0, 1e6, 1e6]).__next__)
    assert late.measuring() == late.left() == GRACE


def test_a_reference_that_is_cut_short_says_so(monkeypatch):
    """It stops at the finest rung that was finished, and is no more exact than that."""

    class Short(Rungs):
        def solve(self, problem, resolution):
            if resolution > 2:
                raise OutOfMeans("would take about 1000 s")
            return Solved(lambda points: np.full((len(points), 1), 1 + 0.1 * resolution), 10 * resolution)

        def applicable(self, problem):
            return True

        def resolutions(self, problem):
            return (1, 2, 4, 8)

    problem = kanpde.load_problem("poisson_1d")
    monkeypatch.setitem(METHODS, "rungs", Short(()))
    found = _solved(problem, "rungs", (1, 2, 4, 8))
    assert found.unknowns == 20 and found.cut == "would take about 1000 s"
    assert not _solved(problem, "rungs", (1, 2)).cut
    line = {"coordinates": {"x": [0, 1]}, "fields": ["u"], "boundary": {"*": "u = 0"}, "equations": "u_xx = u**3 - 1"}
    monkeypatch.setitem(METHODS, "chebyshev", Short(()))
    monkeypatch.setattr(references, "load_values", lambda *_: None)
    monkeypatch.setattr(references, "store_values", lambda *_: None)
    run = kanpde.solve(line, **QUICK)
    (said,) = [warning for warning in run.warnings if "would take about 1000 s" in warning]
    assert "20 unknowns" in said and "training.time_limit" in said


def test_a_picture_has_no_more_values_than_pixels():
    x = np.linspace(0, 1, 2001)
    u = np.add.outer(x, x[:7])
    data = RunData({"title": "u"}, {"x": x, "t": x[:7]}, {"u": u}, {}, {}, ModelData("kan", "{}", {}, {}), {})
    thin = view_of(data, "u").thinned()
    assert thin.solution.shape == (MOST_DRAWN, 7)
    assert thin.axes["x"][[0, -1]].tolist() == [0, 1] and (thin.axes["t"] == x[:7]).all()
    assert np.allclose(thin.solution, np.add.outer(thin.axes["x"], thin.axes["t"]))
    more = replace(data, fields={"u": u, "v": u})
    assert drawing_seconds(more) > drawing_seconds(data)
