"""Finite elements of fields that live in parts, and what ties them at rims: orders, and each kind of condition."""

import numpy as np
import pytest
import torch

from kanpde.problems.catalog import load_problem
from kanpde.references import applicable_method, reference_of
from kanpde.references.means import NotSolved
from kanpde.references.methods import finite_elements
from kanpde.results.errors import exact_jets

R, D, K = 0.4, 5.0, 3.0
OUTER = "3*R**2 - 2*D*R**2*log(sqrt(x**2 + y**2)/R)"
TIED, FILM = ["a = k*b", "D*dn(a) = dn(b)"], ["D*dn(a) = h*(b - a)", "D*dn(a) = dn(b)"]
DROP = {
    "coordinates": {"x": [-1, 1], "y": [-1, 1]}, "fields": ["a", "b"], "parameters": {"R": R, "D": D, "k": K, "h": 2},
    "shapes": {"drop": "disk(0, 0, R)"}, "regions": {"drop": {"fields": ["a"], "rim": TIED}, "else": {"fields": ["b"]}},
    "equations": {"inner": "D*lap(a) = -4*D", "outer": "lap(b) = 0"}, "boundary": {"*": "b = auto"},
    "exact": {"a": "3*k*R**2 + R**2 - x**2 - y**2", "b": OUTER},
}  # fmt: skip


def errors_of(problem, resolution):
    """Of each field where it lives, in units of its size."""
    generator, ends = np.random.default_rng(0), zip(problem.domain.lower, problem.domain.upper, strict=True)
    points = np.stack([generator.uniform(low, high, 2000) for low, high in ends], axis=1)
    lives = problem.lives(torch.from_numpy(points)).numpy()
    known = exact_jets(problem, torch.from_numpy(points), 0)[:, 0].numpy()
    found = finite_elements.solve(problem, resolution).values(points)
    assert np.isfinite(found[lives]).all()
    sizes = [np.linalg.norm(known[own, place]) for place, own in enumerate(lives.T)]
    return np.array([np.linalg.norm((found - known)[own, place]) / sizes[place] for place, own in enumerate(lives.T)])


def test_a_drop_with_a_partition_coefficient_is_found_at_its_order():
    """1.9e-4 and 9.8e-5 on 6 edges, 1.4e-5 and 7.4e-6 on 12: the rim is a curve of fourth order."""
    coarse, fine = (errors_of(load_problem(DROP), count) for count in (6, 12))
    assert (fine < 2e-5).all() and (np.log2(coarse / fine) > 3.5).all()


def test_a_film_that_lets_through_what_the_difference_asks_for():
    exact = {"a": "3*R**2 + 2*D*R/h + R**2 - x**2 - y**2", "b": OUTER}
    regions = {**DROP["regions"], "drop": {"fields": ["a"], "rim": FILM}}
    assert (errors_of(load_problem(DROP | {"regions": regions, "exact": exact}), 6) < 2e-4).all()


def test_a_field_in_the_drop_beside_one_that_lives_everywhere():
    own = {"fields": ["c"], "rim": "c = T",
           "equations": {"heat": "lap(T) + c = auto", "decay": "lap(c) = c + auto"}}  # fmt: skip
    problem = load_problem({**DROP, "fields": ["T", "c"], "equations": {"heat": "lap(T) = 0"}, "regions": {"drop": own},
                            "boundary": {"*": "T = auto"}, "exact": {"T": "x", "c": "x*(1 + R**2 - x**2 - y**2)"}})
    assert (errors_of(problem, 6) < 5e-5).all()


def test_in_time():
    """1.4e-4 on 6 edges: each field's rate at the rim is that of both."""
    exact = {name: f"({value})*exp(-t)" for name, value in DROP["exact"].items()}
    problem = load_problem({**DROP, "coordinates": {**DROP["coordinates"], "t": [0, 1]}, "exact": exact,
                            "equations": {"inner": "a_t = D*lap(a) + auto", "outer": "b_t = lap(b) + auto"},
                            "initial": ["a = auto", "b = auto"]})  # fmt: skip
    assert (errors_of(problem, 5) < 1e-3).all()


def test_layers_are_found_to_rounding():
    """a = -2 (x + 1)² + c (x + 1) and b = 1 - s (1 - x), with c - 2 = 3 (1 - s) and 5 (c - 4) = s."""
    free = ["dn(a) = 0", "dn(b) = 0"]
    problem = load_problem({**DROP, "shapes": {"drop": "box(-1, 0, -1, 1)"}, "exact": None,
                            "boundary": {"x-": "a = 0", "x+": "b = 1", "y-": free, "y+": free}})  # fmt: skip
    c, s = np.linalg.solve([[1, 3], [D, -1]], [5, 4 * D])
    points = np.random.default_rng(0).uniform(-1, 1, (500, 2))
    a, b = finite_elements.solve(problem, 4).values(points).T
    x, inside = points[:, 0], points[:, 0] < 0
    assert np.abs(np.where(inside, a + 2 * (x + 1) ** 2 - c * (x + 1), b - 1 + s * (1 - x))).max() < 1e-11


