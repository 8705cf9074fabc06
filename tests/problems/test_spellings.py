"""Problems as people type them: read, or answered with the right word."""

import pytest

from kanpde.errors import InputError
from kanpde.problems.catalog import load_problem
from kanpde.problems.language import Scope, parse_equation, parse_expression, text_of

SCOPE = Scope(("x", "t"), ("u",), ("n",), time="t", definitions={"n": parse_expression(2, Scope(), "n")})
HEAT = {
    "coordinates": {"x": [0, 1], "t": [0, 1]}, "fields": ["u"], "equations": "u_t = u_xx", "boundary": {"*": "u = 0"},
    "initial": "u = sin(pi*x)",
}  # fmt: skip
READ = {
    "sin(π·x)": "sin(pi*x)", "x² − t": "-t + x**2", "u(x, t)": "u", "u_xx(x,t)": "u_xx", "D(u, x, 2.0)": "u_xx",
    "D(u, x, n)": "u_xx", "besselj(2.0, x)": "besselj(2, x)", "besselj(n, x)": "besselj(2, x)", "2×x": "2*x",
}  # fmt: skip
ANSWERED = {
    "du/dt": "Write u_t for", "d²u/dx²": "Write u_xx for d²u/dx²", "∂u/∂t": "Write u_t", "d2u/dx2": "u_xx",
    "∂²u/∂x∂t": "Write u_xt", "diff(u,t)": "Write D", "np.sin(x)": "Write sin for np.sin", "math.pi": "Write pi for",
    "ut": 'Did you mean "u_t"', "uxx": 'Did you mean "u_xx"', "u.x": "Write u_x", "u''": "Write u_xx",
    "1j*u": "Declare complex fields", "i*u": "Declare complex fields", "I*u": "complex", "e**x": "exp", "ln(x)": "log",
    "Δu": "lap", "∇²u": "lap", "laplacian(u)": "lap", "arcsin(x)": "asin", "quad(u)": "integral", "∫u": "integral",
    "u(x, t, t)": "Write u alone", "ν*u": "Write nu", "2x": r"Write 2\*x",
    "|u|": r"Write abs\(u\) for \|u\|", "u_{xx}": "Write u_xx for u_{xx}", "sech(x)": "1/cosh",
    "dudt": "Write u_t", "u if x > 0 else 1": r"Write where\(", "du/dn": r"dn\(u\) for du/dn",
    "pi x": r"Write pi\*x", "D[u, x]": "parentheses", "sine(x)": 'Did you mean "sin"', "D(u, x": "quotes",
}  # fmt: skip


@pytest.mark.parametrize("text", READ)
def test_signs_that_mean_the_same_are_read(text):
    assert text_of(parse_expression(text, SCOPE, "example")) == READ[text]


@pytest.mark.parametrize("text", ANSWERED)
def test_other_spellings_are_answered_with_the_right_word(text):
    with pytest.raises(InputError, match=ANSWERED[text]):
        parse_expression(text, SCOPE, "example")


def test_two_equals_signs_are_one():
    with pytest.raises(InputError, match="Write = for =="):
        parse_equation("u_t == u_xx", SCOPE, "example")


@pytest.mark.parametrize(
    "own",
    [
        {"boundary": ["u(0,t) = 0", "u(1,t) = 0"]}, {"boundary": {"x-": "u(0, t) = 0", "x+": "u(1,t) = 0"}},
        {"initial": "u(x,0) = sin(π*x)"}, {"equations": "u_t(x,t) = u_xx(x,t)"},
    ],
)  # fmt: skip
def test_conditions_may_say_again_where_they_hold(own):
    plain, written = load_problem(HEAT), load_problem({**HEAT, **own})
    assert [(c.name, c.residual) for c in written.conditions] == [(c.name, c.residual) for c in plain.conditions]
    assert written.equations == plain.equations


def test_a_condition_that_says_another_place_than_its_key_is_refused():
    with pytest.raises(InputError, match="x = 1"):
        load_problem({**HEAT, "boundary": {"x-": "u = 0", "x+": "u(0, t) = 0"}})
    with pytest.raises(InputError, match="a condition for each side"):
        load_problem({**HEAT, "boundary": ["u(0.5, t) = 0"]})


def test_parameters_that_nothing_uses_are_warned_of():
    (warning,) = load_problem({**HEAT, "parameters": {"nu": 0.1, "nu_0": 1}, "equations": "u_t = nu_0*u_xx"}).warnings
    assert "nu is used nowhere" in warning
    used = {"parameters": {"a": 1, "nu": "a/2"}, "equations": "u_t = nu*u_xx"}
    assert not load_problem({**HEAT, **used}).warnings


def test_greek_names_are_spelled_out():
    with pytest.raises(InputError, match=r"e\.g\. nu"):
        load_problem({**HEAT, "parameters": {"ν": 1}})


@pytest.mark.parametrize(
    ("own", "word"),
    [({"boundary": {"left": "u = 0", "x+": "u = 0"}}, 'Write x- for "left"'),
     ({"boundary": {"x=1": "u = 0"}}, r"Write x\+"),
     ({"boundary": {"x = 0": "u = 0"}}, "Write x-"),
     ({"initial": "u(x, t=0) = 1"}, r"Write u\(x, 0\) for u\(x, t=0\)"),
     ({"initial": {"u": "sin(pi*x)"}}, r"Write e.g. initial: \[u = sin\(pi\*x\)\]"),
     ({"initial": {"u": "u = 1", "u_t": 0}}, "needs where and condition"),
     ({"equations": None, "data": {"file": "a.csv"}}, "or fit: true, where the fields follow"),
     ({"equations": None}, r"Add equations: \{poisson: lap\(u\) = 1\}\.")],
)  # fmt: skip
def test_sides_and_times_by_other_names_are_answered(own, word):
    with pytest.raises(InputError, match=word):
        load_problem({**HEAT, **own})
