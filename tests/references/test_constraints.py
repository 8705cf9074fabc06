"""Finite elements with means and integrals: gauges, norms and sizes of solutions, orders, what contradicts."""

import numpy as np
import pytest

from kanpde.problems.catalog import load_problem
from kanpde.problems.geometry.regions import inside_points
from kanpde.problems.language import compile_expression
from kanpde.references import NotSolved, method_for, reference_of
from kanpde.references.methods import finite_elements

DISK = {
    "coordinates": {"x": [-1, 1], "y": [-1, 1]}, "fields": ["u"], "shapes": {"disk": "disk(0, 0, 1)"}, "domain": "disk",
    "equations": "lap(u) = auto", "boundary": {"disk": "dn(u) = auto"}, "exact": {"u": "x + x*y + 2"},
}  # fmt: skip
NORMED = {**DISK, "equations": "lap(u) + div(u*grad(x**2 + y**2)) = 0", "exact": {"u": "exp(-x**2 - y**2)"},
          "boundary": {"disk": "dn(u) + u*dn(x**2 + y**2) = 0"}}  # fmt: skip
STOKES = {
    "coordinates": {"x": [-1, 1], "y": [-1, 1]}, "fields": {"v": ["v1", "v2"], "p": "scalar"},
    "shapes": {"ring": "annulus(0, 0, 0.4, 1)"}, "domain": "ring", "constraints": "mean(p) = 2",
    "equations": {"mx": "-lap(v1) + p_x = auto", "my": "-lap(v2) + p_y = auto", "mass": "div(v) = 0"},
    "boundary": {"*": ["v1 = auto", "v2 = auto"]},
    "exact": {"v1": "-y*(x**2 + y**2)", "v2": "x*(x**2 + y**2)", "p": "x*y + x + 2"},
}  # fmt: skip
CUBE = {**DISK, "coordinates": {"x": [-1, 1], "y": [-1, 1], "z": [-1, 1]}, "exact": {"u": "x + y*z + 2"},
        "shapes": {"disk": {"extrude": "disk(0, 0, 1)", "z": [-0.5, 0.5]}}}  # fmt: skip


def errors(stated, resolution, factor=1.0):
    problem = load_problem(stated)
    points = inside_points(problem.region, problem.domain, 400, 0)
    found = finite_elements.solve(problem, resolution).values(points.numpy())
    known = [compile_expression(problem.exact[name], problem.coordinates)(points) for name in problem.fields]
    exact = np.stack(known, axis=1)
    return np.linalg.norm(found - factor * exact, axis=0) / np.linalg.norm(exact, axis=0)


@pytest.mark.parametrize("text", [
    "mean(u) = 2", "integral(u, x, y) = 2*pi", "integral((1 + x)*u) = 9/4*pi", "integral(u**2) = 4*pi + pi/4 + pi/24",
    "u(0, 0) = mean(u)", "mean(u, core) = 2.36", "integral(x*u_x + u) = 2*pi",
])  # fmt: skip
def test_gauges(text):
    stated = {**DISK, "shapes": {**DISK["shapes"], "core": "disk(0.3, 0.2, 0.1)"}, "constraints": text}
    if text == "u(0, 0) = mean(u)":  # true of all of them
        with pytest.raises(NotSolved, match="more than one solution"):
            errors(stated, 8)
        return
    assert errors(stated, 8)[0] < 3e-6 and errors(stated, 8, 1.001)[0] > 5e-4


def test_a_norm_chooses_a_multiple():
    stated = {**NORMED, "constraints": "integral(u, x, y) = pi*(1 - exp(-1))"}
    coarse, fine = errors(stated, 6)[0], errors(stated, 12)[0]
    assert fine < 1e-6 and np.log2(coarse / fine) > 3, (coarse, fine)
    assert errors({**NORMED, "constraints": "mean(u**2) = (1 - exp(-2))/2"}, 8)[0] < 1e-5


def test_a_pressure_has_its_mean():
    found = errors(STOKES, 8)
    assert found[:2].max() < 1e-5 and found[2] < 1e-4
    assert errors({**STOKES, "constraints": "mean(p) + v1(0.6, 0) = 2"}, 8)[2] < 1e-4


def test_in_space():
    assert errors({**CUBE, "constraints": "mean(u) = 2"}, 4)[0] < 1e-3


def test_no_multiple_meets_what_is_determined():
    """Δu = u³ - 1 with u = 0 around has one solution, of which the mean is not 5."""
    stated = {**DISK, "equations": "lap(u) = u**3 - 1", "boundary": {"disk": "u = 0"}, "constraints": "mean(u) = 5"}
    stated.pop("exact")
    with pytest.raises(NotSolved, match="do not balance"):
        finite_elements.solve(load_problem(stated), 8)


def test_the_reference_of_a_problem_with_a_mean():
    stated = {key: value for key, value in DISK.items() if key != "exact"} | {
        "equations": "lap(u) = 0", "boundary": {"disk": "dn(u) = x"}, "constraints": "mean(u) = 2"}  # fmt: skip
    problem = load_problem(stated)
    reference = reference_of(problem, method_for(problem))
    points = inside_points(problem.region, problem.domain, 100, 1).numpy()
    assert np.abs(reference.values(points)[:, 0] - points[:, 0] - 2).max() < 1e-7 and reference.error < 1e-6
