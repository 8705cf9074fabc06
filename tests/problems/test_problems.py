"""Reading problems: what is understood, what is refused and in which words, and what is warned about."""

import json
import math
import os
import time

import pytest
import sympy
import torch
from test_language import BLOW_UPS, CODE

from kanpde.errors import InputError
from kanpde.files.yaml import read_yaml, write_yaml
from kanpde.problems.catalog import (
    Problem,
    confined,
    load_problem,
    problem_folders,
    problem_names,
    read_problem_file,
    read_problem_text,
)
from kanpde.problems.geometry.boxes import Box, Side, box_sides
from kanpde.problems.language import AUTO, compile_expression, jet_expression, substituted, text_of

POISSON = {
    "title": "Poisson",
    "coordinates": {"x": [-1, 1], "y": [0, "pi"]},
    "fields": ["u"],
    "parameters": {"a": 2},
    "equations": {"poisson": "-lap(u) = auto"},
    "boundary": {"x-": "u = auto", "x+": "dn(u) + a*u = auto", "*": "u = auto"},
    "exact": {"u": "sin(a*x)*cos(y)"},
}
HEAT = {
    "coordinates": {"x": [0, 1], "t": [0, 1]},
    "fields": ["u"],
    "parameters": {"kappa": "0.1"},
    "equations": {"heat": "u_t = kappa*u_xx"},
    "boundary": {"*": "u = 0"},
    "initial": "u = sin(pi*x)",
    "exact": {"u": "exp(-kappa*pi**2*t)*sin(pi*x)"},
}


def changed(data, **changes):
    """The data with some keys replaced, or removed where the value is None."""
    data = {**data, **changes}
    return {key: value for key, value in data.items() if value is not None}


def refused(data, *parts, **options):
    """The message with which a problem is refused: one paragraph that holds these parts and says what to do."""
    with pytest.raises(InputError) as caught:
        load_problem(data, name="mine", **options)
    text = str(caught.value)
    assert text.startswith("mine") and "\n" not in text and len(text) < 800, text
    assert text.endswith((".", "?")), text
    for part in parts:
        assert part in text, text
    return text


# what is understood


def test_a_problem_in_full():
    problem = load_problem(POISSON, name="mine")
    assert (problem.name, problem.title) == ("mine", "Poisson")
    assert problem.coordinates == ("x", "y") and problem.fields == ("u",) and problem.time is None
    assert problem.domain == Box((-1.0, 0.0), (1.0, math.pi))
    assert problem.parameters == {"a": 2.0}
    assert problem.order() == 2 and problem.order_along("u", 1) == 2
    assert [c.name for c in problem.conditions] == ["x-", "x+", "y-", "y+"]
    assert [c.side for c in problem.conditions] == list(box_sides(("x", "y")))
    assert all(c.kind == "boundary" and c.fields == ("u",) for c in problem.conditions)
    assert not any(c.residual.has(AUTO) for c in problem.conditions)
    assert problem.warnings == ()


def test_auto_agrees_with_the_source_written_by_hand():
    written = changed(POISSON, equations={"poisson": "-lap(u) = (a**2 + 1)*sin(a*x)*cos(y)"})
    points = torch.rand(20, 2)
    jets = {("u", index): torch.randn(20) for index in ((2, 0), (0, 2))}
    values = [
        compile_expression(load_problem(data).equations["poisson"], ("x", "y"), ("u",))(points, jets)
        for data in (POISSON, written)
    ]
    torch.testing.assert_close(*values)


def test_auto_as_a_term():
    data = changed(HEAT, equations={"heat": "u_t = kappa*u_xx + u**2*u_x + auto"})
    points, jets = torch.rand(20, 2), {}
    problem = load_problem(data)
    for index in ((0, 0), (1, 0), (2, 0), (0, 1)):
        jets["u", index] = compile_expression(substituted(jet_expression(("u", index), ("x", "t")), problem.exact),
                                              ("x", "t"))(points)  # fmt: skip
    residual = compile_expression(problem.equations["heat"], ("x", "t"), ("u",))
    assert residual(points, jets).abs().max() < 1e-14
    jets["u", (1, 0)] *= 1.01
    assert residual(points, jets).abs().max() > 1e-3
    refused(changed(HEAT, equations={"heat": "u_t = kappa*u_xx + x*auto"}), "equations.heat", "by itself")
    refused(changed(HEAT, equations={"heat": "u_t = D(auto, x)"}), "equations.heat", "by itself")
    refused(changed(HEAT, equations={"heat": "u_t = sin(auto)"}), "equations.heat", "by itself")
    refused(changed(HEAT, exact=None, initial="u = auto"), "initial", "auto", "exact")


