"""Finite elements for what is free by a constant, for flows with a pressure, and in time; orders and second methods."""

import numpy as np
import pytest
import torch

from kanpde.problems.catalog import load_problem
from kanpde.problems.freedoms import aligned
from kanpde.problems.geometry.regions import inside_points
from kanpde.problems.language import compile_expression
from kanpde.references import NotSolved, method_for
from kanpde.references.cache import load_values, store_values
from kanpde.references.means import OutOfMeans
from kanpde.references.methods import METHODS, finite_elements

HOLE = {"coordinates": {"x": [-1, 1], "y": [-1, 1]}, "shapes": {"hole": "disk(0.2, 0.1, 0.4)"}, "domain": "box - hole"}
RING = {"coordinates": {"x": [-1.1, 1.1], "y": [-1.1, 1.1]}, "fields": ["u"],
        "shapes": {"outer": "disk(0, 0, 1)", "inner": "disk(0, 0, 0.3)"}, "domain": "outer - inner",
        "equations": {"e": "lap(u) = auto"}, "boundary": {"*": "dn(u) = auto"},
        "exact": {"u": "x + exp(x/2)*sin(y)"}}  # fmt: skip
STOKES = {**HOLE, "fields": ["u", "v", "p"],
          "equations": {"along": "lap(u) - p_x = auto", "across": "lap(v) - p_y = auto", "mass": "u_x + v_y = 0"},
          "exact": {"u": "sin(x)*cos(y)", "v": "-cos(x)*sin(y)", "p": "exp(x)*y"},
          "boundary": {"*": ["u = auto", "v = auto"]}}  # fmt: skip
OUTFLOW = {**STOKES,
           "equations": {"along": "lap(u)/10 - u*u_x - v*u_y - p_x = auto",
                         "across": "lap(v)/10 - u*v_x - v*v_y - p_y = auto", "mass": "u_x + v_y = 0"},
           "boundary": {"x+": ["dn(u)/10 - p = auto", "dn(v)/10 = auto"], "*": ["u = auto", "v = auto"]}}  # fmt: skip
HEAT = {**HOLE, "coordinates": {"x": [-1, 1], "y": [-1, 1], "t": [0, 0.3]}, "fields": ["u"],
        "equations": {"e": "u_t = lap(u) - u**3 + auto"}, "boundary": {"hole": "dn(u) + u = auto", "*": "u = auto"},
        "initial": "u = auto", "exact": {"u": "exp(-t)*sin(x + t)*cos(y)"}}  # fmt: skip
WAVE = {**HEAT, "equations": {"e": "u_tt + u_t = (1 + x**2)*lap(u) + auto"}, "initial": ["u = auto", "u_t = auto"]}


def errors(data, resolution, factor=1.0):
    """Relative L2 errors of all fields, up to what the problem leaves free, or distances to a multiple of the exact."""
    problem = load_problem(data)
    points = inside_points(problem.region, problem.domain, 400, 0)
    found = finite_elements.solve(problem, resolution).values(points.numpy())
    exact = [factor * compile_expression(problem.exact[field], problem.coordinates)(points) for field in problem.fields]
    known = aligned(problem, points, torch.from_numpy(found), torch.stack(exact, dim=1)).numpy()
    return np.linalg.norm(found - known, axis=0) / np.linalg.norm(known, axis=0)


@pytest.mark.parametrize(
    "data", [RING, STOKES, OUTFLOW, HEAT, WAVE], ids=["neumann", "stokes", "navier_stokes", "heat", "wave"]
)
def test_orders(data):
    """Quadratic sides give order 4, as does a pressure of degree 3; between coarse meshes it is 3.2 to 4.1."""
    coarse, fine = errors(data, 5), errors(data, 10)
    assert fine.max() < 5e-6 and np.log2(coarse / fine).min() > 3, (coarse, fine)
    assert errors(data, 5, factor=1.01).min() > 3e-3


def test_a_field_that_is_free_has_the_mean_zero_or_the_value_at_a_point():
    points = inside_points(load_problem(RING).region, load_problem(RING).domain, 4000, 0).numpy()
    assert abs(finite_elements.solve(load_problem(RING), 6).values(points).mean()) < 3e-3  # the mean of a sample
    held = load_problem({**{k: v for k, v in RING.items() if k != "exact"}, "equations": {"e": "lap(u) = 0"},
                         "boundary": {"outer": "dn(u) = x", "inner": "dn(u) = 0"},
                         "at": {"x": 0.5, "y": 0.5, "condition": "u = 7"}})  # fmt: skip
    assert finite_elements.applicable(held)
    assert finite_elements.solve(held, 6).values(np.array([[0.5, 0.5]]))[0, 0] == pytest.approx(7, abs=1e-12)


