"""Kinks across a period: rounded by the heat kernel where the equations diffuse, left with a warning elsewhere."""

import pytest
import torch

from kanpde import load_problem
from kanpde.models.jets import closure
from kanpde.problems.equation_forms import diffusivity
from kanpde.problems.language import coordinate_symbols
from kanpde.solving.ansatz.exact_conditions import exact_ansatz
from kanpde.solving.ansatz.periodic_kinks import SHARPEST, rounding

TENT = {
    "coordinates": {"x": [-1, 1], "t": [0, 1]},
    "fields": ["u"],
    "periodic": ["x"],
    "equations": "u_t = 1e-3*u_xx",
    "initial": "u = x**2",
}
INDICES = closure([(2, 0), (0, 1)], 2)


def lift(problem, x, t):
    points = torch.stack(torch.broadcast_tensors(x, torch.as_tensor(t)), dim=1)
    jets = exact_ansatz(problem).bind(points, INDICES).lift[:, :, 0]
    return {index: jets[:, column] for column, index in enumerate(INDICES)}


def test_the_lift_meets_the_data_but_for_a_spot_at_the_seam():
    problem = load_problem(TENT)
    x = torch.linspace(-1, 1, 4001)
    miss = (lift(problem, x, 0.0)[0, 0] - x**2).abs()
    assert miss.max() < 2 * 2 * SHARPEST and miss[(x.abs() < 1 - 20 * SHARPEST)].max() < 1e-14
    assert not exact_ansatz(problem).penalties and problem.warnings == ()


@pytest.mark.parametrize("t", [0.0, 0.01, 1.0])
def test_the_lift_is_smooth_across_the_seam(t):
    ends = lift(load_problem(TENT), torch.tensor([-1.0, 1.0]), t)
    for index in ((0, 0), (1, 0), (2, 0)):
        size = max(1, ends[index].abs().max())
        assert (ends[index][0] - ends[index][1]).abs() < 1e-11 * size
    assert ends[1, 0].abs().max() < 1e-11


def test_what_is_added_diffuses():
    """x² leaves u_t - d u_xx = -2 d; the rounding leaves no more."""
    for t in (0.0, 1e-4, 0.5):
        jets = lift(load_problem(TENT), torch.linspace(-1, 1, 2001), t)
        assert (jets[0, 1] - 1e-3 * jets[2, 0] + 2e-3).abs().max() < 1e-10


@pytest.mark.parametrize(
    "changes",
    [
        {"equations": "u_t = 1e-3*u_xx + u_x*0.1 - u**3"},
        {"equations": "2*u_t - 2e-3*u_xx = 0"},
    ],
)
def test_diffusivity_is_read_off(changes):
    assert diffusivity(load_problem({**TENT, **changes}), "u", 0) == pytest.approx(1e-3)


@pytest.mark.parametrize(
    "equation",
    ["u_t = u*u_xx", "u_t = -1e-3*u_xx", "u_t = u_xx", "u_t + u*u_x + 1e-4*u_xxx = 0"],
)
def test_elsewhere_kinks_stay_and_are_warned_about(equation):
    """Not constant, backward, so fast that the period is felt, of another order."""
    problem = load_problem({**TENT, "equations": equation})
    x, _ = coordinate_symbols(problem.coordinates)
    assert diffusivity(problem, "u", 0) is None and rounding(problem, "u", x**2) == 0
    (kink,) = [sentence for sentence in problem.warnings if "backward in time" not in sentence]
    assert "a jump of 4 across the period of x" in kink


def test_smooth_data_are_left_alone():
    smooth = {**TENT, "initial": "u = cos(pi*x)"}
    slow, fast = (exact_ansatz(load_problem({**smooth, "equations": e})) for e in ("u_t = 1e-3*u_xx", "u_t = u_xx"))
    assert slow.lifts == fast.lifts
