"""Corners of shapes: what is set on both sides of them is compared; comparisons joined by and, or, not."""

import json

import pytest
import torch

from kanpde.errors import InputError
from kanpde.problems.catalog import load_problem
from kanpde.problems.check_report import findings
from kanpde.problems.language import Scope, compile_expression, parse_expression

BOX = {"coordinates": {"x": [0, 1], "y": [0, 1]}, "fields": ["u"], "equations": "lap(u) = 1"}
TRIANGLE = {**BOX, "shapes": {"tri": "polygon(0, 0, 1, 0, 0, 1)"}, "domain": "tri"}
NOTCH = {**BOX, "shapes": {"cut": "disk(1, 0.5, 0.25)"}, "domain": "box - cut"}


def warned(stated):
    return [line for line in load_problem(stated).warnings if "where they meet" in line]


@pytest.mark.parametrize(("stated", "place"), [
    ({**TRIANGLE, "boundary": {"tri[1]": "u = 1", "tri[2]": "u = 0", "tri[3]": "dn(u) = 0"}}, "x = 1, y = 0"),
    ({**NOTCH, "boundary": {"cut": "u = 1", "x+": "u = 0", "*": "dn(u) = 0"}}, "x = 1, y = 0."),
    ({**NOTCH, "boundary": {"cut": "u = y", "x+": "u = 0.25", "*": "dn(u) = 0"}}, "x = 1, y = 0.75"),
    ({**NOTCH, "boundary": {"cut": "u = 1", "*": "dn(u) = 0", "x+": [
        {"where": "y > 0.5", "condition": "u = 1"}, {"where": "y <= 0.5", "condition": "u = 0"}]}}, "x = 1, y = 0.25"),
])  # fmt: skip
def test_disagreement_is_said_with_its_place(stated, place):
    (line,) = warned(stated)
    assert place in line and not any("corners" in found for found in findings(load_problem(stated)))


@pytest.mark.parametrize("stated", [
    {**TRIANGLE, "boundary": {"tri[1]": "u = x", "tri[2]": "u = 1 - y", "tri[3]": "u = 0"}},
    {**NOTCH, "boundary": {"cut": "u = (y - 0.5)**2", "x+": "u = 1/16", "*": "dn(u) = 0"}},
    {**BOX, "shapes": {"hole": "disk(0.5, 0.5, 0.2)"}, "domain": "box - hole",
     "boundary": {"hole": "u = 1", "*": "u = 0"}},
])  # fmt: skip
def test_agreement_is_said_too(stated):
    problem = load_problem(stated)
    assert not problem.warnings and "corners: conditions agree where they meet" in [*findings(problem)]


def test_the_start_of_time_is_compared_with_shapes():
    stated = {**NOTCH, "coordinates": {"x": [0, 1], "y": [0, 1], "t": [0, 1]}, "equations": "u_t = lap(u)",
              "boundary": {"cut": "u = 1", "*": "dn(u) = 0"}, "initial": "u = 0"}  # fmt: skip
    assert "t = 0" in warned(stated)[0] and not warned({**stated, "initial": "u = 1"})


def test_shapes_in_space_are_not_called_ok():
    problem = load_problem(
        {
            **BOX,
            "coordinates": {"x": [0, 1], "y": [0, 1], "z": [0, 1]},
            "domain": "box - hole",
            "shapes": {"hole": "ball(1, 0.5, 0.5, 0.2)"},
            "boundary": {"hole": "u = 1", "*": "u = 0"},
        }
    )
    assert any("in space are not compared" in line for line in findings(problem))


@pytest.mark.parametrize(("test", "wanted"), [
    ("not (0.2 < x < 0.4)", [1, 0, 1]), ("x > 0.2 and x < 0.4", [0, 1, 0]), ("x < 0.2 or not x < 0.4", [1, 0, 1]),
    ("not (x > 0.2 and x < 0.4) or x == 7", None),
])  # fmt: skip
def test_comparisons_are_joined(test, wanted):
    if wanted is None:
        with pytest.raises(InputError, match="=="):
            parse_expression(f"where({test}, 1, 0)", Scope(("x",)), "test")
        return
    value = compile_expression(parse_expression(f"where({test}, 1, 0)", Scope(("x",)), "test"), ("x",))
    assert value(torch.tensor([[0.1], [0.3], [0.5]])).tolist() == wanted


