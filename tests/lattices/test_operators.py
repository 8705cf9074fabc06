"""Operators and spectra of lattices: two routes to each, and inputs that are refused."""

import numpy as np
import pytest

from kanpde.errors import InputError
from kanpde.lattices.densities import kernel_density
from kanpde.lattices.hulls import best_residual, hull, kink
from kanpde.lattices.landscapes import landscape
from kanpde.lattices.level_spacings import GOE, POISSON, crossing, gap_ratios, middle
from kanpde.lattices.localization import correlation_dimension, participation
from kanpde.lattices.lyapunov import bar_exponent, chain_exponents, has_transfer_matrix
from kanpde.lattices.operators import Builder, resized
from kanpde.lattices.spectra import energies_of, full_spectrum, window
from kanpde.problems.catalog import load_problem
from kanpde.problems.lattices import IRRATIONAL, SiteFunction

NAMES = ("anderson_1d", "anderson_2d", "anderson_3d", "aubry_andre", "mosaic", "gaam", "maam")
CHAIN = {"lattice": {"sites": [89], "onsite": "2*lam*cos(2*pi*b*n + phi)", "hopping": 1, "ends": "periodic"},
         "parameters": {"b": "golden", "lam": 0.5, "phi": 0.3}, "measure": {"realizations": 1}}  # fmt: skip


def small(name: str):
    lattice = load_problem(name).task
    return resized(lattice, {1: 34, 2: 6, 3: 4}[lattice.dimension])


def with_lattice(**changes):
    return {**CHAIN, "lattice": {**CHAIN["lattice"], **changes}}


@pytest.mark.parametrize("name", NAMES)
def test_every_way_to_the_spectrum_agrees_with_the_dense_one(name):
    hamiltonian = Builder(small(name)).hamiltonian(0, 0)
    dense = hamiltonian.to_scipy().toarray()
    assert np.array_equal(dense, dense.conj().T)
    energies, states = full_spectrum(hamiltonian)
    assert np.allclose(energies, np.linalg.eigvalsh(dense), atol=1e-12)
    assert np.allclose(dense @ states, states * energies, atol=1e-12)
    assert np.allclose(energies_of(hamiltonian), energies, atol=1e-12)


def test_a_matrix_written_by_hand():
    hamiltonian = Builder(load_problem(CHAIN, name="chain").task).hamiltonian(0, 0)
    n, count = np.arange(89), 89
    by_hand = np.diag(np.cos(2 * np.pi * 55 / 89 * n + 0.3)) + np.diag(np.ones(88), 1) + np.diag(np.ones(88), -1)
    by_hand[0, count - 1] = by_hand[count - 1, 0] = 1
    assert np.allclose(hamiltonian.to_scipy().toarray(), by_hand, atol=1e-12)


def test_long_hopping_counts_each_pair_once():
    lattice = resized(load_problem("maam").task, 34)
    dense = Builder(lattice).hamiltonian(0, 0)
    matrix, p = dense.to_scipy().toarray(), dense.parameters["p"]
    assert np.isclose(matrix[0, 1], 1) and np.isclose(matrix[0, 17], np.exp(p * (1 - 17)))
    assert np.isclose(matrix[0, 33], 1) and np.isclose(matrix[0, 30], np.exp(p * (1 - 4)))


def test_a_flux_shifts_the_levels_of_a_ring():
    """E = 2 cos((2πk + Φ)/N) on a clean ring with flux Φ; the matrix is complex and Hermitian."""
    lattice = load_problem(with_lattice(onsite=0, phase="0.7/89"), name="ring").task
    hamiltonian = Builder(lattice).hamiltonian(0, 0)
    expected = np.sort(2 * np.cos((2 * np.pi * np.arange(89) - 0.7) / 89))
    assert np.allclose(full_spectrum(hamiltonian)[0], expected, atol=1e-12)
    assert not np.allclose(expected, np.sort(2 * np.cos(2 * np.pi * np.arange(89) / 89)), atol=1e-6)


def test_a_window_is_part_of_the_whole():
    hamiltonian = Builder(resized(load_problem("anderson_2d").task, 20)).hamiltonian(0, 0)
    energies, states = window(hamiltonian, 0.5, 12)
    whole = energies_of(hamiltonian)
    assert np.allclose(energies, np.sort(whole[np.argsort(np.abs(whole - 0.5))[:12]]), atol=1e-9)
    assert np.allclose(hamiltonian.to_scipy() @ states, states * energies, atol=1e-8)


def test_realizations_do_not_depend_on_each_other():
    builder = Builder(load_problem("anderson_1d").task)
    one, again, other = (builder.hamiltonian(3, k).onsite for k in (5, 5, 6))
    assert np.array_equal(one, again) and not np.array_equal(one, other)
    assert abs(one).max() <= 0.5 and one.std() == pytest.approx(12**-0.5, rel=0.1)


# exponents against theory