def test_what_does_not_balance_has_no_solution():
    """Half a percent, which `check` cannot tell: ∫ 1 = 0.91 π."""
    fluxes = {"outer": "dn(u) = 1.005*0.91/2", "inner": "dn(u) = 0"}
    data = {**RING, "equations": {"e": "lap(u) = 1"}, "boundary": fluxes}
    with pytest.raises(NotSolved, match="do not balance"):
        finite_elements.solve(load_problem({key: data[key] for key in data if key != "exact"}), 6)


def test_couette_flow_between_turning_cylinders():
    """u_θ = A r + B/r with u_θ = 0.3 at r = 0.3 and 0 at r = 1; p = ∫ u_θ²/r dr, up to a constant."""
    data = {
        **RING, "fields": ["u", "v", "p"],
        "equations": {"along": "u*u_x + v*u_y = lap(u)/20 - p_x", "across": "u*v_x + v*v_y = lap(v)/20 - p_y",
                      "mass": "u_x + v_y = 0"},
        "boundary": {"inner": ["u = -y", "v = x"], "outer": ["u = 0", "v = 0"]},
    }  # fmt: skip
    problem = load_problem({key: value for key, value in data.items() if key != "exact"})
    x, y = points = inside_points(problem.region, problem.domain, 400, 0).numpy().T
    a, b, r = -0.09 / 0.91, 0.09 / 0.91, np.hypot(x, y)
    around, pressure = a * r + b / r, a**2 * r**2 / 2 + 2 * a * b * np.log(r) - b**2 / (2 * r**2)
    u, v, p = finite_elements.solve(problem, 10).values(points.T).T
    assert np.abs(np.stack([u + around * y / r, v - around * x / r])).max() < 3e-5
    assert np.ptp(p - pressure) < 5e-3 * np.ptp(pressure) and np.ptp(p - 1.1 * pressure) > 5e-2 * np.ptp(pressure)


@pytest.mark.parametrize("name", ["heat", "two fields"])
def test_a_second_method_on_a_square(name):
    """A polygon that is the box for one, the box for the other: the method of lines."""
    box = {"coordinates": {"x": [0, 1], "y": [0, 1]}, "fields": ["u"]}
    data = {
        "heat": {**box, "coordinates": {**box["coordinates"], "t": [0, 0.2]},
                 "equations": {"e": "u_t = lap(u) + u_x + u"}, "boundary": {"x-": "u = 0", "*": "dn(u) = 0"},
                 "initial": "u = sin(pi*x/2)**2*(1 + cos(pi*y))"},
        "two fields": {
            **box, "fields": ["u", "v"], "coordinates": {**box["coordinates"], "t": [0, 0.2]},
            "equations": {"a": "u_t = lap(u) - u*v", "b": "2*v_t = lap(v) + u**2"},
            "boundary": {"*": ["dn(u) = 0", "dn(v) = 0"]}, "initial": ["u = 1 + cos(pi*x)", "v = cos(pi*y)"]},
    }[name]  # fmt: skip
    shaped = {**data, "shapes": {"all": "polygon(0, 0, 1, 0, 1, 1, 0, 1)"}, "domain": "all"}
    other, own = load_problem(data), load_problem(shaped)
    assert method_for(other) == "lines" and method_for(own) == "finite_elements"
    points = inside_points(own.region, own.domain, 300, 0)
    known = torch.from_numpy(METHODS["lines"].solve(other, 16).values(points.numpy()))
    found = torch.from_numpy(finite_elements.solve(own, 8).values(points.numpy()))
    assert float((found - known).norm() / known.norm()) < 1e-5
    assert float((found - 1.001 * known).norm() / known.norm()) > 5e-4


