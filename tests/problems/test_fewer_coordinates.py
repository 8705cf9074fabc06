"""Fields of fewer coordinates than the problem has, and data where conditions are missing."""

import numpy as np
import pytest
import torch

from kanpde.errors import InputError
from kanpde.problems.catalog import load_problem
from kanpde.problems.check_report import statement_lines
from kanpde.references import method_for, no_reference, reference_of
from kanpde.solving.ansatz.exact_conditions import exact_ansatz
from kanpde.solving.losses.residuals import build_blocks

LAYER = {
    "coordinates": {"x": [0, 1], "t": [0, 1]},
    "fields": {"c": ["x", "t"], "L": ["t"]},
    "equations": {"diffusion": "c_t = c_xx", "growth": "L_t = c(0, t)"},
    "boundary": {"x-": "c = exp(t)", "x+": "c = exp(1 + t)"},
    "initial": ["c = exp(x)", "L = 1"],
}
INVERSE = {
    "coordinates": {"x": [0, 1], "t": [0, 1]},
    "fields": {"u": ["x", "t"], "a": ["x"]},
    "equations": {"transport": "u_t + a*u_x = 0"},
    "exact": {"u": "sin(log(1 + x) - t)", "a": "1 + x"},
    "data": {"points": 50, "of": "exact", "fields": "u"},
}


def test_it_varies_along_its_own_coordinates_alone():
    problem = load_problem(LAYER)
    assert problem.narrow == {"L": (0,)}
    assert problem.order_along("L", 0) == 0 and problem.order_along("L", 1) == 1
    assert "  L depends on t alone" in list(statement_lines(problem))
    assert not any(line.startswith("  L_along_x:") for line in statement_lines(problem))


def test_the_loss_says_so():
    problem = load_problem(LAYER)
    block = build_blocks(problem, exact_ansatz(problem), 1.0, torch.float64)[0]
    assert block.names == ("diffusion", "growth", "L_along_x")


def test_its_reference_is_a_polynomial_in_space_and_time():
    problem = load_problem(LAYER | {"reference": {"method": "chebyshev", "resolution": 14}})
    assert method_for(load_problem(LAYER)) == "chebyshev"
    points = np.random.default_rng(0).random((50, 2))
    c, layer = reference_of(problem, "chebyshev").values(points).T
    assert np.allclose(c, np.exp(points.sum(1)), atol=1e-10) and np.allclose(layer, np.exp(points[:, 1]), atol=1e-10)


def test_an_exact_solution_that_varies_is_none():
    with pytest.raises(InputError, match="exact needs to satisfy equations.a_along_t"):
        load_problem(INVERSE | {"exact": {"u": "x - t - t**2/2", "a": "1 + t"}})


def test_data_stand_in_place_of_conditions():
    problem = load_problem(INVERSE)
    assert sum("data stand in place" in line for line in problem.warnings) == 2
    unknown = load_problem({key: value for key, value in INVERSE.items() if key != "exact"} | {
        "data": {"table": "x,t,u\n0,0,0\n0.5,0.5,0.1\n1,1,0.3"}})  # fmt: skip
    assert method_for(unknown) is None and "no data in place" in no_reference(unknown)


def test_data_of_a_field_need_its_own_coordinates_alone():
    """As averages over space that were measured at some times."""
    averages = {key: value for key, value in LAYER.items() if key != "initial"} | {
        "initial": "c = exp(x)", "data": {"table": "t,L\n0,1\n0.5,1.6\n1,2.7"}}  # fmt: skip
    data = load_problem(averages).data
    assert data.fields == ("L",) and data.points.tolist() == [[0.5, 0], [0.5, 0.5], [0.5, 1]]
    with pytest.raises(InputError, match="first line with the columns x, t, c; x is there 0 times"):
        load_problem(averages | {"data": {"table": "t,c\n0,1\n0.5,1.6\n1,2.7"}})


def test_without_data_conditions_are_needed():
    with pytest.raises(InputError, match="initial needs u = …"):
        load_problem({key: value for key, value in INVERSE.items() if key != "data"})


@pytest.mark.parametrize(("fields", "reason"), [
    ({"u": ["x", "x"], "a": ["t"]}, "each coordinate once"),
    ({"u": ["x"], "a": ["x"]}, "none varies along t"),
    ({"u": ["x", "z"], "a": ["t"]}, "a component for each"),
    ({"u": 3}, "its coordinates"),
])  # fmt: skip
def test_coordinates_that_are_none(fields, reason):
    with pytest.raises(InputError, match=reason):
        load_problem(LAYER | {"fields": fields, "equations": {"e": "u_t = 0"}, "boundary": None, "initial": "u = 0"})


def test_an_equation_that_came_apart_at_its_comma():
    with pytest.raises(InputError, match="needs quotes around what has a comma"):
        load_problem({"coordinates": {"x": [0, 1]}, "fields": ["u"], "boundary": {"*": "u = 0"},
                      "equations": {"heat": "D(u", "x) = 1": None}})  # fmt: skip
