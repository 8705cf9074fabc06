"""Observations lie in the domain, not in its holes."""

import pytest
import torch

from kanpde.errors import InputError
from kanpde.problems.catalog import load_problem

HOLED = {
    "coordinates": {"x": [0, 1], "y": [0, 1]}, "fields": ["u"], "exact": {"u": "sin(pi*x)*y"},
    "parameters": {"k": {"value": 1, "learn": True}}, "shapes": {"hole": "disk(0.5, 0.5, 0.3)"}, "domain": "box - hole",
    "equations": {"e": "k*lap(u) = auto"}, "boundary": {"*": "u = auto"},
}  # fmt: skip


def test_samples_of_the_exact_solution_leave_out_holes():
    problem = load_problem({**HOLED, "data": {"points": 200, "of": "exact"}})
    points = torch.tensor(problem.data.points)
    assert len(points) == 200 and problem.region.contains(points).all()


def test_observations_in_a_hole_are_refused():
    table = "x,y,u\n0.1,0.1,0\n0.5,0.5,0\n0.9,0.9,1"
    with pytest.raises(InputError, match="1 of 3 lie where shapes are cut out, the first at x = 0.5"):
        load_problem({**HOLED, "data": {"table": table}})
    assert len(load_problem({**HOLED, "data": {"table": table.replace("0.5,0.5", "0.8,0.5")}}).data.points) == 3


def test_shapes_go_with_ranges_of_parameters():
    own = {**HOLED, "parameters": {"k": {"range": [1, 2]}}, "equations": {"e": "k*lap(u) = auto"}}
    problem = load_problem(own)
    assert problem.family == (2,) and problem.region.axes == (0, 1)