def test_steps_in_time_are_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("KANPDE_CACHE", str(tmp_path))
    problem = load_problem(HEAT)
    solved = finite_elements.solve(problem, 5)
    numbers = {"error": 0.0, "seconds": 0.0, "unknowns": 1, "energies": np.empty(0), "energy_errors": np.empty(0)}
    store_values(problem, "finite_elements", (5,), solved.values, numbers)
    points = inside_points(problem.region, problem.domain, 50, 0).numpy()
    again, _ = load_values(problem, "finite_elements", (5,))
    assert (again(points) == solved.values(points)).all()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"boundary": {"hole": "u_t + dn(u) = 0", "*": "u = 0"}}, "below its highest"),
        ({"boundary": {"x-": [{"where": "y < t", "condition": "u = 0"}, {"where": "y >= t", "condition": "dn(u) = 0"}],
                       "*": "u = 0"}}, "stay where they are"),
        ({"equations": {"e": "u_t + u_x = 0"}, "boundary": {"*": "dn(u) = 0"}}, "carries a field"),
    ],
)  # fmt: skip
def test_what_it_cannot_take_in_time_is_said(changes, reason):
    with pytest.raises(NotSolved, match=reason):
        finite_elements.solve(load_problem({**{k: v for k, v in HEAT.items() if k != "exact"}, "initial": "u = 0",
                                            "equations": {"e": "u_t = lap(u)"}, **changes}), 5)  # fmt: skip


UNSTEADY = {**STOKES, "coordinates": {"x": [-1, 1], "y": [-1, 1], "t": [0, 0.2]}, "initial": ["u = auto", "v = auto"],
            "equations": {"along": "u_t + u*u_x + v*u_y = lap(u)/10 - p_x + auto",
                          "across": "v_t + u*v_x + v*v_y = lap(v)/10 - p_y + auto", "mass": "u_x + v_y = 0"},
            "exact": {"u": "exp(-t)*sin(x)*cos(y)", "v": "-exp(-t)*cos(x)*sin(y)", "p": "cos(t)*exp(x)*y"},
            "boundary": OUTFLOW["boundary"]}  # fmt: skip
CLOSED = {**UNSTEADY, "boundary": {"*": ["u = auto", "v = auto"]},
          "at": {"x": -0.5, "y": -0.5, "condition": "p = auto"}}  # fmt: skip


@pytest.mark.parametrize("data", [UNSTEADY, CLOSED], ids=["outflow", "closed"])
def test_orders_of_flows_in_time(data):
    """A pressure follows the velocities at every time, from the start on."""
    coarse, fine = errors(data, 3), errors(data, 6)
    assert fine.max() < 5e-5 and np.log2(coarse / fine).min() > 2.4, (coarse, fine)
    assert errors(data, 3, factor=1.01).min() > 3e-3


def test_a_start_that_flows_cannot_have_is_brought_to_one_that_they_can():
    """A lid that moves at once: what is carried in time has no divergence from the start on."""
    data = {k: v for k, v in CLOSED.items() if k not in ("exact", "at")} | {
        "equations": {"along": "u_t = lap(u) - p_x", "across": "v_t = lap(v) - p_y", "mass": "u_x + v_y = 0"},
        "boundary": {"y+": ["u = (1 - x**2)**2", "v = 0"], "*": ["u = 0", "v = 0"]}, "initial": ["u = x", "v = 0"]}
    problem = load_problem(data)
    assert finite_elements.applicable(problem)
    found = finite_elements.solve(problem, 3).values
    points = inside_points(problem.region, problem.domain, 200, 0).numpy()
    steps = 1e-5 * np.eye(3)[:2]
    (ux, _), (_, vy) = ((found(points + h) - found(points - h))[:, :2].T / 2e-5 for h in steps)
    assert np.abs(ux + vy).mean() < 0.03  # 1 at the start as it is given
    points[:, 2] = 0.2
    steady = load_problem({k: v for k, v in data.items() if k != "initial"} | {
        "coordinates": {"x": [-1, 1], "y": [-1, 1]},
        "equations": {"along": "lap(u) = p_x", "across": "lap(v) = p_y", "mass": "u_x + v_y = 0"}})  # fmt: skip
    known = finite_elements.solve(steady, 3).values(points[:, :2])
    assert np.abs(found(points)[:, :2] - known[:, :2]).max() < 1e-2


WARMED = {"coordinates": {"x": [-1, 1], "y": [-1, 1], "t": [0, 0.5]}, "fields": ["u"],
          "shapes": {"a": "disk(0, 0, 0.5)"},
          "coefficients": {"c": {"inside": {"a": 3}, "else": 1}, "k": {"inside": {"a": 2}, "else": 1},
                           "f": {"inside": {"a": "-exp(-t)*(1.5*(x**2 + y**2 - 0.25) + 4)"},
                                 "else": "-exp(-t)*(x**2 + y**2 + 3.75)"}},
          "equations": {"e": "c*u_t = div(k*grad(u)) + f"}, "boundary": {"*": "u = auto"}, "initial": "u = auto",
          "exact": {"u": {"inside": {"a": "1 + exp(-t)*(x**2 + y**2 - 0.25)/2"},
                          "else": "1 + exp(-t)*(x**2 + y**2 - 0.25)"}}}  # fmt: skip


