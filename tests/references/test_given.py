"""Finite elements on the tetrahedra of a mesh file: orders, polynomials that are exact, regions, sizes."""

import numpy as np
import pytest

from kanpde.problems.catalog import load_problem
from kanpde.problems.geometry.regions import inside_points
from kanpde.problems.language import compile_expression
from kanpde.references import applicable_method
from kanpde.references.given import given_mesh, steps
from kanpde.references.means import NotSolved
from kanpde.references.methods import finite_elements
from tests.problems.test_solid_meshes import CUBE, NAMES, floor_and_inlet, halves, msh, notched

MIXED = {**CUBE, "boundary": {"floor": "dn(u) + u = auto", "in_let": "u = auto", "*": "u = auto"}}
STEEP = {"inside": {"core": 5}, "else": 1}


@pytest.fixture(autouse=True)
def mesh(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    nodes, cells = notched()
    nodes[:, 1] += 0.1 * np.abs(nodes[:, 0])  # no mesh of cubes any more, but with x = 0 between its cells
    (tmp_path / "part.msh").write_text(msh(nodes, cells, floor_and_inlet, halves, NAMES))


def error(data, resolution, factor=1.0):
    problem = load_problem(data)
    points = inside_points(problem.region, problem.domain, 400, 0)
    found = finite_elements.solve(problem, resolution).values(points.numpy())[:, 0]
    known = compile_expression(problem.exact["u"], problem.coordinates)(points).numpy()
    return np.linalg.norm(found - factor * known) / np.linalg.norm(known)


def test_orders_on_given_tetrahedra():
    """Degree p has order p + 1, and each halving of the edges keeps it."""
    assert applicable_method(load_problem(MIXED | {"exact": None, "equations": {"e": "lap(u) = 0"}, "boundary": {
        "floor": "dn(u) = 0", "*": "u = x"}})) == "finite_elements"  # fmt: skip
    errors = [error(MIXED, own) for own in (1, 2, 3, 6)]
    assert errors[1] < 1.5e-2 and errors[2] < 1e-3 and 3.5 < np.log2(errors[2] / errors[3]) < 5, errors
    assert error(MIXED, 3, factor=1.01) > 8e-3


@pytest.mark.parametrize("resolution", [3, 6])
def test_cubics_are_exact(resolution):
    data = MIXED | {"exact": {"u": "x**3 - 2*x*y*z + y**2 - z"}, "equations": {"e": "lap(u) + u*u_x = auto"}}
    assert error(data, resolution) < 1e-11


def test_regions_of_a_mesh_have_their_own_coefficients():
    """k u_x goes on at x = 0."""
    known = "where(x < 0, x/5, x) + y"
    data = MIXED | {"equations": {"e": "div(k*grad(u)) = 0"}, "exact": None, "coefficients": {"k": STEEP}}
    problem = load_problem(data | {"boundary": {"*": f"u = {known}"}})
    assert [c.name for c in problem.conditions if c.kind == "interface"][0].startswith("u_across_core")
    points = inside_points(problem.region, problem.domain, 300, 0).numpy()
    found, x = finite_elements.solve(problem, 2).values(points)[:, 0], points[:, 0]
    assert np.abs(found - np.where(x < 0, x / 5, x) - points[:, 1]).max() < 1e-11


def test_a_mesh_of_more_than_the_box_holds_is_not_taken():
    data = MIXED | {"coordinates": {**CUBE["coordinates"], "x": [-1, 0.25]}, "boundary": {"*": "u = auto"}}
    assert applicable_method(load_problem(data | {"exact": None, "boundary": {"*": "u = 0"}, "equations": {
        "e": "lap(u) = 1"}})) is None  # fmt: skip


def test_resolutions_stay_within_the_unknowns_allowed():
    problem = load_problem(MIXED)
    assert steps(problem) == (2, 3, 6, 12)
    with pytest.raises(NotSolved, match="42 tetrahedra"):
        given_mesh(problem, 48)
