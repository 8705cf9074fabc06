"""A run that is stopped goes on from its checkpoint: to the same result, bit for bit, wherever it was stopped."""

import itertools
from functools import partial

import numpy as np
import pytest
import torch

from kanpde.runs.checkpoints import Checkpoint
from kanpde.runs.run import Run, solve_config
from kanpde.runs.settings import compose
from kanpde.solving.training import actions, routes
from kanpde.solving.training.events import Started, Step
from kanpde.solving.training.journal import Journal, Recorded, calls_in, journal_bytes

SMALL = [
    "problem=poisson_1d", "model.width=[2]", "model.grid=4", "training.stages=2", "training.steps=5",
    "training.starts=2", "training.start_steps=2", "output.resolution=11", "device=cpu",
]  # fmt: skip
KINDS = {
    "lm": [],
    "adam": ["optimizer=adam", "training.resample=2"],
    "lbfgs": ["optimizer=lbfgs"],
    "mlp": ["model=mlp", "model.width=[4]"],
    "learned": ["problem=inverse_diffusion", "training.stages=1", "training.steps=4"],
    "windows": ["problem=advection_1d", "training.windows=2", "training.stages=1", "training.steps=3"],
}


class Killed(BaseException):
    """Ends a process at once, as far as a test can."""


def words(kind: str) -> list[str]:
    own = KINDS[kind]
    named = {word.partition("=")[0] for word in own}
    if kind == "mlp":
        named |= {"model.grid"}
    return [word for word in SMALL if word.partition("=")[0] not in named] + own


def kept_until(kind: str, step: int) -> bytes:
    """What a journal holds when its run is killed as it shows a step."""
    journal = Journal()

    def listen(event):
        if isinstance(event, Step) and event.record["step"] == step:
            raise Killed

    with pytest.raises(Killed):
        solve_config(compose(words(kind)), listen, journal=journal)
    return journal_bytes(journal, "mine")


def same(one: Run, other: Run) -> bool:
    parameters = [run.data.model.parameters for run in (one, other)]
    columns = [name for name in one.history if name != "time_s"]
    return all(np.array_equal(parameters[0][name], parameters[1][name]) for name in parameters[0]) and all(
        np.array_equal(one.history[name], other.history[name], equal_nan=True) for name in columns
    )


