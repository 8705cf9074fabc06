"""References for evolution problems: each part by itself, every kind of condition, and every shipped problem twice."""

import numpy as np
import oracles
import pytest
import torch
from scipy.integrate import solve_ivp

from kanpde import references
from kanpde.problems.catalog import load_problem
from kanpde.problems.geometry.regions import inside_points
from kanpde.problems.language import compile_expression
from kanpde.references import NotSolved, applicable_method, method_for, reference_of
from kanpde.references.cells import Cells, Waves, equidistributed
from kanpde.references.interpolants import FourierAxis, Interpolant, Pieces
from kanpde.references.means import OutOfMeans, check_time, time_limit
from kanpde.references.radau import march, unit_nodes

ROD = {"coordinates": {"x": [0, 1], "t": [0, 1]}, "fields": ["u"]}
WAVE = {"u": "exp(-t)*sin(2*x + t)"}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KANPDE_CACHE", str(tmp_path / "cache"))


def relative(found, known):
    return np.linalg.norm(found - known) / np.linalg.norm(known)


def exact_values(problem, points):
    problem = problem.settled()
    formulas = [compile_expression(problem.exact[name], problem.coordinates) for name in problem.fields]
    return np.stack([formula(torch.from_numpy(points)).numpy() for formula in formulas], axis=1)


def against_exact(data, factor=1.0, **options):
    """The reference's error bar and its true error."""
    problem = load_problem({**data, "reference": {"method": "lines", **options}})
    found, points = reference_of(problem, "lines"), inside_points(problem.region, problem.domain, 1000, 9).numpy()
    return found.error, relative(factor * found.values(points), exact_values(problem, points))


# in time


class Oscillator:
    """Van der Pol's equation, stiff where it is slow and fast where it is not."""

    scales = (slice(0, 1), slice(1, 2))

    def weighed(self, y):
        return y

    def rates(self, t, y):
        return np.stack([y[:, 1], 20 * (1 - y[:, 0] ** 2) * y[:, 1] - y[:, 0]], axis=1)

    def jacobian(self, t, y):
        return np.array([[0, 1], [-40 * y[0] * y[1] - 1, 20 * (1 - y[0] ** 2)]])

    def slopes(self, t, y):
        matrix = self.jacobian(t, y)
        return lambda value: lambda right: np.linalg.solve(value * np.eye(2) - matrix, right)


def test_steps_agree_with_another_integrator_in_between_too():
    system, times, start = Oscillator(), np.linspace(0, 50, 2001), np.array([2.0, 0.0])
    known = solve_ivp(lambda t, y: system.rates(t, y[None])[0], (0, 50), start, "DOP853", times, rtol=1e-12, atol=1e-13)
    misses = []
    for tolerance in (1e-4, 1e-6, 1e-8):
        found = march(system, start, 0.0, 50.0, tolerance)
        values = Interpolant((Pieces(found.breaks, unit_nodes()),), found.values.T)(times[:, None])
        misses.append(np.abs(values - known.y.T).max(axis=0)[0])
    assert misses[0] < 0.1 and misses[1] < 0.1 * misses[0] and misses[2] < 0.1 * misses[1], misses


def test_too_short_steps_are_an_end():
    class Explosion(Oscillator):
        def rates(self, t, y):
            return y**2

        def slopes(self, t, y):
            return lambda value: lambda right: right / (value - 2 * y)

    with pytest.raises(NotSolved, match="t = 1"):
        march(Explosion(), np.array([1.0, 1.0]), 0.0, 2.0, 1e-6)
    assert abs(march(Explosion(), np.array([1.0, 1.0]), 0.0, 2.0, 1e-6, whole=False).breaks[-1] - 1) < 1e-4


def test_the_time_limit():
    with time_limit(60):
        check_time()
        with time_limit(-1), pytest.raises(OutOfMeans, match="within -1 s"):
            check_time()
        check_time()
    check_time()


# in space


