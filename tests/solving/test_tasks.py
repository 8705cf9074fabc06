"""The keys energy and eigen: what they take, and how they refuse what they cannot."""

import pytest

from kanpde.errors import InputError
from kanpde.problems.catalog import load_problem
from kanpde.problems.tasks.eigen import Eigen
from kanpde.problems.tasks.energy import Energy

ROD = {"coordinates": {"x": [0, 1]}, "fields": ["u"], "boundary": {"*": "u = 0"}}
STATES = {**ROD, "eigen": {"energy": "u_x**2", "states": 2}}


def refused(data, *parts):
    with pytest.raises(InputError) as error:
        load_problem(data)
    for part in parts:
        assert part in str(error.value), error.value


def test_an_energy():
    problem = load_problem({**ROD, "energy": "u_x**2/2 - u"})
    assert isinstance(problem.task, Energy) and not problem.equations
    assert problem.fields == ("u",) and problem.jets() == (("u", (0,)), ("u", (1,)))


def test_states_are_fields():
    problem = load_problem(STATES)
    assert isinstance(problem.task, Eigen) and problem.fields == ("u_1", "u_2")
    assert [condition.name for condition in problem.conditions] == ["x-.u_1", "x-.u_2", "x+.u_1", "x+.u_2"]
    assert load_problem({**ROD, "boundary": None, "eigen": {"energy": "u_x**2"}}).conditions == ()


@pytest.mark.parametrize(
    "changes, parts",
    [
        ({"energy": "1 + x"}, ["energy needs to involve a field", "none", "Correct it"]),
        ({"energy": "u_x**2/2 + abs(D(sign(u), u))"}, ["energy"]),
        ({"energy": "-u_x**2/2 - u"}, ["least value", "Change its sign"]),
        ({"energy": "u_x**2", "equations": "u_xx = 1"}, ["takes the place of equations", "Remove one"]),
        ({"energy": "u_x**2", "eigen": {"energy": "u_x**2"}}, ["takes the place of eigen"]),
        ({"energy": "u_x**2", "coordinates": {"x": [0, 1], "t": [0, 1]}}, ["space coordinates only"]),
        ({"energy": ["u_x**2"]}, ["energy"]),
        ({"eigen": "u_x**2"}, ["needs energy and states"]),
        ({"eigen": {"energy": "u_x**2", "state": 2}}, ['"state"', 'Did you mean "states"?']),
        ({"eigen": {"energy": "u_x**2", "states": 0}}, ["needs 1 to 12"]),
        ({"eigen": {"energy": "u_x**2", "states": 99}}, ["needs 1 to 12", "not separated", "Ask for fewer"]),
        ({"eigen": {"energy": "u_x**2", "states": True}}, ["needs 1 to 12"]),
        ({"eigen": {"energy": "u_x**2 + u**4"}}, ["quadratic in u", "Correct it"]),
        ({"eigen": {"energy": "u_x**2 + u"}}, ["quadratic in u"]),
        ({"eigen": {"energy": "u_x**2", "norm": "-u**2"}}, ["least value"]),
        ({"eigen": {"energy": "u_x**2"}, "exact": {"u": "sin(pi*x)"}}, ["no exact"]),
        ({"eigen": {"energy": "u_x**2"}, "fields": ["u", "v"]}, ["one field"]),
        ({"eigen": {"energy": "u_x**2"}, "boundary": {"*": "u = 1"}}, ["takes u = 0"]),
        ({"eigen": {"energy": "u_x**2"}, "boundary": {"*": "dn(u) = 0"}}, ["takes u = 0", "natural condition"]),
        ({"energy": "k*u_x**2 - u", "parameters": {"k": {"value": 1, "learn": True}}}, ["data are needed to learn k"]),
    ],
)
def test_what_is_no_task(changes, parts):
    refused({**ROD, **changes}, *parts)


@pytest.mark.parametrize("text", ["u_x**2*" + "(" * 300 + "1" + ")" * 300, "u_x**2**9**9**9", "u*" * 5000 + "u"])
def test_expressions_built_to_blow_up_are_refused_at_once(text):
    refused({**ROD, "energy": text}, "energy")