def test_normal_derivatives_point_outward():
    data = changed(POISSON, boundary={"*": "dn(u) + 3*u = auto"})
    texts = {c.name: text_of(c.residual) for c in load_problem(data).conditions}
    assert texts["x-"].startswith("3*u - u_x") and texts["x+"].startswith("3*u + u_x")
    assert texts["y-"].startswith("3*u - u_y") and texts["y+"].startswith("3*u + u_y")


def test_several_conditions_on_a_side_are_numbered():
    data = {
        "coordinates": {"x": [0, 1]}, "fields": "u", "equations": "u_xxxx = 1", "boundary": {"*": ["u = 0", "u_x = 0"]},
    }  # fmt: skip
    problem = load_problem(data)
    assert [c.name for c in problem.conditions] == ["x-", "x-.2", "x+", "x+.2"]
    assert list(problem.equations) == ["equation"] and problem.title == "problem" and problem.order() == 4


def test_conditions_solved_for_a_jet():
    problem = load_problem(changed(HEAT, boundary={"x-": "2*u = 4*t", "x+": "dn(u) + u = 0"}, exact=None))
    low, high, start = (c.solved(problem.coordinates) for c in problem.conditions)
    assert low == (("u", (0, 0)), 2 * sympy.Symbol("t", real=True))
    assert high is None
    assert start[0] == ("u", (0, 0)) and text_of(start[1]) == "sin(pi*x)"
    for text in ("u**2 = u", "sign(u) = 0", "where(u < t, 1, 2) = u", "x*u = 0", "u*u_x = 0"):
        nonlinear = load_problem(changed(HEAT, boundary={"*": text}, exact=None))
        assert nonlinear.conditions[0].solved(problem.coordinates) is None


def test_initial_conditions_are_the_side_where_time_starts():
    problem = load_problem(HEAT)
    assert problem.time == 1
    start = problem.conditions[-1]
    assert (start.name, start.kind, start.side) == ("t-", "initial", Side(1, 0, "t-"))


def test_parameters_may_use_earlier_ones_and_be_replaced():
    data = changed(HEAT, parameters={"d": "0.2/2", "kappa": "d"})
    assert load_problem(data).parameters == {"d": 0.1, "kappa": 0.1}
    problem = load_problem(data, parameters={"d": 0.3})
    assert problem.parameters == {"d": 0.3, "kappa": 0.3}
    assert problem.source["parameters"]["d"] == 0.3 and data["parameters"]["d"] == "0.2/2"
    assert text_of(problem.equations["heat"]) == "u_t - 0.3*u_xx"
    assert load_problem(data, parameters={"kappa": "pi"}).parameters["kappa"] == math.pi
    refused(data, '"kapa"', 'Did you mean "kappa"?', parameters={"kapa": 1})
    refused(changed(data, parameters={"kappa": "d", "d": 1}), "parameters.kappa", '"d"')


def test_the_whole_of_a_problem_is_read_from_its_own_yaml(tmp_path):
    for data in (POISSON, HEAT, {**HEAT, "title": "1e-3", "parameters": {"kappa": "1e-1"}}):
        problem = load_problem(data, name="mine")
        path = tmp_path / "mine.yaml"
        path.write_text(problem.yaml(), encoding="utf-8")
        assert load_problem(path) == problem
        assert load_problem(read_problem_text(problem.yaml(), "archive"), name="mine") == problem
    assert load_problem(HEAT) != load_problem(HEAT, parameters={"kappa": 0.2})


def test_yaml_traps():
    text = """
title: on
coordinates: {y: [0, 010], t: [0, 1]}
fields: [n]
parameters: {nu: 1e-3, no: 5}
equations: {on: n_t = nu*n_yy}
boundary: {y-: n = 0, y+: n = 0}
initial: n = y*(10 - y)
"""
    problem = load_problem(read_problem_text(text, "mine.yaml"))
    assert problem.title == "on" and problem.coordinates == ("y", "t") and list(problem.equations) == ["on"]
    assert problem.domain.upper == (10.0, 1.0)
    assert problem.parameters == {"nu": 1e-3, "no": 5.0}


