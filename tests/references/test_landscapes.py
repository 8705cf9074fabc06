"""The localization landscape: against a closed form, what it says of states, and what is drawn of it."""

import numpy as np
import oracles
import pytest

from kanpde.problems.catalog import load_problem
from kanpde.references import reference_of
from kanpde.references.landscapes import bumps, is_landscape, landscape_of, peaks, wells_error
from kanpde.reports.plots import solution_figure
from kanpde.results.archive import ModelData, RunData

BOX = {"coordinates": {"x": [0, 2]}, "fields": ["psi"], "boundary": {"*": "psi = 0"}, "coefficients": {"V": "3"}}
STATES = {**BOX, "eigen": {"energy": "psi_x**2/2 + V*psi**2", "states": 2}}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KANPDE_CACHE", str(tmp_path))


def test_the_landscape_of_a_box():
    """-u''/2 + 3u = 1 on [0, 2]: u = (1 - cosh(k(x - 1))/cosh(k))/3 with k² = 6."""
    x, k = np.linspace(0, 2, 41), 6**0.5
    u = landscape_of(load_problem(STATES))(x[:, None])[:, 0]
    assert np.abs(u - (1 - np.cosh(k * (x - 1)) / np.cosh(k)) / 3).max() < 1e-9


def test_the_bound_holds_for_the_states_of_a_random_potential():
    problem = load_problem("schrodinger_random_1d")
    x = np.linspace(0, 50, 20_001)[:, None]
    u, found = landscape_of(problem)(x)[:, 0], reference_of(problem, "elements")
    states = np.abs(found.values(x))
    assert u.max() == pytest.approx(2.09159, abs=2e-5)
    assert found.energies == pytest.approx([0.61500919, 0.78138990], abs=1e-8)
    for k, energy in enumerate(found.energies):
        assert (states[:, k] <= energy * u * states[:, k].max() + 1e-9).all()
        assert energy * u[states[:, k].argmax()] == pytest.approx(1.28, abs=0.1)


def test_the_reference_of_random_cells_against_exponentials_joined_at_walls():
    problem, x = load_problem("landscape_1d"), np.linspace(0.013, 49.98, 700)
    found = reference_of(problem, "elements")
    known = oracles.landscape_of_cells(oracles.cells(50), x)
    miss = np.linalg.norm(found.values(x[:, None])[:, 0] - known) / np.linalg.norm(known)
    assert miss < max(3 * found.error, 1e-9) and found.error < 1e-9


def test_the_reference_of_states_against_shooting():
    problem, x = load_problem("schrodinger_random_1d"), np.linspace(0, 50, 1001)
    found, (energies, states) = reference_of(problem, "elements"), oracles.states_of_cells(oracles.cells(50), x, 2)
    assert found.energies == pytest.approx(energies, abs=1e-10)
    own = found.turned(x[:, None], states).values(x[:, None])
    overlaps = (own * states).sum(0) / np.linalg.norm(own, axis=0) / np.linalg.norm(states, axis=0)
    assert (overlaps > 1 - 1e-10).all()


def test_the_references_of_smooth_potentials_against_numerov():
    smooth = load_problem("landscape_1d_smooth")
    values, found = oracles.cells(50), reference_of(smooth, "elements")
    x, u = oracles.landscape_by_numerov(lambda x: oracles.smoothed_cells(values, x, 0.25), 50, 20_000)
    assert np.linalg.norm(found.values(x[:, None])[:, 0] - u) < max(3 * found.error, 1e-8) * np.linalg.norm(u)
    quasi = load_problem("schrodinger_quasiperiodic_1d")
    ratio = (5**0.5 - 1) / 2
    energies = oracles.energies_by_numerov(
        lambda x: 3 * (2 - np.cos(2 * np.pi * x) - np.cos(2 * np.pi * ratio * x + 1)), 30, 3000, 2
    )
    assert reference_of(quasi, "elements").energies == pytest.approx(energies, abs=1e-8)


def test_the_reference_in_the_plane_against_differences():
    found = reference_of(load_problem("landscape_2d"), "elements")
    points, u = oracles.landscape_2d(oracles.cells(10, 10), 12)
    miss = np.linalg.norm(found.values(points)[:, 0] - u) / np.linalg.norm(u)
    assert miss < 3e-4 and found.error < 1e-4


def test_norms_with_derivatives_and_operators_without_a_minimum_have_none():
    assert landscape_of(load_problem({**BOX, "eigen": {"energy": "psi_x**2", "norm": "psi**2 + psi_x**2"}})) is None
    assert landscape_of(load_problem({**BOX, "eigen": {"energy": "psi_x**2 - 100*psi**2"}})) is None
    assert landscape_of(load_problem("poisson_1d")) is None


