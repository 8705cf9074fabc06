"""Fields that live in one region: where equations and conditions hold, how many a rim takes, what is refused."""

import numpy as np
import pytest
import torch

import kanpde
from kanpde.errors import InputError
from kanpde.problems.catalog import load_problem
from kanpde.problems.check_report import statement_lines
from kanpde.problems.geometry.regions import SubSide
from kanpde.problems.geometry.samplings import SobolSampling
from kanpde.solving.ansatz.exact_conditions import exact_ansatz, own_outputs
from kanpde.solving.losses.residuals import build_blocks, draw

R, D, K = 0.4, 5.0, 3.0
RIM = ["a = k*b", "D*dn(a) = dn(b)"]
DROP = {
    "coordinates": {"x": [-1, 1], "y": [-1, 1]}, "fields": ["a", "b"], "parameters": {"R": R, "D": D, "k": K},
    "shapes": {"drop": "disk(0, 0, R)"}, "regions": {"drop": {"fields": ["a"], "rim": RIM}, "else": {"fields": ["b"]}},
    "equations": {"inner": "D*lap(a) = -4*D", "outer": "lap(b) = 0"}, "boundary": {"*": "b = auto"},
    "exact": {"a": "3*k*R**2 + R**2 - x**2 - y**2", "b": "3*R**2 - 2*D*R**2*log(sqrt(x**2 + y**2)/R)"},
}  # fmt: skip
"""A source in a drop, out of which it leaks; k is the partition coefficient."""

ROD = {
    "coordinates": {"x": [0, 2]}, "fields": ["a", "b"], "shapes": {"left": "box(0, 0.5)"},
    "regions": {"left": {"fields": ["a"], "rim": ["a = 3*b", "dn(a) = 5*dn(b)"]}, "else": {"fields": ["b"]}},
    "equations": {"inner": "a_xx = -2", "outer": "b_xx = 0"}, "boundary": {"x-": "a = 0", "x+": "b = 1"},
}  # fmt: skip
"""In one dimension: a = c x - x² and b = 1 - s (2 - x) with c - 1 = 5 s, c/2 - 1/4 = 3 (1 - 1.5 s)."""

LAYERS = {
    **DROP, "shapes": {"drop": "box(-1, 0, -1, 1)"}, "exact": None, "boundary": {"x-": "a = 0", "x+": "b = 1",
    "y-": ["dn(a) = 0", "dn(b) = 0"], "y+": ["dn(a) = 0", "dn(b) = 0"]},
}  # fmt: skip


def changed(data, **entries):
    return load_problem(data | entries)


def test_where_fields_live_and_equations_hold():
    problem = load_problem(DROP)
    assert problem.homes.own == {"a": (1,), "b": (0,)} and problem.held == {"inner": (1,), "outer": (0,)}
    assert problem.outputs == 2 and not problem.remotes() and not problem.warnings
    lines = list(statement_lines(problem))
    assert "  inner: 5*a_xx + 5*a_yy + 20 = 0, in drop" in lines
    assert {"  a lives in drop", "  b lives in else", "  a = k*b at the rim of drop"} <= set(lines)
    assert [c.name for c in problem.conditions if c.kind == "interface"] == ["rim_drop", "rim_drop.2"]
    assert load_problem(problem.yaml() and problem.source) == problem


def test_a_wrong_solution_is_seen_at_the_rim_alone():
    with pytest.raises(InputError, match="exact needs to satisfy interface.rim_drop to"):
        changed(DROP, parameters={"R": R, "D": D, "k": K + 1}, exact=DROP["exact"] | {"a": "10*R**2 - x**2 - y**2"})
    with pytest.raises(InputError, match="exact needs to satisfy interface.rim_drop.2"):
        changed(DROP, regions={**DROP["regions"], "drop": {"fields": ["a"], "rim": ["a = k*b", "dn(a) = dn(b)"]}})


def test_a_field_beside_one_that_lives_everywhere():
    """T and its flux go on; c takes one condition. An equation is another one in the particle, where c heats."""
    own = {"fields": ["c"], "equations": {"heat": "lap(T) + c = 0", "decay": "lap(c) = c"}, "rim": "c = T"}
    problem = changed(DROP, fields=["T", "c"], equations={"heat": "lap(T) = 0"}, regions={"drop": own}, exact=None,
                      boundary={"*": "T = 1"})  # fmt: skip
    assert problem.held == {"decay": (1,)} and problem.outputs == 3
    names = [c.name for c in problem.conditions if c.kind == "interface"]
    assert names == ["T_across_drop", "heat_at_drop", "rim_drop"]


def test_conditions_hold_on_their_part_of_a_side():
    problem = load_problem(LAYERS)
    where = {c.name: str(c.side.mask) if isinstance(c.side, SubSide) else "" for c in problem.conditions}
    assert where["x-"] == where["x+"] == "" and where["y-"] == "inside(drop)" and where["y-.2"] == "1 - inside(drop)"
    whole = changed(LAYERS, boundary={"x-": "a = 0", "*": ["dn(a) = 0", "b = 1"]})
    assert {c.name for c in whole.conditions if c.kind == "boundary"} == {"x-", "x+.2", "y-", "y-.2", "y+", "y+.2"}


