"""Expressions of a solution mean what they mean in its problem."""

import numpy as np
import pytest
import torch

from kanpde.problems.catalog import load_problem
from kanpde.solving.ansatz.exact_conditions import ansatz_of
from kanpde.solving.solution import Solution

MAPPED = {
    "coordinates": {"xi": [0, 1], "t": [1, 2]}, "fields": ["u"], "mapping": {"x": "xi*t"},
    "equations": {"heat": "u_t = u_xx + auto"}, "boundary": {"*": "u = auto"}, "initial": "u = auto",
    "exact": {"u": "(xi*t)**3*t"},
}  # fmt: skip
POLAR = {
    "coordinates": {"r": [1, 2], "theta": [0, 6]}, "fields": ["u"], "metric": "polar",
    "equations": {"laplace": "lap(u) = auto"}, "boundary": {"*": "u = auto"}, "exact": {"u": "r**3*cos(theta)"},
}  # fmt: skip


class Exact(torch.nn.Module):
    """u = f, beside no conditions."""

    def __init__(self, function):
        super().__init__()
        self.function, self.none = function, torch.nn.Parameter(torch.zeros(1))

    def forward(self, points):
        return self.function(*points.unbind(-1))[..., None] + 0 * self.none


def solution(data, function):
    problem = load_problem(data)
    return Solution(problem, ansatz_of(problem, "penalty"), Exact(function))


def test_derivatives_at_places_where_coordinates_are_mapped():
    found, points = solution(MAPPED, lambda xi, t: (xi * t) ** 3 * t), [[0.3, 1.2], [0.8, 1.7]]
    t, x = np.array(points)[:, 1], np.prod(points, axis=1)
    known = {"x": x, "u_x": 3 * x**2 * t, "u_xx": 6 * x * t, "u_t": x**3, "lap(u)": 6 * x * t,
             "u_xi": 3 * x**2 * t**2}  # fmt: skip
    for expression, values in known.items():
        assert found.derivative(expression, points) == pytest.approx(values, rel=1e-12), expression
    assert abs(known["u_xi"] / known["u_x"] - 1).min() > 0.1


def test_operators_where_coordinates_are_not_cartesian():
    found, points = solution(POLAR, lambda r, theta: r**3 * torch.cos(theta)), [[1.2, 0.5], [1.9, 4.0]]
    r, theta = np.transpose(points)
    assert found.derivative("lap(u)", points) == pytest.approx(8 * r * np.cos(theta), rel=1e-12)
