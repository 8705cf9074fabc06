"""The exact last layer: a rung, the ladder, the route taken, its archive, and studies that it is no part of."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

import kanpde
from kanpde.errors import InputError
from kanpde.models.networks.ridge import RidgeDesign, RidgeSplines, directions
from kanpde.runs.settings import compose
from kanpde.solving.optimizers import TRAINERS, LeastSquares, least_squares
from kanpde.solving.optimizers.least_squares import solved
from kanpde.solving.training import actions, ladder, routes
from kanpde.solving.training.actions import FURTHER, Halt
from kanpde.solving.training.events import Outcome
from kanpde.solving.training.setup import Trained
from kanpde.studies.records import record_of
from kanpde.studies.runner import plan_of

SMALL = {"output": {"resolution": 9}, "threads": 1}
EXACT = {"optimizer": "least_squares", **SMALL}
SHORT = {"stages": 1, "starts": 1, "steps": 3}


def with_rungs(monkeypatch, *rungs):
    """Ridge splines of these sizes, and nothing after them."""
    monkeypatch.setattr(routes, "product_obstacle", lambda setup: "is tried without")
    monkeypatch.setattr(ladder, "RUNGS", dict.fromkeys((1, 2, 3), rungs))


# Least squares


def test_columns_that_depend_on_each_other_share_the_weight():
    """[a a] x = b has the least solution x = (½, ½) b/a, whatever the scale of the columns."""
    a = torch.randn(20, 1, dtype=torch.float64)
    found = solved(torch.cat([a, a], dim=1), -3 * a, ridge=1e-20)
    assert found[:, 0].tolist() == pytest.approx([1.5, 1.5])


def test_several_right_sides_at_once():
    matrix, right = torch.randn(30, 6, dtype=torch.float64), torch.randn(30, 3, dtype=torch.float64)
    found = solved(matrix, right, ridge=0.0)
    assert torch.allclose(found, torch.linalg.lstsq(matrix, -right).solution)


# Directions


@pytest.mark.parametrize("inputs", [1, 2, 3, 5])
def test_directions_are_unit_vectors_and_no_two_are_alike(inputs):
    a = directions(1 if inputs == 1 else 24, inputs)
    assert torch.allclose(a.norm(dim=1), torch.ones(len(a), dtype=a.dtype))
    gram = (a @ a.T).abs() - torch.eye(len(a), dtype=a.dtype)
    assert gram.max() < 1 - 1e-3
    if inputs > 2:
        assert torch.equal(a[:inputs], torch.eye(inputs, dtype=a.dtype))


def test_a_function_along_each_direction_is_a_sum_of_ridge_splines():
    network = RidgeSplines([2, 8, 1], grid=6, degree=3)
    x = 2 * torch.rand(40, 2) - 1
    along = x @ directions(8, 2).T
    features = network.layers[1].features.dense(along)[:, 0]
    expected = torch.einsum("njm,jmo->no", features, network.layers[1].weight)
    assert torch.allclose(network(x), expected)


def test_more_than_one_width_is_refused():
    with pytest.raises(InputError, match="one number, of directions"):
        RidgeDesign((3, 4))


# The ladder


def test_a_smooth_linear_problem_is_solved_to_rounding():
    run = kanpde.solve("poisson_2d", **EXACT)
    assert run.metrics["rel_l2"] < 1e-13 and run.status == "done"
    assert "successive solutions agree to" in run.stop_reason
    change = run.history["change"]
    assert np.isnan(change[0]) and change[-1] < ladder.FINE and (run.history["rel_l2"][:-1] < 3 * change[1:]).all()


def test_equations_that_are_not_linear_take_a_few_steps_and_begin_where_the_rung_below_ended(monkeypatch):
    with_rungs(monkeypatch, (8, 8, 7), (12, 12, 9))
    run = kanpde.solve("bratu", **EXACT)
    steps = np.diff(run.history["step"], prepend=0)
    assert run.metrics["rel_l2"] < 1e-9 and 1 < steps[0] <= 7 and steps[1] <= steps[0]


def test_constants_are_learned_with_the_last_layer(monkeypatch):
    with_rungs(monkeypatch, (8, 8, 7), (12, 10, 9))
    run = kanpde.solve("inverse_diffusion", **EXACT, reference=False)
    names = [name for name in run.history if name.startswith("parameter_")]
    assert names and all(run.history[name][0] != run.problem.learned[name.removeprefix("parameter_")] for name in names)


def test_an_archive_of_it_names_the_network_it_holds(tmp_path, monkeypatch):
    with_rungs(monkeypatch, (6, 6, 5), (8, 8, 7))
    run = kanpde.solve("poisson_2d", **EXACT)
    run.save(tmp_path / "result.h5")
    again = kanpde.open_run(tmp_path / "result.h5")
    x = np.random.default_rng(0).uniform(-1, 1, (20, 2))
    assert np.array_equal(again.solution(x), run.solution(x))
    assert again.data.model.kind == "ridge"
    assert json.loads(again.data.model.config_json)["design"] == RidgeDesign((8,), 8, 7).description() | {"width": [8]}
    record = record_of(tmp_path / "result.h5")
    assert (record.model, record.name) == ("ridge", "Ridge splines degree 7"), "a line of its own in a comparison"


def test_a_ladder_that_does_not_converge_ends_and_says_so(monkeypatch):
    """A front of width 1/50 that so few cells cannot hold."""
    monkeypatch.setattr(ladder, "CHEAP", 0.0)
    with_rungs(monkeypatch, *[(count, 4, 5) for count in (6, 7, 8, 9, 10)])
    front = {
        "coordinates": {"x": [-1, 1], "y": [-1, 1]}, "fields": ["u"],
        "equations": {"poisson": "lap(u) = auto"}, "boundary": {"*": "u = auto"}, "exact": {"u": "tanh(50*(x + y/2))"},
    }  # fmt: skip
    run = kanpde.solve(front, **EXACT)
    assert len(run.history["step"]) == 3 and "held-out residual did not fall" in run.stop_reason
    assert "agree" not in run.stop_reason and run.metrics["rel_l2"] > 0.01


def test_a_target_and_a_time_limit_end_it(monkeypatch):
    run = kanpde.solve("poisson_2d", **EXACT, training={"target": 1e-4})
    assert len(run.history["step"]) == 1 and run.stop_reason.endswith("the target was reached.")
    with_rungs(monkeypatch, (4, 4, 5), (40, 40, 13))
    run = kanpde.solve("poisson_2d", **EXACT, training={"time_limit": 1.0})
    assert len(run.history["step"]) == 1 and "would take longer than the time" in run.stop_reason


OBSTACLES = {
    "lowers an energy": ("landscape_1d_smooth", {}),
    "in single precision": ("poisson_2d", {"dtype": "float32"}),
    "a module of your own": ("poisson_2d", {"model": torch.nn.Linear(2, 1)}),
}


@pytest.mark.parametrize("words", OBSTACLES)
def test_what_it_cannot_serve_is_refused_in_a_sentence(words):
    problem, more = OBSTACLES[words]
    with pytest.raises(InputError, match=f"{words}.* Choose optimizer=lm"):
        kanpde.solve(problem, **EXACT, **more)


# The route


def test_auto_keeps_solutions_that_agree_and_trains_nothing():
    run = kanpde.solve("poisson_2d", optimizer="auto", **SMALL)
    assert run.metrics["rel_l2"] < 1e-13 and run.data.model.kind == "ridge"


def test_auto_goes_on_to_trained_layers_and_keeps_what_is_better(monkeypatch):
    with_rungs(monkeypatch, (4, 3, 5), (4, 4, 5))
    monkeypatch.setattr(actions, "FURTHER", 0)
    run = kanpde.solve("poisson_2d", optimizer="auto", **SMALL, training={"stages": 2, "starts": 2, "steps": 25})
    assert run.data.model.kind == "kan" and "Route: trained layers; the exact last layer came to" in run.stop_reason
    steps, times = run.history["step"], run.history["time_s"]
    assert (np.diff(steps) > 0).all() and (np.diff(times) >= 0).all(), "one history of both"
    with_rungs(monkeypatch, (12, 8, 7), (12, 9, 7))
    run = kanpde.solve("poisson_2d", optimizer="auto", **SMALL, training=SHORT)
    assert run.data.model.kind == "ridge" and "Trained layers came to" in run.stop_reason


def test_auto_trains_where_a_last_layer_cannot_be_solved():
    run = kanpde.solve("landscape_1d_smooth", optimizer="auto", **SMALL, training=SHORT, model={"grid": 20})
    assert run.data.model.kind == "kan"


def test_a_study_takes_no_route_of_its_own():
    plan = plan_of(["problem=poisson_1d", "study.steps=12"])
    assert type(plan.config.optimizer) is type(compose([f"optimizer={TRAINERS[0]}"]).optimizer)
    for optimizer in ("auto", "least_squares"):
        with pytest.raises(InputError, match="compares models that are trained"):
            plan_of(["problem=poisson_1d", f"optimizer={optimizer}"])
        with pytest.raises(InputError, match="study.optimizers"):
            plan_of(["problem=poisson_1d", f"study.optimizers=[{optimizer}]"])


@pytest.mark.parametrize("settings", [{"ridge": 1.0}, {"ridge": -1e-3}, {"share": 0.0}])
def test_wrong_settings_are_refused(settings):
    with pytest.raises(InputError, match="Least squares need"):
        replace(LeastSquares(), **settings)


# What is given up, and what goes on


def rung(heldout: float, seconds: float, change: float = 1e-3) -> ladder.Rung:
    trained = Trained(torch.nn.Identity(), {}, heldout)
    return ladder.Rung("a size", 10, 1, trained, None, torch.ones(4), change, 1, seconds, 0.0)


def test_a_ladder_foresees_what_it_would_come_to():
    """Rungs that take twice as long and fall tenfold: 7 s are enough for one of 4 s, 13 s for one of 8 s more."""
    climbed = ladder.Ladder((rung(1e-2, 1.0), rung(1e-3, 2.0)), Outcome.FINISHED, "", open=True)
    found = [climbed.forecast(seconds) for seconds in (3.0, 7.0, 13.0)]
    assert found == pytest.approx([1e-3, 1e-4, 1e-5])
    assert climbed.estimate == pytest.approx(1e-4) and not climbed.holds
    assert ladder.Ladder((rung(1e-2, 1.0), rung(1e-3, 2.0, 5e-8)), Outcome.FINISHED, "").holds, "by the fall"


def test_a_residual_of_rounding_ends_a_ladder_by_itself():
    """There is nothing to compare with yet, and nothing to come."""
    first = rung(1e-14, 1.0, math.nan)
    assert ladder.Ladder((first,), Outcome.FINISHED, "").holds
    assert ladder._ended([first], None, 100.0) == (Outcome.FINISHED, "more could only add rounding")
    assert not ladder.Ladder((rung(1e-11, 1.0, math.nan),), Outcome.FINISHED, "").holds
    assert ladder._ended([rung(1e-11, 1.0, math.nan)], None, 100.0) is None


def test_solutions_that_agree_and_solve_nothing_do_not_hold():
    """Newton's method that takes no step leaves what it began from."""
    assert not ladder.Ladder((rung(0.9, 1.0), rung(0.9, 1.0, change=0.0)), Outcome.FINISHED, "").holds
    assert ladder.Ladder((rung(1e-3, 1.0), rung(1e-3, 1.0, change=0.0)), Outcome.FINISHED, "").holds