@pytest.mark.parametrize("kind", KINDS)
def test_it_comes_to_the_same_result(kind):
    undisturbed = solve_config(compose(words(kind)))
    last = len(undisturbed.history["step"])
    for step in {1, last // 2 + 1, last}:
        journal = Journal(calls_in(kept_until(kind, step), "mine"))
        computed = []
        again = solve_config(compose(words(kind)), computed.append, journal=journal)
        assert same(again, undisturbed), step
        assert journal.steps >= step - 1
    assert not same(solve_config(compose([*words(kind), "seed=1"])), undisturbed)


def test_what_was_recorded_is_not_computed_again(monkeypatch):
    """The optimizer is asked for the rest of the steps alone."""
    journal = Journal(calls_in(kept_until("lm", 4), "mine"))
    config, asked = compose(words("lm")), []
    method = type(config.optimizer)
    real = method.minimize

    def counted(self, objective, theta, steps, *rest):
        asked.append(steps)
        return real(self, objective, theta, steps, *rest)

    monkeypatch.setattr(method, "minimize", counted)
    solve_config(config, journal=journal)
    assert asked[:2] == [2, 5]  # three of the first stage's five steps are played back, and both starts


TIMED = {
    "windows": [*words("windows"), "training.steps=20", "training.time_limit=120"],
    "route": ["problem=poisson_1d", "training.time_limit=50", "output.resolution=11", "device=cpu"],
}


@pytest.mark.parametrize("kind", TIMED)
def test_what_the_clock_decided_stays_decided(kind):
    """On a clock that ticks whenever it is read: a run goes on in the time it had, whatever time was short for."""

    def ticking():
        return partial(next, itertools.count())

    kept: list[bytes] = []
    whole = solve_config(
        compose(TIMED[kind]), journal=Journal(kept=lambda own: kept.append(journal_bytes(own, "mine")), now=ticking())
    )
    for content in (kept[0], kept[len(kept) // 2], kept[-1]):
        again = solve_config(compose(TIMED[kind]), journal=Journal(calls_in(content, "mine"), now=ticking()))
        assert same(again, whole)
        assert np.array_equal(again.history["time_s"], whole.history["time_s"])
        assert again.stop_reason == whole.stop_reason


def test_what_the_memory_decided_stays_decided(monkeypatch):
    """A machine that goes on with less of it free goes on with the stages for which there was enough."""
    monkeypatch.setattr(routes, "obstacle", lambda setup: "is tried without")
    further = [*words("mlp"), "optimizer=auto", "training.stages=1", "training.steps=12"]
    kept: list[bytes] = []
    whole = solve_config(compose(further), journal=Journal(kept=lambda own: kept.append(journal_bytes(own, "mine"))))
    assert whole.history["stage"].max() > 0
    monkeypatch.setattr(actions, "free_memory", lambda: 1)
    assert same(solve_config(compose(further), journal=Journal(calls_in(kept[-1], "mine"))), whole)
    assert solve_config(compose(further)).history["stage"].max() == 0


ROUTE = [*TIMED["route"][1:], "problem=diffusion_1d", "training.time_limit=60", "reference=false"]


@pytest.mark.parametrize("struck", [2, 4, 6])
def test_an_interrupt_of_any_ladder_or_layer_keeps_what_there_is(monkeypatch, struck):
    """Ridge splines, products in windows of time, layers: wherever it strikes, the best state is archived."""
    real, calls, events = Recorded.minimize, [], []

    def strike(self, *args, **kwargs):
        calls.append(1)
        if len(calls) == struck:
            raise KeyboardInterrupt
        return real(self, *args, **kwargs)

    monkeypatch.setattr(Recorded, "minimize", strike)
    journal = Journal(now=partial(next, itertools.count()))
    run = solve_config(compose(ROUTE), events.append, journal=journal)
    assert run.status == "interrupted" and len(calls) <= struck + 1, "and nothing else is begun"
    found = [event.record["heldout_residual"] for event in events if isinstance(event, Step)]
    assert run.metrics["heldout_residual_rms"] < 100 * np.nanmin(found)


def test_a_call_that_the_clock_ended_ends_again():
    """And is not computed to its end by a faster machine."""
    words_ = [*words("lm"), "training.time_limit=12"]
    journal = Journal(now=partial(next, itertools.count()))
    whole = solve_config(compose(words_), journal=journal)
    assert "time limit" in whole.stop_reason
    standing = Journal(calls_in(journal_bytes(journal, "mine"), "mine"), now=lambda: 0.0)
    assert same(solve_config(compose(words_), journal=standing), whole)


def test_the_clock_goes_on_where_it_was():
    journal = Journal(calls_in(kept_until("lm", 4), "mine"))
    recorded = journal.calls[-1].entries[-1].seconds - journal.calls[0].readings[0]
    run = solve_config(compose(words("lm")), journal=journal)
    assert (np.diff(run.history["time_s"]) >= 0).all()
    assert run.metrics["wall_time_s"] > recorded


def test_other_points_or_settings_are_not_taken_for_these():
    calls = calls_in(kept_until("lm", 4), "mine")
    other = compose([*words("lm"), "seed=5"])
    assert same(solve_config(other, journal=Journal(calls)), solve_config(other))


def test_an_interrupt_beside_the_steps_loses_nothing():
    """As it may strike between two steps: the best state is that of all steps made."""
    journal, struck = Journal(), []
    config = compose(words("lm"))
    shortened = solve_config(config, _striking(5, KeyboardInterrupt))

    def minimized(event):
        if isinstance(event, Step) and event.record["step"] == 5 and not struck:
            struck.append(True)
            raise Beside

    class Beside(KeyboardInterrupt):
        pass

    run = solve_config(config, minimized, journal=journal)
    assert run.status == shortened.status == "interrupted"
    assert same(run, shortened)


def _striking(step, kind):
    def listen(event):
        if isinstance(event, Step) and event.record["step"] == step:
            raise kind

    return listen


def test_an_interrupt_before_the_first_step_ends_all():
    def listen(event):
        if isinstance(event, Started):
            raise KeyboardInterrupt

    run = solve_config(compose(words("lm")), listen, journal=Journal())
    assert run.status == "interrupted"


# The file


@pytest.fixture
def kept(tmp_path):
    checkpoint = Checkpoint(tmp_path, "sha")
    journal = Journal(calls_in(kept_until("lm", 3), "mine"))
    assert checkpoint.write(journal)
    return checkpoint


def test_it_is_read_back_as_it_was(kept):
    journal = kept.journal()
    assert journal.steps == 2 + 2 * 2
    assert journal_bytes(journal, "x") == journal_bytes(kept.journal(), "x")


def test_another_run_s_is_left_alone(kept, tmp_path):
    assert Checkpoint(tmp_path, "another").journal().steps == 0


def test_a_damaged_one_is_said_and_the_run_begins_anew(kept, capsys):
    whole = kept.path.read_bytes()
    generator = torch.Generator().manual_seed(0)
    found = []
    for place in torch.randint(len(whole), (60,), generator=generator).tolist():
        kept.path.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        found.append(kept.journal().steps)
        kept.path.write_bytes(whole[:place])
        assert kept.journal().steps == 0
    assert 0 in found
    assert "begins anew" in capsys.readouterr().err


def test_a_folder_that_is_full_ends_no_training(tmp_path, capsys):
    checkpoint = Checkpoint(tmp_path / "none", "sha")
    assert not checkpoint.write(Journal())
    assert not checkpoint.write(Journal())
    assert capsys.readouterr().err.count("no checkpoint") == 1
