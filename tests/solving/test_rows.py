"""Jacobians by what a step asks of them: listed entries against all of them, and points that lie together."""

import pytest
import torch

from kanpde.models.learned_constants import learn
from kanpde.models.networks import KAN, MLP
from kanpde.problems.catalog import load_problem
from kanpde.problems.geometry.sampling import order_by_place
from kanpde.problems.geometry.samplings import SobolSampling
from kanpde.solving.ansatz.exact_conditions import exact_ansatz, penalty_ansatz
from kanpde.solving.losses.residuals import bind, build_blocks, draw
from kanpde.solving.optimizers import LevenbergMarquardt
from kanpde.solving.rows import DenseRows, ListedRows


def engine(name, network=None, conditions=penalty_ansatz, count=300):
    problem = load_problem(name)
    ansatz = conditions(problem)
    blocks = build_blocks(problem, ansatz, 10.0, torch.float64)
    samples = draw(problem, blocks, SobolSampling(), count, seed=1)
    if network is None:
        widths, box = [problem.domain.dimension, 3, len(problem.fields)], problem.domain
        network = KAN(widths, 20, 4, lower=box.lower, upper=box.upper, periodic=problem.periodic)
    return bind(network, problem, ansatz, blocks, samples)


@pytest.mark.parametrize("name", ["burgers", "reaction_diffusion", "cavity", "allen_cahn"])
def test_listed_rows_are_those_of_the_whole_jacobian(name):
    objective = engine(name)
    theta = objective.theta
    (r, rows), (same, jacobian) = objective.linearize_rows(theta), objective.linearize(theta)
    assert isinstance(rows, ListedRows) and torch.equal(rows.whole(), jacobian)
    assert torch.allclose(r, same, rtol=1e-14, atol=0)
    dense, v, size = DenseRows(jacobian), torch.randn_like(theta), jacobian.abs().max().item()
    assert torch.allclose(rows.gram().tril(), dense.gram().tril(), rtol=1e-10, atol=1e-12 * size**2)
    assert torch.allclose(rows.along(v), dense.along(v), rtol=1e-10, atol=1e-12 * size)
    assert torch.allclose(rows.pulled(r), dense.pulled(r), rtol=1e-9, atol=1e-12 * size * r.norm().item())


def test_learned_constants_and_silu_are_listed_too():
    problem = load_problem("inverse_diffusion")
    ansatz = exact_ansatz(problem)
    blocks = build_blocks(problem, ansatz, 10.0, torch.float64)
    samples = draw(problem, blocks, SobolSampling(), 200, seed=1)
    box = problem.domain
    network = KAN([2, 3, 1], 20, 4, base="silu", lower=box.lower, upper=box.upper)
    objective = bind(learn(network, problem.learned, problem.bounds), problem, ansatz, blocks, samples)
    rows = objective.linearize_rows(objective.theta)[1]
    assert isinstance(rows, ListedRows)
    assert torch.allclose(rows.whole(), objective.linearize(objective.theta)[1], rtol=1e-13, atol=0)


def test_where_most_derivatives_matter_they_are_not_listed():
    assert isinstance(engine("poisson_2d", MLP([2, 5, 1])).linearize_rows(torch.randn(21))[1], DenseRows)
    coarse = engine("poisson_2d", KAN([2, 3, 1], 2, 7))
    assert isinstance(coarse.linearize_rows(coarse.theta)[1], DenseRows)


def test_steps_by_listed_rows_are_those_by_all():
    objective, seen = engine("burgers"), {}
    start = objective.theta
    for name, one in (("listed", objective), ("dense", _Dense(objective))):
        ended = LevenbergMarquardt().minimize(one, start.clone(), 3, lambda iterate: None)
        seen[name] = ended.loss
    assert seen["listed"] == pytest.approx(seen["dense"], rel=1e-6)


class _Dense:
    def __init__(self, objective):
        self.residual, self.linearize, self.gradient = objective.residual, objective.linearize, objective.gradient


def test_points_in_order_of_place_are_the_same_points_and_their_runs_are_small():
    points = torch.rand(1000, 2, generator=torch.Generator().manual_seed(0))
    order = order_by_place(points)
    assert torch.equal(order.sort().values, torch.arange(1000))
    spans = [(run.amax(0) - run.amin(0)).prod() for run in points[order].split(64)]
    assert sum(spans) / len(spans) < 0.2 < (points[:64].amax(0) - points[:64].amin(0)).prod()