def test_dear_rungs_that_fall_too_slowly_end_it():
    slow = [rung(0.9, 1.0), rung(0.4, 8.0)]
    assert ladder._ended(slow, None, 60.0)[1].startswith("further rungs would not lower it enough")
    assert ladder._ended(slow, None, 600.0) is None, "cheap ones may go on"
    assert ladder._ended([rung(0.9, 1.0), rung(0.01, 8.0)], None, 60.0) is None


@pytest.mark.parametrize(("power", "given_up"), [(0.5, True), (4.0, False)])
def test_layers_are_given_up_that_would_not_come_below_what_there_is(power, given_up):
    gate, ended = routes.Gate(1e-5, 100.0, "heldout_residual"), None
    for now in range(1, 100):
        try:
            gate.check({"time_s": float(now), "heldout_residual": 0.1 * now**-power})
        except Halt:
            ended = now
            break
    assert (ended == 10) if given_up else ended is None


def test_stages_go_on_while_they_help_and_time_is_left(monkeypatch):
    monkeypatch.setattr(routes, "obstacle", lambda setup: "is tried without")
    long = {"stages": 1, "starts": 1, "steps": 12}
    once = kanpde.solve("poisson_2d", optimizer="lm", **SMALL, training=long, model={"width": [4]})
    more = kanpde.solve("poisson_2d", optimizer="auto", **SMALL, training=long, model={"width": [4]})
    assert once.history["stage"].max() == 0 < more.history["stage"].max() <= FURTHER
    assert more.metrics["rel_l2"] < once.metrics["rel_l2"] / 2
    ends = [more.history["heldout_residual"][more.history["stage"] == stage] for stage in (0, 1)]
    assert np.nanmin(ends[1]) < np.nanmin(ends[0])