def test_systems_and_coupled_conditions():
    data = {
        "coordinates": {"x": [0, 1], "t": [0, 1]},
        "fields": ["p", "v"],
        "equations": {"mass": "p_t + v_x = 0", "momentum": "v_t + p_x = 0"},
        "boundary": {"x-": "v = 0", "x+": "p - v = 0"},
        "initial": ["p = sin(pi*x)**2", "v = 0"],
    }
    problem = load_problem(data)
    assert problem.conditions[1].fields == ("p", "v") and problem.conditions[3].name == "t-.2"
    alone = changed(data, boundary={"x-": "v = 0"})
    assert any("p has a derivative along x" in warning for warning in load_problem(alone).warnings)
    refused(changed(data, initial="p = 0"), "initial needs v", "Add v")


def test_kortewegs_third_order_takes_three_conditions():
    data = changed(HEAT, equations={"kdv": "u_t + u*u_x + u_xxx = 0"}, exact=None)
    refused(data, "boundary needs 3 conditions")
    load_problem(changed(data, boundary={"x-": "u = 0", "x+": ["u = 0", "u_x = 0"]}, initial="u = sin(pi*x)**2"))


def test_inflow_is_enough_for_first_order():
    data = changed(
        HEAT, parameters=None, equations={"advection": "u_t + u_x = 0"}, exact=None, boundary={"x-": "u = 0"}
    )
    assert load_problem(data).warnings == ()
    refused(changed(data, boundary={}), "boundary needs 1 condition", "inflow")
    assert "contradict" in load_problem(changed(data, boundary={"*": "u = 0"})).warnings[0]


# what is refused


@pytest.mark.parametrize("key", ["coordinates", "fields", "equations"])
def test_needed_keys(key):
    refused(changed(HEAT, **{key: None}), f"needs {key}", "Add")


def test_unknown_keys():
    refused({**HEAT, "boundry": {}}, '"boundry"', 'Did you mean "boundary"?')
    refused({**HEAT, "zzz": 1}, '"zzz"', "coordinates")
    refused(changed(HEAT, parameters={"kappa": {"value": 1, "wrong": True}}), "parameters.kappa", "learn: true")
    refused(changed(HEAT, boundary={"x-": [{"on": "x-", "where": "t < 1"}], "*": "u = 0"}), "where and condition")
    assert load_problem(changed(HEAT, parameters={"kappa": {"value": 0.1}})).parameters == {"kappa": 0.1}


def test_references():
    assert load_problem({**HEAT, "reference": "exact"}).warnings == ()
    assert load_problem(changed(HEAT, exact=None, reference={"method": "lines"})).warnings == ()
    refused(changed(HEAT, exact=None, reference="exact"), "reference needs exact")
    refused({**HEAT, "reference": {"method": "magic"}}, "reference", "chebyshev")
    refused({**HEAT, "reference": [1]}, "reference", "chebyshev")