LID = {"coordinates": {"x": [0, 2], "y": [0, 1], "t": [0, 1]}, "fields": ["u", "v", "p"],
       "shapes": {"tank": "polygon(0.5, 0, 1.5, 0, 2, 1, 0, 1)"}, "domain": "tank",
       "equations": {"along": "u_t + p_x = u_xx + u_yy", "across": "v_t + p_y = v_xx + v_yy", "mass": "u_x + v_y = 0"},
       "boundary": {"y+": ["u = t*x*(2 - x)", "v = 0"], "*": ["u = 0", "v = 0"]},
       "initial": ["u = 0", "v = 0"]}  # fmt: skip


def test_a_flow_may_start_from_rest():
    """Of the velocity across, which nothing sets, steps to 1e-9 s would not have met a share of its own size."""
    problem = load_problem(LID)
    points = np.array([[1.0, 0.5, 0.5], [1.0, 0.5, 1.0], [0.6, 0.6, 1.0]])
    coarse, fine = (finite_elements.solve(problem, resolution).values(points) for resolution in (3, 5))
    assert coarse[:, :2] == pytest.approx(fine[:, :2], abs=5e-3) and np.abs(fine[:, 0]).min() > 0.03


def test_heat_capacity_of_each_part():
    """u = 1 + e^-t (r² - ¼)/k, with the heat capacity in the mass."""
    assert finite_elements.applicable(load_problem(WARMED))
    coarse, fine = errors(WARMED, 5), errors(WARMED, 10)
    assert fine.max() < 1e-5 and np.log2(coarse / fine).min() > 2.5, (coarse, fine)
    assert errors(WARMED, 5, factor=1.01).min() > 3e-3


def test_more_steps_than_can_be_kept_are_known_from_the_coarser_march(monkeypatch):
    problem = load_problem(WARMED)
    coarser = finite_elements.solve(problem, 4).values
    monkeypatch.setattr(finite_elements, "MOST_KEPT", 7 * 3 * 1000)
    monkeypatch.setattr(finite_elements, "march", None)
    with pytest.raises(OutOfMeans, match="steps in time"):
        finite_elements.solve(problem, 5, coarser)


def test_flows_in_boxes_are_not_called_undetermined():
    """One degree for velocities and pressure leaves several pressures open, whatever the conditions are."""
    box = {key: value for key, value in STOKES.items() if key not in ("shapes", "domain", "exact")} | {
        "equations": {"along": "lap(u) = p_x", "across": "lap(v) = p_y", "mass": "u_x + v_y = 0"},
        "boundary": {"y+": ["u = (1 - x**2)**2", "v = 0"], "*": ["u = 0", "v = 0"]},
        "at": {"x": -1, "y": -1, "condition": "p = 0"}}  # fmt: skip
    assert method_for(load_problem(box)) == "finite_elements"
    pressed = box | {"boundary": {**box["boundary"], "x-": ["u = 0", "v = 0", "p = 0"]}}
    assert method_for(load_problem(pressed)) == "chebyshev"


def test_a_flux_that_jumps_at_a_rim():
    """u = 1 + e^-t (r² - ¼)/k, twice that outside: k u_r jumps by e^-t, and that of left - right by its negative."""
    data = {**WARMED, "regions": {"a": {"jump": {"e": "-exp(-t)"}}},
            "coefficients": {**WARMED["coefficients"], "f": {
                "inside": WARMED["coefficients"]["f"]["inside"], "else": "-2*exp(-t)*(x**2 + y**2 + 3.75)"}},
            "exact": {"u": {"inside": WARMED["exact"]["u"]["inside"],
                            "else": "1 + 2*exp(-t)*(x**2 + y**2 - 0.25)"}}}  # fmt: skip
    coarse, fine = errors(data, 5), errors(data, 10)
    assert fine.max() < 1e-5 and np.log2(coarse / fine).min() > 2.5, (coarse, fine)
    assert errors(data, 5, factor=1.01).min() > 3e-3
