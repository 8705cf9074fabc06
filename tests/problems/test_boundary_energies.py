"""Integrals over sides of the box in an energy: Robin's condition and a flux."""

import numpy as np
import pytest

import kanpde
from kanpde.errors import InputError
from kanpde.problems.catalog import load_problem
from kanpde.problems.check_report import statement_lines
from kanpde.references import reference_of

H, Q = 3.0, 2.0
ROD = {
    "coordinates": {"x": [-1, 2]}, "fields": ["u"], "parameters": {"h": H, "q": Q},
    "energy": {"density": "u_x**2/2", "boundary": {"x+": "h*(u - 1)**2/2", "x-": "-q*u"}},
}  # fmt: skip
"""-u' = q at the left end, -u' = h (u - 1) at the right one: u = 1 + q/h + q (2 - x)."""


def known(x):
    return 1 + Q / H + Q * (2 - x)


def test_what_the_echo_says():
    line = "  energy: ∫ u_x**2/2 + ∮ over x- of -2*u + ∮ over x+ of 3*(u - 1)**2/2, the least"
    assert line in list(statement_lines(load_problem(ROD)))


def test_its_reference_meets_the_natural_conditions():
    found, x = reference_of(load_problem(ROD), "elements"), np.linspace(-1, 2, 31)
    assert abs(found.values(x[:, None])[:, 0] - known(x)).max() < 1e-9
    energy = 3 * Q**2 / 2 + Q**2 / (2 * H) - Q * known(-1.0)  # by hand
    assert found.energies[0] == pytest.approx(energy, rel=1e-10)


def test_in_the_plane_on_all_sides():
    """-lap u = 0 with u_n = 3 (g - u) all around: u = x y, g = u + u_n/3 on each side."""
    sides = {"x-": "3*(u - (0 - y/3))**2/2", "x+": "3*(u - (y + y/3))**2/2", "y-": "3*(u - (0 - x/3))**2/2",
             "y+": "3*(u - (x + x/3))**2/2"}  # fmt: skip
    plate = {"coordinates": {"x": [0, 1], "y": [0, 1]}, "fields": ["u"],
             "energy": {"density": "(u_x**2 + u_y**2)/2", "boundary": sides}}  # fmt: skip
    points = np.random.default_rng(0).uniform(size=(50, 2))
    found = reference_of(load_problem(plate), "elements").values(points)[:, 0]
    assert abs(found - points.prod(1)).max() < 1e-9


def test_it_is_solved(tmp_path):
    output, quick = {"plot": False, "folder": str(tmp_path)}, {"time_limit": 4, "steps": 20}
    run = kanpde.solve(ROD, training=quick, reference=False, output=output, device="cpu")
    x = np.linspace(-1, 2, 31)
    assert abs(run.solution.values(x[:, None])[:, 0] - known(x)).max() < 1e-3


@pytest.mark.parametrize(("energy", "message"), [
    ({"density": "u_x**2/2", "boundary": {"y+": "u"}}, r"energy.boundary needs sides \(x-, x\+"),
    ({"density": "u_x**2/2", "boundary": {"x+": "u*u_x"}}, "takes fields, and no derivatives of them"),
    ({"density": "u_x**2/2", "boundary": {"x+": "3"}}, "needs to involve a field"),
    ({"density": "u_x**2/2", "boundary": "u"}, "what is integrated over each side"),
    ({"boundary": {"x+": "u"}}, "needs density, and boundary by sides"),
])  # fmt: skip
def test_refusals(energy, message):
    with pytest.raises(InputError, match=message):
        load_problem(ROD | {"energy": energy})