def test_words_of_comparisons_are_no_names():
    with pytest.raises(InputError, match="Rename it"):
        load_problem({**BOX, "parameters": {"and": 1}, "boundary": {"*": "u = 0"}})


PLANE = {"coordinates": {"x": [-1, 1], "y": [-1, 1]}, "fields": ["u"], "equations": {"e": "lap(u) = 1"}}
MEET = {
    "two disks": {"shapes": {"a": "disk(-0.3, 0, 0.5)", "b": "disk(0.3, 0, 0.5)"}, "domain": "a + b",
                  "boundary": {"a": "u = 0", "b": "u = VALUE"}},
    "a disk and a box": {"shapes": {"a": "disk(-0.3, 0, 0.5)", "b": "box(-0.2, 0.9, -0.2, 0.2)"}, "domain": "a + b",
                         "boundary": {"a": "u = 0", "b": "u = VALUE"}},
    "two parts of a rim": {"shapes": {"a": "disk(0, 0, 0.8)"}, "domain": "a", "boundary": {
        "a": [{"where": "x < 0.1", "condition": "u = 0"}, {"where": "x >= 0.1", "condition": "u = VALUE"}]}},
    "a level set and a side": {"shapes": {"a": {"inside": "x^2 + y^2 < 1.2"}}, "domain": "a",
                               "boundary": {"a": "u = 0", "*": "u = VALUE"}},
    "edges of a polygon": {"shapes": {"a": "polygon(-0.5, -0.5, 0.5, -0.5, 0, 0.5)"}, "domain": "a",
                           "boundary": {"a[1]": "u = 0", "a[2]": "u = VALUE", "a[3]": "u = 0"}},
}  # fmt: skip


def stated_with(value, case):
    return json.loads(json.dumps(PLANE | MEET[case]).replace("VALUE", value))


@pytest.mark.parametrize("case", MEET)
def test_corners_are_called_ok_only_where_they_agree(case):
    """Boundaries of shapes that cross, and parts of one."""
    jumping, agreeing = (load_problem(stated_with(value, case)) for value in ("1", "0"))
    assert any("where they meet" in warning for warning in jumping.warnings), jumping.warnings
    assert not any(line.startswith("corners") for line in findings(jumping))
    assert not any("where they meet" in warning for warning in agreeing.warnings)
    assert "corners: conditions agree where they meet" in list(findings(agreeing))


def test_corners_in_space_are_not_called_ok():
    solid = load_problem({**PLANE, "coordinates": {"x": [-1, 1], "y": [-1, 1], "z": [-1, 1]}, "domain": "a",
                          "shapes": {"a": "ball(0, 0, 0, 1.2)"}, "boundary": {"a": "u = 0", "*": "u = 1"}})  # fmt: skip
    (line,) = (line for line in findings(solid) if line.startswith("corners"))
    assert "shapes in space are not compared" in line


HALVES = [{"where": "x < 0.5", "condition": "u = {}"}, {"where": "x >= 0.5", "condition": "u = 1"}]


@pytest.mark.parametrize("gap", ["1", "0.004", "1e-6"])
@pytest.mark.parametrize(("data", "place"), [("1 + {}*(1 - 2*x)", "x = 0, y = 0"), ("1 + {}*2*x", "x = 0.5, y = 0")])
def test_parts_of_sides_are_compared_with_their_neighbors(gap, data, place):
    def stated(value):
        parts = [{**HALVES[0], "condition": f"u = {value}"}, HALVES[1]]
        return {**BOX, "boundary": {"y-": parts, "*": "u = 1"}}

    (line,) = warned(stated(data.format(gap)))
    assert place in line and "(1 and 1 " not in line
    assert not warned(stated("1"))


def test_values_on_one_side_are_put_into_slopes_on_the_next():
    def said(flux):
        stated = {**BOX, "boundary": {"x-": "u = 0", "x+": f"u + dn(u) = {flux}", "y-": "u = x**2", "y+": "dn(u) = 0"}}
        return [line for line in load_problem(stated).warnings if "slope" in line]

    assert not said(3)
    (line,) = said(3.01)
    assert "What y- sets leaves 0.01 in the condition on x+ at x = 1, y = 0" in line
