"""Data with standard deviations: a precise value counts for more; and data on a flux by a field of its own."""

import numpy as np
import pytest
import torch

from kanpde.errors import InputError
from kanpde.problems.catalog import load_problem
from kanpde.problems.geometry.samplings import SobolSampling
from kanpde.solving.ansatz.exact_conditions import exact_ansatz
from kanpde.solving.losses.residuals import build_blocks, draw

STATED = {
    "coordinates": {"x": [0, 1]}, "fields": ["u"], "parameters": {"k": {"learn": True, "start": 1}},
    "equations": {"decay": "u_x = -k*u"}, "boundary": {"x-": "u = 1"},
}  # fmt: skip


def with_table(table, **more):
    return load_problem(STATED | {"data": {"table": table, **more}})


def test_weights_are_inverse_squares_of_mean_one():
    problem = with_table("x,u,s\n0,1,0.1\n0.5,0.6,0.1\n1,0.4,0.2\n", deviations="s")
    weights = problem.data.fitted().weights
    assert torch.allclose(weights, torch.tensor([4.0, 4.0, 1.0]).double() / 3)
    blocks = build_blocks(problem, exact_ansatz(problem), 1.0, torch.float64)
    samples = draw(problem, blocks, SobolSampling(points=8), 8, 0)
    assert torch.equal(samples[-1].weights, weights) and blocks[-1].names == ("data_u",)


def test_without_them_all_count_alike():
    assert with_table("x,u,s\n0,1,0.1\n1,0.4,0.2\n").data.fitted().weights.tolist() == [1, 1]


@pytest.mark.parametrize(("table", "name", "reason"), [
    ("x,u\n0,1\n1,0.4\n", "s", '"s" is none'),
    ("x,u,s\n0,1,0\n1,0.4,1\n", "s", "column of positive numbers"),
    ("x,u,s\n0,1,nan\n1,0.4,1\n", "s", "finite numbers"),
])  # fmt: skip
def test_columns_that_are_no_deviations(table, name, reason):
    with pytest.raises(InputError, match=reason):
        with_table(table, deviations=name)


def test_other_deviations_are_another_problem():
    one = with_table("x,u,s\n0,1,0.1\n1,0.4,0.1\n", deviations="s")
    other = with_table("x,u,s\n0,1,0.1\n1,0.4,0.2\n", deviations="s")
    assert one.data != other.data and one.data == with_table("x,u,s\n0,1,0.1\n1,0.4,0.1\n", deviations="s").data


def test_data_on_a_flux_are_data_of_a_field_of_its_own():
    problem = load_problem({
        "coordinates": {"x": [0, 1]}, "fields": ["u", "q"], "parameters": {"k": {"learn": True, "start": 1}},
        "equations": {"heat": "D(k*u_x, x) = -1", "flux": "q = -k*u_x"}, "boundary": {"*": "u = 0"},
        "data": {"table": "x,q\n0.1,-0.4\n0.9,0.4\n"}})  # fmt: skip
    assert problem.data.fields == ("q",) and np.array_equal(problem.data.values[:, 0], [-0.4, 0.4])
