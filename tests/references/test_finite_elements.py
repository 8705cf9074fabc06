"""Finite elements in plane regions: meshes, orders, every kind of condition, a second method, what is refused."""

import numpy as np
import oracles
import pytest

from kanpde.problems.catalog import load_problem
from kanpde.problems.geometry.regions import inside_points
from kanpde.problems.language import compile_expression
from kanpde.references import METHODS, NotSolved, galerkin, method_for, reference_of
from kanpde.references.meshed import Meshed
from kanpde.references.meshes import triangulate
from kanpde.references.methods import chebyshev, finite_elements
from kanpde.references.spaces import curved, inner_rule, space

SQUARE = {"coordinates": {"x": [-1, 1], "y": [-1, 1]}, "fields": ["u"], "boundary": {"*": "u = auto"},
          "equations": {"e": "lap(u) = auto"}}  # fmt: skip
HOLE = {**SQUARE, "shapes": {"hole": "disk(0.2, 0.1, 0.4)"}, "domain": "box - hole"}
RING = {**SQUARE, "coordinates": {"x": [-1.1, 1.1], "y": [-1.1, 1.1]},
        "shapes": {"outer": "disk(0, 0, 1)", "inner": "disk(0, 0, 0.3)"}, "domain": "outer - inner",
        "exact": {"u": "log(x**2 + y**2)"}}  # fmt: skip
SMOOTH = "exp(x/2)*sin(2*y)"


def exact_of(problem, points):
    formulas = [compile_expression(problem.exact[field], problem.coordinates) for field in problem.fields]
    return np.stack([formula(points).numpy() for formula in formulas], axis=1)


def error(data, resolution, factor=1.0):
    """Relative L2 error of the solution, or its distance to a multiple of the exact one."""
    problem = load_problem(data)
    points = inside_points(problem.region, problem.domain, 500, 0)
    found, exact = finite_elements.solve(problem, resolution).values(points.numpy()), exact_of(problem, points)
    return np.linalg.norm(found - factor * exact) / np.linalg.norm(exact)


# meshes


@pytest.mark.parametrize(
    ("shapes", "domain", "area"),
    [
        ({"a": "disk(0.2, 0.1, 0.4)"}, "box - a", 4 - np.pi * 0.16),
        ({"a": "ellipse(0, 0, 0.8, 0.3)"}, "a", np.pi * 0.24),
        ({"a": "polygon(-0.5, -0.5, 0, 0.7, 0.5, -0.5)"}, "box - a", 4 - 0.6),
        ({"a": "disk(1, 0, 0.5)"}, "box - a", 4 - np.pi * 0.125),
        ({"a": "disk(-0.3, 0, 0.5)", "b": "disk(0.3, 0, 0.5)"}, "a + b",
         np.pi * 0.5 - 2 * (0.25 * np.arccos(0.6) - 0.3 * 0.4)),
        ({"a": "disk(0, 0, 1)"}, "a", np.pi),  # touches all sides
    ],
)  # fmt: skip
def test_a_mesh_fills_its_region(shapes, domain, area):
    problem = load_problem({**SQUARE, "shapes": shapes, "domain": domain, "exact": {"u": "x*y"}})
    mesh = triangulate(problem, 12)
    filled = inner_rule((space(curved(mesh), 4),), 5).weights.sum()
    assert filled == pytest.approx(area, rel=2e-5)
    a, b, c = mesh.nodes[mesh.cells.T]
    sides = np.array([np.linalg.norm(p - q, axis=1) for p, q in ((a, b), (b, c), (c, a))])
    half = sides.sum(0) / 2
    areas = np.sqrt(half * (half - sides).prod(0))
    quality = 8 * areas**2 / (half * sides.prod(0))  # twice the ratio of radii: 1 for equal sides, 0 for flat ones
    assert quality.min() > 0.2 and np.median(quality) > 0.9
    assert np.array_equal(triangulate(problem, 12).nodes, mesh.nodes)


@pytest.mark.parametrize("height", [0.5, 0.2])
def test_flat_triangles_have_meshes(height):
    """In a corner of 11° to 27° the first nodes of both edges are nearer to one another than to the corner."""
    flat = {"coordinates": {"x": [0, 1], "y": [0, height]}, "fields": ["u"], "equations": {"e": "lap(u) = 0"},
            "shapes": {"cut": f"polygon(1, 0, 1, {height}, 0, {height})"}, "domain": "box - cut",
            "boundary": {"*": "u = 0"}}  # fmt: skip
    mesh = triangulate(load_problem(flat), 16)
    corners = mesh.nodes[mesh.cells]
    areas = abs(np.linalg.det(corners[:, 1:] - corners[:, :1])) / 2
    assert areas.min() > 1e-12 and areas.sum() == pytest.approx(height / 2, rel=1e-12)


