"""Spline products solved exactly: cells where they are needed, windows of time that choose themselves, archives."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.interpolate import BSpline
from scipy.sparse import csr_matrix

import kanpde
from kanpde import load_problem
from kanpde.models.networks.products import ProductDesign, SplineProducts, axis_knots
from kanpde.solving.optimizers.least_squares import solved
from kanpde.solving.optimizers.sparse_systems import gram, solved_sparsely
from kanpde.solving.training import ladder, marching, products, routes

EXACT = {"optimizer": "least_squares", "output": {"resolution": 9}, "threads": 1}


@pytest.fixture(autouse=True)
def no_ridge_splines(monkeypatch):
    """Products alone, so that it is they that are looked at."""
    monkeypatch.setattr(routes, "RIDGE_SHARE", 1e-9)
    monkeypatch.setattr(ladder, "RUNGS", dict.fromkeys((1, 2, 3), ((2, 2, 5),)))


def test_sparse_steps_are_those_of_orthogonal_factors():
    matrix = torch.randn(60, 20, dtype=torch.float64) * 10.0 ** torch.arange(-5, 15).double().sub(5)
    residual = torch.randn(60, dtype=torch.float64)
    step, promised = solved_sparsely(csr_matrix(matrix.numpy()), residual, 0.0)
    expected = solved(matrix, residual[:, None], 0.0)[:, 0]
    assert torch.allclose(step, expected, rtol=1e-8) and torch.allclose(promised, residual + matrix @ expected)


@pytest.mark.parametrize("sparsely", [False, True])
def test_a_column_that_points_touch_by_rounding_alone_gets_no_weight(sparsely):
    matrix = torch.eye(4, 3)
    matrix[3, 2], matrix[2, 2] = 1e-150, 0
    residual = torch.ones(4)
    if sparsely:
        step = solved_sparsely(csr_matrix(matrix.numpy()), residual, 1e-20)[0]
    else:
        step = solved(matrix, residual[:, None], 1e-20)[:, 0]
    assert torch.allclose(step[:2], -torch.ones(2)) and abs(step[2]) < 1e-6


def test_what_is_missing_is_seen_along_the_axis_that_misses_it():
    network = ProductDesign((32,), 5).build(2, 1, 0, lower=[-1, -1], upper=[1, 1], dtype=torch.float64)
    i, j = torch.meshgrid(*[torch.arange(37, dtype=torch.float64)] * 2, indexing="ij")
    network.weight.data = ((1 + i / 10) * torch.sin(j))[..., None]
    slow, fast = products.missing(network, 0), products.missing(network, 1)
    assert len(fast) == 32 and fast[8:-8].min() > 1e3 * slow[8:-8].max()
    weight = network.weight.detach()
    expected = 4 / np.pi**7 * weight.diff(n=6, dim=1)[:, 8:-8].abs().max() / weight.abs().max()
    assert torch.isclose(fast[8:-8].max(), expected, rtol=0.1), "on equal cells by differences of the weights"
    assert torch.equal(products.halved(network, 0, slow, fast.max().item()), network.breaks(0))
    assert len(products.halved(network, 1, fast, 0.0)) == 65


@pytest.mark.parametrize("periodic", [(), (0,)])
def test_cells_are_halved_where_a_front_is_and_change_gradually(periodic):
    breaks = torch.linspace(0, 1, 33, dtype=torch.float64)
    network = SplineProducts([axis_knots(breaks, 5, bool(periodic))], [5], periodic, 1, torch.float64)
    eta = torch.zeros(32).index_fill(0, torch.tensor([16]), 1.0)
    for _ in range(4):
        breaks = products.halved(network, 0, eta, 0.5)
        network = SplineProducts([axis_knots(breaks, 5, bool(periodic))], [5], periodic, 1, torch.float64)
        eta = (breaks[:-1] <= 0.5).double() * (breaks[1:] > 0.5)
    lengths = breaks.diff()
    assert lengths.min() == 1 / 512 and lengths[0] == 1 / 32 and len(lengths) < 60
    ratios = lengths[1:] / lengths[:-1]
    assert ratios.min() >= 0.5 and ratios.max() <= 2


@pytest.mark.parametrize("periodic", [(), (1,)])
def test_a_function_is_the_same_on_finer_cells(periodic):
    network = ProductDesign((12,), 7).build(2, 1, 0, lower=[0, 0], upper=[1, 1], periodic=periodic, dtype=torch.float64)
    breaks = products.halved(network, 1, torch.zeros(12).index_fill(0, torch.tensor([3, 7]), 1.0), 0.5)
    fine = SplineProducts([network.knots(0), axis_knots(breaks, 7, bool(periodic))], [7, 7], periodic, 1, torch.float64)
    fine.weight.data = marching.on_knots(network.weight.detach(), 1, network.knots(1), fine.knots(1), 7, bool(periodic))
    points = torch.rand(200, 2, dtype=torch.float64)
    assert fine.weight.numel() > network.weight.numel() and torch.allclose(fine(points), network(points), atol=1e-13)


def test_cells_become_finer_from_window_to_window(monkeypatch):
    monkeypatch.setattr(marching, "LOOSEST", 1e-3)
    monkeypatch.setattr(marching, "STRICTER", 1e-20)  # one rung
    shock = {
        "coordinates": {"x": [-1, 1], "t": [0, 0.4]}, "fields": ["u"],
        "equations": {"burgers": "u_t + u*u_x = 0.01*u_xx"}, "boundary": {"*": "u = 0"}, "initial": "u = -sin(pi*x)",
    }  # fmt: skip
    run = kanpde.solve(shock, **EXACT, training={"target": 1e-9})
    lengths = run.network.breaks(0).diff()
    assert run.metrics["rel_l2"] < 1e-4 and len(run.network.breaks(1)) > 3
    assert len(lengths) > marching.FIRST[1] and lengths.min() < lengths.max()


def test_products_of_rows_in_cells_are_those_of_the_whole_matrix():
    columns = torch.arange(4)[None] + torch.tensor([0, 0, 3, 3, 3, 7, 7])[:, None]
    values = torch.randn(7, 4, dtype=torch.float64)
    matrix = csr_matrix((values.flatten().numpy(), columns.flatten().numpy(), np.arange(0, 29, 4)), shape=(7, 11))
    ragged = csr_matrix(np.triu(np.ones((5, 11))))
    for one in (matrix, matrix[:, 1:], ragged):
        assert np.allclose(gram(one).toarray(), one.T.toarray() @ one.toarray())


def test_waves_that_the_first_cells_do_not_see_are_found():
    """Until a rung lowers the residual all cells are halved: what the ones before seemed to miss was nothing real."""
    waves = {
        "coordinates": {"x": [0, 1], "y": [0, 1]}, "fields": ["u"], "equations": {"poisson": "lap(u) = auto"},
        "boundary": {"*": "u = 0"}, "exact": {"u": "sin(4*pi*x)*sin(4*pi*y) + sin(14*pi*x)*sin(14*pi*y)"},
    }  # fmt: skip
    run = kanpde.solve(waves, **EXACT, training={"target": 3e-1, "time_limit": 60})
    assert run.data.model.kind == "product" and run.metrics["rel_l2"] < 1e-3


def test_all_cells_are_halved_until_a_rung_lowers_the_residual():
    network = ProductDesign((12, 12), 5).build(2, 1, 0, lower=[-1, -1], upper=[1, 1], dtype=torch.float64)
    network.weight.data.zero_()
    network.weight.data[8, 8] = 1.0  # rough in the middle alone
    setup = SimpleNamespace(problem=load_problem("poisson_2d"))

    def cells(heldout):
        rungs = [SimpleNamespace(trained=SimpleNamespace(heldout=one, network=network)) for one in (1.0, heldout)]
        return products.product_way(setup, None)(rungs).cells

    assert cells(1.0) == (24, 24) and max(cells(0.1)) < 24


def test_cells_go_where_they_are_needed_and_successive_solutions_tell_the_error():
    waves = {
        "coordinates": {"x": [0, 1], "y": [0, 1]}, "fields": ["u"], "equations": {"poisson": "lap(u) = auto"},
        "boundary": {"*": "u = 0"}, "exact": {"u": "sin(pi*x)*sin(6*pi*y)"},
    }  # fmt: skip
    run = kanpde.solve(waves, **EXACT, training={"target": 1e-3})
    assert run.data.model.kind == "product" and run.metrics["rel_l2"] < 1e-5
    cells = products.cells_of(run.network)
    assert cells[1] > cells[0]
    errors, changes = run.history["rel_l2"][1:], run.history["change"][1:]
    assert (errors[:-1] < 3 * changes[1:]).all(), "a solution's error is how far the next one is from it"


def test_points_hold_the_end_of_the_first_cell():
    """Of all splines from 0 to 1 the straight one has the least slope, 1, at the points as well: none jumps between."""
    network = ProductDesign((100,), 11).build(1, 1, 0, lower=[0.0], upper=[1.0], dtype=torch.float64)
    sample = products.cell_points(network).interior(load_problem("poisson_1d").domain, 0, 0)
    splines = BSpline(network.knots(0).numpy(), np.eye(111), 11)
    factors = (sample.weights / len(sample.points)).sqrt()
    slopes = splines.derivative()(sample.points[:, 0].numpy()) * factors[:, None].numpy()
    least, *_ = np.linalg.lstsq(slopes[:, 1:-1], -slopes[:, -1], rcond=None)
    assert np.linalg.norm(slopes[:, 1:-1] @ least + slopes[:, -1]) == pytest.approx(1, abs=1e-6)


WAVE = {
    "coordinates": {"x": [0, 1], "t": [0, 3]}, "fields": ["u"], "equations": {"wave": "u_tt = u_xx"},
    "boundary": {"*": "u = 0"}, "initial": ["u = sin(pi*x)", "u_t = 0"], "exact": {"u": "sin(pi*x)*cos(pi*t)"},
}  # fmt: skip


def test_windows_choose_themselves_and_their_solution_is_one_spline(tmp_path):
    run = kanpde.solve(WAVE, **EXACT, training={"target": 1e-5})
    network = run.network
    assert run.metrics["rel_l2"] < 1e-5 and len(network.breaks(1)) > 3
    end = network.breaks(1)[1].item()
    x = np.linspace(0.1, 0.9, 9)
    for wanted, most in (("u", 1e-12), ("u_t", 1e-6)):  # at the end of a window
        sides = [np.stack([x, 0 * x + end + side], 1) for side in (-1e-13, 1e-13)]
        before, after = (run.solution.derivative(wanted, points) for points in sides)
        assert np.abs(before - after).max() < most
    run.save(tmp_path / "result.h5")
    again = kanpde.open_run(tmp_path / "result.h5")
    points = np.random.default_rng(0).uniform(0, 1, (20, 2)) * [1, 3]
    assert np.array_equal(again.solution(points), run.solution(points))


def test_windows_that_cannot_be_short_enough_are_said(monkeypatch):
    monkeypatch.setattr(marching, "SHORTEST", 0.5)
    monkeypatch.setattr(marching, "LOOSEST", 1e-12)
    run = kanpde.solve(WAVE, **{**EXACT, "training": {"time_limit": 20}})
    assert run.data.model.kind == "ridge", "what was there before is kept"
    assert "products: from t = 0 on no window was short enough on " in run.stop_reason


def test_a_stricter_march_is_foreseen_to_take_less_than_twice_as_long():
    """Burgers, KdV: .8 to 1.8 times; a slower one gives itself up."""
    march = marching.MarchedProducts(SimpleNamespace(problem=load_problem("burgers")), None, 1e-6, 1000)
    assert 10 < ladder._forecast(SimpleNamespace(seconds=10.0, unknowns=1000), march) < 20


def test_a_march_that_is_too_slow_is_given_up():
    seconds = [0.0]
    pace = marching.Pace(ladder.Clock(lambda: seconds[0], 0.0, 100.0, 100.0), 0.0, 1.0)
    for step in range(1, 60):  # a hundredth of time in each second: it just does
        seconds[0] = float(step)
        pace.check(step / 100, 50)
    slow = marching.Pace(ladder.Clock(lambda: seconds[0], seconds[0], 100.0, 100.0), 0.0, 1.0)
    with pytest.raises(ladder.Stuck, match="windows would take longer"):
        for step in range(1, 60):
            seconds[0] += 1
            slow.check(step / 1000, 50)
    assert step == 21, "as soon as patience is over"
    costly = marching.Pace(ladder.Clock(lambda: seconds[0], seconds[0], 100.0, 100.0), 0.0, 1.0)
    costly.check(0.0, 50)
    seconds[0] += 4
    with pytest.raises(ladder.Stuck):
        costly.check(0.0, 500)


def test_ordinary_equations_go_on_in_windows_of_time():
    """Four orders of magnitude between the rates, then two species over several periods."""
    fast = {
        "coordinates": {"t": [0, 20]}, "fields": ["a", "b"],
        "equations": {"a": "a_t = -a + b", "b": "b_t = 1e4*(cos(t) - b)"}, "initial": ["a = 1", "b = 0"],
    }  # fmt: skip
    found = kanpde.solve(fast, **EXACT)
    assert found.metrics["rel_l2"] < 1e-8 and found.stop_reason.startswith("Polynomials in time")
    assert found.network.breaks(0).diff().max() > 100 * found.network.breaks(0).diff().min()
    hunted = {
        "coordinates": {"t": [0, 10]}, "fields": ["r", "p"], "initial": ["r = 100", "p = 15"],
        "equations": {"rabbits": "r_t = 2*r - 0.04*r*p", "foxes": "p_t = 0.02*r*p - 1.06*p"},
    }  # fmt: skip
    assert kanpde.solve(hunted, **EXACT, training={"target": 1e-4}).metrics["rel_l2"] < 1e-6
