"""Data on derivatives and fluxes: what they are of, the rows of the loss that they make, what is refused."""

import numpy as np
import pytest
import torch

from kanpde import solve
from kanpde.errors import InputError
from kanpde.problems import data_in_place, observations
from kanpde.problems.catalog import load_problem
from kanpde.problems.check_report import statement_lines
from kanpde.problems.language import compile_expression

STATED = {
    "coordinates": {"x": [0, "pi"]}, "fields": ["u"],
    "parameters": {"s": {"value": 2, "learn": True, "start": 1}, "k": 3},
    "equations": {"bar": "u_xx = -s*sin(x)"}, "boundary": {"*": "u = 0"}, "exact": {"u": "s*sin(x)"},
}  # fmt: skip


def with_data(**data):
    return load_problem(STATED | {"data": data})


def test_columns_are_of_what_their_names_say():
    problem = with_data(table="x,u,q,u_x\n1,1.7,-3.2,1.1\n2,1.8,2.5,-0.8\n", of={"q": "-k*u_x", "u_x": "u_x"})
    assert problem.data.fields == ("u", "q", "u_x") and np.allclose(problem.data.values[0], [1.7, -3.2, 1.1])
    assert "  data: q = -3*u_x" in [*statement_lines(problem)]
    alone = with_data(table="x,u_x\n1,1.1\n2,-0.8\n", of="u_x").data
    assert alone.fields == ("u_x",) and alone == with_data(table="x,u_x\n1,1.1\n2,-0.8\n", of=["u_x"]).data
    assert alone != with_data(table="x,u_x\n1,1.1\n2,-0.8\n", of={"u_x": "2*u_x"}).data


def test_samples_of_a_flux_of_the_exact_solution():
    data = with_data(points=20, of={"q": "-k*u_x"}).data
    assert data.fields == ("q",) and np.allclose(data.values[:, 0], -6 * np.cos(data.points[:, 0]))


@pytest.mark.parametrize("measured", ["u_x", {"q": "-k*u_x"}, {"q": "u_x + u**2"}])
def test_a_constant_is_learned_from_slopes(measured):
    run = solve(STATED | {"data": {"points": 20, "of": measured}}, model={"width": [4]}, training={"stages": 1})
    assert run.metrics["parameter_s"] == pytest.approx(2, abs=1e-6)
    assert run.metrics["data_misfit"] < 1e-6 and run.metrics["parameter_s_interval95"] < 1e-4


def test_a_constant_that_only_the_data_have():
    """q = k u_x with k learned: the equation alone has u."""
    stated = STATED | {"parameters": {"s": 2, "k": {"value": 3, "learn": True, "start": 1}}}
    run = solve(stated | {"data": {"points": 20, "of": {"q": "k*u_x"}}}, model={"width": [4]}, training={"stages": 1})
    assert run.metrics["parameter_k"] == pytest.approx(3, abs=1e-6)


@pytest.mark.parametrize(("of", "reason"), [
    ("u_y", "data.of.u_y"), ("-k*u_x", "needs a new name"), ({"u": "u_x"}, "needs a new name"),
    ({"q": "3*k"}, "needs an expression in fields"), ({"q": "integral(u)"}, "where they are measured"),
    ({"q": 3}, "a derivative, or expressions by name"), ({}, "a derivative, or expressions by name"),
    ({"q": "dn(u)"}, "data.of.q"), ("u_xx", "u_xx is there 0 times"),
])  # fmt: skip
def test_what_cannot_be_measured_is_refused(of, reason):
    with pytest.raises(InputError) as error:
        with_data(table="x,q,u_x\n1,2,3\n2,3,4\n", of=of)
    assert reason in str(error.value)


def test_rows_of_the_loss_are_differences_from_what_was_measured():
    data = with_data(table="x,q\n1,2\n2,3\n", of={"q": "-k*u_x"}).data
    (expr,) = data.measured(("x",))
    formula = compile_expression(expr, ("x",), ("u",))
    assert formula.jets == (("u", (1,)),)
    assert formula(torch.zeros(1, 1), {("u", (1,)): torch.tensor([2.0])}, {}).item() == -6


def test_of_many_rows_a_training_looks_at_some(monkeypatch):
    """Drawn at random, in order, none of those left out; the misfit is of all."""
    monkeypatch.setattr(observations, "MOST_FITTED", 100)
    monkeypatch.setattr(data_in_place, "MOST_FITTED", 100)
    problem = with_data(points=1000, of={"q": "-k*u_x"}, test=0.5)
    drawn, fitted = (set(map(tuple, found.points.tolist())) for found in (problem.data.drawn(), problem.data.fitted()))
    assert len(drawn) == 100 and len(fitted) == 500 and drawn < fitted
    assert any("500 observations" in sentence for sentence in problem.warnings)
    few = with_data(points=100).data
    assert len(few.drawn().points) == 100 and torch.equal(few.drawn().values, few.fitted().values)
