"""Names that results add to never take another's place: two things of one name are refused, near misses are not."""

import pytest

from kanpde.errors import InputError
from kanpde.problems.catalog import load_problem, problem_names, read_problem_file

LINE = {"coordinates": {"x": [0, 1]}}
PLANE = {
    "coordinates": {"x": [0, 1], "y": [0, 1]}, "fields": ["u"], "exact": {"u": "x*y"}, "boundary": {"*": "u = auto"},
}  # fmt: skip


def pair(one, other):
    equations = {"a": f"D({one}, x, 2) = 0", "b": f"D({other}, x, 2) = 0"}
    return {**LINE, "fields": [one, other], "equations": equations, "boundary": {"*": [f"{one} = 0", f"{other} = 0"]}}


def hole(name, equation="e"):
    shapes = {"shapes": {name: "disk(0.5, 0.5, 0.2)"}, "domain": f"box - {name}"}
    return {**PLANE, **shapes, "equations": {equation: "lap(u) = auto"}}


def learned(one, other):
    parameters = {name: {"value": 2.0, "learn": True} for name in (one, other)}
    return {**LINE, "fields": ["u"], "exact": {"u": f"{one}*sin(pi*x) + {other}*x"}, "parameters": parameters,
            "equations": "u_xx = auto", "boundary": {"x-": "u = 0"}, "data": {"points": 20, "of": "exact"}}  # fmt: skip


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (pair("u", "u_ref"), "u_ref is that of the reference of u"), (pair("u", "u_error"), "the error of u"),
        (hole("interior"), "a block of points"), (hole("data"), "a block of points"), (hole("e"), "an equation"),
        (learned("a", "a_error"), "the error of a"),
    ],
)  # fmt: skip
def test_two_things_of_one_name_are_refused(data, part):
    with pytest.raises(InputError, match=part):
        load_problem(data)


@pytest.mark.parametrize("data", [pair("u", "v_ref"), pair("T", "T_s"), pair("u_ref", "v"), hole("hole")])
def test_names_that_only_look_alike_are_not(data):
    assert load_problem(data).fields


def test_shipped_problems_have_names_of_their_own():
    for path in problem_names().values():
        data = read_problem_file(path)
        names = set(data.get("shapes") or {})
        assert not names & {"interior", "data"}, path
