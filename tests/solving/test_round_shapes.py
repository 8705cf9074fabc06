"""Conditions on disks, ellipses and balls that hold exactly, and those that stay penalties."""

import pytest
import sympy
import torch

from kanpde.models.jets import closure
from kanpde.models.networks import KAN
from kanpde.problems.catalog import load_problem
from kanpde.problems.geometry.regions import piece_points
from kanpde.problems.language import Scope, compile_expression, coordinate_symbols, derivative, parse_expression
from kanpde.solving.ansatz.exact_conditions import exact_ansatz
from kanpde.solving.ansatz.known_jets import known_jet
from kanpde.solving.solution import Solution


def stated(**changes):
    data = {
        "coordinates": {"x": [-1, 1], "y": [-1, 1]},
        "fields": ["u"],
        "shapes": {"hole": "disk(0.2, 0.1, 0.4)"},
        "domain": "box - hole",
        "equations": {"e": "lap(u) = auto"},
        "boundary": {"*": "u = auto"},
        "exact": {"u": "exp(x)*sin(2*y)"},
    }
    return load_problem({name: value for name, value in (data | changes).items() if value is not None})


TWO = {"a": "disk(-0.5, 0, 0.2)", "b": "ellipse(0.4, 0.1, 0.3, 0.5)"}
GIVEN = {"exact": None, "equations": {"e": "lap(u) = 1"}}
HEAT = {"coordinates": {"x": [-1, 1], "t": [0, 2], "y": [-1, 1]}, "equations": {"e": "u_t = lap(u)"}, "exact": None}
EVEN_START = "1 + ((x - 0.2)**2 + (y - 0.1)**2 - 0.16)*y"
EXACT = {
    "a hole": stated(**GIVEN, boundary={"hole": "u = 2", "*": "u = exp(x)*y"}),
    "two holes": stated(**GIVEN, shapes=TWO, domain="box - a - b",
                        boundary={"a": "u = 1", "b": "u = -1", "*": "u = x"}),
    "a ring": stated(shapes={"o": "disk(0, 0, 1)", "i": "disk(0, 0, 0.3)"}, domain="o - i",
                     exact={"u": "log(x**2 + y**2)"}),
    "a disk": stated(shapes={"o": "disk(0, 0, 1)"}, domain="o", boundary={"o": "u = auto"},
                     exact={"u": "2 + (1 - x**2 - y**2)*exp(x)"}),
    "slopes on the sides": stated(**GIVEN, boundary={"hole": "u = 2", "*": "dn(u) = x"}),
    "a slope on one hole": stated(**GIVEN, shapes=TWO, domain="box - a - b",
                                  boundary={"a": "dn(u) = 1", "b": "3*u = 1", "*": "u = x"}),
    "a ball": stated(**GIVEN, coordinates={"x": [-1, 1], "y": [-1, 1], "z": [-1, 1]},
                     shapes={"hole": "ball(0, 0, 0, 0.5)"}, boundary={"hole": "u = 1", "*": "u = x*y"}),
    "time in a disk": stated(**HEAT, shapes={"rim": "disk(0, 0, 1)"}, domain="rim", boundary={"rim": "u = 1"},
                             initial="u = 1 + (1 - x**2 - y**2)*exp(x)"),
    "time": stated(**HEAT, boundary={"hole": "u = 1 + sin(t)", "*": f"u = {EVEN_START}"}, initial=f"u = {EVEN_START}"),
}  # fmt: skip


def free_network(problem):
    return KAN([problem.domain.dimension, 4, 1], lower=problem.domain.lower, upper=problem.domain.upper)


@pytest.mark.parametrize("name", EXACT)
def test_any_network_meets_them(name):
    problem = EXACT[name]
    ansatz = exact_ansatz(problem)
    solution = Solution(problem, ansatz, free_network(problem))
    assert not ansatz.warnings and all("dn" in name or "slope" in name for _ in ansatz.penalties)
    for condition in problem.conditions:
        points = piece_points(problem.region, problem.domain, condition.side, 100, 0)
        miss = abs(solution.evaluate(condition.residual, points)).max()
        assert (miss > 1e-2) if condition in ansatz.penalties else (miss < 1e-10), condition.name


@pytest.mark.parametrize(
    "changes",
    [
        {}, {"shapes": {"hole": "ellipse(0, 0, 0.5, 0.2)"}},  # values that vary
        {"shapes": {"hole": "box(-0.3, 0.2, -0.2, 0.4)"}}, {"shapes": {"hole": "polygon(0, 0, 0.5, 0, 0, 0.5)"}},
        {"shapes": {"hole": "disk(1, 0, 0.5)"}}, {"shapes": {"hole": "disk(0.59, 0, 0.4)"}},
        {"shapes": {"a": "disk(-0.2, 0, 0.5)", "b": "disk(0.2, 0, 0.5)"}, "domain": "box - a - b"},
        {"boundary": {"hole": "u**2 = auto", "*": "u = auto"}},
        {"boundary": {"hole": "dn(u) + u = auto", "*": "u = auto"}},
        {"periodic": ["x"], "exact": {"u": "sin(pi*x)*y"}},
    ],
)  # fmt: skip
def test_what_varies_kinks_crossings_touching_and_slopes_stay_penalties(changes):
    problem = stated(**changes)
    ansatz = exact_ansatz(problem)
    assert {c.name for c in problem.conditions if c.side.axis is None} <= {c.name for c in ansatz.penalties}
    assert not ansatz.warnings


def test_values_that_disagree_with_the_initial_ones_stay_penalties_with_the_reason():
    ansatz = exact_ansatz(stated(**HEAT, boundary={"hole": "u = 2", "*": "u = 1"}, initial="u = 1"))
    assert [condition.name for condition in ansatz.penalties] == ["hole"] and "initial" in ansatz.warnings[0]
    rim = {"shapes": {"rim": "disk(0, 0, 1)"}, "domain": "rim", "boundary": {"rim": "u = 1"}}
    ansatz = exact_ansatz(stated(**HEAT, **rim, initial="u = x"))
    assert [condition.name for condition in ansatz.penalties] == ["rim"] and "center" in ansatz.warnings[0]


def test_known_jets_are_those_of_symbolic_derivatives():
    text = "(x**2 + y)**3/(2 + x*y)**2*exp(x)*(1 + x) - 1/(3 + y) + x**4"
    expr = parse_expression(text, Scope(coordinates=("x", "y")), "e")
    indices = closure([(3, 0), (1, 2)], 2)
    points = torch.rand(20, 2, dtype=torch.float64)
    points[0] = 0.0  # where x^4 has slopes of zero

    def symbolic(part: sympy.Expr, index, at):
        for symbol, order in zip(coordinate_symbols(("x", "y")), index, strict=True):
            part = derivative(part, symbol, order)
        return compile_expression(part, ("x", "y"))(at)

    found = known_jet(expr, points, indices, symbolic)
    wanted = torch.stack([symbolic(expr, index, points) for index in indices], dim=1)
    assert torch.allclose(found, wanted, rtol=1e-11, atol=1e-11)
