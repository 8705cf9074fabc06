"""Ends of coordinates that need no condition, and what lap means in curvilinear coordinates."""

import pytest
import torch

from kanpde.errors import InputError
from kanpde.problems.catalog import load_problem
from kanpde.problems.check_report import findings
from kanpde.references import reference_of

RING = {"coordinates": {"r": [1, 2], "theta": [0, "2*pi"]}, "fields": ["u"], "equations": "lap(u) = 0",
        "boundary": {"r-": "u = 0", "r+": "u = 1.5*sin(theta)"}, "periodic": ["theta"]}  # fmt: skip
DISK = {**RING, "coordinates": {"r": [0, 1], "theta": [0, "2*pi"]}, "metric": "polar",
        "boundary": {"r+": "u = cos(theta)"}}  # fmt: skip


def test_the_middle_of_a_disk_needs_none():
    assert any("none needed on r-" in line for line in findings(load_problem(DISK)))
    points = torch.rand(200, 2).double() * torch.tensor([1.0, 6.28])
    found = reference_of(load_problem(DISK), "chebyshev").values(points.numpy())[:, 0]
    assert abs(found - (points[:, 0] * points[:, 1].cos()).numpy()).max() < 1e-9


def test_a_regular_end_needs_one():
    with pytest.raises(InputError, match="condition for u on r-"):
        load_problem({**DISK, "metric": None})


def test_the_warning_and_what_the_metric_changes():
    assert any("Add metric: polar" in line for line in load_problem(RING).warnings)
    problem = load_problem({**RING, "metric": "polar"})
    assert not problem.warnings
    points = torch.stack([torch.linspace(1, 2, 50), torch.linspace(0, 6, 50)], dim=1).double()
    found = reference_of(problem, "chebyshev").values(points.numpy())[:, 0]
    exact = (points[:, 0] - 1 / points[:, 0]) * points[:, 1].sin()
    assert abs(found - exact.numpy()).max() < 1e-9


@pytest.mark.parametrize(("metric", "coordinates", "solution"), [
    ("polar", {"r": [1, 2], "theta": [0, 1]}, "r**2*cos(2*theta)"),
    ("cylindrical", {"r": [1, 2], "theta": [0, 1], "z": [0, 1]}, "r*cos(theta)*z"),
    ("cylindrical", {"r": [1, 2], "z": [0, 1]}, "r**2 - 2*z**2"),
    ("spherical", {"r": [1, 2], "theta": [1, 2], "phi": [0, 1]}, "r**2*sin(theta)*cos(theta)*cos(phi)"),
    ("spherical", {"r": [1, 2]}, "1/r"),
    ({"theta": "r"}, {"r": [1, 2], "theta": [0, 1]}, "r**2*cos(2*theta)"),
    (dict.fromkeys("sq", "sqrt(s**2 + q**2)"), {"s": [1, 2], "q": [1, 2]}, "s**2*q**2 - (s**2 - q**2)**2/4"),
])  # fmt: skip
def test_harmonic_functions_stay_harmonic(metric, coordinates, solution):
    stated = {"coordinates": coordinates, "fields": ["u"], "metric": metric, "exact": {"u": solution},
              "equations": {"a": "lap(u) = 0", "b": "div(u*grad(u)) = dot(grad(u), grad(u))"},
              "boundary": {"*": ["u = auto", "dn(u) = auto"]}}  # fmt: skip
    assert load_problem(stated).exact  # checked to 1e-9
    with pytest.raises(InputError, match="exact needs to satisfy"):
        load_problem({**stated, "exact": {"u": f"{solution} + {next(iter(coordinates))}**3"}})


def test_a_metric_of_too_many_coordinates():
    with pytest.raises(InputError, match="polar needs the space coordinates r, theta"):
        load_problem({**RING, "coordinates": {"r": [0, 1], "a": [0, 1], "b": [0, 1]}, "metric": "polar"})
