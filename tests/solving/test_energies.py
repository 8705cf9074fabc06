"""Energies and Rayleigh quotients: two routes to value, gradient and curvature; minima against closed forms."""

import dataclasses

import numpy as np
import pytest
import torch

from kanpde.errors import InputError
from kanpde.models.differentiation import NestedRoute
from kanpde.models.networks import KAN, MLP
from kanpde.problems.catalog import load_problem
from kanpde.problems.geometry.samplings import SobolSampling
from kanpde.problems.quadrature import quadrature
from kanpde.references import Reference
from kanpde.runs.run import open_run, solve
from kanpde.solving.ansatz.exact_conditions import exact_ansatz
from kanpde.solving.losses.energies import fit_outputs
from kanpde.solving.optimizers import LevenbergMarquardt
from kanpde.solving.tasks import GOALS, goal_of
from kanpde.solving.tasks.spectra import Spectrum

ROD = {"coordinates": {"x": [0, 1]}, "fields": ["u"], "boundary": {"*": "u = 0"}}
LINEAR = {**ROD, "energy": "u_x**2/2 - pi**2*sin(pi*x)*u"}
QUARTIC = {**ROD, "energy": "u_x**2/2 + u**4/4 - 3*u*(1 + x)"}
SQUARE = {"coordinates": {"x": [0, 1], "y": [0, 2]}, "fields": ["u"], "boundary": {"*": "u = 0"},
          "energy": "dot(grad(u), grad(u))/2 - u"}  # fmt: skip
STRING = {**ROD, "eigen": {"energy": "u_x**2", "states": 3}}
QUICK = {"stages": 1, "starts": 1, "steps": 40}


def integrals(data, network=None, count=200, **options):
    problem = load_problem(data)
    if network is None:
        box = {"lower": problem.domain.lower, "upper": problem.domain.upper}
        network = KAN([problem.domain.dimension, 3, len(problem.fields)], grid=4, degree=4, **box)
    kind = GOALS[problem.task.key].integrals
    return kind(network, problem, exact_ansatz(problem), quadrature(problem, count, 0), **options)


@pytest.mark.parametrize("data", [LINEAR, QUARTIC, SQUARE, STRING], ids=["linear", "quartic", "square", "states"])
def test_value_and_gradient_by_two_routes(data):
    fast = integrals(data)
    slow = integrals(data, network=fast.network, route_of=NestedRoute)
    theta = fast.theta
    value, gradient, curvature = fast.quadratic(theta)
    assert value == pytest.approx(fast.value(theta), rel=1e-12)
    assert value == pytest.approx(slow.value(theta), rel=1e-9)
    assert torch.allclose(gradient, fast.gradient(theta)[1], rtol=1e-8, atol=1e-8 * gradient.abs().max().item())
    assert torch.allclose(gradient, slow.gradient(theta)[1], rtol=1e-8, atol=1e-8 * gradient.abs().max().item())
    assert torch.allclose(curvature, curvature.mT)


@pytest.mark.parametrize("data", [LINEAR, STRING], ids=["energy", "states"])
def test_curvature_is_exact_where_the_network_is_linear_in_its_parameters(data):
    """One layer: second differences of the gradient are the generalized Gauss-Newton matrix, deflation apart."""
    problem = load_problem(data)
    network = KAN([1, len(problem.fields)], grid=5, degree=3, lower=[0.0], upper=[1.0])
    objective = integrals(data, network)
    if len(problem.fields) > 1:
        objective.figure()  # into the Ritz states
    theta = objective.theta
    _, gradient, curvature = objective.quadratic(theta)
    direction = torch.randn_like(theta)
    h = 1e-5
    ahead, behind = objective.gradient(theta + h * direction)[1], objective.gradient(theta - h * direction)[1]
    second = (ahead - behind) / (2 * h)
    if data is LINEAR:
        assert (curvature @ direction - second).norm() < 1e-6 * second.norm()
    else:  # along the span the true one is flat or falls; the model adds to it there
        assert direction @ curvature @ direction > direction @ second - 1e-6 * second.norm()


