"""Shifts, delays, integrals and means in the language: read, printed, differentiated, checked, refused."""

import copy

import pytest
import sympy
import torch

from kanpde.errors import InputError
from kanpde.problems.catalog import load_problem
from kanpde.problems.check_report import statement_lines
from kanpde.problems.freedoms import freedom_sentences
from kanpde.problems.language import (
    Scope,
    all_jets_of,
    compile_expression,
    depends_on,
    derivative,
    jets_of,
    latex_of,
    parse_expression,
    substituted,
    text_of,
)

SCOPE = Scope(("x", "t"), ("u",), time="t", ranges={"x": (0, 2), "t": (0, 1)})
X, T = (sympy.Symbol(name, real=True) for name in "xt")
TEXTS = {
    "u(x + 1, t)": "u(1 + x, t)", "u(t - 0.5)": "u(x, -0.5 + t)", "u_xx(2*x, t)": "u_xx(2*x, t)",
    "integral(u, x)": "integral(u, x, 0, 2)", "mean(x*u)": "integral(x*u, x, 0, 2)/2",
    "integral(exp(x - s)*u(s, t), s, 0, x)": "integral(u(s, t)*exp(-s + x), s, 0, x)",
    "u(0, t) - u(x, 1)": "u(0, t) - u(x, 1)", "int(u, x)": "integral(u, x, 0, 2)",
}  # fmt: skip


def read(text):
    return parse_expression(text, SCOPE, "test")


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_printed_is_read_back(text):
    expr = read(text)
    assert read(text_of(expr)) == expr == read(TEXTS[text])
    assert copy.deepcopy(jets_of(expr)) == jets_of(expr)


def test_what_is_here_is_no_remote():
    assert read("u(x, t)") == read("u") and jets_of(read("u(x + 1, t)")) != jets_of(read("u(x + 2, t)"))
    assert all_jets_of(read("u_x(x + 1, t) + integral(u_xx, x)")) == (("u", (1, 0)), ("u", (2, 0)))


def test_what_they_depend_on():
    assert depends_on(read("integral(u, x)")) == {"t"} and depends_on(read("u(0, 1)")) == set()
    assert depends_on(read("integral(u(s, t), s, 0, x)")) == {"x", "t"}


@pytest.mark.parametrize("text", ["u(x**2/4, t)*x", "integral(exp(x*s)*u(s, t)**2, s, x/2, x)", "mean(t*u)"])
@pytest.mark.parametrize("symbol", [X, T])
def test_derivatives_are_those_of_the_solution_put_in(text, symbol):
    exact = {"u": read("sin(x)*exp(-t)")}
    along = substituted(derivative(read(text), symbol), exact)
    value = compile_expression(substituted(read(text), exact), ("x", "t"))
    points = torch.rand(20, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) + 0.1
    step = torch.tensor([float(symbol == X), float(symbol == T)], dtype=torch.float64) * 1e-5
    wanted = (value(points + step) - value(points - step)) / 2e-5
    assert (compile_expression(along, ("x", "t"))(points) - wanted).abs().max() < 1e-8


def test_latex():
    assert latex_of(read("integral(u, x)")) == r"\int_{0}^{2} u\, dx"
    assert latex_of(read("u(x + 1, t)")) == r"u\left(1 + x, t\right)"


LINE = {"coordinates": {"x": [0, 1]}, "fields": ["u"], "equations": "u_xx = 1"}
TIME = {"coordinates": {"t": [0, 3]}, "fields": ["u"], "equations": "u_t = -u(t - 1)"}
RING = {
    "coordinates": {"x": [-1, 1], "y": [-1, 1]}, "fields": ["u"], "shapes": {"ring": "annulus(0, 0, 0.5, 1)"},
    "domain": "ring", "equations": "lap(u) = 0", "boundary": {"*": "dn(u) = 0"},
}  # fmt: skip


def test_a_mean_pins_what_is_free():
    stated = {**LINE, "equations": "u_xx = 2*x - 1", "boundary": {"*": "dn(u) = 0"}}
    assert freedom_sentences(load_problem(stated))
    pinned = load_problem({**stated, "constraints": "mean(u) = 3"})
    assert not freedom_sentences(pinned)
    assert "  constraint: integral(u, x, 0, 1) - 3 = 0" in list(statement_lines(pinned))


def test_an_equation_of_integrals_alone_is_a_constraint():
    problem = load_problem({**LINE, "equations": {"a": "u_xx = 1", "norm": "integral(u, x) = 1"}, "boundary": {
        "x-": "u = 0"}})  # fmt: skip
    assert list(problem.equations) == ["a"] and problem.conditions[-1].name == "norm"


def test_history_is_the_initial_value_too():
    problem = load_problem({**TIME, "history": {"u": "cos(t)"}})
    assert [c.name for c in problem.conditions] == ["t-"] and problem.reaches_through_time()
    assert not load_problem({**LINE, "boundary": {"*": "u = 0"}}).reaches_through_time()


@pytest.mark.parametrize(("stated", "reason"), [
    ({**TIME, "initial": "u = 1"}, "asks for u at t = -"),
    ({**LINE, "equations": "u_xx = u(x + 0.5)", "boundary": {"*": "u = 0"}}, "asks for u at x = 1"),
    ({**RING, "constraints": "integral(u, x, -1, 1, y, -1, 1) = 0"}, "needs integrals inside the domain"),
    ({**TIME, "equations": "u_t = u(t - u)", "history": {"u": 1}}, "a known place"),
    ({**TIME, "equations": "u_t = integral(u, q)", "initial": "u = 1"}, "a variable with two limits"),
    ({**TIME, "equations": "u_t = integral(integral(u, t), t)", "initial": "u = 1"}, "no integral within"),
    ({**TIME, "equations": "u_t = u", "initial": "u = 1", "constraints": "u = 2"}, "a field at every point"),
    ({**TIME, "history": {"v": "1"}}, "an expression for every field"),
    ({**LINE, "boundary": {"x-": "u = 0", "x+": "u(0) = 0"}}, "at x = 1"),
    ({**LINE, "equations": "u_xx = integral()", "boundary": {"*": "u = 0"}}, "what is integrated"),
    ({**LINE, "boundary": {"*": "u = 0"}, "constraints": 3}, r"\[mean\(p\) = 0\]"),
])  # fmt: skip
def test_refused_in_a_sentence(stated, reason):
    with pytest.raises(InputError, match=reason):
        load_problem(stated)


def test_names_stay_free():
    problem = load_problem({**LINE, "parameters": {"mean": 2}, "equations": "u_xx = mean", "boundary": {"*": "u = 0"}})
    assert problem.parameters == {"mean": 2.0}


def test_a_mean_that_cancels_to_rounding_is_met():
    rod = {
        "coordinates": {"x": [0, 1]}, "fields": ["u"], "equations": {"e": "u_xx = auto"}, "boundary": {"*": "u = auto"},
        "constraints": "mean(u) = 0",
    }  # fmt: skip
    assert load_problem({**rod, "exact": {"u": "sin(2*pi*x)"}}).fields == ("u",)
    with pytest.raises(InputError, match="exact needs to satisfy constraint"):
        load_problem({**rod, "exact": {"u": "sin(pi*x)"}})
