"""Ladders of several kinds: the one that leads goes on, whatever is to be said of the others."""

from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from kanpde.solving.training.events import Outcome
from kanpde.solving.training.routes import _Ladders


@dataclass(frozen=True)
class Climbed:
    """As much of a ladder as is asked of it."""

    heldout: float
    reason: str = "the time limit was reached"
    holds: bool = False
    open: bool = True
    outcome: Outcome = Outcome.TIME

    @property
    def best(self):
        return SimpleNamespace(trained=SimpleNamespace(heldout=self.heldout))


@pytest.mark.parametrize("given_up", ["", "products: no march through time came to an end"])
def test_the_one_that_leads_goes_on(given_up):
    ladders, asked = object.__new__(_Ladders), []
    ladders.setup, ladders.begun = SimpleNamespace(clock=lambda: 3.0), 0.0
    ladders.climbed = {"ridge": Climbed(1e-3), "products": Climbed(1e-1)}
    ladders.given_up, ladders.interrupted = given_up, False
    ladders._climb = lambda kind, seconds, overrun: asked.append((kind, seconds))
    found = ladders.climb_on(10.0)
    assert asked == [("ridge", 7.0)] and found.heldout == 1e-3 and found.reason.endswith(given_up)