def test_the_minimum_of_an_energy_is_the_solution_of_its_equation():
    run = solve(LINEAR, model={"width": [4], "grid": 8, "degree": 6}, training={**QUICK, "stages": 2})
    x = np.linspace(0, 1, 101)[:, None]
    assert np.abs(run.solution(x)[:, 0] - np.sin(np.pi * x[:, 0])).max() < 1e-5
    assert run.metrics["energy"] == pytest.approx(-np.pi**2 / 4, rel=1e-8)
    assert run.metrics["rel_l2"] < 1e-5 and run.status == "done"
    assert np.isfinite(run.history["heldout_energy"][-1])


@pytest.mark.parametrize("optimizer", ["lm", "lbfgs", "adam"])
def test_every_optimizer_lowers_an_energy(optimizer):
    run = solve(QUARTIC, model={"width": [3], "grid": 4, "degree": 4}, optimizer=optimizer, training=QUICK)
    assert run.history["loss"][-1] < run.history["loss"][0]


def test_states_by_an_optimizer_of_first_order():
    small = {"width": [], "grid": 8, "degree": 5}
    run = solve(STRING, model=small, optimizer="lbfgs", training={**QUICK, "steps": 300})
    energies = [run.metrics[f"energy_{k}"] for k in (1, 2, 3)]
    assert energies == pytest.approx([(k * np.pi) ** 2 for k in (1, 2, 3)], rel=1e-3)


def test_states_of_a_string():
    run = solve(STRING, model={"width": [], "grid": 16, "degree": 6}, training=QUICK)
    energies = [run.metrics[f"energy_{k}"] for k in (1, 2, 3)]
    assert energies == pytest.approx([(k * np.pi) ** 2 for k in (1, 2, 3)], rel=1e-9)
    assert min(run.metrics[f"overlap_{k}"] for k in (1, 2, 3)) > 1 - 1e-10
    x = np.linspace(0, 1, 301)[:, None]
    found = run.solution(x)
    assert np.abs(found[:, 1] - np.sqrt(2) * np.sin(2 * np.pi * x[:, 0])).max() < 1e-4
    assert np.allclose(found.T @ found / 300, np.eye(3), atol=1e-6)
    assert list(run.data.spectrum["energy"]) == pytest.approx(energies)


def test_states_by_a_network_of_two_layers():
    run = solve({**ROD, "eigen": {"energy": "u_x**2", "states": 2}}, model={"width": [5], "grid": 8, "degree": 5},
                training={**QUICK, "stages": 2})  # fmt: skip
    assert run.metrics["energy_1"] == pytest.approx(np.pi**2, rel=1e-5)
    assert run.metrics["energy_2"] == pytest.approx(4 * np.pi**2, rel=1e-5)


def test_a_weighted_norm():
    """-u'' = E w u with w = 4: energies are a quarter."""
    run = solve({**ROD, "eigen": {"energy": "u_x**2", "norm": "4*u**2"}}, model={"width": [], "grid": 8, "degree": 5},
                training=QUICK)  # fmt: skip
    assert run.metrics["energy_1"] == pytest.approx(np.pi**2 / 4, rel=1e-8)


def test_fitted_outputs_come_closest():
    network = KAN([1, 4, 2], grid=4, degree=4, lower=[0.0], upper=[1.0])
    x = torch.linspace(0, 1, 200)[:, None]
    wanted = torch.cat([network(x), network(x)[:, :1] ** 2], dim=1)[:, :2].detach()
    other = KAN([1, 4, 2], grid=4, degree=4, lower=[0.0], upper=[1.0])
    other.load_state_dict(network.state_dict())
    other.layers[-1].weight.data.normal_()
    fit_outputs(other, x, wanted, torch.ones(200))
    assert torch.allclose(other(x), wanted, atol=1e-8)


def test_a_rule_for_integrals_is_exact_and_differs_between_seeds():
    problem = load_problem({**ROD, "coordinates": {"x": [0, 3]}, "energy": "V*u_x**2 - u",
                            "coefficients": {"V": {"random_cells": {"cells": [3], "low": 1, "high": 2}}}})  # fmt: skip
    rules = [quadrature(problem, 60, seed) for seed in (0, 1)]
    for rule in rules:
        assert rule.weights.sum().item() == pytest.approx(3, rel=1e-14)
        below = rule.points[:, 0] < 1
        assert rule.weights[below].sum().item() == pytest.approx(1, rel=1e-14)  # panels end at walls
        assert (rule.weights * rule.points[:, 0] ** 7).sum().item() == pytest.approx(3**8 / 8, rel=1e-12)
    assert not torch.equal(rules[0].points, rules[1].points)