@pytest.mark.parametrize("free", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("breaks", [[-1.0, 1.0], [-1.0, -0.6, -0.5, 0.3, 1.0]])
def test_functions_on_cells(breaks, free):
    """One at one inner point each, smooth across breaks, and polynomials are among them."""
    cells = Cells(np.array(breaks), 7)
    at_points = cells.values(cells.inner, 0, free)
    assert np.abs(at_points - np.eye(*at_points.shape)).max() < 1e-12
    x = np.sort(np.random.default_rng(0).uniform(-1, 1, 200))
    for order in range(free):
        left, right = (cells.values(np.array(breaks[1:-1]) + shift, order, free) for shift in (-1e-9, 1e-9))
        assert np.abs(left - right).max(initial=0) < 1e-5 * np.abs(left).max(initial=1)
    weights = np.linalg.lstsq(cells.values(x, 0, free), x**6, rcond=None)[0]
    assert np.abs(cells.values(x, 1, free) @ weights - 6 * x**5).max() < 1e-8


def test_waves_are_differentiated():
    waves, x = Waves(FourierAxis(0.0, 2.0, 11)), np.linspace(0, 2, 50)
    values = np.cos(3 * np.pi * waves.inner)
    assert np.abs(waves.values(x, 2, 0) @ values + 9 * np.pi**2 * np.cos(3 * np.pi * x)).max() < 1e-10


def test_cells_gather_where_they_are_needed():
    sizes = np.zeros(20)
    sizes[7] = 1e9
    breaks = equidistributed(np.linspace(0, 1, 21), sizes)
    lengths = np.diff(breaks)
    assert len(breaks) == 21 and breaks[0] == 0 and breaks[-1] == 1 and lengths.min() > 1e-6
    assert ((breaks > 0.3) & (breaks < 0.45)).sum() >= 8 and lengths.max() < 0.2


# equations and conditions of all kinds, with known solutions

KINDS = {
    "moving data": {**ROD, "equations": "u_t = u_xx + auto", "exact": WAVE, "initial": "u = auto",
                    "boundary": {"x-": "dn(u) + (1 + t)*u = auto", "x+": "u = auto"}},
    "radiation": {**ROD, "equations": "u_t = u_xx + auto", "exact": {"u": "exp(-t)*cos(x + t)"}, "initial": "u = auto",
                  "boundary": {"x-": "dn(u) + u**4 = auto", "x+": "u = auto"}},
    "third order": {"coordinates": {"x": [-6, 6], "t": [0, 1]}, "fields": ["u"], "initial": "u = auto",
                    "equations": "u_t + 6*u*u_x + u_xxx = 0", "exact": {"u": "1/(2*cosh((x - t)/2)**2)"},
                    "boundary": {"x-": "u = auto", "x+": ["u = auto", "u_x = auto"]}},
    "fourth order": {**ROD, "equations": "u_tt = -u_xxxx/100 + auto", "exact": {"u": "exp(x)*cos(t)"},
                     "boundary": {"*": ["u = auto", "dn(u) = auto"]}, "initial": ["u = auto", "u_t = auto"]},
    "first order, two fields": {**ROD, "fields": ["u", "v"], "equations": {"a": "u_t = v_x", "b": "v_t = u_x"},
                                "boundary": {"*": "u = 0"}, "initial": ["u = auto", "v = auto"],
                                "exact": {"u": "sin(pi*x)*cos(pi*t)", "v": "cos(pi*x)*sin(pi*t)"}},
    "damped wave": {**ROD, "equations": "u_tt = u_xx + u_xxt/10 + auto", "exact": WAVE,
                    "boundary": {"x-": "u = auto", "x+": "dn(u) + u = auto"}, "initial": ["u = auto", "u_t = auto"]},
    "wave that leaves": {**ROD, "equations": "u_tt = u_xx + auto", "exact": WAVE, "initial": ["u = auto", "u_t = auto"],
                         "boundary": {"x-": "u = auto", "x+": "dn(u) + u_t = auto"}},
    "time first, factors": {**ROD, "coordinates": {"t": [0, 1], "x": [0, 1]}, "initial": "u = auto",
                            "equations": "(1 + u**2)*u_t = D(u**2*u_x, x) + auto", "boundary": {"*": "u = auto"},
                            "exact": {"u": "2 + exp(-t)*sin(2*x + t)"}},
    "coupled": {**ROD, "fields": ["u", "v"], "boundary": {"*": ["u = auto", "v = auto"]},
                "equations": {"a": "u_t + x*v_t = u_xx + v + auto", "b": "v_t - x*u_t/2 = v_xx + auto"},
                "initial": ["u = auto", "v = auto"], "exact": {**WAVE, "v": "exp(-t)*cos(2*x + t)"}},
    "inflow": {**ROD, "equations": "u_t + (1 + x)*u_x = auto", "boundary": {"x-": "u = auto"}, "initial": "u = auto",
               "exact": {"u": "sin(3*(x - t))"}},
    "speed that varies": {**ROD, "periodic": ["x"], "equations": "u_t + (2 + sin(2*pi*x))*u_x = auto",
                          "initial": "u = auto", "exact": {"u": "sin(2*pi*(x - t))"}},
    "strip": {"coordinates": {"x": [0, 1], "y": [0, 1], "t": [0, 1]}, "fields": ["u"], "periodic": ["x"],
              "equations": "u_t + u*u_x = lap(u)/10 + auto", "boundary": {"y-": "dn(u) = auto", "y+": "u = auto"},
              "initial": "u = auto", "exact": {"u": "exp(-t)*cos(2*pi*x)*cos(y)"}},
    "torus": {"coordinates": {"x": [0, 1], "y": [0, 2], "t": [0, 1]}, "fields": ["u", "v"], "periodic": ["x", "y"],
              "equations": {"a": "u_tt + u*v = lap(u) + auto", "b": "v_t = u_x + lap(v)/10 + auto"},
              "initial": ["u = auto", "u_t = auto", "v = auto"],
              "exact": {"u": "exp(-t)*cos(2*pi*x)*cos(pi*y)", "v": "sin(2*pi*x + t)"}},
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_keeps_its_error_bar(kind):
    error, true = against_exact(KINDS[kind])
    assert true < 3 * error + 1e-9 and error < 1e-9
    assert against_exact(KINDS[kind], factor=1 + 1e-4)[1] > 5e-5


REACTORS = {
    "coordinates": {"x": [0, 1], "y": [0, 1], "t": [0, 1]}, "fields": ["a", "b", "c", "d"],
    "equations": {"first": "a_t = 0.1*lap(a) - a*b + auto", "second": "b_t = 0.1*lap(b) - a*b + auto",
                  "third": "c_t = 0.05*lap(c) + a*b - c*d + auto", "fourth": "d_t = 0.02*lap(d) + c*d + auto"},
    "boundary": {"*": ["a = auto", "b = auto", "dn(c) = auto", "dn(d) = auto"]},
    "initial": ["a = auto", "b = auto", "c = auto", "d = auto"],
    "exact": {"a": "exp(-t)*cos(x + y)", "b": "1 + t*sin(x)*y", "c": "exp(-t)*cos(2*x)*cos(y)",
              "d": "1/(2 + x + y + t)"},
}  # fmt: skip


def test_four_fields_react_and_diffuse_in_the_plane():
    assert applicable_method(load_problem(REACTORS)) == "lines"
    bar, true = against_exact(REACTORS, resolution=12)
    assert true < bar < 1e-6 and against_exact(REACTORS, factor=1.001, resolution=12)[1] > 5e-4


# the shipped problems

WITH_EXACT = ("advection_1d", "diffusion_1d", "diffusion_2d", "diffusion_variable", "fisher", "heat_3d", "heat_robin",
              "inverse_diffusion", "reaction_diffusion", "sine_gordon", "wave_1d")  # fmt: skip


@pytest.mark.parametrize("name", WITH_EXACT)
def test_shipped_problems_against_their_exact_solutions(name):
    problem = load_problem(name)
    resolution = 8 if problem.domain.dimension == 4 else 16 if problem.domain.dimension == 3 else 40
    error, true = against_exact(problem.source, resolution=resolution)
    assert true < 3 * error + 1e-9, (true, error)
    assert error < (1e-2 if problem.domain.dimension == 4 else 1e-4)
    assert references.applicable_method(problem) == "lines"


SECOND = {
    "kdv": (256, lambda: oracles.kdv(256, 4000), 1.0),
    "kuramoto_sivashinsky": (256, lambda: oracles.kuramoto_sivashinsky(256, 2000), 0.5),
    "allen_cahn": (512, lambda: oracles.allen_cahn(1024, 500), 1.0),
    "fitzhugh_nagumo": (84, lambda: oracles.fitzhugh_nagumo(128), 10.0),
}


@pytest.mark.parametrize("name", SECOND)
def test_shipped_problems_against_a_second_method(name):
    resolution, oracle, end = SECOND[name]
    problem = load_problem({**load_problem(name).source, "reference": {"method": "lines", "resolution": resolution}})
    found, (x, known) = reference_of(problem, "lines"), oracle()
    known = np.atleast_2d(known).T[x >= 0]  # the reflected half is not in every domain
    values = found.values(np.stack([x[x >= 0], np.full((x >= 0).sum(), end)], axis=1))
    assert relative(values, known) < 3 * found.error + 1e-7, found.error
    assert found.error < 5e-3


def test_burgers_against_cole_and_hopf():
    problem = load_problem({**load_problem("burgers").source, "reference": {"method": "lines", "resolution": 288}})
    found, points = reference_of(problem, "lines"), inside_points(problem.region, problem.domain, 1000, 9).numpy()
    known = oracles.cole_hopf(points, 0.01 / np.pi)[:, None]
    assert relative(found.values(points), known) < 1e-8
    assert relative(found.values(points), known) < found.error < 1e-2


def test_a_front_that_moves_is_followed():
    front = {**ROD, "coordinates": {"x": [-1, 2], "t": [0, 1]}, "equations": "u_t + u*u_x = u_xx/60",
             "boundary": {"*": "u = auto"}, "initial": "u = auto",
             "exact": {"u": "1/(1 + exp(30*(x - t/2)))"}}  # fmt: skip
    error, true = against_exact(front, resolution=132)
    assert true < 1e-7 and true < 3 * error + 1e-9


def test_polynomials_and_waves_agree():
    """A periodic problem that is odd about the ends of its period satisfies u = 0 there."""
    burgers = load_problem("burgers", parameters={"nu": 0.05}).source
    periodic = {key: value for key, value in burgers.items() if key != "boundary"} | {"periodic": ["x"]}
    one, other = (reference_of(load_problem(data), "lines") for data in (burgers, periodic))
    points = inside_points((stated := load_problem(burgers)).region, stated.domain, 1000, 9).numpy()
    assert relative(one.values(points), other.values(points)) < 3 * (one.error + other.error) < 1e-8


# what cannot be solved

HEAT = {**ROD, "equations": "u_t = u_xx", "boundary": {"*": "u = 0"}, "initial": "u = sin(pi*x)"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"equations": "u_t**2 = u_xx"}, "linearly"),
        ({"equations": "u_t - u_xxt = u_x"}, "without further derivatives"),
        ({"equations": "u_t = u_xx + 100*u**2", "initial": "u = 20*sin(pi*x)"}, "too short at t = "),
        ({"boundary": {"x-": "u = 0", "x+": "u_t + u_x = 0"}}, "below the highest time derivatives"),
        ({"boundary": {"x-": "u = 0", "x+": "u_x**2 + 1 = 0"}}, "no values on the border"),
        ({"initial": "u**3 = 1"}, "initial values"),
        ({"boundary": {"x-": [{"where": "t < 0.5", "condition": "u = 0"}, {"where": "t >= 0.5", "condition": "u = 1"}],
                       "x+": "u = 0"}}, "whole boxes"),
    ],
)  # fmt: skip
def test_the_reason_is_said(change, reason):
    with pytest.raises(NotSolved, match=reason):
        reference_of(load_problem({**HEAT, **change, "reference": {"method": "lines", "resolution": 32}}), "lines")


