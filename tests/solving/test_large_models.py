"""Models with more parameters than a step factors: steps by iteration, announced, with derivatives listed."""

import pytest
import torch

from kanpde.models.differentiation import listed_share
from kanpde.models.networks import KAN, MLP
from kanpde.runs.run import solve
from kanpde.solving.optimizers import LBFGS, LevenbergMarquardt
from kanpde.solving.optimizers import levenberg_marquardt as lm
from kanpde.solving.training.actions import announced
from kanpde.solving.training.events import Note, Started

SMALL = {"model": {"width": [4], "grid": 12, "degree": 5}, "sampling": {"points": 500}}
SHORT = {"stages": 1, "starts": 1, "steps": 15, "time_limit": 30}


def trained(seen=None, **optimizer):
    listen = (lambda event: None) if seen is None else seen.append
    return solve("poisson_2d", **SMALL, optimizer={"kind": "lm", **optimizer}, training=SHORT, on_event=listen)


def test_steps_by_iteration_come_to_what_factored_ones_come_to():
    factored, iterated = (trained(solver=solver).metrics["rel_l2"] for solver in ("cholesky", "lsmr"))
    assert factored < 1e-3 and iterated < 10 * factored


def test_a_model_beyond_what_is_factored_is_trained_and_it_is_said(monkeypatch):
    monkeypatch.setattr(lm, "LARGEST_FACTORED", 100)
    seen = []
    run = trained(seen)
    assert run.metrics["rel_l2"] < 1e-3
    assert any(isinstance(event, Note) and event.text.startswith("steps: by iteration") for event in seen)
    started = next(event for event in seen if isinstance(event, Started))
    assert started.held == 1.0  # a third of the entries, four numbers for each


def test_nothing_is_said_where_steps_are_factored_or_not_taken():
    assert announced(LevenbergMarquardt(), 100) == announced(LBFGS(), 10**6) == ""
    assert announced(LevenbergMarquardt(solver="lsmr"), 10**6) == ""  # by choice
    assert "10000 parameters" in announced(LevenbergMarquardt(), 10_000)


def test_shares_that_are_listed():
    assert listed_share(KAN([2, 3, 1], 94, 5)) == pytest.approx(6 / 99)
    assert listed_share(MLP([2, 3, 1])) == 1.0
    frozen = KAN([2, 3, 1], 94, 5)
    frozen.layers[0].weight.requires_grad_(False)
    assert listed_share(frozen) == 1.0
    assert listed_share(torch.nn.Linear(2, 1)) == 1.0
