"""Data of conditions that are not smooth inside their piece: what they have there, and where, is said."""

import pytest

from kanpde.problems.catalog import load_problem
from kanpde.problems.kinks import data_kinks

ROD = {"coordinates": {"x": [-1, 1], "t": [0, 1]}, "fields": ["u"], "equations": "u_t = u_xx"}
SQUARE = {"coordinates": {"x": [0, 1], "y": [0, 1]}, "fields": ["u"], "equations": "lap(u) = 0"}


def kinks(stated):
    return [(kink.what, kink.place) for kink in data_kinks(load_problem(stated))]


@pytest.mark.parametrize(("data", "found"), {
    "abs(sin(pi*x))": [("a kink", "x = 0")],
    "abs(x - 0.3)*(1 - x**2)": [("a kink", "x = 0.3")],
    "max(x - 0.5, 0)": [("a kink", "x = 0.5")],
    "min(1 + x, 1 - x)": [("a kink", "x = 0")],
    "sqrt((x - 0.4)**2)": [("a kink", "x = 0.4")],
    "sqrt(1 - x**2)": [("a slope without bound", "x = -1")],
    "sqrt(abs(x))": [("a slope without bound", "x = 0")] * 2,
    "where(x < 0.5, 0, 1)": [("a jump", "x = 0.5")],
    "where(x < 0.5, x, 1 - x)": [("a kink", "x = 0.5")],
}.items())  # fmt: skip
def test_what_initial_data_have_is_said(data, found):
    stated = {**ROD, "boundary": {"*": "dn(u) = 0"}, "initial": f"u = {data}"}
    assert kinks(stated) == found
    assert any(found[0][0] in line and found[0][1] in line for line in load_problem(stated).warnings)


@pytest.mark.parametrize("data", [
    "abs(x)**3", "abs(2 + x)", "max(x, 3)", "x*abs(x)", "sqrt(1.5 + x)", "where(x < 0, x**2, x**4)", "abs(cos(x))",
    "sqrt(x**2 + 0.01)",
])  # fmt: skip
def test_smooth_data_are_not_warned_of(data):
    assert not kinks({**ROD, "boundary": {"*": "dn(u) = 0"}, "initial": f"u = {data}"})


def test_data_of_sides_shapes_and_in_time_are_looked_at_as_well():
    assert kinks({**SQUARE, "boundary": {"y-": "dn(u) = abs(x - 0.25)", "*": "u = 0"}}) == [("a kink", "x = 0.25")]
    cut = {**SQUARE, "shapes": {"hole": "disk(0.5, 0.5, 0.25)"}, "domain": "box - hole"}
    (kink,) = kinks({**cut, "boundary": {"hole": "u = abs(x - 0.5)", "*": "u = 0"}})
    assert kink == ("a kink", "x = 0.5")
    late = {**ROD, "boundary": {"x-": "u = max(t - 0.5, 0)", "x+": "u = 0"}, "initial": "u = 0"}
    assert kinks(late) == [("a kink", "t = 0.5")]


def test_a_kink_outside_of_the_part_that_a_condition_holds_on_is_none():
    def stated(edge):
        parts = ((f"x < {edge}", "u = abs(x - 0.25)"), (f"x >= {edge}", "u = x - 0.25"))
        listed = [{"where": where, "condition": condition} for where, condition in parts]
        return {**SQUARE, "boundary": {"y-": listed, "*": "dn(u) = 0"}}

    assert kinks(stated(0.5)) == [("a kink", "x = 0.25")] and not kinks(stated(0.125))