def test_equations_that_do_not_determine_the_derivatives():
    twice = {**HEAT, "fields": ["u", "v"], "equations": {"a": "u_t + v_t = u_xx + v_xx", "b": "2*u_t + 2*v_t = v_xx"},
             "boundary": {"*": ["u = 0", "v = 0"]}, "initial": ["u = 0", "v = sin(pi*x)"]}  # fmt: skip
    with pytest.raises(NotSolved, match="determine u_t, v_t"):
        reference_of(load_problem(twice), "lines")


def test_time_is_bounded(monkeypatch):
    monkeypatch.setattr(references, "SECONDS", 0.0)
    with pytest.raises(NotSolved, match="within 0 s"):
        reference_of(load_problem(HEAT), "lines")


def test_the_choice():
    assert method_for(load_problem(HEAT)) == "lines"
    assert method_for(load_problem("burgers")) == "lines"
    assert method_for(load_problem("diffusion_1d")) is None
    rough = {**HEAT, "equations": "u_t = V*u_xx",
             "coefficients": {"V": {"random_cells": {"cells": [5], "low": 1, "high": 2, "seed": 0}}}}  # fmt: skip
    assert method_for(load_problem(rough)) is None


def test_a_problem_whose_parameter_is_unknown_has_none(tmp_path):
    (tmp_path / "seen.csv").write_text("x, t, u\n0.5, 0.5, 0.1\n0.5, 0.7, 0.05\n")
    learned = {**HEAT, "equations": "u_t = k*u_xx", "parameters": {"k": {"learn": True, "start": 2.0}},
               "data": {"file": str(tmp_path / "seen.csv")}}  # fmt: skip
    assert method_for(load_problem(learned)) is None
    assert method_for(load_problem({**learned, "reference": {"method": "lines"}})) == "lines"
