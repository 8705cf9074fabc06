"""Stages, starts, best state, ends of a run; on problems small enough for seconds."""

import dataclasses
import math

import pytest
import torch

from kanpde.errors import InputError
from kanpde.models.networks import KANDesign, MLPDesign
from kanpde.problems.catalog import load_problem
from kanpde.problems.geometry.samplings import SobolSampling
from kanpde.solving.ansatz.exact_conditions import exact_ansatz
from kanpde.solving.losses.residuals import Residuals, bind, draw
from kanpde.solving.optimizers import Adam, LevenbergMarquardt
from kanpde.solving.tasks import goal_of
from kanpde.solving.training import actions
from kanpde.solving.training.events import Finished, Outcome, StageEnded, Started, StartEnded, Step
from kanpde.solving.training.routes import nobodys_choice
from kanpde.solving.training.settings import Training
from kanpde.solving.training.setup import Setup
from kanpde.solving.training.stages import train

QUICK = Training(stages=2, starts=2, start_steps=3, steps=6)


def setup(name="poisson_1d", settings=QUICK, design=None, optimizer=None, sampling=None, **changes) -> Setup:
    problem = load_problem(name)
    weights = settings.boundary_weight, settings.data_weight
    return Setup(
        problem=problem,
        goal=goal_of(problem, exact_ansatz(problem), weights, torch.float64),
        design=design or KANDesign(width=(3,), grid=4, degree=5),
        optimizer=optimizer or LevenbergMarquardt(),
        sampling=sampling or SobolSampling(),
        settings=settings,
        seed=0,
        dtype=torch.float64,
        device=torch.device("cpu"),
        track=lambda network: float("nan"),
        **changes,
    )


def run(*args, **kwargs):
    events = []
    return train(setup(*args, **kwargs), events.append), events


def records(events):
    return [event.record for event in events if isinstance(event, Step)]


def test_the_order_of_events():
    trained, events = run()
    kinds = [type(event) for event in events]
    assert kinds[:3] == [Started, StartEnded, StartEnded] and kinds[-1] is Finished
    assert kinds.count(StageEnded) == 2 and trained.outcome is Outcome.FINISHED
    assert [record["step"] for record in records(events)] == list(range(1, len(records(events)) + 1))


def test_the_loss_falls_and_the_grid_doubles():
    _, events = run(settings=dataclasses.replace(QUICK, steps=15))
    history = records(events)
    assert history[-1]["loss"] < 1e-2 * history[0]["loss"]
    assert [history[0]["grid"], history[-1]["grid"]] == [2, 4]
    assert history[-1]["n_parameters"] > history[0]["n_parameters"]


def test_the_best_start_goes_on():
    _, events = run(settings=dataclasses.replace(QUICK, starts=4))
    starts = [event.heldout_residual for event in events if isinstance(event, StartEnded)]
    assert len(starts) == 4 and len(set(starts)) == 4
    first = next(record for record in records(events))
    assert first["heldout_residual"] <= 1.2 * min(starts)


def test_the_kept_state_is_the_best_one_seen_and_is_what_its_residual_says():
    trained, events = run(settings=dataclasses.replace(QUICK, steps=20))
    seen = [record["heldout_residual"] for record in records(events) if math.isfinite(record["heldout_residual"])]
    assert trained.heldout <= min(seen)
    problem, goal = setup().problem, setup().goal
    samples = draw(problem, goal.blocks, SobolSampling(clustering=0.0), 2000, seed=10**6)
    again = bind(trained.network, problem, goal.ansatz, goal.blocks, samples)
    assert again.residual(again.theta).norm().item() == pytest.approx(trained.heldout, rel=1e-9)


def test_the_same_seed_gives_the_same_run_and_leaves_the_global_generator():
    before = torch.get_rng_state()
    (first, _), (second, _) = run(), run()
    assert all(
        torch.equal(a, b) for a, b in zip(first.network.parameters(), second.network.parameters(), strict=True)
    )
    assert torch.equal(before, torch.get_rng_state())


def test_another_seed_gives_another_run():
    first = train(setup(), lambda event: None)
    second = train(dataclasses.replace(setup(), seed=1), lambda event: None)
    assert first.heldout != second.heldout


@pytest.mark.parametrize("design", [MLPDesign(width=(6,)), KANDesign(width=(3,), grid=4, basis="chebyshev")])
def test_other_models(design):
    trained, events = run(design=design, settings=dataclasses.replace(QUICK, steps=15))
    history = records(events)
    assert history[-1]["loss"] < 0.1 * history[0]["loss"]


def test_a_module_of_ones_own_is_trained_over_nested_autograd():
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(1, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1)).double()
    stated = dataclasses.replace(setup(), design=None, network=module)
    events = []
    train(stated, events.append)
    assert records(events)[-1]["loss"] < 1e-2 * records(events)[0]["loss"]


def test_time_limit(ticking):
    trained, _ = run(settings=dataclasses.replace(QUICK, steps=10_000, time_limit=1.0))
    assert trained.outcome is Outcome.TIME and 1.0 < trained.seconds < 1.2


def test_target():
    trained, events = run(settings=dataclasses.replace(QUICK, steps=200, target=1e-2))
    assert trained.outcome is Outcome.TARGET
    assert records(events)[-1]["heldout_residual"] <= 1e-2


def test_resampling_draws_new_points_within_a_stage():
    fixed, _ = run(settings=dataclasses.replace(QUICK, stages=1, steps=10))
    redrawn, _ = run(settings=dataclasses.replace(QUICK, stages=1, steps=10, resample=5))
    assert not torch.equal(fixed.points["interior"], redrawn.points["interior"])