@pytest.mark.parametrize(
    "changes, verdict",
    [
        ({"energy": "psi_x**2/4 + V*psi**2/2 - psi"}, True),
        ({"equations": "-psi_xx/2 + V*psi = 1"}, True),
        ({"equations": "-psi_xx/2 + V*psi = 2"}, False),
        ({"equations": "-psi_xx/2 + V*psi**2 = 1"}, False),
        ({"equations": "-psi_xx/2 = 1", "coefficients": {}}, False),
    ],
)
def test_which_problems_are_landscapes(changes, verdict):
    assert is_landscape(load_problem({**BOX, **changes})) is verdict


def test_peaks_and_bumps():
    x = np.linspace(0, np.pi, 101)
    u = np.sin(x) * (1 + 0.5 * np.sin(4 * x) ** 2)
    highest = [i for i in range(1, 100) if u[i] > max(u[i - 1], u[i + 1])]
    assert peaks(u)[:, 0].tolist() == sorted(highest, key=lambda i: -u[i])
    found = bumps(u, 3)
    assert found.shape == (3, 101)
    assert np.array_equal(found.max(1), u[peaks(u)[:3, 0]])
    assert (np.minimum(found[0], found[1]) == 0).all()  # basins do not overlap
    single = bumps(np.sin(x), 3)  # one maximum, three bumps that are independent
    assert np.linalg.matrix_rank(single) == 3


def test_bumps_in_two_dimensions():
    x, y = np.meshgrid(np.linspace(0, 1, 31), np.linspace(0, 1, 31), indexing="ij")
    u = np.sin(2 * np.pi * x) ** 2 * np.sin(np.pi * y)
    found = bumps(u, 2)
    assert all((bump > 0).sum() > 350 for bump in found) and (np.minimum(*found) == 0).all()


def test_wells_error():
    u = 1 + 0.3 * np.cos(np.linspace(0, 20, 400))
    assert wells_error(u, u) == 0
    assert wells_error(1.001 * u, u) == pytest.approx(1e-3, rel=1e-2)


def record(**changes) -> RunData:
    x = np.linspace(0, 1, 20)
    values = {"axes": {"x": x}, "fields": {"psi_1": np.sin(np.pi * x)}, "history": {}, "metrics": {},
              "coefficients": {"V": x, "landscape": x * (1 - x)}, "spectrum": {"energy": np.array([5.0])}}  # fmt: skip
    return RunData({"title": "states"}, model=ModelData("kan", "{}", {}, {}), points={}, **{**values, **changes})


def titles(data: RunData) -> list[str]:
    return [axes.get_title() for axes in solution_figure(data).axes]


def test_states_are_drawn_at_their_energies_with_their_bounds():
    figure = solution_figure(record())
    wells, decay = figure.axes[:2]
    assert wells.get_title() == "V, effective potential 1/u, states at their energies"
    state = next(line for line in wells.get_lines() if line.get_label() == "psi_1")
    assert state.get_ydata()[0] == pytest.approx(5.0)
    assert decay.get_yscale() == "log" and len(decay.get_lines()) == 2


def test_a_landscape_is_drawn_with_its_potential():
    x = np.linspace(0, 1, 20)
    own = {"V": x, "effective_potential": 1 + x}
    assert titles(record(coefficients=own, spectrum={}))[0] == "V, effective potential 1/u"
    assert "1/u" not in " ".join(titles(record(coefficients={"V": x})))
    square = {"axes": {"x": x, "y": x}, "fields": {"u": np.outer(x, x)}, "spectrum": {}}
    maps = {name: np.outer(value, np.ones(20)) for name, value in own.items()}
    assert {"V", "1/u", "u"} <= set(titles(record(coefficients=maps, **square)))


def test_the_history_of_an_energy_is_drawn_above_the_reference():
    history = {"step": np.arange(3.0), "loss": np.array([-1.0, -2.0, -2.9]), "heldout_energy": np.array([-1, -2, -2.8]),
               "rel_l2": np.array([1, 0.1, 0.01])}  # fmt: skip
    figure = solution_figure(record(history=history, metrics={"energy_reference": -3.0}))
    (left,) = (axes for axes in figure.axes if axes.get_title() == "Energy above the reference")
    assert left.get_lines()[0].get_ydata() == pytest.approx([2.0, 1.0, 0.1])