@pytest.mark.parametrize(
    "changes, parts",
    [
        ({"boundary": {"x-": "u = 0"}}, ["boundary needs a condition for u on x+", "periodic: [x]", '"*"']),
        ({"boundary": None}, ["boundary needs a condition for u on x-"]),
        ({"boundary": {"x-": "u = 0", "z+": "u = 0"}}, ["boundary needs sides (x-, x+", '"z+"']),
        ({"boundary": {"x-": "u = 0", "x": "u = 0"}}, ["boundary needs sides", '"x"']),
        ({"boundary": {"*": "u = 0", "t+": "u = 0"}}, ["t+", "initial"]),
        ({"boundary": ["u = 0"]}, ["boundary needs a condition for each side"]),
        ({"boundary": {"*": "u"}}, ['boundary."*"', "equals sign"]),
        ({"boundary": {"*": 0}}, ['boundary."*"', "an equation"]),
        ({"boundary": {"*": []}}, ['boundary."*"', "a condition"]),
        ({"boundary": {"*": "x = 0"}}, ['boundary."*"', "involve a field"]),
        ({"boundary": {"x-": "u = 0", "x+": ["u = 0", "w = 0"]}}, ["boundary.x+[2]", '"w"']),
        ({"periodic": ["x"]}, ['boundary."*"', "none is left"]),
        ({"periodic": ["x"], "boundary": {"x-": "u = 0"}}, ["x-: x is periodic"]),
        ({"periodic": ["t"]}, ["periodic needs space coordinates (x)"]),
        ({"periodic": ["z"]}, ["periodic needs space coordinates (x)"]),
        ({"initial": None}, ["initial needs u = …", "first time derivatives", "Add u = …"]),
        ({"initial": "u_t = 0"}, ["initial needs u"]),
        ({"initial": ["u = sin(pi*x)", "u_t = auto"]}, ["initial takes time derivatives below", "u_t"]),
        ({"initial": ["u = sin(pi*x)", "2*u = 2*sin(pi*x)"]}, ["u needs one condition in time", "give 2"]),
        ({"equations": {"wave": "u_tt = u_xx"}}, ["initial needs u = …, u_t = …", "u_t is missing"]),
        ({"equations": {"beam": "u_t = u_xxxx"}}, ["2 conditions for u on x-", "4th derivatives"]),
        ({"equations": {"heat": "u_t = nu*u_xx"}}, ['equations.heat uses "nu"', "parameter (kappa)", "Add parameters"]),
        ({"equations": {"heat": 1}}, ["equations.heat needs an equation"]),
        ({"equations": ["u_t = 0"]}, ["equations needs named equations"]),
        ({"equations": {"a b": "u_t = 0"}}, ["equations needs names"]),
        ({"equations": {"heat": "0 = x"}}, ["equations.heat needs to involve a field"]),
        ({"equations": {"heat": "u_t = u_xx*log(x - 2)"}}, ["equations.heat", "finite", "x = "]),
        ({"initial": "u = sqrt(x - 0.5)", "exact": None}, ["initial", "finite", "x = "]),
        ({"fields": ["u", "w"], "exact": None}, ["w occurs in none"]),
        ({"fields": ["x"]}, ['"x" is used twice']),
        ({"fields": ["kappa"]}, ['"kappa" is used twice']),
        ({"fields": ["sin"]}, ['"sin" is a word']),
        ({"fields": ["pi"]}, ['"pi" is the number pi']),
        ({"fields": ["u", 3]}, ["fields needs a list of names"]),
        ({"fields": {"u": 1}}, ["fields.u needs scalar"]),
        ({"parameters": {"u_x": 1, "kappa": 1}}, ['"u_x" reads as a derivative of u']),
        ({"parameters": {"kappa": "x"}}, ["parameters.kappa", '"x"']),
        ({"parameters": {"kappa": True}}, ["parameters.kappa needs a number"]),
        ({"parameters": {"kappa": "1/0"}}, ["parameters.kappa", "zero"]),
        ({"parameters": {"kappa": "pi**99*pi**99*pi**99*pi**99*pi**99*pi**99*pi**99"}}, ["parameters.kappa", "finite"]),
        ({"parameters": ["kappa"]}, ["parameters needs a mapping"]),
        ({"coordinates": {"x": [1, 0], "t": [0, 1]}}, ["coordinates.x", "low < high"]),
        ({"coordinates": {"x": [0, 0], "t": [0, 1]}}, ["coordinates.x", "low < high"]),
        ({"coordinates": {"x": [0, "1e-300"], "t": [0, 1]}}, ["coordinates.x", "Choose another unit"]),
        ({"coordinates": {"x": [0], "t": [0, 1]}}, ["coordinates.x needs a range"]),
        ({"coordinates": {"x": 1, "t": [0, 1]}}, ["coordinates.x needs a range"]),
        ({"coordinates": {"x": ["t", 1], "t": [0, 1]}}, ["coordinates.x", '"t"']),
        ({"coordinates": {"x": [0, 1], "t": [-1e308, 1e308]}}, ["coordinates.t"]),
        ({"coordinates": {f"x{i}": [0, 1] for i in range(30)}}, ["may have 20"]),
        ({"coordinates": ["x", "t"]}, ["coordinates needs a mapping"]),
        ({"exact": {"u": "exp(-kappa*pi**2*t)*sin(pi*x)*1.00001"}}, ["exact needs to satisfy initial", "auto"]),
        ({"exact": {"u": "exp(-t)*sin(pi*x)"}}, ["exact needs to satisfy equations.heat", "x = "]),
        ({"exact": {"u": "exp(-kappa*pi**2*t)*sin(pi*x) + 1e-7*x"}}, ["exact needs to satisfy boundary.x+"]),
        ({"exact": {"u": "log(x - 0.5)"}}, ["exact.u", "finite", "x = "]),
        ({"exact": {"w": "0"}}, ["exact needs every field (u)"]),
        ({"exact": {"u": "u"}}, ["exact.u", "the field u"]),
        ({"exact": {"u": "y"}}, ["exact.u", '"y"']),
        ({"exact": "sin(x)"}, ["exact needs a mapping"]),
        ({"title": 3}, ["title needs one line"]),
        ({"title": "x" * 500}, ["title needs one line"]),
    ],
)
def test_what_is_refused(changes, parts):
    refused(changed(HEAT, **changes), *parts)


