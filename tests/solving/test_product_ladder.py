"""Spline products solved exactly: cells where they are needed, windows of time that choose themselves, archives."""

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

import kanpde
from kanpde.models.networks.products import ProductDesign
from kanpde.solving.optimizers.least_squares import solved
from kanpde.solving.optimizers.sparse_systems import solved_sparsely
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


def test_what_is_missing_is_seen_along_the_axis_that_misses_it():
    network = ProductDesign((8,), 5).build(2, 1, 0, lower=[-1, -1], upper=[1, 1], dtype=torch.float64)
    i, j = torch.meshgrid(*[torch.arange(13, dtype=torch.float64)] * 2, indexing="ij")
    network.weight.data = ((1 + i / 10) * torch.sin(j))[..., None]
    assert products.missing(network, 1) > 1e3 * products.missing(network, 0)
    assert products.refined(network, (8, 8)) == (8, 16) and products.refined(network, (8, 8), alike=True) == (16, 16)


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
    monkeypatch.setattr(marching, "AT_FIRST", 1e-30)
    run = kanpde.solve(WAVE, **{**EXACT, "training": {"time_limit": 20}})
    assert run.data.model.kind == "ridge", "what was there before is kept"
