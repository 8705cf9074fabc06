"""Complex fields: pairs of real ones in equations, conditions and solutions, one in what is written."""

import cmath

import numpy as np
import pytest
import torch

import kanpde
from kanpde.errors import InputError
from kanpde.problems.catalog import load_problem
from kanpde.problems.language import Scope, compile_expression, latex_of, parse_complex
from kanpde.references import method_for, reference_of

SCOPE = Scope(("x", "t"), ("psi_re", "psi_im"), time="t", complexes={"psi": ("psi_re", "psi_im")})
PACKET = {
    "coordinates": {"x": [-5, 5], "t": [0, 0.2]}, "fields": {"psi": "complex"}, "periodic": ["x"],
    "equations": {"s": "i*psi_t = -0.5*psi_xx"}, "initial": "psi = exp(-x**2)*exp(2*i*x)",
}  # fmt: skip


ARITHMETIC = {
    "(2 + i*x)**3": lambda x, t: (2 + 1j * x) ** 3, "1/(1 + i*t)": lambda x, t: 1 / (1 + 1j * t),
    "exp(i*x)*(t - i)": lambda x, t: cmath.exp(1j * x) * (t - 1j),
    "sin(x + i*t) - i": lambda x, t: cmath.sin(x + 1j * t) - 1j,
    "cos(i*x + t)": lambda x, t: cmath.cos(1j * x + t), "sinh(x + i)": lambda x, t: cmath.sinh(x + 1j),
    "cosh(t - i*x)": lambda x, t: cmath.cosh(t - 1j * x), "conj(x + i*t)*i": lambda x, t: (x - 1j * t) * 1j,
    "abs(x + i*t)": lambda x, t: abs(x + 1j * t), "abs(x - 2*i*t)**2": lambda x, t: abs(x - 2j * t) ** 2,
    "re(i*x) + i*im(t + i*x)": lambda x, t: 1j * x, "(x + i)**-2": lambda x, t: (x + 1j) ** -2,
    "x - i*i": lambda x, t: x + 1,
}  # fmt: skip


@pytest.mark.parametrize("text", ARITHMETIC)
def test_arithmetic_is_that_of_complex_numbers(text):
    point = torch.tensor([[0.7, -0.4]]).double()
    found = [compile_expression(part, ("x", "t"))(point).item() for part in parse_complex(text, SCOPE, "test")]
    assert abs(complex(*found) - ARITHMETIC[text](*point[0].tolist())) < 1e-14


def test_one_equation_is_two():
    problem = load_problem(PACKET)
    assert problem.fields == ("psi_re", "psi_im") and list(problem.equations) == ["s_1", "s_2"]
    assert [c.name for c in problem.conditions] == ["t-", "t-.2"]
    assert latex_of(parse_complex("psi_t", SCOPE, "test")[0]) == r"\psi_{re, t}"


def test_the_reference_keeps_its_norm():
    problem = load_problem(PACKET)
    reference = reference_of(problem, method_for(problem))
    x = [[-5 + 10 * k / 400, t] for t in (0.0, 0.2) for k in range(400)]
    sizes = (reference.values(np.array(x)) ** 2).sum(1).reshape(2, 400).sum(1)
    assert abs(sizes[1] / sizes[0] - 1) < 1e-6


def test_a_wave_and_what_is_asked_of_it():
    wave = {**PACKET, "coordinates": {"x": [0, "2*pi"], "t": [0, 1]}, "exact": {"psi": "exp(i*(x - t/2))"},
            "initial": "psi = auto"}  # fmt: skip
    run = kanpde.solve(load_problem(wave), optimizer="least_squares", **{"training.target": 1e-5})
    assert run.metrics["rel_l2"] < 1e-5
    assert abs(run.solution.derivative("abs(psi)", x=0.5, t=0.5) - 1) < 1e-4


@pytest.mark.parametrize(("own", "reason"), [
    ({"equations": {"s": "i*psi_t = abs(psi_xx + where(x < 0, psi, 1))"}}, "a real value"),
    ({"equations": {"s": "i*psi_t = sqrt(psi)"}}, "a real value"),
    ({"equations": {"s": "i*psi_t = psi**0.5"}}, "whole powers"),
    ({"initial": "psi = grad(abs(psi)**2)"}, "vector"),
    ({"fields": {"psi": "imaginary"}}, "scalar, complex"),
    ({"exact": {"psi_re": "1", "psi_im": "0"}}, r"every field \(psi\)"),
])  # fmt: skip
def test_refused_in_a_sentence(own, reason):
    with pytest.raises(InputError, match=reason):
        load_problem({**PACKET, **own})