@pytest.mark.parametrize("name", ["aubry_andre", "mosaic", "gaam"])
def test_exponents_follow_theory_within_three_error_bars(name):
    """On the spectrum of a large ring: what a small one has may lie in gaps of the infinite chain."""
    lattice = resized(load_problem(name).task, 2584 if name == "mosaic" else 1597)
    hamiltonian = Builder(lattice).hamiltonian(1, 2)
    energies = energies_of(hamiltonian)[::160]
    gamma, error = chain_exponents(lattice, energies, hamiltonian.parameters, 20000)
    theory = SiteFunction(lattice.theory["lyapunov"])({**hamiltonian.parameters, "E": energies})
    assert (np.abs(gamma - theory) < 3 * error).all() and error.max() < 1e-3
    assert np.abs(gamma - 1.1 * theory).max() > 3 * error.max() or theory.max() < 0.05


def test_an_energy_in_a_gap_has_an_exponent_of_its_own():
    lattice = load_problem("aubry_andre", parameters={"lam": 0.5, "phi": 0.3}).task
    energies = energies_of(Builder(resized(lattice, 987)).hamiltonian(0, 0))
    widest = int(np.argmax(np.diff(energies)))
    values = {"b": 0.0, "lam": 0.5, "phi": 0.3}
    inside, _ = chain_exponents(lattice, energies[widest : widest + 2].mean(keepdims=True), values, 20000)
    assert inside[0] > 0.1


def test_a_strip_one_site_wide_is_a_chain():
    two = {"lattice": {"sites": [50, 2], "onsite": "W*uniform(-1/2, 1/2)", "hopping": "where(axis == 1, 1, 0)",
                       "ends": "open"}, "parameters": {"W": 6}}  # fmt: skip
    chain = {**two, "lattice": {**two["lattice"], "sites": [50], "hopping": 1}}
    strip = bar_exponent(load_problem(two, name="strip").task, 0.3, {"W": 6.0}, 40000)
    line = chain_exponents(load_problem(chain, name="line").task, np.full(20, 0.3), {"W": 6.0}, 20000)
    assert strip[0] == pytest.approx(line[0].mean(), abs=4 * strip[1])


def test_only_chains_have_two_by_two_matrices():
    assert not has_transfer_matrix(load_problem("anderson_2d").task)
    with pytest.raises(InputError, match="transfer|measure.lyapunov needs a chain"):
        chain_exponents(load_problem("anderson_2d").task, np.zeros(1), {"W": 1.0}, 100)


# statistics


def test_levels_of_strong_disorder_do_not_repel_those_of_weak_do():
    lattice = load_problem("anderson_3d", parameters={"W": 5}).task
    weak = energies_of(Builder(lattice).hamiltonian(0, 0))
    strong = energies_of(Builder(load_problem("anderson_3d", parameters={"W": 60}).task).hamiltonian(0, 0))
    assert gap_ratios(middle(weak)).mean() == pytest.approx(GOE, abs=0.05)
    assert gap_ratios(middle(strong)).mean() == pytest.approx(POISSON, abs=0.05)


def test_curves_of_several_sizes_cross_where_they_were_made_to(random):
    strengths, sizes = np.linspace(14, 19, 6), np.array([6.0, 8, 10, 12])
    x = (strengths[None, :] - 16.5) * sizes[:, None] ** (1 / 1.571)
    errors = np.full(x.shape, 1e-3)
    curves = 0.513 - 1.2e-3 * x + 4e-5 * x**2 + errors * random.standard_normal(x.shape)
    found = crossing(strengths, sizes, curves, errors, draws=40)
    assert found.strength == pytest.approx(16.5, abs=3 * found.error) and 0.02 < found.error < 0.5
    assert 0.3 < found.chi_square < 2
    assert crossing(strengths, sizes, curves, errors, degree=1, draws=2).chi_square > found.chi_square


def test_the_hull_s_residual_turns_at_the_transition():
    """λ^M below 1, hardly falling above; the fitted kink of few modes is near 1."""
    b = IRRATIONAL["golden"]
    below = [best_residual(0.6, b, 0.3, modes)[0] for modes in (12, 24)]
    above = [best_residual(1.5, b, 0.3, modes)[0] for modes in (12, 24)]
    assert below[1] / below[0] < 0.6**10 and above[1] / above[0] > 0.1
    strengths = np.linspace(0.7, 1.3, 13)
    turned = np.exp(np.where(strengths < 1, 40 * np.log(strengths), 3 * np.log(strengths)) - 5)
    place, error = kink(strengths, turned * np.exp(0.05 * np.sin(37 * strengths)))
    assert place == pytest.approx(1, abs=0.02) and error < 0.02


