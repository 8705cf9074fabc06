"""Equations that are made easier: what they are, and that a solution is brought from one to the next."""

import pytest
import sympy
import torch

import kanpde
from kanpde.problems.language import compile_expression
from kanpde.solving.optimizers.interface import Ended, StopReason
from kanpde.solving.training.continuation import continued, softened

BENT = {
    "coordinates": {"x": [0, 1]},
    "fields": ["u"],
    "equations": {"one": "u_xx + 3*exp(u) + u*u_x = x"},
    "boundary": {"*": "u = 0"},
}


def value(problem, **jets):
    """The residual at x = 2 for a value, a slope and a curvature."""
    formula = compile_expression(problem.equations["one"], ("x",), ("u",))
    given = {("u", (order,)): torch.tensor([jets.get(key, 0.0)]) for order, key in enumerate(("u", "u_x", "u_xx"))}
    return float(formula(torch.tensor([[2.0]]), {jet: given[jet] for jet in formula.jets}, {}))


def test_at_zero_they_are_linear_and_at_one_themselves():
    problem = kanpde.load_problem(BENT)
    linear, half, whole = (softened(problem, share) for share in (0.0, 0.5, 1.0))
    jets = {"u": 0.7, "u_x": 2.0, "u_xx": 5.0}
    assert value(linear, **jets) == pytest.approx(5 + 3 * (1 + 0.7) - 2)
    assert value(whole, **jets) == pytest.approx(value(problem, **jets))
    assert value(half, **jets) == pytest.approx((value(linear, **jets) + value(problem, **jets)) / 2)


def test_what_is_linear_or_has_no_slope_at_zero_is_left_alone():
    assert softened(kanpde.load_problem("poisson_2d"), 0.5) is None
    assert softened(kanpde.load_problem("eikonal"), 0.5) is None
    assert softened(kanpde.load_problem({**BENT, "equations": {"one": "u_xx + log(u) = 0"}}), 0.5) is None


class Fickle:
    """Ends only where the equations are not much harder than where it begins."""

    def __init__(self, reach):
        self.reach, self.at = reach, []

    def minimize(self, share, theta, steps, observe):
        near = share - float(theta[0]) <= self.reach
        self.at.append((share, near))
        reason = StopReason.STALLED if near else StopReason.NO_STEP
        return Ended(torch.tensor([share if near else -9.0]), 0.0, reason)


@pytest.mark.parametrize("reach", [2.0, 0.3, 0.04])
def test_the_way_is_as_long_as_steps_have_to_be_short(reach, monkeypatch):
    monkeypatch.setattr("kanpde.solving.training.continuation.softened", lambda problem, share: share)
    method = Fickle(reach)
    ended = continued(None, lambda share: share, method, torch.zeros(1), 5, lambda iterate: None)
    assert ended.theta.item() == 1.0 and method.at[0] == (0.0, True)
    assert sum(near for _, near in method.at) >= 1 / reach
    assert continued(None, lambda share: share, Fickle(0.001), torch.zeros(1), 5, lambda iterate: None) is None


def test_zero_is_where_derivatives_are_taken():
    problem = softened(kanpde.load_problem(BENT), 0.0)
    assert not problem.equations["one"].has(sympy.exp)
