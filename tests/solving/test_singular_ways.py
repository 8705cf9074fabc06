"""Singular functions beside the exact last layer: what they reach, and their archive."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

import kanpde
from kanpde.solving.training import ladder, routes
from tests.problems.test_singularities import SQUARE, L

SMALL = {"output": {"resolution": 5}, "threads": 1, "optimizer": "least_squares"}


@pytest.fixture(autouse=True)
def two_rungs(monkeypatch):
    """Two sizes of ridge splines, and nothing after them."""
    monkeypatch.setattr(routes, "product_obstacle", lambda setup: "is tried without")
    monkeypatch.setattr(ladder, "RUNGS", {2: ((12, 12, 9), (16, 20, 11))})


def test_an_l_is_solved_to_rounding_and_read_back(tmp_path):
    run = kanpde.solve("poisson_lshape", **SMALL)
    assert run.metrics["rel_l2"] < 1e-13 and run.status == "done"
    assert "singular functions" in run.stop_reason
    run.save(tmp_path / "result.h5")
    again = kanpde.open_run(tmp_path / "result.h5")
    points = np.array([[-0.3, -0.4], [0.5, 0.2], [-1e-9, 1e-9]])
    assert np.array_equal(run.solution(points), again.solution(points))
    slopes = [one.solution.derivative("u_xx + u_yy", points[:2]) for one in (run, again)]
    assert np.array_equal(*slopes) and np.abs(slopes[0]).max() < 1e-9
    assert abs(run.solution.derivative("u_x", points)[2]) > 1e2  # the gradient is infinite at the corner


def test_a_source_in_an_l_needs_them_in_every_corner():
    """u(-1/2, 1/2) of -lap(u) = 1, as finite elements with 33,161 unknowns have it to 2e-5."""
    run = kanpde.solve(L, reference=False, **SMALL)
    assert run.metrics["heldout_residual_rms"] < 1e-5
    assert run.solution(np.array([[-0.5, 0.5]]))[0, 0] == pytest.approx(0.131053, rel=2e-5)


def test_a_square_gets_them_where_its_source_does_not_vanish_in_corners():
    run = kanpde.solve(SQUARE, reference=False, **SMALL)
    center = run.solution(np.zeros((1, 2)))[0, 0]
    assert "12 singular functions" in run.stop_reason
    assert center == pytest.approx(0.2946854131260553, rel=1e-7)  # by its series


def test_the_leading_coefficient_of_motz_s_problem():
    """u = Σ c_k r^(k - 1/2) cos((k - 1/2)θ); Li, Mathon and Sermer, SIAM J. Numer. Anal. 24 (1987) 487: 401.1624537."""
    motz = {
        "coordinates": {"x": [-1, 1], "y": [0, 1]},
        "fields": ["u"],
        "equations": {"laplace": "lap(u) = 0"},
        "boundary": {
            "x+": "u = 500",
            "y-": [{"where": "x < 0", "condition": "u = 0"}, {"where": "x > 0", "condition": "u_y = 0"}],
            "*": "dn(u) = 0",
        },
    }
    run = kanpde.solve(motz, reference=False, **SMALL)
    place = [row[5] for row in run.network.singular.tolist()].index(0.5)
    assert run.network.coefficients[place].item() == pytest.approx(401.1624537, rel=1e-6)


def test_a_first_rung_that_is_far_off_is_gone_on_from_where_nothing_else_will_do():
    """As of a flow at Reynolds number 1000 on a dozen directions."""
    rough = SimpleNamespace(steps=9, heldout=20.0, change=math.nan, trained=SimpleNamespace(heldout=1.0), seconds=1.0)
    assert ladder._ended([rough], None, 100.0, math.inf) is None
    assert "astray" in ladder._ended([rough], None, 100.0)[1]
    stalled = [SimpleNamespace(**{**vars(rough), "heldout": 1.0, "change": 0.1}) for _ in range(3)]
    assert ladder._ended(stalled, None, 20.0, math.inf) is None
    assert "did not fall" in ladder._ended(stalled, None, 20.0)[1]
    assert ladder._ended(stalled, None, 200.0) is None, "rungs are cheap"