def test_triangles_continue_quartics_exactly_and_nothing_far_away():
    problem = load_problem({**HOLE, "exact": {"u": "x*y"}})
    quartics = space(curved(triangulate(problem, 8)), 4)
    x, y = quartics.nodes.T
    function = quartics.function(np.stack([x**4 - 3 * x * y**2, y]))
    inside = np.random.default_rng(0).uniform(-1, -0.3, (200, 2))  # where all sides are straight
    x, y = inside.T
    assert np.abs(function(inside) - np.stack([x**4 - 3 * x * y**2, y], axis=1)).max() < 1e-12
    assert np.isnan(function(np.array([[0.2, 0.1], [3.0, 0.0]]))).all()
    near = np.array([[0.2 + 0.4 * np.cos(t), 0.1 + 0.4 * np.sin(t)] for t in np.linspace(0, 6, 50)])
    assert np.abs(function(near)[:, 1] - near[:, 1]).max() < 1e-4  # sides are curved, so y is no quartic there


# orders and conditions


def test_the_order_on_a_ring_is_that_of_its_curved_sides():
    """Quartics give order 5, quadratic sides order 4."""
    errors = [error(RING, resolution) for resolution in (8, 16)]
    order = np.log2(errors[0] / errors[1])
    assert errors[1] < 2e-6 and order > 3.5, (errors, order)
    assert error(RING, 8, factor=1.01) > 1e-3


def test_a_corner_does_not_spoil_the_order():
    """r^(2/3): on even grids order 4/3."""
    lshape = load_problem("poisson_lshape").source
    errors = [error(lshape, resolution) for resolution in (12, 24)]
    assert errors[1] < 1e-6 and np.log2(errors[0] / errors[1]) > 3, errors


@pytest.mark.parametrize(
    "changes",
    [
        {"boundary": {"inner": "dn(u) = auto", "outer": "u = auto"}},
        {"boundary": {"inner": "u = auto", "outer": "2*dn(u) + 3*u = auto"}},
        {"boundary": {"inner": "dn(u) + u**3 = auto", "outer": "dn(u) + u = auto"}},
        {"equations": {"e": "div((1 + x**2)*grad(u)) - u**3 + u*u_x = auto"},
         "boundary": {"inner": "(2 + y)*dn(u) + u = auto", "outer": "u = auto"}},
        {"equations": {"e": "div((1 + u**2)*grad(u)) = auto"}, "boundary": {"inner": "dn(u) = auto", "*": "u = auto"}},
        {"equations": {"e": "u_xx + u_xy/2 + (2 + x)*u_yy = auto"}},
    ],
)  # fmt: skip
def test_equations_and_conditions_on_a_ring(changes):
    data = {**RING, **changes, "exact": {"u": "x + exp(x/2)*sin(y)"}}
    assert error(data, 10) < 1e-5
    assert error(data, 10, factor=1.01) > 1e-3


@pytest.mark.parametrize(
    "shape", ["ellipse(0.1, 0, 0.5, 0.3)", "polygon(-0.4, -0.3, 0.5, -0.2, 0, 0.4)", "box(-0.2, 0.3, -0.3, 0.1)"]
)
def test_slopes_on_holes_of_every_shape(shape):
    data = {**HOLE, "shapes": {"hole": shape}, "exact": {"u": SMOOTH}}
    right = {**data, "boundary": {"hole": "dn(u) + u = auto", "*": "u = auto"}}
    assert error(right, 10) < 1e-5 and error(right, 10, factor=1.01) > 1e-3
    names = [c.name for c in load_problem(right).conditions if c.name.startswith("hole")]
    assert len(names) == {"e": 1, "p": 3, "b": 4}[shape[0]]


def test_parts_of_sides():
    parts = [{"where": "y < 0.5", "condition": "u = auto"}, {"where": "y >= 0.5", "condition": "dn(u) + 2*u = auto"}]
    data = {**SQUARE, "boundary": {"x-": parts, "*": "u = auto"}, "exact": {"u": SMOOTH}}
    problem = load_problem(data)
    assert not chebyshev.applicable(problem) and finite_elements.applicable(problem)
    assert any(np.abs(node - [-1, 0.5]).max() < 1e-9 for node in triangulate(problem, 8).nodes)
    assert error(data, 8) < 1e-5 and error(data, 8, factor=1.01) > 1e-3


def test_a_change_of_condition_within_a_side_is_resolved():
    """r^(1/2) sin(θ/2), of order 1 on even grids: fixed to the right of the origin, free to the left."""
    parts = [{"where": "x >= 0", "condition": "u = auto"}, {"where": "x < 0", "condition": "dn(u) = 0"}]
    data = {**SQUARE, "coordinates": {"x": [-1, 1], "y": [0, 1]}, "boundary": {"y-": parts, "*": "u = auto"},
            "exact": {"u": "sqrt((sqrt(x**2 + y**2) - x)/2 + 1e-300)"}}  # fmt: skip
    errors = [error(data, resolution) for resolution in (12, 24)]
    assert errors[1] < 3e-5 and np.log2(errors[0] / errors[1]) > 3, errors