def test_a_ladder_that_runs_out_of_memory_keeps_its_best_rung(monkeypatch):
    """PyTorch's allocator raises a RuntimeError, NumPy's a MemoryError: what was found before is archived."""
    with_rungs(monkeypatch, (4, 3, 5), (8, 6, 7), (12, 8, 7))
    whole, kept = kanpde.solve("poisson_2d", **EXACT), []
    for error in (MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 99 bytes")):
        monkeypatch.setattr(least_squares, "solved", _failing_at(150, error))
        run = kanpde.solve("poisson_2d", **EXACT)
        assert run.status == "done" and "a further rung does not fit in memory" in run.stop_reason
        assert run.data.model.kind == "ridge" and len(run.history["step"]) == len(whole.history["step"]) - 1
        assert run.metrics["rel_l2"] == pytest.approx(whole.history["rel_l2"][-2], rel=0.5)
        kept.append(run.metrics["rel_l2"])
    assert kept[0] == kept[1]
    monkeypatch.setattr(least_squares, "solved", _failing_at(1, MemoryError()))
    with pytest.raises(MemoryError):  # nothing to keep: the command says which settings need less
        kanpde.solve("poisson_2d", **EXACT)


def _failing_at(unknowns, error):
    def failing(jacobian, residual, ridge):
        if jacobian.shape[1] >= unknowns:
            raise error
        return solved(jacobian, residual, ridge)

    return failing


def test_a_limit_too_short_for_a_first_answer_gives_the_first_rung_and_says_so(monkeypatch):
    with_rungs(monkeypatch, (4, 3, 5), (8, 6, 7))
    run = kanpde.solve("poisson_2d", **EXACT, training={"time_limit": 1e-6})
    assert len(run.history["step"]) <= 1 and "time" in run.stop_reason
    assert np.isfinite(run.metrics["rel_l2"])
