"""Equations in time alone against SciPy's Radau and exact solutions."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from kanpde.problems.catalog import load_problem
from kanpde.references import NotSolved, method_for, reference_of


def ordinary(equations, initial, end, fields=None, **keys):
    return load_problem({"coordinates": {"t": [0, end]}, "fields": fields or list(initial), "equations": equations,
                         "initial": [f"{name} = {value}" for name, value in initial.items()], **keys})  # fmt: skip


LORENZ = ordinary(
    {"one": "x_t = 10*(y - x)", "two": "y_t = x*(15 - z) - y", "three": "z_t = x*y - 8/3*z"},
    {"x": -8, "y": 7, "z": 27}, 3,
)  # fmt: skip
ROBERTSON = ordinary(
    {"a": "A_t = -0.04*A + 1e4*B*C", "b": "B_t = 0.04*A - 1e4*B*C - 3e7*B**2", "c": "C_t = 3e7*B**2"},
    {"A": 1, "B": 0, "C": 0}, 100,
)  # fmt: skip


def lorenz(t, u):
    x, y, z = u
    return [10 * (y - x), x * (15 - z) - y, x * y - 8 / 3 * z]


def robertson(t, u):
    a, b, c = u
    return [-0.04 * a + 1e4 * b * c, 0.04 * a - 1e4 * b * c - 3e7 * b**2, 3e7 * b**2]


@pytest.mark.parametrize(
    ("problem", "rates", "start"), [(LORENZ, lorenz, [-8, 7, 27]), (ROBERTSON, robertson, [1, 0, 0])]
)
def test_against_another_integrator(problem, rates, start):
    assert method_for(problem) == "ordinary"
    found = reference_of(problem, "ordinary")
    end = problem.domain.upper[0]
    known = solve_ivp(rates, (0, end), start, method="Radau", rtol=1e-9, atol=1e-14).y[:, -1]
    assert found.error < 1e-8
    np.testing.assert_allclose(found.values(np.array([[end]]))[0], known, rtol=1e-7)


def test_second_order_and_not_solved_for_the_derivative():
    problem = ordinary({"pendulum": "2*u_tt + u_t**3/1e3 = -2*u + cos(t)**3/1e3"}, {"u": 0, "u_t": 1}, 5, ["u"])
    times = np.linspace(0, 5, 40)[:, None]
    np.testing.assert_allclose(reference_of(problem, "ordinary").values(times)[:, 0], np.sin(times[:, 0]), atol=1e-9)


def test_a_field_without_a_time_derivative_follows():
    problem = ordinary({"move": "u_t = -z", "bound": "z + z**3 = u + u**3"}, {"u": 1}, 2, ["u", "z"])
    times = np.linspace(0, 2, 40)[:, None]
    found = reference_of(problem, "ordinary").values(times)
    np.testing.assert_allclose(found, np.exp(-times) * [1, 1], atol=1e-9)


def test_a_constraint_of_higher_index_is_said():
    problem = ordinary({"move": "u_t = z", "bound": "u = sin(t)"}, {"u": 0}, 2, ["u", "z"])
    with pytest.raises(NotSolved, match="determine u_t, z at every time"):
        reference_of(problem, "ordinary")


def test_fields_that_stay_zero_hold_up_nothing():
    """Imaginary parts of populations have rounding alone, of which no digit is right."""
    two_levels = {"coordinates": {"t": [0, 2]}, "fields": {"a": "complex", "b": "complex", "c": "complex"},
                  "equations": {"one": "D(a, t) = i*(c - conj(c)) + b", "two": "D(b, t) = -i*(c - conj(c)) - b",
                                "three": "D(c, t) = -(1/2 + i/2)*c - i*(b - a)"},
                  "initial": ["a = 1", "b = 0", "c = 0"]}  # fmt: skip

    def rates(t, u):
        a, b, c = u
        swing = 1j * (c - np.conj(c))
        return np.array([swing + b, -swing - b, -(0.5 + 0.5j) * c - 1j * (b - a)])

    found = reference_of(load_problem(two_levels), "ordinary").values(np.array([[2.0]]))[0]
    known = solve_ivp(rates, (0, 2), np.array([1, 0, 0], complex), "DOP853", rtol=1e-12, atol=1e-13).y[:, -1]
    assert np.allclose(found[::2] + 1j * found[1::2], known, atol=1e-9) and abs(found[1]) < 1e-14