@pytest.mark.parametrize("scale", [1, 1e6])
def test_factors_of_four_fields_stay_sparse(monkeypatch, scale):
    """Three numbers for each of the matrix; five without symmetric order. Sizes of equations do not matter."""
    fills, original = [], galerkin.scipy.sparse.linalg.splu

    def counted(matrix, **options):
        factors = original(matrix, **options)
        fills.append(factors.nnz / matrix.nnz)
        return factors

    monkeypatch.setattr(galerkin.scipy.sparse.linalg, "splu", counted)
    data = {
        "coordinates": {"x": [0, 1], "y": [0, 1]}, "fields": ["a", "b", "c", "d"],
        "shapes": {"notch": "box(0.5, 1, 0, 0.5)"}, "domain": "box - notch",
        "equations": {"first": f"{scale}*(lap(a) - b) = auto", "second": "lap(b) = c - a + auto",
                      "third": "lap(c) = d + auto", "fourth": f"(lap(d) - a + d)/{scale} = auto"},
        "boundary": {"*": ["a = auto", "b = auto", "c = auto", "d = auto"]},
        "exact": {"a": "sin(pi*x)*sin(2*y)", "b": "exp(x)*cos(y)", "c": "cos(3*x*y)", "d": "1/(1 + x + y)"},
    }  # fmt: skip
    assert error(data, 10) < 1e-6 and error(data, 10, 1.001) > 5e-4
    assert max(fills) < 4


def test_systems_that_are_coupled():
    data = {**HOLE, "fields": ["u", "v"],
            "equations": {"a": "lap(u) - u*v + v_x = auto", "b": "2*lap(v) + u**2 = auto"},
            "boundary": {"hole": ["dn(u) + v = auto", "v = auto"], "*": ["u = auto", "v = auto"]},
            "exact": {"u": SMOOTH, "v": "cos(x + y)"}}  # fmt: skip
    assert error(data, 10) < 1e-5 and error(data, 10, factor=1.01) > 1e-3


def test_an_energy_has_the_solution_as_its_minimum():
    """½|∇u|² - u on the unit disk, u = 0 on its rim: u = (1 - r²)/4, -π/16."""
    data = {key: RING[key] for key in ("coordinates", "fields", "shapes")}
    data |= {"domain": "outer", "energy": "dot(grad(u), grad(u))/2 - u", "boundary": {"outer": "u = 0"}}
    solved = finite_elements.solve(load_problem(data), 8)
    points = np.random.default_rng(0).uniform(-0.6, 0.6, (100, 2))
    assert np.abs(solved.values(points)[:, 0] - (1 - (points**2).sum(1)) / 4).max() < 1e-5
    assert solved.energies == pytest.approx(-np.pi / 16, rel=1e-4)


# laplace_holes, by a second method


def test_wires_in_a_tube_against_multipoles(tmp_path, monkeypatch):
    monkeypatch.setenv("KANPDE_CACHE", str(tmp_path))
    problem = load_problem("laplace_holes")
    assert method_for(problem) == "finite_elements"
    found = reference_of(problem, "finite_elements")
    points = inside_points(problem.region, problem.domain, 1000, 0).numpy()
    known = oracles.wires_in_a_tube(points)
    miss = np.linalg.norm(found.values(points)[:, 0] - known) / np.linalg.norm(known)
    assert miss < found.error < 3e-6
    assert np.linalg.norm(found.values(points)[:, 0] - 1.001 * known) > 100 * found.error * np.linalg.norm(known)
    monkeypatch.setattr(METHODS["finite_elements"], "solve", lambda *_: pytest.fail("solved again"))
    again = reference_of(load_problem("laplace_holes"), "finite_elements")
    assert isinstance(again.values, Meshed) and (again.values(points) == found.values(points)).all()


# what is refused


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"equations": {"e": "lap(u)*(1 + u_x**2) = auto"}}, "stand by themselves"),
        ({"equations": {"e": "lap(lap(u)) = auto"}, "boundary": {"*": ["u = auto", "dn(u) = auto"]}},
         "second derivatives along space"),
        ({"equations": {"e": "u_x + u = auto"}}, "second derivatives"),
        ({"equations": {"e": "u_xx + 3*u_yy = auto"}, "boundary": {"hole": "dn(u) = auto", "*": "u = auto"}},
         "oblique"),
        ({"boundary": {"hole": "u_x = auto", "*": "u = auto"}}, "oblique"),
        ({"boundary": {"hole": "lap(u) = auto", "*": "u = auto"}}, "second ones"),
        ({"equations": {"e": "u_x + u*u_y = auto"}}, "second derivatives"),
        ({"boundary": {"hole": "u**2 = auto", "*": "u = auto"}}, "one field's values or slope"),
    ],
)  # fmt: skip
def test_what_it_cannot_take_is_said(changes, reason):
    with pytest.raises(NotSolved, match=reason):
        finite_elements.solve(load_problem({**HOLE, "exact": {"u": SMOOTH}, **changes}), 6)


def test_boxes_are_for_others_first():
    box = load_problem({**SQUARE, "equations": {"e": "lap(u) = 1"}, "boundary": {"*": "u = 0"}})
    assert method_for(box) == "chebyshev" and finite_elements.applicable(box)
    assert not finite_elements.applicable(load_problem("diffusion_1d"))
