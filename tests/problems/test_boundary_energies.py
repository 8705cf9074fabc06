"""Integrals over sides of the box in an energy: Robin's condition and a flux."""

import numpy as np
import pytest

import kanpde
from kanpde.errors import InputError
from kanpde.problems.catalog import load_problem
from kanpde.problems.check_report import statement_lines
from kanpde.problems.quadrature import quadrature, quadratures_around
from kanpde.references import reference_of
from kanpde.references.methods import finite_elements

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


DISK = {
    "coordinates": {"x": [-1, 1], "y": [-1, 1]}, "fields": ["u"], "parameters": {"h": 2, "g": 0.5},
    "shapes": {"disk": "disk(0, 0, 1)"}, "domain": "disk",
    "energy": {"density": "(u_x**2 + u_y**2)/2 - 4*u", "boundary": {"disk": "h*(u - g)**2/2"}},
}  # fmt: skip
"""-Δu = 4 and u_n = h (g - u) around: u = g + 2/h + 1 - r², of the energy -8π + π + 2π."""


def around_a_disk(points):
    return 2.5 - (points**2).sum(1)


def test_around_a_disk():
    problem, points = load_problem(DISK), np.random.default_rng(0).uniform(-0.7, 0.7, (50, 2))
    line = "  energy: ∫ -4*u + u_x**2/2 + u_y**2/2 + ∮ over disk of (u - 0.5)**2, the least"
    assert line in list(statement_lines(problem))
    coarse, fine = (finite_elements.solve(problem, resolution) for resolution in (4, 8))
    errors = [abs(found.values(points)[:, 0] - around_a_disk(points)).max() for found in (coarse, fine)]
    assert errors[1] < 2e-5 and errors[0] / errors[1] > 8, errors
    assert fine.energies[0] == pytest.approx(-5 * np.pi, rel=1e-5)
    (((name, expr), *_), (rule, *_)) = problem.task.rims, quadratures_around(problem, 200, 3)
    assert name == "disk" and rule[0] == expr and rule[1].weights.sum() == pytest.approx(2 * np.pi, rel=1e-12)


def test_a_disk_is_solved(tmp_path):
    """By one layer of splines, which has x² + y²; knots between the points of integration leave 4e-4."""
    output, quick = {"plot": False, "folder": str(tmp_path)}, {"stages": 1, "starts": 1, "steps": 10}
    layer = {"width": [], "grid": 4, "degree": 3}
    run = kanpde.solve(DISK, model=layer, training=quick, reference=False, output=output, device="cpu")
    points = np.random.default_rng(0).uniform(-0.7, 0.7, (50, 2))
    assert abs(run.solution.values(points)[:, 0] - around_a_disk(points)).max() < 2e-3
    assert run.metrics["energy"] == pytest.approx(-5 * np.pi, rel=1e-5)


def test_sides_and_rims_of_a_cut_box():
    """Only what bounds the domain counts: the quarter of a disk in a corner, and sides less what it takes."""
    cut = DISK | {"shapes": {"hole": "disk(1, 1, 0.5)"}, "domain": "box - hole",
                  "energy": {"density": "(u_x**2 + u_y**2)/2 - 4*u", "boundary": {"*": "u**2", "x-": "u**2/2"}}}
    rules = quadratures_around(load_problem(cut), 100, 0)
    lengths = sorted(sample.weights.sum().item() for _, sample in rules)
    assert lengths == pytest.approx(sorted([2, 2, 1.5, 1.5, np.pi / 4]), rel=1e-9)


def test_points_of_a_plane_energy_fill_its_shapes():
    problem = load_problem(DISK)
    one, other = (quadrature(problem, 400, seed) for seed in (0, 1))
    for sample in (one, other):
        assert sample.weights.sum() == pytest.approx(np.pi, rel=1e-10)
        assert sample.weights @ sample.points[:, 0] ** 4 == pytest.approx(np.pi / 8, rel=1e-6)
    assert len(one.points) != len(other.points) or not np.allclose(one.points, other.points)


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


@pytest.mark.parametrize(("changes", "message"), [
    ({"energy": {"density": "u_x**2", "boundary": {"hole": "u"}}}, r"needs sides \(x-, x\+, y-, y\+, disk, or"),
    ({"coordinates": {"x": [-1, 1], "y": [-1, 1], "z": [0, 1]}, "shapes": {"disk": "ball(0, 0, 0.5, 0.4)"}},
     "needs a plane domain"),
    ({"energy": {"density": "u_x**2", "boundary": {"disk": "u*u_x"}}}, "takes fields, and no derivatives of them"),
])  # fmt: skip
def test_refusals_on_shapes(changes, message):
    with pytest.raises(InputError, match=message):
        load_problem(DISK | changes)