def test_initial_needs_time():
    refused({**POISSON, "initial": "u = 0"}, "initial needs the coordinate t")


def test_exact_is_compared_with_the_size_of_the_terms():
    big = changed(HEAT, exact={"u": "1e6*exp(-kappa*pi**2*t)*sin(pi*x)"}, initial="u = 1e6*sin(pi*x)")
    load_problem(big)
    small = changed(HEAT, exact={"u": "1e-9*exp(-kappa*pi**2*t)*sin(pi*x)"}, initial="u = 1e-9*sin(pi*x)")
    load_problem(small)
    refused(changed(small, initial="u = 1.0001e-9*sin(pi*x)"), "exact needs to satisfy initial")


def test_periodic_problems():
    data = changed(HEAT, periodic=["x"], boundary=None, initial="u = sin(2*pi*x)",
                   exact={"u": "exp(-4*kappa*pi**2*t)*sin(2*pi*x)"})  # fmt: skip
    problem = load_problem(data)
    assert problem.periodic == (0,) and [c.name for c in problem.conditions] == ["t-"]
    half = changed(data, initial="u = sin(pi*x)", exact=HEAT["exact"])
    refused(half, "periodic", "first derivative of exact.u jumps by")
    value = changed(data, initial="u = auto", exact={"u": "x"})
    refused(value, "periodic", "exact.u jumps by 1")
    kink = load_problem(changed(data, initial="u = x*(1 - x)", exact=None)).warnings
    assert len(kink) == 1 and "t- gives the first derivative of u a jump of 2" in kink[0]


def test_corners_that_disagree_are_warned_about():
    (warning,) = load_problem(changed(HEAT, initial="u = cos(pi*x/2)", exact=None)).warnings
    assert warning.startswith("x- and t- set different values of u where they meet (0 and 1 at x = 0")
    assert load_problem(changed(HEAT, initial="u = sin(pi*x)", exact=None)).warnings == ()


# files and names


def test_problems_are_found_in_folders(tmp_path, monkeypatch):
    (tmp_path / "mine.yaml").write_text(load_problem(HEAT).yaml())
    (tmp_path / "burgers.yaml").write_text(load_problem(HEAT).yaml())
    monkeypatch.setenv("KANPDE_PROBLEM_PATH", f"{tmp_path}{os.pathsep}{tmp_path / 'missing'}")
    assert problem_folders()[:2] == [tmp_path, tmp_path / "missing"]
    assert problem_names()["mine"] == tmp_path / "mine.yaml"
    assert load_problem("mine").name == "mine"
    assert list(load_problem("burgers").equations) == ["heat"]  # one's own comes first
    monkeypatch.delenv("KANPDE_PROBLEM_PATH")
    assert list(load_problem("burgers").equations) == ["momentum"]
    with pytest.raises(InputError, match='"mine" is neither.*poisson_2d'):
        load_problem("mine")
    with pytest.raises(InputError, match='Did you mean "burgers"'):
        load_problem("burger")


def test_files_that_cannot_be_read(tmp_path):
    cases = {
        "missing.yaml": (None, "is not there"),
        "latin.yaml": (b"title: \xe9t\xe9", "UTF-8"),
        "big.yaml": (b"#" * 100_000, "64 kB"),
        "list.yaml": (b"[1, 2]", "needs keys"),
        "empty.yaml": (b"", "needs keys"),
        "binary.yaml": (bytes(range(256)), "UTF-8"),
        "broken.yaml": (b"a: [1", "line 1"),
    }
    for name, (content, part) in cases.items():
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(InputError, match=part):
            load_problem(path)
    with pytest.raises(InputError, match="is a folder"):
        read_problem_file(tmp_path)
    with pytest.raises(InputError, match="load_problem needs"):
        load_problem(3)


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".x", "x" * 200, "a\nb", 3])
def test_problem_names_are_names_of_folders(name):
    with pytest.raises(InputError, match="problem needs a name"):
        load_problem({**HEAT}, name=name or " ")