@pytest.mark.parametrize("event_type", [Started, StartEnded, Step, StageEnded])
def test_an_interrupt_at_any_moment_keeps_the_best_state(event_type):
    seen = []

    def interrupt(event) -> None:
        if isinstance(event, event_type):
            seen.append(event)
            if len(seen) == (1 if event_type is Started else 2):
                raise KeyboardInterrupt

    trained = train(setup(), interrupt)
    assert trained.outcome is Outcome.INTERRUPTED and trained.outcome.status == "interrupted"
    assert all(parameter.isfinite().all() for parameter in trained.network.parameters())


def test_the_clock_is_looked_at_within_a_step(ticking, monkeypatch):
    """Of sixteen points at a time, the first step alone looks more often than the limit allows."""
    monkeypatch.setattr("kanpde.solving.losses.residuals.CHUNK", 16)
    settings = dataclasses.replace(QUICK, stages=1, starts=1, time_limit=0.1)
    trained, events = run(settings=settings, sampling=SobolSampling(points=400))
    assert trained.outcome is Outcome.TIME and not records(events)


def test_running_out_of_memory_in_a_late_stage_keeps_what_was_reached(monkeypatch):
    # bytes, enough for the first grid alone
    monkeypatch.setattr("kanpde.solving.losses.residuals.LARGEST_JACOBIAN", 100_000)
    trained, events = run()
    assert trained.outcome is Outcome.TOO_LARGE and trained.outcome.status == "failed"
    assert "Use fewer points" in trained.sentence and trained.heldout < 1
    assert trained.network.grid == 2


def test_a_held_out_residual_that_is_not_a_number_is_not_kept(monkeypatch):
    """The first look gives NaN, the later ones do not."""
    genuine, calls = Residuals.figure, []

    def broken(judge) -> float:
        calls.append(judge)
        return float("nan") if len(calls) == 1 else genuine(judge)

    monkeypatch.setattr(Residuals, "figure", broken)
    trained, _ = run(settings=dataclasses.replace(QUICK, starts=1))
    assert math.isfinite(trained.heldout) and trained.outcome is Outcome.FINISHED
    monkeypatch.setattr(Residuals, "figure", lambda judge: float("nan"))
    trained, _ = run(settings=dataclasses.replace(QUICK, starts=1))
    assert trained.outcome is Outcome.DIVERGED


def test_a_held_out_residual_that_becomes_no_number_does_not_replace_a_good_state(monkeypatch):
    genuine, values = Residuals.figure, []

    def failing(judge) -> float:
        values.append(genuine(judge) if len(values) < 4 else float("nan"))
        return values[-1]

    monkeypatch.setattr(Residuals, "figure", failing)
    trained, _ = run(settings=dataclasses.replace(QUICK, starts=1))
    assert math.isnan(values[-1]) and trained.heldout == min(values[:4])


def test_the_largest_seed_works():
    trained = train(dataclasses.replace(setup(), seed=2**63 - 1), lambda event: None)
    assert trained.outcome is Outcome.FINISHED


def test_divergence_is_an_outcome_not_an_exception():
    settings = dataclasses.replace(QUICK, starts=1, steps=400)
    trained, _ = run("burgers", settings, design=MLPDesign(width=(4,)), optimizer=Adam(learning_rate=1e200))
    assert trained.outcome is Outcome.DIVERGED and trained.outcome.status == "failed"
    assert "not a finite number" in trained.sentence


def test_a_residual_that_grows_a_thousandfold_is_divergence_though_it_stays_finite():
    settings = dataclasses.replace(QUICK, starts=1, steps=30)
    trained, _ = run("poisson_1d", settings, design=MLPDesign(width=(4,)), optimizer=Adam(learning_rate=1e6))
    assert trained.outcome is Outcome.DIVERGED


@pytest.mark.parametrize("name", ["stages", "steps", "starts", "resample", "time_limit", "boundary_weight"])
def test_settings_out_of_range_are_explained(name):
    with pytest.raises(InputError, match=f"training.*{name}"):
        Training(**{name: 0})


def test_stages_that_help_are_followed_by_ones_on_halved_cells(monkeypatch):
    one = Training(stages=2, starts=1, steps=10)
    design, sampling = KANDesign(width=(2,), grid=2, degree=3), SobolSampling(points=60)
    monkeypatch.setattr(actions, "FURTHER", 2)
    _, events = run(settings=one, design=design, sampling=sampling, further=True)
    assert sorted({record["grid"] for record in records(events)}) == [2, 4, 8]
    started = next(event for event in events if isinstance(event, Started))
    assert started.grids == (2,)  # what is foreseen is what was asked for
    monkeypatch.setattr(actions, "HELPED", math.inf)
    _, events = run(settings=one, design=design, sampling=sampling, further=True)
    assert {record["grid"] for record in records(events)} == {2}


def test_stages_go_on_by_themselves_where_nobody_chose_a_size():
    usual = setup(settings=Training(), design=KANDesign())
    assert nobodys_choice(usual)
    assert nobodys_choice(setup(settings=Training(time_limit=5, target=1e-3), design=MLPDesign()))
    chosen = [
        {"design": KANDesign(grid=8)}, {"design": KANDesign(width=(4,))}, {"sampling": SobolSampling(points=100)},
        {"settings": Training(stages=2)}, {"settings": Training(steps=10)}, {"settings": Training(windows=2)},
    ]  # fmt: skip
    for changed in chosen:
        assert not nobodys_choice(dataclasses.replace(usual, **changed)), changed
    own = dataclasses.replace(usual, design=None, network=torch.nn.Linear(1, 1))
    assert not nobodys_choice(own)
