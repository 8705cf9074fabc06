"""Residuals tested against products of splines: a cavity, the tested residual itself, and where it is the way."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

import kanpde
from kanpde.models.networks.products import SplineProducts, axis_knots
from kanpde.problems.catalog import load_problem
from kanpde.solving.ansatz.exact_conditions import penalty_ansatz
from kanpde.solving.losses.residuals import bind, build_blocks, draw
from kanpde.solving.training import weak_products
from kanpde.solving.training.products import cell_points

CPU = torch.device("cpu")


def flow(cells: int = 5, re: float = 100.0) -> weak_products.Tested:
    problem = load_problem("cavity", {"re": re})
    breaks = torch.linspace(0, 1, cells + 1, dtype=torch.float64)
    network = SplineProducts([axis_knots(breaks, 7, False)] * 2, [7, 7], (), 1, torch.float64)
    ansatz = penalty_ansatz(problem)
    blocks = build_blocks(problem, ansatz, 10.0, torch.float64)
    samples = draw(problem, blocks, cell_points(network), 0, 0)
    return weak_products.Tested(network, bind(network, problem, ansatz, blocks, samples))


def test_the_tested_jacobian_is_that_of_the_tested_residual():
    objective = flow()
    generator = torch.Generator().manual_seed(0)
    theta, v = (torch.randn(144, generator=generator, dtype=torch.float64) for _ in range(2))
    residual, jacobian = objective.linearize_sparsely(theta)
    assert torch.allclose(residual, objective.residual(theta), rtol=1e-12)
    h = 1e-5
    slope = (objective.residual(theta + h * v) - objective.residual(theta - h * v)) / (2 * h)
    assert np.allclose(jacobian @ v.numpy(), slope, rtol=1e-6, atol=1e-6 * slope.norm().item())


def test_tests_vanish_on_the_walls_with_their_slopes_and_have_energy_one():
    objective = flow()
    assert objective.tests.shape[0] == 8 * 8
    kept = weak_products._inner((12, 12)).reshape(12, 12)
    assert kept[2:-2, 2:-2].all() and kept.sum() == 64
    rows = objective.linearize_sparsely(torch.zeros_like(objective.theta))[1][:64].toarray()
    inner = rows[:, kept.ravel()]
    energies = inner / np.abs(np.diag(inner))  # of Stokes flow: symmetric where nothing is left on the walls
    assert np.allclose(np.diag(energies), -1) and np.allclose(energies, energies.T, atol=1e-4)  # up to quadrature
    wider = np.delete(rows, np.flatnonzero(kept.ravel()), axis=1)
    assert np.abs(wider).max() > 1e-3


def test_making_it_leaves_the_network_as_it_is():
    objective = flow()
    objective.objective.theta = torch.ones(144, dtype=torch.float64)
    again = weak_products.Tested(objective.objective.network, objective.objective)
    assert torch.equal(again.theta, torch.ones(144, dtype=torch.float64))


@pytest.mark.parametrize(("name", "weak"), [("cavity", True), ("poisson_2d", False), ("biharmonic_1d", False)])
def test_where_it_is_the_way(name, weak):
    assert weak_products.is_weak(SimpleNamespace(problem=load_problem(name), device=CPU)) is weak


def test_a_linear_plate_is_left_to_singular_functions():
    plate = {
        "coordinates": {"x": [0, 1], "y": [0, 1]}, "fields": ["w"],
        "equations": {"plate": "lap(lap(w)) = 1"}, "boundary": {"*": ["w = 0", "dn(w) = 0"]},
    }  # fmt: skip
    assert not weak_products.is_weak(SimpleNamespace(problem=load_problem(plate), device=CPU))


def test_a_cavity_at_reynolds_number_1000_is_solved():
    """ψ in the middle, as 58 × 41 cells have it."""
    run = kanpde.solve(
        "cavity", training={"time_limit": 12}, reference=False, threads=1,
        output={"resolution": 5}, **{"problem.parameters.re": 1000},
    )  # fmt: skip
    assert run.stop_reason.startswith("Tested spline products") and "layers" not in run.stop_reason
    assert run.solution(np.array([[0.5, 0.5]]))[0, 0] == pytest.approx(-0.094508, rel=5e-3)