# YAML from strangers


YAML_ATTACKS = {
    "alias bomb": "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]",
    "anchor": "a: &a 1",
    "recursive": "a: &a [*a]",
    "python object": "a: !!python/object/apply:os.system ['true']",
    "python name": "a: !!python/name:os.system",
    "local tag": "a: !x 1",
    "standard tag": "a: !!binary aGk=",
    "tag directive": "%TAG ! tag:x,2000:\n---\na: !y 1",
    "duplicate key": "a: 1\nb: 2\na: 3",
    "duplicate key by another spelling": "a: 1\n'a': 2",
    "two documents": "a: 1\n---\nb: 2",
    "deep lists": "a: " + "[" * 2000,
    "deep mappings": "a: " + "{b: " * 500,
    "deep blocks": "\n".join("  " * i + "a:" for i in range(150)),
    "many values": "a: [" + "1," * 6000 + "]",
    "list as a key": "? [a, b]\n: 1",
    "interpolation": "a: ${oc.env:HOME}",
    "interpolation in a key": "'${a}': 1",
    "target": "a: {_target_: os.system}",
    "defaults": "defaults: [a]",
    "hydra": "hydra: {callbacks: {}}",
    "package": "# @package _global_\na: 1",
    "indented package": "a: 1\n  #  @package _global_",
    "control characters": 'a: "\\e[31m"',
    "NUL": "a: 'x\0y'",
    "too long": "a: " + "x" * 70_000,
    "tab": "a:\n\t- 1",
}


@pytest.mark.parametrize("name", YAML_ATTACKS)
def test_yaml_attacks(name):
    start = time.process_time()
    with pytest.raises(InputError, match=r"^mine.yaml.*\.$"):
        read_problem_text(YAML_ATTACKS[name], "mine.yaml")
    assert time.process_time() - start < 1


@pytest.mark.parametrize("key", ["_target_", "defaults", "hydra", "_partial_", "${x}", 3, "a\0b"])
def test_keys_of_mappings_from_python_are_checked_too(key):
    refused({**HEAT, key: 1})
    refused({**HEAT, "parameters": {key: 1}})


def test_values_from_python_are_checked_too():
    refused({**HEAT, "title": "${oc.env:HOME}"}, "title", "${")
    refused({**HEAT, "title": os.system}, "title", "plain data")
    refused({**HEAT, "parameters": {"kappa": float("nan")}}, "parameters.kappa")
    refused({**HEAT, "parameters": {"kappa": 10**5000}}, "parameters.kappa")
    loop: list = []
    loop.append(loop)
    refused({**HEAT, "fields": loop}, "deep")
    refused({**HEAT, "fields": [["u"] * 10] * 1000}, "values")


@pytest.mark.parametrize("text", CODE)
def test_code_in_any_text_of_a_problem_is_refused(text):
    places = (
        {"coordinates": {"x": [text, 1], "t": [0, 1]}},
        {"coordinates": {text: [0, 1], "t": [0, 1]}},
        {"fields": [text]},
        {"parameters": {"kappa": text}},
        {"parameters": {text: 1}},
        {"equations": {"heat": f"u_t = {text}"}},
        {"equations": {"heat": text}},
        {"equations": {f"{text}(": "u_t = u_xx"}},
        {"equations": text},
        {"boundary": {"*": f"u = {text}"}},
        {"boundary": {text: "u = 0"}},
        {"initial": text},
        {"initial": [f"u = {text}"]},
        {"exact": {"u": text}},
        {"exact": {text: "x"}},
        {"periodic": [text]},
        {"reference": text},
        {"reference": {"method": text}},
    )
    for change in places:
        if text in ("None", "True") and set(change) & {"fields", "coordinates"} or change == {"fields": ["n_x"]}:
            continue  # ordinary names, or refused elsewhere in the problem
        with pytest.raises(InputError):
            load_problem(changed(HEAT, **change), name="mine")


def test_a_title_is_text_and_nothing_else():
    for text in ("__import__('os')", "{{7*7}}", "<script>", "%s %n", "$(true)"):
        assert load_problem({**HEAT, "title": text}).title == text