def test_residuals_are_taken_where_equations_hold():
    problem = load_problem(DROP)
    ansatz = exact_ansatz(problem)
    blocks = build_blocks(problem, ansatz, 1.0, torch.float64)
    assert [block.names for block in blocks[:2]] == [("inner",), ("outer",)]
    inner, outer = draw(problem, blocks, SobolSampling(), 400, 0)[:2]
    radii = [sample.points.norm(dim=1) for sample in (inner, outer)]
    assert len(radii[0]) == len(radii[1]) == 200 and radii[0].max() <= R < radii[1].min()
    points = torch.tensor([[0.0, 0.0], [0.9, 0.0]]).double()
    assert own_outputs(problem, points).tolist() == [[1, 0], [1, 0]]  # one output each, wherever it is asked for


def test_points_on_rims_are_looked_at_inside():
    """At a knot on the rim an output would be that of the cell beyond, of which nothing is known."""
    problem = load_problem(DROP)
    points = torch.tensor([[R, 0.0], [0.0, -R], [0.0, 0.0], [0.7, 0.0]]).double()
    moved = problem.off_rims(points)
    assert (problem.part_of(points)[:3] == 1).all() and torch.equal(moved[2:], points[2:])
    assert ((points - moved)[:2].norm(dim=1) - 2e-9).abs().max() < 1e-12 and moved[0, 0] < R and moved[1, 1] > -R


def test_values_are_none_where_a_field_does_not_live(tmp_path):
    output = {"plot": False, "folder": str(tmp_path)}
    run = kanpde.solve(ROD, optimizer="least_squares", training={"time_limit": 2}, output=output, device="cpu")
    s = 2.75 / 7
    found, known = run.solution(np.array([[0.25], [1.0]])), [[(1 + 5 * s) / 4 - 1 / 16, np.nan], [np.nan, 1 - s]]
    assert found == pytest.approx(np.array(known), abs=1e-9, nan_ok=True) and run.verdict.word == "solved"
    assert np.isnan(run.solution.derivative("a_x", np.array([[1.0]])))
    run.save(tmp_path / "run.h5")
    archived = kanpde.open_run(tmp_path / "run.h5")
    fields, x = archived.data.fields, archived.data.axes["x"]
    assert (np.isnan(fields["a"]) == (x > 0.5)).all() and (np.isnan(fields["b"]) == (x <= 0.5)).all()


@pytest.mark.parametrize(("change", "message"), [
    ({"regions": {"drip": {"fields": ["a"]}}}, r"needs shapes \(drop\) for regions and inside; it has \"drip\""),
    ({"regions": {"else": {"fields": ["b"]}}}, "needs a shape that else is outside of; there is none"),
    ({"regions": {"drop": {"fields": ["c"], "rim": RIM}}}, r"regions.drop.fields needs fields \(a, b\); it has \"c\""),
    ({"regions": {"drop": {"fields": {"a": 1}}}}, "regions.drop.fields needs a list of names"),
    ({"regions": {"else": {"rim": "a = b"}, "drop": {"fields": ["a"]}}}, "needs one or several of fields, equations"),
    ({"equations": {"inner": "lap(a) = b", "outer": "lap(b) = 0"}},
     r"equations.inner needs fields that live together somewhere; they do nowhere \(a in drop, b in else\)"),
    ({"equations": {"inner": "lap(a) = 0"}},
     r"equations need to be as many in else as fields that live there, 1 \(b\)"),
    ({"regions": {**DROP["regions"], "drop": {"fields": ["a"], "rim": RIM[0]}}},
     r"regions.drop.rim needs 2 conditions where drop meets else \(a, b\); it has 1. Add"),
    ({"regions": {**DROP["regions"], "drop": {"fields": ["a"], "rim": ["dn(a) = 0", "a = 1"]}}}, "it has 2 without b"),
    ({"regions": {**DROP["regions"], "drop": {"fields": ["a"], "rim": [*RIM, "a = 1"]}}}, "it has 3. Remove some"),
    ({"regions": {"drop": {"fields": ["a", "b"]}}}, "regions need a field in each; none lives in else"),
    ({"boundary": {"*": "b = 1", "x-": ["b = 1", "a = 1"]}}, "boundary needs fields that live on x-; a = 1 holds of a"),
    ({"boundary": {"x-": "b = 1"}}, "boundary needs 1 condition for b all over x"),
    ({"equations": None, "energy": "a_x**2 + b_x**2",
      "regions": {"drop": {"fields": ["a"]}, "else": {"fields": ["b"]}}}, "regions.fields go with equations"),
    ({"constraints": "mean(a) = 1"}, "takes integrals and values elsewhere of fields that live everywhere; a lives"),
    ({"data": {"table": "x,y,a\n0,0,1\n0.9,0,1"}}, "data of a need places where a lives; 1 of 2 lie elsewhere"),
    ({"regions": {"drop": {"fields": ["a"], "rim": RIM, "equations": {"inner": "lap(a) = b"}},
                  "else": {"fields": ["b"]}}},
     "regions.drop.equations.inner needs fields that live in drop; b lives in else"),
])  # fmt: skip
def test_refusals(change, message):
    with pytest.raises(InputError, match=message):
        load_problem({**DROP, "exact": None, "boundary": {"*": "b = 1"}} | change)