def test_rules_in_the_plane_differ_between_seeds_in_every_cell():
    problem = load_problem("landscape_2d")
    one, other = (quadrature(problem, 6400, seed) for seed in (0, 1))
    assert len(one.points) == len(other.points) == 6400
    cell = (one.points < 1).all(dim=1)
    assert cell.sum() == 64 and not torch.allclose(one.points[cell], other.points[cell])
    assert (one.weights * one.points.prod(1) ** 3).sum().item() == pytest.approx(2500**2, rel=1e-12)


def test_an_energy_below_the_reference_fails_the_run(monkeypatch):
    """Few fixed points are fitted: the value trained falls below the minimum; a held-out one that did would fail."""
    spectrum = Spectrum(("energy",), np.array([-2.6]), np.array([1e-4]), (np.array([-2.5]), np.array([1e-6])),
                        np.empty(0))  # fmt: skip
    assert "lies below" in spectrum.below()
    assert dataclasses.replace(spectrum, spread=np.array([0.05])).below() is None
    assert dataclasses.replace(spectrum, values=np.array([-2.49])).below() is None
    monkeypatch.setattr("kanpde.solving.tasks.energy.spectrum_of", lambda *_: spectrum)
    run = solve(LINEAR, model={"width": [2], "grid": 2, "degree": 4}, training={**QUICK, "steps": 2})
    assert run.status == "failed" and "lies below that of the reference" in run.stop_reason


def test_a_cheated_rule_is_seen_through():
    """With 8 points for a spline of 40 cells the trained energy falls below the minimum; the held-out one cannot."""
    problem = load_problem(LINEAR)
    goal = goal_of(problem, exact_ansatz(problem), (1.0, 1.0), torch.float64)
    network = KAN([1, 1], grid=40, degree=2, lower=[0.0], upper=[1.0])
    few = goal.objective(network, SobolSampling(points=8), seed=0)
    few.theta = LevenbergMarquardt().minimize(few, few.theta, 60, lambda iterate: None).theta
    assert few.figure() < -np.pi**2 / 4 - 0.1
    values = [energies.item() for energies in goal.energies(network)]
    assert min(values) > -np.pi**2 / 4


def test_measured_energies_stand_beside_the_reference(tmp_path):
    problem = load_problem(STRING)
    goal = goal_of(problem, exact_ansatz(problem), (1.0, 1.0), torch.float64)
    network = MLP([1, 8, 3]).double()
    goal.judge(network).settle()
    known = Reference("by hand", lambda x: np.stack([np.sin(k * np.pi * x[:, 0]) for k in (1, 2, 3)], axis=1),
                      0.0, 0.0, 0, np.array([k * np.pi for k in (1, 2, 3)]) ** 2, np.zeros(3))  # fmt: skip
    metrics = goal.measured(network, known).metrics
    assert metrics["energy_1"] > np.pi**2 and 0 < metrics["overlap_1"] <= 1
    assert metrics["energy_1_error"] == pytest.approx(metrics["energy_1"] / np.pi**2 - 1)


def test_conditions_that_are_penalties_are_refused():
    bad = {**LINEAR, "boundary": {"x-": "u_x + u = 1", "x+": "u = 0"}}
    with pytest.raises(InputError, match="an energy needs conditions that are built in"):
        solve(bad, training=QUICK)


def test_the_archive_keeps_spectrum_and_coefficients(tmp_path):
    data = {**ROD, "coefficients": {"V": "10*x"}, "eigen": {"energy": "u_x**2/2 + V*u**2", "states": 2}}
    run = solve(data, model={"width": [], "grid": 8, "degree": 4}, training=QUICK)
    run.save(tmp_path / "r.h5")
    again = open_run(tmp_path / "r.h5")
    assert set(again.data.coefficients) == {"V", "landscape"}
    assert np.array_equal(again.data.coefficients["V"], run.data.coefficients["V"])
    assert np.array_equal(again.data.spectrum["energy_ref"], run.data.spectrum["energy_ref"])
    x = np.linspace(0, 1, 11)[:, None]
    assert np.array_equal(again.solution(x), run.solution(x))

