"""Stationary references: collocation and spectral elements against closed forms, theory and each other."""

from dataclasses import replace

import numpy as np
import oracles
import pytest
import sympy
import torch
from scipy.optimize import brentq

from kanpde.problems.catalog import Problem, load_problem
from kanpde.problems.geometry.boxes import Box
from kanpde.problems.language import Scope, compile_expression, coordinate_symbols, parse_expression
from kanpde.problems.tasks.eigen import Eigen
from kanpde.problems.tasks.energy import Energy
from kanpde.references import applicable_method, reference_of
from kanpde.references.interpolants import ChebyshevAxis, FourierAxis, Interpolant, Pieces, barycentric_weights
from kanpde.references.means import NotOne, NotSolved
from kanpde.references.methods import chebyshev, elements

SHIPPED = ("poisson_1d", "poisson_2d", "poisson_2d_paper", "helmholtz_2d", "biharmonic_1d")
LINE = {"coordinates": {"x": [0, 1]}, "fields": ["u"], "boundary": {"*": "u = 0"}}
SQUARE = {"coordinates": {"x": [0, 1], "y": [-1, 1]}, "fields": ["u"], "boundary": {"*": "u = 0"}}


def stated(data, **changes):
    return load_problem({**data, **changes}, name="mine")


def points_in(problem, count=300):
    box = problem.domain
    return np.random.default_rng(0).uniform(box.lower, box.upper, (count, box.dimension))


def exact_values(problem, points):
    formulas = [compile_expression(problem.exact[field], problem.coordinates) for field in problem.fields]
    return np.stack([formula(torch.from_numpy(points)).numpy() for formula in formulas], axis=1)


def error(problem, resolution, method=chebyshev):
    points = points_in(problem)
    return np.abs(method.solve(problem, resolution).values(points) - exact_values(problem, points)).max()


def energetic(data, density, norm=None, states=1, walls=()) -> Problem:
    """The box and conditions of `data`, with an energy, or an energy and a norm, instead of an equation."""
    base = load_problem({"equations": {"e": "lap(u) = 1"}, **data}, name="mine")
    scope = Scope(coordinates=base.coordinates, fields=("u",))
    symbols = coordinate_symbols(base.coordinates)
    density, norm = (text and parse_expression(text, scope, "energy") for text in (density, norm))
    if norm is None:
        return walled(replace(base, equations={}, task=Energy(density)), walls)
    names = tuple(f"u_{number + 1}" for number in range(states))
    of_state = {name: {sympy.Function("u")(*symbols): sympy.Function(name)(*symbols)} for name in names}
    conditions = tuple(replace(condition, residual=condition.residual.xreplace(of_state[name]), fields=(name,))
                       for name in names for condition in base.conditions)  # fmt: skip
    problem = replace(base, equations={}, fields=names, conditions=conditions, task=Eigen("u", density, norm))
    return walled(problem, walls)


def walled(problem, walls):
    """A problem whose coefficients jump at these places along the first axis."""

    class Walled(Problem):
        def walls(self, axis):
            return np.array(walls if axis == 0 else ())

    return Walled(**vars(problem)) if len(walls) else problem


def steps_of(values):
    """The text of a function of x with these values on [0, 1], [1, 2], …"""
    jumps = zip(np.diff(values).tolist(), range(1, len(values)), strict=True)
    return "(" + f"{values[0]!r}" + "".join(f" + ({jump!r})*heaviside(x - {at})" for jump, at in jumps) + ")"


# interpolants


@pytest.mark.parametrize("axis", [
    ChebyshevAxis(-1.0, 3.0, 9), Pieces(np.array([-1.0, 0.5, 2.0, 3.0]), elements.gauss_lobatto_nodes(5)),
], ids=["Chebyshev", "Pieces"])  # fmt: skip
def test_an_axis_of_polynomials_continues_them_exactly_up_to_its_degree(axis):
    x = np.linspace(-1, 3, 101)
    degree = 8 if isinstance(axis, ChebyshevAxis) else 5
    assert np.abs(axis.matrix(x) @ axis.nodes**degree - x**degree).max() < 1e-9
    assert np.abs(axis.matrix(x) @ axis.nodes ** (degree + 1) - x ** (degree + 1)).max() > 1e-3
    at_nodes = axis.matrix(axis.nodes)
    at_nodes = at_nodes if isinstance(at_nodes, np.ndarray) else at_nodes.toarray()
    assert np.abs(at_nodes - np.eye(len(axis.nodes))).max() < 1e-13


