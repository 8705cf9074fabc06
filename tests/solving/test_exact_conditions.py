"""Exact conditions: the ansatz meets them for any network, and its jets are those of L + E·N."""

import re

import pytest
import torch

from kanpde.models.jets import closure
from kanpde.models.networks import KAN, MLP
from kanpde.problems.catalog import load_problem
from kanpde.results.errors import conditions_rms
from kanpde.solving.ansatz.exact_conditions import exact_ansatz, penalty_ansatz
from kanpde.solving.solution import Solution


def problem(**changes):
    stated = {
        "coordinates": {"x": [-1, 2], "y": [0, 1]},
        "fields": ["u"],
        "equations": {"e": "lap(u) = auto"},
        "boundary": {"*": "u = auto"},
        "exact": {"u": "exp(x)*cos(2*y) + x*y**2"},
    }
    return load_problem({**stated, **changes})


CASES = {
    "values on all sides": problem(),
    "one side only": problem(boundary={"x-": "u = auto", "*": "dn(u) = auto"}),
    "value and slope, as for a clamped plate": problem(
        equations={"e": "lap(lap(u)) = auto"}, boundary={"*": ["u = auto", "dn(u) = auto"]}
    ),
    "unequal numbers at the two ends": problem(
        equations={"e": "u_xxx + u_yy = auto"},
        boundary={"x-": ["u = auto", "u_x = auto"], "x+": "u = auto", "y-": "u = auto", "y+": "u = auto"},
    ),
    "second order in time": problem(
        coordinates={"x": [-1, 2], "t": [0, 1]},
        equations={"e": "u_tt = u_xx + auto"},
        boundary={"*": "u = auto"},
        initial=["u_t = auto", "u = auto"],
        exact={"u": "exp(x)*cos(2*t) + x*t**2"},
    ),
    "three dimensions": problem(
        coordinates={"x": [0, 1], "y": [0, 2], "z": [-1, 1]}, exact={"u": "exp(x*y)*cos(z) + z*y**2"}
    ),
    "scaled value": problem(boundary={"*": "3*u - 1 = auto"}),
    "a periodic axis beside a Dirichlet one": problem(periodic=["x"], exact={"u": "sin(2*pi*(x+1)/3)*cos(y)"}),
    "two fields with conditions of their own": problem(
        fields=["u", "v"],
        equations={"a": "lap(u) + v = auto", "b": "lap(v) - u = auto"},
        boundary={"x-": ["u = auto", "v = auto"], "*": ["u = auto", "dn(v) = auto"]},
        exact={"u": "sin(x)*y", "v": "cos(x*y)"},
    ),
}


def network_for(stated, kind=KAN):
    options = {"lower": stated.domain.lower, "upper": stated.domain.upper, "periodic": stated.periodic}
    return kind([len(stated.coordinates), 4, len(stated.fields)], **options)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("kind", [KAN, MLP])
def test_any_network_meets_the_conditions_built_in(name, kind):
    stated = CASES[name]
    ansatz = exact_ansatz(stated)
    solution = Solution(stated, ansatz, network_for(stated, kind))
    met = [condition for condition in stated.conditions if condition not in ansatz.penalties]
    assert met and not ansatz.warnings
    for condition in met:
        points = torch.rand(50, len(stated.coordinates))
        points = torch.tensor(stated.domain.lower) + torch.tensor(stated.domain.lengths) * points
        points[:, condition.side.axis] = condition.side.level(stated.domain)
        assert abs(solution.evaluate(condition.residual, points)).max() < 1e-10, condition.name


@pytest.mark.parametrize("name", CASES)
def test_the_ansatz_leaves_the_network_free_inside(name):
    """Not everything is prescribed: the same conditions with two networks give two functions."""
    stated = CASES[name]
    ansatz = exact_ansatz(stated)
    inside = torch.tensor(stated.domain.lower) + torch.tensor(stated.domain.lengths) * 0.37
    first, second = (Solution(stated, ansatz, network_for(stated))(inside[None]) for _ in range(2))
    assert abs(first - second).min() > 1e-6