def test_the_reference_has_an_error_bar_and_is_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    method = {"method": "finite_elements", "resolution": 8}
    problem = load_problem({**DROP, "exact": None, "boundary": {"*": "b = 1"}, "reference": method})
    assert applicable_method(problem) == "finite_elements"
    found, again = (reference_of(problem, "finite_elements") for _ in range(2))
    points = np.array([[0.0, 0.1], [0.7, 0.1]])
    values = found.values(points)
    assert found.error < 1e-2 and np.isnan(values[0, 1]) and np.isnan(values[1, 0])
    assert np.array_equal(again.values(points), values, equal_nan=True)


@pytest.mark.parametrize(("rim", "message"), [
    (["a = k*b**2", "D*dn(a) = dn(b)"], "takes values that are in proportion across rims"),
    (["a = k*b", "D*dn(a) = (1 + x**2)*dn(b)"], "takes fluxes in the same proportion all along a rim"),
    (["a = k*b", "D*a_x = b_x"], "is oblique"),
    (["a = k*b", "D*dn(a) = b*dn(b)"], "takes fluxes at rims whose factors are known"),
])  # fmt: skip
def test_what_it_does_not_take(rim, message):
    regions = {**DROP["regions"], "drop": {"fields": ["a"], "rim": rim}}
    with pytest.raises(NotSolved, match=message):
        finite_elements.solve(load_problem({**DROP, "exact": None, "boundary": {"*": "b = 1"}, "regions": regions}), 4)


ROD = {
    "coordinates": {"x": [0, 2]}, "fields": ["a", "b"], "shapes": {"left": "box(0, 0.5)"},
    "regions": {"left": {"fields": ["a"], "rim": ["a = 3*b", "dn(a) = 5*dn(b)"]}, "else": {"fields": ["b"]}},
    "equations": {"inner": "a_xx = -2", "outer": "b_xx = 0"}, "boundary": {"x-": "a = 0", "x+": "b = 1"},
}  # fmt: skip


def reference_at(data, *points):
    problem = load_problem(data)
    method = applicable_method(problem)
    return method, reference_of(problem, method).values(np.array(points))


def test_on_a_line_each_part_is_a_layer():
    """a = (1 + 5 s) x - x² and b = 1 - s (2 - x) with s = 2.75/7."""
    s = 2.75 / 7
    method, found = reference_at(ROD, [0.25], [1.0])
    assert method == "chebyshev" and np.isnan(found[[0, 1], [1, 0]]).all()
    assert np.abs(found[[0, 1], [0, 1]] - [(1 + 5 * s) / 4 - 1 / 16, 1 - s]).max() < 1e-12


def test_on_a_line_in_time():
    """The lines of the two layers, and the finite elements of a strip of the plane."""
    own = {"equations": {"inner": "a_t = a_xx", "outer": "b_t = 5*b_xx"}, "initial": ["a = 0", "b = 0"],
           "boundary": {"x-": "a = 0", "x+": "b = t**2"}}  # fmt: skip
    method, line = reference_at({**ROD, **own, "coordinates": {"x": [0, 2], "t": [0, 1]}}, [0.25, 1.0], [1.0, 1.0])
    free = ["dn(a) = 0", "dn(b) = 0"]
    strip = load_problem({**ROD, "coordinates": {"x": [0, 2], "y": [0, 0.5], "t": [0, 1]}, "initial": own["initial"],
                          "shapes": {"left": "box(0, 0.5, 0, 0.5)"},
                          "equations": {"inner": "a_t = lap(a)", "outer": "b_t = 5*lap(b)"},
                          "boundary": {**own["boundary"], "y-": free, "y+": free}})  # fmt: skip
    plane = finite_elements.solve(strip, 8).values(np.array([[0.25, 0.2, 1.0], [1.0, 0.2, 1.0]]))
    assert method == "lines" and np.nanmax(np.abs(line - plane)) < 1e-6


def test_a_field_on_a_stretch_between_others():
    """T'' = -1, in the middle 2 T'' = -c and c'' = c with c = T at both ends: three layers, the same mirrored."""
    own = {"fields": ["c"], "equations": {"heat": "2*T_xx + c = 0", "decay": "c_xx = c"}, "rim": "c = T"}
    method, found = reference_at({**ROD, "fields": ["T", "c"], "shapes": {"left": "box(0.5, 1.5)"},
        "equations": {"heat": "T_xx = -1"}, "regions": {"left": own}, "boundary": {"*": "T = 0"},
    }, [0.25], [0.7], [1.3], [0.5], [1.0])  # fmt: skip
    assert method == "chebyshev" and np.isnan(found[0, 1]) and np.abs(found[1] - found[2]).max() < 1e-12
    assert found[3, 1] == pytest.approx(found[3, 0]) and found[4, 1] == pytest.approx(found[3, 0] / np.cosh(0.5))
