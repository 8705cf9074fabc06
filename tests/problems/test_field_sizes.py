"""Fields of very different size: known before anything is solved, and said."""

import numpy as np
import pytest

import kanpde
from kanpde.problems.field_sizes import set_sizes
from kanpde.problems.problem import Problem

HIDDEN = {
    "coordinates": {"x": [0, 1], "t": [0, 1]},
    "fields": ["T", "c"],
    "equations": {"heat": "T_t = T_xx", "mass": "c_t = c_xx - c"},
    "boundary": {"x-": ["T = 300", "c = 1.2"], "x+": ["T = 310", "c = 0"]},
    "initial": ["T = 300 + 10*x", "c = 1.2*(1 - x)"],
}


def alike(size: float) -> Problem:
    """The same with concentrations in other units."""
    set_ = {"x-": ["T = 300", f"c = {size}"], "x+": ["T = 310", "c = 0"]}
    return kanpde.load_problem({**HIDDEN, "boundary": set_, "initial": ["T = 300 + 10*x", f"c = {size}*(1 - x)"]})


def test_sizes_are_those_of_conditions_and_data(tmp_path):
    assert set_sizes(kanpde.load_problem(HIDDEN)) == pytest.approx({"T": 310.0, "c": 1.2})
    x = np.linspace(0, 1, 11)
    np.savetxt(tmp_path / "d.csv", np.stack([x, 5e4 + 0 * x], 1), delimiter=",", header="x,p", comments="")
    line = {"coordinates": {"x": [0, 1]}, "fields": ["u", "p"], "equations": {"a": "u_xx = p", "b": "p_x = 0"},
            "boundary": {"*": "u = 1"}, "data": {"file": str(tmp_path / "d.csv")}}  # fmt: skip
    assert set_sizes(kanpde.load_problem(line)) == pytest.approx({"u": 1.0, "p": 5e4})


def test_check_says_which_field_hides_behind_which():
    (said,) = [warning for warning in kanpde.load_problem(HIDDEN).warnings if "hides behind" in warning]
    assert said.startswith("T (310) is 258 times as large as c (1.2)")
    assert not any("hides behind" in warning for warning in alike(30.0).warnings)


def test_a_run_says_it_once():
    quick = {"stages": 1, "starts": 1, "steps": 1}
    run = kanpde.solve(HIDDEN, model={"width": [2], "grid": 2}, training=quick, reference=False)
    assert sum("hides behind" in warning for warning in run.warnings) == 1
    found = kanpde.solve(
        {**HIDDEN, "boundary": {"x-": ["T_x = 0", "c_x = 0"], "x+": ["T_x = 0", "c_x = 0"]},
         "initial": ["T = 300", "c = 6.2*x - 3.1"]},
        model={"width": [2], "grid": 2}, training=quick, reference=False,
    )  # fmt: skip
    assert sum("hides behind" in warning for warning in found.warnings) == 1