@pytest.mark.parametrize("name", BLOW_UPS)
def test_blow_ups_in_equations_and_solutions(name):
    start = time.process_time()
    refused(changed(HEAT, equations={"heat": f"u_t = {BLOW_UPS[name]}"}), "equations.heat")
    refused(changed(HEAT, exact={"u": BLOW_UPS[name]}), "exact")
    assert time.process_time() - start < 2


def test_exact_solutions_that_swell_in_the_equation_are_refused_in_time():
    wide = "*".join(f"sin({k}*x + t)" for k in range(1, 40))
    start = time.process_time()
    refused(changed(HEAT, equations={"heat": "u_t = u_xxxx + auto"}, exact={"u": wide}), "terms and factors")
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    "value",
    ["1e-3", 1e-3, "010", 10, "y", "on", "no", True, "true", None, "null", "~", "", 1e22, -0.5, ".5", "x = 1", "*",
     "- a", "1_0", "0x1f", "12:30:00", "a: b", "#", "é", "!", "&a", "'", '"', " x ", "1.", "+1", "line\nline",
     "2001-01-01"],
)  # fmt: skip
def test_plain_data_survives_yaml(value):
    data = {"key": [value, {"inner": value}], "y": value, "1": value}
    assert read_yaml(write_yaml(data), "mine.yaml") == data


# boxes


def test_boxes_and_sides():
    box = Box((-1.0, 0.0), (1.0, 0.5))
    assert box.dimension == 2 and box.lengths == (2.0, 0.5)
    assert [side.name for side in box_sides(("x", "t"))] == ["x-", "x+", "t-", "t+"]
    assert Side(1, 0, "y-").normal(3) == (0, -1, 0) and Side(0, 1, "x+").normal(2) == (1, 0)
    assert Side(1, 1, "t+").level(box) == 0.5
    with pytest.raises(ValueError, match="lower < upper"):
        Box((0.0,), (0.0,))


def test_problem_is_a_plain_frozen_record():
    problem = load_problem(HEAT)
    assert isinstance(problem, Problem)
    with pytest.raises(AttributeError):
        problem.name = "other"


# files of strangers


NAMING = {
    "coefficients": {"V": {"file": "NAME"}}, "data": {"file": "NAME"}, "reference": {"method": "file", "file": "NAME"},
}  # fmt: skip


def named_in(data, key):
    value = data[key]["V"] if key == "coefficients" else data[key]
    return value["file"]


@pytest.mark.parametrize("key", NAMING)
def test_a_confined_problem_names_files_of_one_folder_only(tmp_path, key):
    def stated(name):
        return json.loads(json.dumps({key: NAMING[key]}).replace("NAME", name))

    assert named_in(confined(stated("v.npy"), tmp_path), key) == str(tmp_path / "v.npy")
    for name in ("/etc/passwd", "../v.npy", "a/v.npy", "~root", ".v", ""):
        with pytest.raises(InputError, match="bare name"):
            confined(stated(name), tmp_path)


def test_a_confined_problem_reads_no_link_out_of_its_folder(tmp_path):
    (tmp_path / "secret.csv").write_text("x,u\n0,1\n1,2\n")
    (tmp_path / "upload").mkdir()
    (tmp_path / "upload" / "obs.csv").symlink_to(tmp_path / "secret.csv")
    data = {"coordinates": {"x": [0, 1]}, "fields": ["u"], "fit": True, "data": {"file": "obs.csv", "test": 0}}
    with pytest.raises(InputError, match="is a link"):
        load_problem(confined(data, tmp_path / "upload"))
    assert load_problem(confined({**data, "data": {**data["data"], "file": "secret.csv"}}, tmp_path)).data


@pytest.mark.parametrize("trap", ["fifo", "zero", "folder"])
def test_traps_among_problems_are_refused_at_once(tmp_path, monkeypatch, trap):
    path = tmp_path / "trap.yaml"
    {"fifo": lambda: os.mkfifo(path), "zero": lambda: path.symlink_to("/dev/zero"), "folder": path.mkdir}[trap]()
    monkeypatch.setenv("KANPDE_PROBLEM_PATH", str(tmp_path))
    with pytest.raises(InputError, match="is no plain file|is a folder"):
        load_problem("trap")
    assert load_problem("poisson_1d").name == "poisson_1d"
