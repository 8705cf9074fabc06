"""Densities that follow a solution: equal shares, gradual cells, points and knots as they say."""

import copy

import numpy as np
import pytest
import torch

from kanpde import solve
from kanpde.models.networks import KAN
from kanpde.models.networks.chains import Inputs
from kanpde.problems.geometry.boxes import Box, Side
from kanpde.problems.geometry.samplings import SobolSampling
from kanpde.solving.adaptation import FOLLOWING, GROWTH, Density, densities_of, density_of, first_knots, followed
from kanpde.solving.solution import Solution

BOX = Box((-1.0, 0.0), (3.0, 2.0))


def peak(cells=32, width=0.01):
    x = -1 + 4 * (np.arange(2000) + 0.5) / 2000
    return density_of(1 + 1 / (width + np.abs(x - 0.5)), -1.0, 3.0, cells)


def test_knots_share_the_density_equally():
    density = peak()
    knots = density.quantiles(np.linspace(0, 1, 33))
    held = np.diff(np.interp(knots, density.ends, density.shares))
    assert np.allclose(held, 1 / 32, rtol=1e-9)
    assert knots[0] == -1 and knots[-1] == 3 and density.values.mean() == pytest.approx(1)


def test_neighboring_cells_change_gradually():
    """A weight that jumps a thousandfold; without grading, so would the cells."""
    weight = np.ones(2000)
    weight[1000:1010] = 1000
    lengths = np.diff(density_of(weight, -1.0, 3.0, 32).quantiles(np.linspace(0, 1, 33)))
    ratios = lengths[1:] / lengths[:-1]
    assert max(ratios.max(), 1 / ratios.min()) < 1 + 2 * GROWTH
    assert lengths.max() / lengths.min() > 10


def test_points_follow_the_density_in_the_share_that_is_said():
    density = peak()
    sample = followed(SobolSampling(clustering=0.0), {0: density}).interior(BOX, 4096, seed=1)
    found = np.histogram(sample.points[:, 0].numpy(), bins=np.linspace(-1, 3, 41))[0] / 4096
    expected = FOLLOWING * np.diff(density.shares[::50]) + (1 - FOLLOWING) / 40
    assert np.abs(found - expected).max() < 2e-3
    assert np.histogram(sample.points[:, 1].numpy(), bins=8)[0] == pytest.approx(512, abs=3)
    assert (sample.weights == 1).all()


def test_weights_make_means_over_the_box():
    """∫ over the box of a function that is large where the density is."""
    sample = followed(SobolSampling(clustering=0.0), {0: peak()}, weighted=True).interior(BOX, 4096, seed=1)
    x = sample.points[:, 0]
    mean = (sample.weights / (0.05 + (x - 0.5).abs())).mean().item()
    exact = (np.log(1.55 / 0.05) + np.log(2.55 / 0.05)) / 4
    assert mean == pytest.approx(exact, rel=5e-3)
    assert (1 / (0.05 + (x - 0.5).abs())).mean().item() > 1.5 * exact  # without weights it is another


def test_points_on_sides_stay_there():
    sample = followed(SobolSampling(), {0: peak()}).on_side(BOX, Side(0, 1, "x+"), 64, seed=0)
    assert (sample.points[:, 0] == 3).all()
    sample = followed(SobolSampling(), {0: peak()}).on_side(BOX, Side(1, 0, "t-"), 256, seed=0)
    assert (sample.points[:, 1] == 0).all() and ((sample.points[:, 0] - 0.5).abs() < 0.3).sum() > 64


def test_without_densities_the_sampling_is_itself():
    sampling = SobolSampling()
    assert followed(sampling, {}) is sampling and followed(sampling, None) is sampling


def test_knots_of_cosine_and_sine_lie_where_their_coordinate_is_dense():
    inputs = Inputs([-1.0, 0.0], [3.0, 2.0], periodic=(0,))
    knots = first_knots(inputs, {0: peak(width=0.003)}, 16)
    phase = 2 * np.pi * (0.5 + 1) / 4
    assert knots.shape == (3, 17) and (knots.diff(dim=1) > 0).all()
    for row, value in zip(knots[:2], (np.cos(phase), np.sin(phase)), strict=True):
        assert row[0] == -1 and row[-1] == 1
        assert ((row - value).abs() < 0.1).sum() > ((torch.linspace(-1, 1, 17) - value).abs() < 0.1).sum() + 2
    assert torch.allclose(knots[2], torch.linspace(-1, 1, 17))


def extended(knots, resolution):
    network = KAN([2, 3, 1], 4, 5, lower=BOX.lower, upper=BOX.upper)
    finer = copy.deepcopy(network)
    x = torch.tensor(BOX.lower) + torch.tensor(BOX.upper) * torch.rand(300, 2)
    finer.extend(resolution, x, knots)
    return (network(x) - finer(x)).abs().max().item(), finer


def test_nested_knots_keep_the_function_to_rounding():
    even = torch.linspace(-1, 1, 5).expand(2, -1)
    between = torch.tensor([-0.9, -0.3, 0.05, 0.2]).expand(2, -1)
    change, finer = extended(torch.cat([even, between], dim=1).sort(dim=1).values, 8)
    assert change < 1e-11 and not finer.layers[0].features.uniform and finer.grid == 8


def test_other_knots_change_it_by_no_more_than_splines_must():
    """An even grid of degree 5 by knots of its own: the error falls with the sixth power of the cells' length."""
    evens = [torch.linspace(-1, 1, cells + 1).expand(2, -1) for cells in (11, 22, 44)]
    changes = [extended((even**3 + even) / 2, even.shape[1] - 1)[0] for even in evens]
    assert changes[0] < 0.1 and changes[2] < changes[1] < changes[0] and changes[2] < 1e-3


def test_the_density_of_a_front_is_high_in_it():
    problem = {
        "coordinates": {"x": [-1, 1], "t": [0, 1]}, "fields": ["u"], "equations": "u_t = 0*u_xx",
        "boundary": {"*": "u = auto"}, "initial": "u = auto", "exact": {"u": "tanh((x - 0.3)/0.02)"},
    }  # fmt: skip
    run = solve(problem, model={"width": [2], "grid": 2}, training={"stages": 1, "starts": 1, "steps": 2})
    solution = run.solution
    assert isinstance(solution, Solution)  # its lift is the front
    (axis, density), = densities_of(solution, 32).items()
    assert axis == 0 and isinstance(density, Density)
    knots = density.quantiles(np.linspace(0, 1, 33))
    assert (np.abs(knots - 0.3) < 0.1).sum() > 10


def test_training_takes_knots_and_points_along():
    training = {"stages": 3, "starts": 1, "steps": 8, "adapt": True}
    run = solve("burgers", model={"width": [4], "grid": 16, "degree": 5}, training={**training, "windows": None},
                reference=False)  # fmt: skip
    grid = run.solution.network.layers[0].features.grid
    assert not run.solution.network.layers[0].features.uniform
    assert torch.allclose(grid[1], torch.linspace(-1, 1, grid.shape[1]))  # time keeps even cells
    cells = grid[0].diff()
    assert cells.max() / cells.min() > 2


def test_a_region_is_adapted_to_as_well():
    """Where the shapes leave nothing, nothing bends."""
    run = solve("poisson_lshape", model={"width": [2], "grid": 4}, training={"stages": 2, "starts": 1, "steps": 2,
                "adapt": True}, reference=False)  # fmt: skip
    assert run.status == "done" and not run.solution.network.layers[0].features.uniform
    points = torch.from_numpy(run.data.points["interior"])
    assert run.problem.region.contains(points).all()