@pytest.mark.parametrize("name", CASES)
def test_what_a_penalty_is_left_for(name):
    expected = {
        "one side only": {"x+", "y-", "y+"},
        "two fields with conditions of their own": {"x+.2", "y-.2", "y+.2"},
    }
    assert {condition.name for condition in exact_ansatz(CASES[name]).penalties} == expected.get(name, set())


@pytest.mark.parametrize("name", CASES)
def test_jets_of_the_ansatz_against_autograd(name):
    stated = CASES[name]
    dimension = len(stated.coordinates)
    indices = closure([(2, 1) + (0,) * (dimension - 2)], dimension)
    solution = Solution(stated, exact_ansatz(stated), network_for(stated))
    x = torch.tensor(stated.domain.lower) + torch.tensor(stated.domain.lengths) * torch.rand(5, dimension)
    jets = solution.jets(x, indices)
    h = 1e-5
    for place, index in enumerate(indices):
        for axis in range(dimension):
            raised = tuple(order + (a == axis) for a, order in enumerate(index))
            if raised in indices:
                step = torch.zeros(dimension)
                step[axis] = h
                slope = (solution.jets(x + step, indices) - solution.jets(x - step, indices))[:, place] / (2 * h)
                found = jets[:, indices.index(raised)]
                assert torch.allclose(slope, found, rtol=1e-5, atol=1e-5 * found.abs().max().item()), raised


def test_conditions_that_contradict_each_other_become_penalties_with_a_warning():
    stated = problem(boundary={"x-": "u = 0", "*": "u = 1"}, equations={"e": "lap(u) = 0"}, exact={})
    ansatz = exact_ansatz(stated)
    assert len(ansatz.penalties) == 4 and "disagree by 1.0e+00" in ansatz.warnings[0]


def heat(initial: str, **changes):
    stated = {"coordinates": {"x": [-1, 1], "t": [0, 1]}, "fields": ["u"], "equations": {"e": "u_t = u_xx"}}
    return load_problem({**stated, "boundary": {"*": "u = 0"}, "initial": initial, **changes})


@pytest.mark.parametrize(
    ("stated", "reason"),
    [
        (heat("u = 1 - abs(x)"), "kinks \\(abs\\)"),
        (heat("u = where(x < 0, 1 + x, (1 - x)*(1 + x**2))"), "kinks \\(where\\)"),
        (heat("u = 1e-6*(sin(pi*x) + 0.0005)"), "disagree by"),
        (heat("u = sqrt(1 - x**2)*(1 - x**2)"), "not finite|disagree"),
    ],
)
def test_data_that_an_exact_lift_would_spoil_become_penalties_with_the_reason(stated, reason):
    ansatz = exact_ansatz(stated)
    assert len(ansatz.penalties) == 3
    assert re.search(reason, ansatz.warnings[0]), ansatz.warnings[0]


def test_many_dimensions_fall_back_to_penalties_rather_than_fail():
    names = [f"x{i}" for i in range(8)]
    stated = problem(
        coordinates={name: [0, 1] for name in names},
        exact={"u": " + ".join(f"sin({name})*{other}" for name, other in zip(names, names[1:], strict=False))},
    )
    ansatz = exact_ansatz(stated)
    assert len(ansatz.penalties) == 16 and "could be built" in ansatz.warnings[0]


def test_small_boxes_far_from_zero():
    stated = load_problem(
        {
            "coordinates": {"x": [1000.1, 1000.2]},
            "fields": ["u"],
            "equations": {"e": "u_xxxx = auto"},
            "boundary": {"*": ["u = auto", "u_x = auto"]},
            "exact": {"u": "sin(x - 1000)"},
        }
    )
    assert not exact_ansatz(stated).penalties


def test_penalties_build_nothing_in():
    ansatz = penalty_ansatz(CASES["values on all sides"])
    assert len(ansatz.penalties) == 4
    assert conditions_rms(Solution(CASES["values on all sides"], ansatz, network_for(ansatz.problem))) > 1e-2