@pytest.mark.parametrize("count", [8, 9])
def test_waves_are_continued_exactly_below_half_the_number_of_nodes(count):
    axis, x = FourierAxis(-1.0, 1.0, count), np.linspace(-3, 3, 101)
    for wave in range((count + 1) // 2):
        given, wanted = np.cos(np.pi * wave * axis.nodes + 1), np.cos(np.pi * wave * x + 1)
        assert np.abs(axis.matrix(x) @ given - wanted).max() < 1e-12
    beyond = np.cos(np.pi * 5 * axis.nodes)
    assert np.abs(axis.matrix(x) @ beyond - np.cos(np.pi * 5 * x)).max() > 0.1


def test_fields_on_a_grid_of_three_axes():
    pieces = Pieces(np.array([0.0, 0.3, 1.0]), np.array([0, 0.5, 1]))
    axes = (ChebyshevAxis(0.0, 1.0, 4), FourierAxis(0.0, 1.0, 5), pieces)
    x, y, z = np.meshgrid(*(axis.nodes for axis in axes), indexing="ij")
    found = Interpolant(axes, np.stack([x**3 * z, np.sin(2 * np.pi * y) * z**2]))
    points = np.random.default_rng(0).random((5000, 3))  # more than one chunk
    a, b, c = points.T
    assert np.abs(found(points) - np.stack([a**3 * c, np.sin(2 * np.pi * b) * c**2], axis=1)).max() < 1e-13
    assert found(points[:0]).shape == (0, 2)


def test_weights_of_equal_nodes_are_alternating_binomials():
    assert np.allclose(barycentric_weights(np.arange(5.0)), np.array([1, -4, 6, -4, 1]) / 6, rtol=1e-14)


# collocation


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_problems_are_solved_to_more_than_eight_digits(name):
    problem = load_problem(name)
    coarse, fine = chebyshev.resolutions(problem)
    assert chebyshev.applicable(problem)
    assert error(problem, fine) < 1e-10
    assert error(problem, coarse) < 1e-6
    wrong = replace(problem, exact={field: value * 1.01 for field, value in problem.exact.items()})
    assert error(wrong, fine) > 1e-3


FOUR = {
    "coordinates": {"x": [0, 1], "y": [0, 1]}, "fields": ["a", "b", "c", "d"],
    "equations": {"first": "lap(a) = b + auto", "second": "lap(b) = c - a + auto", "third": "lap(c) = d + auto",
                  "fourth": "lap(d) = a - d + auto"},
    "boundary": {"*": ["a = auto", "b = auto", "c = auto", "d = auto"]},
    "exact": {"a": "sin(pi*x)*sin(2*y)", "b": "exp(x)*cos(y)", "c": "cos(3*x*y)", "d": "1/(1 + x + y)"},
}  # fmt: skip


def test_four_fields_in_the_plane_have_a_reference_within_its_bar(monkeypatch, tmp_path):
    monkeypatch.setenv("KANPDE_CACHE", str(tmp_path))
    problem = stated(FOUR)
    assert applicable_method(problem) == "chebyshev"
    found, points = reference_of(problem, "chebyshev"), points_in(problem)
    exact = exact_values(problem, points)
    true = np.linalg.norm(found.values(points) - exact) / np.linalg.norm(exact)
    assert true <= found.error < 1e-10
    assert np.linalg.norm(found.values(points) - 1.001 * exact) > 1e3 * found.error * np.linalg.norm(exact)


@pytest.mark.parametrize("axes", ["x", "xy", "xyz"])
def test_resolutions_count_unknowns_rather_than_fields(axes):
    """One field has the usual ones; of many the finest is as large as the bound lets it be."""
    usual, finest = None, None
    for count in (1, 2, 3, 4, 8, 20):
        names = [f"u{number}" for number in range(count)]
        problem = stated({"coordinates": {name: [0, 1] for name in axes}, "fields": names,
                          "equations": {name: f"lap({name}) = 1" for name in names},
                          "boundary": {"*": [f"{name} = 0" for name in names]}})  # fmt: skip
        ladder = chebyshev.resolutions(problem)
        usual = usual or ladder
        finest = ladder[-1]
        assert list(ladder) == sorted(set(ladder)) and count * finest ** len(axes) <= chebyshev.MOST_OFFERED
        assert ladder == usual or count * (finest + 1) ** len(axes) > chebyshev.MOST_OFFERED
    assert finest < usual[-1]


def test_too_few_functions_are_said():
    problem = stated({**SQUARE, "boundary": {"*": ["u = 0", "dn(u) = 0"]}}, equations={"plate": "lap(lap(u)) = 1"})
    with pytest.raises(NotSolved, match="more than 4 functions along an axis"):
        chebyshev.solve(problem, 4)


def test_the_error_falls_exponentially():
    """sin(4πx)sin(πy): a factor of ten thousand and more from eight further functions an axis."""
    errors = [error(load_problem("helmholtz_2d"), count) for count in (16, 24, 32)]
    assert errors[1] < 1e-3 * errors[0] and errors[2] < 1e-4 * errors[1], errors


def bratu(x):
    """The lower solution of u″ + eᵘ = 0: -2 log(cosh((x - ½) θ/2) / cosh(θ/4)), θ = √2 cosh(θ/4)."""
    theta = brentq(lambda t: t - np.sqrt(2) * np.cosh(t / 4), 0.5, 3, xtol=1e-15)
    return -2 * np.log(np.cosh((x - 0.5) * theta / 2) / np.cosh(theta / 4))


def test_a_nonlinear_equation_has_its_closed_form():
    problem = stated(LINE, equations={"bratu": "u_xx + exp(u) = 0"})
    x = points_in(problem)
    solved = chebyshev.solve(problem, 32)
    assert np.abs(solved.values(x) - bratu(x)).max() < 1e-13
    assert solved.unknowns == 32 and solved.energies.size == 0
    other = chebyshev.solve(stated(LINE, equations={"bratu": "u_xx + 1.01*exp(u) = 0"}), 32)
    assert np.abs(other.values(x) - bratu(x)).max() > 1e-3


def test_a_system_first_order_in_every_field():
    """u′ = v, v′ = -4u + auto, with one condition on each field."""
    system = stated(
        LINE, fields=["u", "v"], equations={"a": "u_x = v", "b": "v_x = -4*u + u*v + auto"},
        boundary={"x-": "u = auto", "x+": "v = auto"}, exact={"u": "sin(3*x)", "v": "3*cos(3*x)"},
    )  # fmt: skip
    assert error(system, 24) < 1e-12
    assert error(system, 6) > 1e-5


def test_conditions_with_slopes_on_either_side_have_the_outward_sign():
    """u = e^{2x}: on the left the outward slope is -2u, on the right 2u."""
    sides = {"x-": "dn(u) = -2*u", "x+": "dn(u) + u = 3*exp(2)"}
    given = {"equations": {"e": "u_xx = 4*u"}, "exact": {"u": "exp(2*x)"}}
    problem = stated(LINE, boundary=sides, **given)
    assert error(problem, 24) < 1e-11
    inward = stated(LINE, boundary={**sides, "x-": "-dn(u) = -2*u"}, equations=given["equations"])
    assert error(replace(inward, exact=problem.exact), 24) > 1e-2


def test_a_nonlinear_condition_and_mixed_derivatives_in_a_rectangle():
    problem = stated(
        SQUARE, equations={"e": "3*u_xx + u_xy + 2*u_yy - u*u_x = auto"}, exact={"u": "exp(x)*sin(2*y) + 2"},
        boundary={"x-": "u = auto", "x+": "dn(u) + u**3 = auto", "*": "u = auto"},
    )  # fmt: skip
    assert error(problem, 20) < 1e-10
    assert error(problem, 8) > 1e-8


def test_periodic_axes_take_waves():
    problem = stated(SQUARE, equations={"e": "lap(u) - u = auto"}, boundary={"*": "u = auto"}, periodic=["x"],
                     exact={"u": "exp(y)*sin(2*pi*x) + cos(6*pi*x)"})  # fmt: skip
    assert isinstance(chebyshev.solve(problem, 8).values.axes[0], FourierAxis)
    assert error(problem, 16) < 1e-12


def test_a_clamped_plate():
    problem = stated(SQUARE, equations={"plate": "lap(lap(u)) = auto"}, boundary={"*": ["u = 0", "dn(u) = 0"]},
                     exact={"u": "sin(pi*x)**2*sin(pi*y)**2"})  # fmt: skip
    assert error(problem, 24) < 1e-9


def test_three_dimensions():
    problem = stated(
        SQUARE, coordinates={"x": [0, 1], "y": [0, 1], "z": [0, 1]}, equations={"e": "lap(u) = auto"},
        boundary={"*": "u = auto"}, exact={"u": "exp(x)*sin(y + z)"},
    )  # fmt: skip
    assert error(problem, 9) < 1e-8


def test_a_layer_inside_needs_halved_steps():
    """ε u″ + u u′ = 0: u = a tanh(a (x - ½) / 2ε), with a from the condition on the right."""
    problem = stated(LINE, equations={"e": "0.05*u_xx + u*u_x = 0"}, boundary={"x-": "u = -1", "x+": "u = 1"})
    a, x = brentq(lambda a: a * np.tanh(a * 5) - 1, 0.9, 1.1, xtol=1e-15), points_in(problem)
    assert np.abs(chebyshev.solve(problem, 96).values(x) - a * np.tanh(a * (x - 0.5) * 10)).max() < 1e-10


def test_the_way_from_easier_problems_is_taken_where_newton_fails(monkeypatch):
    """A strong pendulum, u″ = -36 sin u, swung from 3 to -1."""
    problem = stated(LINE, equations={"e": "u_xx = -36*sin(u)"}, boundary={"x-": "u = 3", "x+": "u = -1"})
    solved = chebyshev.solve(problem, 64)
    u = np.polynomial.Chebyshev.interpolate(lambda x: solved.values(x[:, None])[:, 0], 63, domain=[0, 1])
    x = np.linspace(0, 1, 50)
    assert np.abs(u.deriv(2)(x) + 36 * np.sin(u(x))).max() < 1e-5
    assert np.abs(u.deriv(2)(x) + 36.1 * np.sin(u(x))).max() > 1e-2
    assert abs(u(0) - 3) + abs(u(1) + 1) < 1e-10

    def never(system, c):
        raise NotSolved("did not converge")

    monkeypatch.setattr(chebyshev, "_continued", never)
    with pytest.raises(NotSolved):
        chebyshev.solve(problem, 64)


def test_a_parameter_still_in_an_equation_has_its_true_value():
    problem = stated(LINE, equations={"e": "u_xx = -pi**2*sin(pi*x)"}, exact={"u": "sin(pi*x)"})
    unknown = {"e": problem.equations["e"] + sympy.Symbol("D", real=True) - 1}  # u″ = … + 1 - D
    assert error(replace(problem, equations=unknown, parameters={"D": 1.0}), 24) < 1e-12
    assert error(replace(problem, equations=unknown, parameters={"D": 1.1}), 24) > 1e-3


def test_starts_where_the_equation_is_finite():
    given = {"equations": {"e": "u_xx = log(u) + auto"}, "boundary": {"*": "u = auto"}}
    problem = stated(LINE, **given, exact={"u": "2 + sin(x)"})
    assert error(problem, 20) < 1e-12


@pytest.mark.parametrize("equation, boundary, words", [
    ("u_xx + 20*exp(u) = 0", {"*": "u = 0"}, "converge"),  # no solution beyond 3.51
    ("u_xx + pi**2*u = 1", {"*": "u = 0"}, "more than one"),
], ids=["no solution", "resonance"])  # fmt: skip
def test_what_has_no_one_solution_is_not_solved(equation, boundary, words):
    with pytest.raises(NotSolved, match=words):
        chebyshev.solve(stated(LINE, equations={"e": equation}, boundary=boundary), 24)


@pytest.mark.parametrize("name", ["diffusion_1d", "burgers", "poisson_5d"])
def test_problems_in_time_or_many_dimensions_are_left_to_others(name):
    problem = load_problem(name)
    assert not chebyshev.applicable(problem) and not elements.applicable(problem)
    for method in (chebyshev, elements):
        with pytest.raises(NotSolved, match="takes"):
            method.solve(problem, 8)


def test_too_many_unknowns_are_refused_before_they_take_memory():
    with pytest.raises(NotSolved, match="unknowns"):
        chebyshev.solve(load_problem("poisson_2d"), 1000)
    with pytest.raises(NotSolved, match="nodes"):
        elements.solve(energetic(SQUARE, "u_x**2 + u_y**2"), 1000)


def test_coefficients_that_jump_are_left_to_others():
    problem = stated(LINE, equations={"e": "u_xx = 1"})
    assert chebyshev.applicable(problem) and not chebyshev.applicable(walled(problem, [0.5]))


# energies


def test_a_quadratic_energy_has_the_solution_of_its_equation():
    """Boundary values given on three sides; on the fourth the natural condition says dn(u) = 0."""
    sides = {"x-": "u = 0", "y-": "u = sin(pi*x/2)*exp(-1)", "y+": "u = sin(pi*x/2)*exp(1)", "x+": "dn(u) = 0"}
    source = "(1 - pi**2/4)*sin(pi*x/2)*exp(y)"
    minimized = energetic({**SQUARE, "boundary": sides}, f"(u_x**2 + u_y**2)/2 + {source}*u")
    assert not elements.applicable(minimized)  # a slope cannot be prescribed
    minimized = replace(minimized, conditions=tuple(c for c in minimized.conditions if c.side.name != "x+"))
    points = points_in(minimized)
    values = elements.solve(minimized, 4).values(points)
    collocated = chebyshev.solve(stated(SQUARE, equations={"e": f"lap(u) = {source}"}, boundary=sides), 20)
    assert np.abs(values - collocated.values(points)).max() < 1e-7
    x, y = points.T
    assert np.abs(values[:, 0] - np.sin(np.pi * x / 2) * np.exp(y)).max() < 1e-7


def test_the_two_methods_agree_on_a_nonlinear_problem():
    minimized = energetic(LINE, "u_x**2/2 + u**4/4 - 20*sin(3*x)*u")
    equation = stated(LINE, equations={"e": "u_xx - u**3 + 20*sin(3*x) = 0"})
    points = points_in(minimized)
    values = elements.solve(minimized, 8).values(points)
    assert np.abs(values - chebyshev.solve(equation, 40).values(points)).max() < 1e-10
    other = stated(LINE, equations={"e": "u_xx - 1.01*u**3 + 20*sin(3*x) = 0"})
    assert np.abs(values - chebyshev.solve(other, 40).values(points)).max() > 1e-4


def test_an_energy_of_two_fields():
    data = {**LINE, "fields": ["u", "v"], "boundary": {"x-": ["u = 0", "v = 1"], "x+": ["u = 2", "v = 0"]}}
    system = stated(data, equations={"a": "u_xx = v - 5*x", "b": "v_xx = u + v**3"})
    density = parse_expression("u_x**2/2 + v_x**2/2 + u*v - 5*x*u + v**4/4",
                               Scope(coordinates=("x",), fields=("u", "v")), "energy")  # fmt: skip
    minimized, points = replace(system, equations={}, task=Energy(density)), points_in(system)
    values = elements.solve(minimized, 8).values(points)
    assert np.abs(values - chebyshev.solve(system, 32).values(points)).max() < 1e-11
    assert np.abs(values[:, 0] - values[:, 1]).max() > 0.1


def test_elements_converge_at_the_order_of_their_degree():
    """Values of degree 8 converge like h⁹: u = sin(πx) e^{6x}, f = u″."""
    problem = energetic(LINE, "u_x**2/2 + ((36 - pi**2)*sin(pi*x) + 12*pi*cos(pi*x))*exp(6*x)*u")
    x = np.linspace(0, 1, 2001)[:, None]
    exact = np.sin(np.pi * x) * np.exp(6 * x)
    errors = [np.abs(elements.solve(problem, count).values(x) - exact).max() for count in (8, 16)]
    assert 8.5 < np.log2(errors[0] / errors[1]) < 9.5, errors


def test_an_energy_without_a_minimum_is_not_solved():
    for density in ("u_x**2/2 - 20*u**2", "u_x**2/2 - 20*u**2 + u**4"):  # unbounded; a saddle at zero
        with pytest.raises(NotSolved):
            elements.solve(energetic(LINE, density), 4)
    with pytest.raises(NotSolved, match="first derivatives"):
        elements.solve(energetic(LINE, "u_xx**2"), 4)


# eigenfunctions


def test_a_particle_in_a_box():
    problem = energetic(LINE, "u_x**2", "u**2", states=4)
    solved, x = elements.solve(problem, 8), points_in(problem)
    waves = np.arange(1, 5) * np.pi
    assert np.abs(solved.energies / waves**2 - 1).max() < 1e-12
    assert np.abs(solved.values(x) - np.sqrt(2) * np.sin(waves * x)).max() < 1e-8
    assert elements.solve(energetic(LINE, "u_x**2", "2*u**2", states=1), 8).energies[0] == pytest.approx(np.pi**2 / 2)


def test_a_harmonic_oscillator():
    line = {**LINE, "coordinates": {"x": [-9, 9]}}
    solved = elements.solve(energetic(line, "u_x**2/2 + x**2*u**2/2", "u**2", states=5), 24)
    assert np.abs(solved.energies - np.arange(5) - 0.5).max() < 1e-10
    ground = np.exp(-np.linspace(-3, 3, 7) ** 2 / 2) / np.pi**0.25
    assert np.abs(solved.values(np.linspace(-3, 3, 7)[:, None])[:, 0] - ground).max() < 1e-9


def test_a_well_whose_walls_end_elements():
    """-u″/2 + V u = E u, V = -10 for |x| < 1: even states have k tan k = κ, k² = 2(E + 10), κ² = -2E."""
    line = {**LINE, "coordinates": {"x": [-12, 11]}}
    density = "u_x**2/2 + where(x < -1, 0, where(x < 1, -10, 0))*u**2"
    wave = brentq(lambda k: k * np.tan(k) - np.sqrt(20 - k**2), 1.0, 1.5, xtol=1e-15)
    with_walls = elements.solve(energetic(line, density, "u**2", walls=[-1, 1]), 30).energies[0]
    without = elements.solve(energetic(line, density, "u**2"), 30).energies[0]
    assert with_walls == pytest.approx(wave**2 / 2 - 10, abs=1e-10)
    assert abs(without - with_walls) > 1e-6


def test_a_square_with_a_periodic_axis():
    """No condition along y but its period 2: energies π²(m² + n²), those with n > 0 twice."""
    data = {**SQUARE, "periodic": ["y"], "boundary": {"*": "u = 0"}}
    energies = elements.solve(energetic(data, "u_x**2 + u_y**2", "u**2", states=4), 4).energies
    assert np.abs(energies / np.pi**2 - [1, 2, 2, 4]).max() < 1e-7


def test_states_without_conditions_begin_with_the_constant():
    problem = energetic(LINE, "u_x**2", "u**2", states=3)
    energies = elements.solve(replace(problem, conditions=()), 6).energies
    assert np.abs(energies - np.pi**2 * np.arange(3) ** 2).max() < 1e-8


def test_fifty_random_cells():
    """The lowest energies, and the landscape (-½Δ + V) u = 1 with its bound E·max u ≥ 1, known from other work."""
    potential = steps_of(np.random.default_rng(0).uniform(0, 4, 50).tolist())
    line = {**LINE, "coordinates": {"x": [0, 50]}}
    states = elements.solve(energetic(line, f"u_x**2/2 + {potential}*u**2", "u**2", 5, range(1, 50)), 50)
    known = [0.61500919, 0.78138990, 1.36684735, 1.46605240, 1.54667725]
    assert np.abs(states.energies - known).max() < 1e-8
    landscape = elements.solve(energetic(line, f"u_x**2/4 + {potential}*u**2/2 - u", walls=range(1, 50)), 50)
    assert landscape.energies[0] == pytest.approx(-15.344043, abs=1e-6)
    x = np.linspace(0, 50, 20001)[:, None]
    assert landscape.values(x).max() == pytest.approx(2.0916, abs=2e-5)
    psi = states.values(x)
    assert (np.abs(psi) <= states.energies * landscape.values(x) * np.abs(psi).max(0) + 1e-9).all()


@pytest.mark.parametrize("density, norm", [("u_x**2 + u", "u**2"), ("u_x**2 + u**4", "u**2"), ("u_x**2", "x - x*u**2")])
def test_forms_that_are_not_quadratic_or_positive_are_not_solved(density, norm):
    with pytest.raises(NotSolved, match="takes eigenproblems"):
        elements.solve(energetic(LINE, density, norm), 4)


def test_walls_end_elements_and_the_rest_is_divided_evenly():
    problem = replace(load_problem("poisson_1d"), domain=Box((0.0,), (1.0,)))
    assert np.allclose(elements.element_breaks(problem, 0, 4), np.linspace(0, 1, 5), atol=1e-15)
    breaks = elements.element_breaks(walled(problem, [0.0, 0.3, 0.3, 1.0]), 0, 4)  # ends of the box are no walls
    assert np.allclose(breaks, [0, 0.15, 0.3, 0.3 + 0.7 / 3, 0.3 + 1.4 / 3, 1])


@pytest.mark.parametrize("walls", [(), range(1, 50), (0.01, 49.0)], ids=["none", "even", "uneven"])
def test_the_finer_of_two_meshes_is_finer_whatever_the_walls(walls):
    problem = energetic({**LINE, "coordinates": {"x": [0, 50]}}, "u_x**2/2 - u", walls=walls)
    coarse, fine = (elements.element_breaks(problem, 0, count) for count in elements.resolutions(problem)[:2])
    assert len(fine) > 1.5 * len(coarse) and set(walls) <= set(coarse.tolist())


def test_the_cavity_against_finite_differences():
    problem, (points, known) = load_problem("cavity"), oracles.cavity(32)
    coarse, fine = (chebyshev.solve(problem, count).values(points)[:, 0] for count in (18, 28))
    size = np.linalg.norm(known)
    bar, miss = np.linalg.norm(fine - coarse) / size, np.linalg.norm(fine - known) / size
    assert miss < bar < 3e-3


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Collocation with a ladder of small sizes; what is asked of it."""
    monkeypatch.setenv("KANPDE_CACHE", str(tmp_path))
    asked, solve = [], chebyshev.solve

    def seen(problem, resolution, *below):
        asked.append(resolution)
        return solve(problem, resolution, *below)

    monkeypatch.setattr(chebyshev, "solve", seen)
    monkeypatch.setattr(chebyshev, "resolutions", lambda problem: (14, 18))
    monkeypatch.setattr(chebyshev, "further", lambda problem: (24, 30))
    return asked


def test_a_reference_that_is_far_off_goes_on_to_finer_ones_and_its_bar_holds(small):
    found, (points, known) = reference_of(load_problem("cavity"), "chebyshev"), oracles.cavity(32)
    assert small == [14, 18, 24, 30] and found.unknowns == 900
    assert np.linalg.norm(found.values(points)[:, 0] - known) / np.linalg.norm(known) < 1.5 * found.error < 1e-3


def test_finer_ones_are_left_out_where_the_usual_ones_are_near(small):
    smooth = stated(SQUARE, equations={"poisson": "lap(u) = x*(1 - x)*(1 - y^2)*exp(x*y)"})
    found = reference_of(smooth, "chebyshev")
    assert small == [14, 18] and 1e-10 < found.error < 1e-4


def test_one_resolution_that_is_asked_for_is_not_gone_beyond(small):
    asked = {"method": "chebyshev", "resolution": 20}
    reference_of(load_problem({**load_problem("cavity").source, "reference": asked}), "chebyshev")
    assert small == [10, 20]


def test_newton_starts_from_the_coarser_solution(monkeypatch):
    problem, factored, geqrf = load_problem("cavity", {"re": 300}), [], torch.geqrf
    points = points_in(problem)
    monkeypatch.setattr(torch, "geqrf", lambda matrix: factored.append(matrix.shape[1]) or geqrf(matrix))
    coarse = chebyshev.solve(problem, 20)
    cold = chebyshev.solve(problem, 24).values(points)
    steps = factored.count(576)
    warm = chebyshev.solve(problem, 24, coarse.values).values(points)
    assert np.abs(warm - cold).max() < 1e-9
    assert factored.count(576) - steps < 0.7 * steps


def test_a_start_that_leads_nowhere_is_left():
    bratu = load_problem("bratu")
    far = chebyshev.solve(bratu, 24, lambda points: np.full((len(points), 1), 800.0))
    points = points_in(bratu)
    assert np.abs(far.values(points) - chebyshev.solve(bratu, 24).values(points)).max() < 1e-12


@pytest.mark.parametrize(("axes", "fields", "finer"), [("xy", 1, (52, 64)), ("xy", 2, ()), ("xy", 4, ()),
                                                       ("xyz", 1, (16,)), ("x", 1, ())])  # fmt: skip
def test_finer_resolutions_are_finer_and_bounded(axes, fields, finer):
    names = [f"u{number}" for number in range(fields)]
    problem = stated({"coordinates": {name: [0, 1] for name in axes}, "fields": names,
                      "equations": {name: f"lap({name}) = 1" for name in names},
                      "boundary": {"*": [f"{name} = 0" for name in names]}})  # fmt: skip
    assert chebyshev.further(problem) == finer


def test_a_solution_free_by_a_constant_is_found_up_to_it():
    problem = stated(SQUARE, equations={"e": "lap(u) = cos(pi*x)*cos(2*pi*y)"}, boundary={"*": "dn(u) = 0"})
    points = points_in(problem)
    found = reference_of(problem, "chebyshev").values(points)[:, 0]
    true = -np.cos(np.pi * points[:, 0]) * np.cos(2 * np.pi * points[:, 1]) / (5 * np.pi**2)
    gap = found - true
    assert np.ptp(gap) < 1e-10


@pytest.mark.parametrize(("slope", "none"), [(0.1, True), (0.0, False)])
def test_conditions_that_contradict_each_other_have_no_solution(slope, none):
    boundary = {"x-": ["u = 0", f"u_x = {slope}"], "x+": "u = 1"}
    problem = stated(LINE, equations={"e": "u_xx = 2"}, boundary=boundary)
    if none:
        with pytest.raises(NotOne, match="contradict each other"):
            chebyshev.solve(problem, 24)
    else:
        points = points_in(problem)
        assert np.abs(chebyshev.solve(problem, 24).values(points) - points**2).max() < 1e-10


def test_slopes_that_are_singular_on_the_way_are_no_second_solution():
    for equation, kind in (("u_xx + pi**2*u = 1", NotOne), ("u*u_xx = 1 + x", NotSolved)):
        with pytest.raises(NotSolved) as told:
            chebyshev.solve(stated(LINE, equations={"e": equation}), 24)
        assert type(told.value) is kind, told.value