def test_the_hull_s_equation_is_that_of_the_chain():
    """ψ_n = e^{ikn} Φ(2πbn) of a smooth hull obeys the chain's equation."""
    b, k, modes, lam = IRRATIONAL["golden"], 0.3, 24, 0.3
    residual, energy, weights = hull(lam, b, k, modes)
    assert residual < 1e-9
    n = np.arange(-1, 40)
    m = np.arange(-modes, modes + 1)
    psi = np.exp(1j * k * n) * (np.exp(2j * np.pi * b * np.outer(n, m)) @ weights)
    left = psi[2:] + psi[:-2] + 2 * lam * np.cos(2 * np.pi * b * n[1:-1]) * psi[1:-1] - energy * psi[1:-1]
    assert np.abs(left).max() < 1e-7 * np.abs(psi).max() and np.abs(psi).max() > 0.1


def test_plane_waves_fill_a_ring_and_sites_do_not():
    ring = full_spectrum(Builder(load_problem(with_lattice(onsite=0), name="ring").task).hamiltonian(0, 0))[1]
    assert participation(ring).max() < 2 / 89
    slope, _ = correlation_dimension([89, 233], [np.full(3, 1 / 89), np.full(3, 1 / 233)])
    assert slope == pytest.approx(1)


def test_the_kernel_density_counts_levels():
    hamiltonian = Builder(resized(load_problem("anderson_2d").task, 30)).hamiltonian(0, 0)
    known = kernel_density(hamiltonian, 400, vectors=20)
    energies = energies_of(hamiltonian)
    places = np.linspace(-6, 6, 25)
    counted = np.searchsorted(energies, places) / len(energies)
    assert np.abs(known.integrated(places) - counted).max() < 0.01
    fine = np.linspace(-8, 8, 4001)
    assert np.trapezoid(known.density(fine), fine) == pytest.approx(1, abs=1e-3)


def test_the_landscape_bounds_the_lowest_states():
    hamiltonian = Builder(resized(load_problem("anderson_1d", parameters={"W": 4}).task, 80)).hamiltonian(0, 0)
    u, shift = landscape(hamiltonian)
    energies, states = full_spectrum(hamiltonian)
    for energy, state in zip(energies[:5] + shift, states.T[:5], strict=True):
        assert (np.abs(state) <= energy * u * np.abs(state).max() * (1 + 1e-9)).all()
    assert (u > 0).all()


# what is refused


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (with_lattice(sites=[90]), "common factor"),
        (with_lattice(sites=[10**12]), "at most 1e\\+08"),
        (with_lattice(sites=[6765]), "states: 40"),
        (with_lattice(sites=[1]), "at least 2"),
        (with_lattice(onsite="where(n % 3 == 0, 1, 0)"), "repeat after 89 sites"),
        (with_lattice(onsite="1/(1 - 1.2*cos(2*pi*b*n + phi))", ends="open", sites=[600]), "pole"),
        (with_lattice(hopping={"1": 1, "-1": 0.5}), "Hermitian"),
        (with_lattice(hopping={"-1": 0.5}), "Hermitian"),
        (with_lattice(onsite="lamb*n"), "lamb"),
        (with_lattice(onsite="u_x"), "u_x"),
        (with_lattice(range=60), "up to 44"),
        (with_lattice(ends="closed"), "periodic or open"),
        ({**CHAIN, "measure": {"states": "none"}}, "measure.states"),
        ({**CHAIN, "edge": {}}, "edge"),
        ({**CHAIN, "edges": {}}, 'Did you mean "edge"'),
        ({**CHAIN, "coordinates": {"x": [0, 1]}}, "coordinates"),
        ({**CHAIN, "parameters": {**CHAIN["parameters"], "energy": 1}}, "name of its own"),
        ({**CHAIN, "measure": {"lyapunov": 100, "realizations": 3}, "edge": {},
          "parameters": {**CHAIN["parameters"], "lam": {"range": [0, 2]}}}, "at least 10 realizations"),
        ({**CHAIN, "measure": {"realizations": 10}, "edge": {"functions": {"q": "exp"}},
          "parameters": {**CHAIN["parameters"], "lam": {"range": [0, 2]}}}, "for some of E, lam one or two of"),
        ({**CHAIN, "measure": {"realizations": 10}, "edge": {"functions": {"lam": ["exp", {}]}},
          "parameters": {**CHAIN["parameters"], "lam": {"range": [0, 2]}}}, "for some of E, lam one or two of"),
        (with_lattice(hopping={}), "for each distance"),
    ],
)  # fmt: skip
def test_mistakes_are_told_in_a_sentence(data, sentence):
    with pytest.raises(InputError, match=sentence):
        load_problem(data, name="mine")


def test_energies_near_the_largest_float_are_compared_without_overflow():
    ranges = {"lam": {"range": [0.2, 8e307]}}
    load_problem({**CHAIN, "parameters": {**CHAIN["parameters"], **ranges}}, name="mine")


def test_keys_of_lattices_need_one():
    with pytest.raises(InputError, match="needs a lattice"):
        load_problem({"coordinates": {"x": [0, 1]}, "fields": ["u"], "equations": {"a": "u_xx = 1"}, "measure": {}})
