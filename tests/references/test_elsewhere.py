"""References of equations with integrals, shifts and delays, against solutions known by hand."""

import numpy as np
import pytest

from kanpde.problems.catalog import load_problem
from kanpde.references import NotSolved, method_for, reference_of

CASES = {
    "volterra": ({"coordinates": {"x": [0, 1]}, "equations": "u = 1 + integral(sin(x - s)*u(s), s, 0, x)"},
                 lambda x: 1 + x**2 / 2, 1e-12),
    "fredholm": ({"coordinates": {"x": [0, 1]}, "equations": "u = x + integral(x*s*u(s), s, 0, 1)"},
                 lambda x: 1.5 * x, 1e-12),
    "shift": ({"coordinates": {"x": [0, "2*pi"]}, "periodic": ["x"],
               "equations": "u(x + 1) - u(x - 1) + u = 2*sin(1)*cos(x) + sin(x)"}, np.sin, 1e-11),
    "nonlinear": ({"coordinates": {"x": [0, 1]}, "equations": "u = 7/8*x + integral(x*s*u(s)**2, s, 0, 1)/2"},
                  lambda x: x, 1e-11),
    "delay": ({"coordinates": {"t": [0, 2]}, "equations": "u_t = -u(t - 1)", "history": {"u": "1"}},
              lambda t: np.where(t < 1, 1 - t, 1 - t + (t - 1) ** 2 / 2), 1e-4),
    "mean": ({"coordinates": {"x": [0, 1]}, "equations": "u_xx = 2*x - 1", "boundary": {"*": "dn(u) = 0"},
              "constraints": "mean(u) = 3"}, lambda x: 3 + x**3 / 3 - x**2 / 2 + 1 / 12, 1e-10),
    "ends": ({"coordinates": {"x": [0, 1]}, "equations": "u_xx = 2", "boundary": {"x-": "u = 0"},
              "constraints": "integral(u, x) = u(1)"}, lambda x: x**2 - 4 / 3 * x, 1e-11),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_known_solutions(name):
    stated, truth, bound = CASES[name]
    problem = load_problem({"fields": ["u"], **stated, "reference": {"method": "chebyshev", "resolution": 96}})
    x = np.linspace(problem.domain.lower[0], problem.domain.upper[0], 50)[:, None]
    reference = reference_of(problem, method_for(problem))
    assert abs(reference.values(x) - truth(x)).max() < max(bound, 3 * reference.error)
    assert reference.error < max(10 * bound, 1e-9)


def test_methods_that_take_none_say_so():
    problem = load_problem({"coordinates": {"t": [0, 2]}, "fields": ["u"], "equations": "u_t = -u(t - 1)",
                            "history": {"u": "1"}, "reference": {"method": "ordinary"}})  # fmt: skip
    with pytest.raises(NotSolved, match="no integrals, shifts"):
        reference_of(problem, "ordinary")
