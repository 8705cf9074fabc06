"""Learned parameters: their Jacobian columns, recovery from data, intervals, and what is refused."""

import numpy as np
import pytest
import torch
from scipy.stats import t as student

from kanpde import load_problem, open_run, solve
from kanpde.errors import InputError
from kanpde.models.differentiation import NestedRoute, route_for
from kanpde.models.learned_constants import half_widths, learn
from kanpde.models.networks import KAN
from kanpde.problems.geometry.samplings import SobolSampling
from kanpde.solving.ansatz.exact_conditions import exact_ansatz, penalty_ansatz
from kanpde.solving.losses.residuals import bind, build_blocks, draw

DIFFUSION = {
    "coordinates": {"x": [-1, 1], "t": [0, 1]},
    "fields": ["u"],
    "parameters": {"kappa": {"value": 0.1, "learn": True, "start": 0.5}},
    "equations": {"heat": "u_t = kappa*u_xx"},
    "boundary": {"*": "u = 0"},
    "initial": "u = sin(pi*x)",
    "exact": {"u": "exp(-kappa*pi**2*t)*sin(pi*x)"},
    "data": {"points": 100, "of": "exact"},
}
QUICK = {"stages": 1, "starts": 1, "steps": 15}


def changed(**changes):
    return {key: value for key, value in {**DIFFUSION, **changes}.items() if value is not None}


def engine(data, ansatz_of=exact_ansatz, route=route_for, network=None):
    problem = load_problem(data)
    ansatz = ansatz_of(problem)
    blocks = build_blocks(problem, ansatz, 10.0, torch.float64)
    samples = draw(problem, blocks, SobolSampling(), 30, seed=1)
    network = network or learn(KAN([2, 3, 1], grid=4, degree=6, lower=(-1, 0), upper=(1, 1)).double(), problem.learned)
    return bind(network, problem, ansatz, blocks, samples, route)


IN_A_CONDITION = changed(boundary={"x-": "u_x = -10*kappa*pi*exp(-kappa*pi**2*t)", "x+": "u = 0"})


@pytest.mark.parametrize("data", [DIFFUSION, IN_A_CONDITION])
@pytest.mark.parametrize("ansatz", [exact_ansatz, penalty_ansatz])
def test_jacobian_columns_against_differences_and_the_slow_route(data, ansatz):
    objective = engine(data, ansatz)
    theta = objective.theta
    assert theta[-1] == 0.5 and theta.numel() == sum(p.numel() for p in objective.network.parameters())
    residual, jacobian = objective.linearize(theta)
    slow = engine(data, ansatz, NestedRoute, objective.network).linearize(theta)[1]
    assert (jacobian - slow).abs().max() < 1e-10 * jacobian.abs().max()
    step = torch.zeros_like(theta)
    step[-1] = 1e-6
    slope = (objective.residual(theta + step) - objective.residual(theta - step)) / 2e-6
    assert slope.norm() > 1e-3
    assert (jacobian[:, -1] - slope).norm() < 1e-7 * slope.norm()
    loss, gradient = objective.gradient(theta)
    assert loss == pytest.approx(residual.square().sum().item(), rel=1e-12)
    assert (gradient - 2 * jacobian.mT @ residual).norm() < 1e-10 * gradient.norm()


def test_conditions_with_a_learned_parameter_are_penalties():
    data = changed(boundary={"x-": "u = kappa - 0.1 + 0*t", "x+": "u = 0"})
    names = [condition.name for condition in exact_ansatz(load_problem(data)).penalties]
    assert names == ["x-"]


def test_clean_data_give_the_diffusivity_to_four_digits(tmp_path):
    run = solve(DIFFUSION, model={"width": [3]}, training={"stages": 2, "starts": 1, "steps": 60})
    assert run.metrics["parameter_kappa_error"] < 1e-4
    assert run.history["parameter_kappa"][-1] == pytest.approx(0.1, abs=1e-4)
    assert run.metrics["parameter_kappa"] == run.solution.learned["kappa"]
    run.save(tmp_path / "result.h5")
    again = open_run(tmp_path / "result.h5")
    points = np.random.default_rng(0).uniform(0, 1, (20, 2))
    assert again.solution.learned == run.solution.learned
    assert np.array_equal(again.solution(points), run.solution(points))
    assert run.metrics["residual_rms"] < 1e-2  # with the trained value; with the first guess it is above 1


@pytest.mark.parametrize("seed", range(4))
def test_noisy_data_give_an_interval_that_holds_the_truth(seed):
    data = changed(data={"points": 100, "noise": 0.01, "seed": seed})
    metrics = solve(data, seed=seed, model={"width": [3]}, training={"stages": 2, "starts": 1, "steps": 20}).metrics
    width = metrics["parameter_kappa_interval95"]
    assert abs(metrics["parameter_kappa"] - 0.1) < width < 2e-3


@pytest.mark.parametrize("optimizer, steps", [("lbfgs", 150), ("adam", 60)])
def test_other_optimizers_move_the_parameter_too(optimizer, steps):
    training = {"stages": 1, "starts": 1, "steps": steps}
    run = solve(DIFFUSION, optimizer=optimizer, model={"width": [3]}, training=training)
    assert abs(run.metrics["parameter_kappa"] - 0.1) < 0.38
    assert run.history["parameter_kappa"][0] != run.history["parameter_kappa"][-1]


def test_auto_is_worked_out_with_the_truth():
    problem = load_problem("inverse_source")
    forcing = problem.settled().equations["transport"]
    assert problem.learned == {"S": 0.5, "k": 2.0} and not forcing.free_symbols & {"S", "k"}
    metrics = solve("inverse_source", model={"width": [4]}, training={"stages": 2, "starts": 1, "steps": 60}).metrics
    assert metrics["parameter_S_error"] < 1e-2 and metrics["parameter_k_error"] < 1e-2


def test_interval_of_a_straight_line_is_the_textbook_one():
    """All residuals are data: C = σ² (XᵀX)⁻¹ with n - 2 degrees of freedom."""
    x = torch.linspace(0, 1, 20)
    design = torch.stack([torch.ones(20), x], dim=1)
    y = 1 + 2 * x + 0.1 * torch.randn(20, generator=torch.Generator().manual_seed(3))
    fit = torch.linalg.lstsq(design, y[:, None]).solution[:, 0]
    residual = design @ fit - y
    variance = residual.square().sum() / 18 * torch.linalg.inv(design.mT @ design)[1, 1]
    expected = student.ppf(0.975, 18) * variance.sqrt()
    assert half_widths(design, residual, slice(0, 20), 1)[0] == pytest.approx(expected.item(), rel=1e-8)


def test_an_equation_narrows_the_interval_by_the_sandwich():
    """One unknown m seen n times, and an equation ε(m - m0) = 0: C = σ² n / (n + ε²)²."""
    n, weight = 30, 2.0
    noise = torch.randn(n, generator=torch.Generator().manual_seed(1))
    jacobian = torch.cat([torch.full((1, 1), weight), torch.ones(n, 1)])
    residual = torch.cat([torch.zeros(1), noise])
    residual -= jacobian[:, 0] * (jacobian[:, 0] @ residual) / (n + weight**2)  # at the minimum
    freedom = n - n / (n + weight**2)
    variance = residual[1:].square().sum() / freedom * n / (n + weight**2) ** 2
    expected = student.ppf(0.975, freedom) * variance.sqrt().item()
    assert half_widths(jacobian, residual, slice(1, n + 1), 1)[0] == pytest.approx(expected, rel=1e-8)


def test_what_equations_leave_widens_the_interval():
    """One unknown m seen n times without noise to speak of, and an equation ε(m - m0) = 0 that misses by 1."""
    n, weight = 30, 2.0
    jacobian = torch.cat([torch.full((1, 1), weight), torch.ones(n, 1)]).double()
    residual = torch.full((n + 1,), 1e-9).double()
    narrow = half_widths(jacobian, residual, slice(1, n + 1), 1)[0]
    residual[0] = 0.05
    wide = half_widths(jacobian, residual, slice(1, n + 1), 1)[0]
    assert narrow < 1e-8 and wide == pytest.approx(0.1 * weight / (n + weight**2), rel=1e-6)  # the miss, and a step
    residual[0] = 1.0
    assert half_widths(jacobian, residual, slice(1, n + 1), 1)[0].isnan()


def test_of_what_no_row_sees_the_interval_is_infinite():
    """Of a·b alone is seen the sum of two equal columns; beside another observation of a, both have an interval."""
    x = torch.linspace(0, 1, 20).double()
    noise = 1e-3 * torch.randn(20, generator=torch.Generator().manual_seed(0)).double()
    both = torch.stack([1 + x, x, x], dim=1)
    assert half_widths(both, noise, slice(0, 20), 2).isinf().all()
    assert half_widths(both, noise, slice(0, 20), 3)[0].isfinite()
    both[0, 1] = 1.0
    assert half_widths(both, noise, slice(0, 20), 2).isfinite().all()


def test_two_factors_of_which_the_product_is_seen_are_not_determined():
    x = np.linspace(0.1, 0.9, 9)
    table = "x,u\n" + "\n".join(f"{a:.3f},{np.sin(np.pi * a):.9f}" for a in x)
    bar = {"coordinates": {"x": [0, 1]}, "fields": ["u"], "boundary": {"*": "u = 0"},
           "equations": "a*b*u_xx = -pi**2*sin(pi*x)", "data": {"table": table},
           "parameters": {name: {"value": 2, "learn": True} for name in "ab"}}  # fmt: skip
    run = solve(bar, optimizer="lm", model={"width": [3]}, training={"stages": 1, "starts": 1, "steps": 25})
    assert run.metrics["parameter_a"] * run.metrics["parameter_b"] == pytest.approx(1, abs=1e-2)
    assert run.verdict.word.value == "unsolved" and "and other values" in run.verdict.reason


PRIOR = {
    "coordinates": {"t": [0, 2]}, "fields": ["u"], "equations": "u_t = -k*u", "initial": "u = 1",
    "data": {"table": "t,u,s\n0.5,0.7,0.1\n1.5,0.5,0.1", "deviations": "s"},
}  # fmt: skip


def test_a_prior_is_one_more_observation():
    """χ² = Σ (u - d)²/σ² + (k - 0.9)²/0.05² is least at the k that is found: by a search on u = exp(-k t)."""
    k = np.linspace(0, 1.5, 150001)
    known = (np.exp(-k * 0.5) - 0.7) ** 2 / 0.01 + (np.exp(-k * 1.5) - 0.5) ** 2 / 0.01
    quick = {"optimizer": "least_squares", "training": {"time_limit": 3, "data_weight": 1e-4},
             "output": {"plot": False}, "device": "cpu"}  # fmt: skip
    for entry, chi in (({}, known), ({"prior": "normal(0.9, 0.05)"}, known + (k - 0.9) ** 2 / 0.0025)):
        problem = load_problem(PRIOR | {"parameters": {"k": {"learn": True, "start": 0.6, **entry}}})
        found = solve(problem, **quick).solution.learned["k"]
        assert found == pytest.approx(k[chi.argmin()], abs=2e-3)


@pytest.mark.parametrize(("entry", "data", "reason"), [
    ("normal(1)", PRIOR["data"], "a normal distribution"), ("normal(1, 0)", PRIOR["data"], "a positive deviation"),
    ("normal(1, 0.1)", {"table": "t,u\n0.5,0.7\n1.5,0.5"}, "by their standard deviations; there are none"),
])  # fmt: skip
def test_priors_that_are_none(entry, data, reason):
    with pytest.raises(InputError, match=reason):
        load_problem(PRIOR | {"data": data, "parameters": {"k": {"learn": True, "start": 0.6, "prior": entry}}})


def test_data_from_a_file_travel_with_the_problem(tmp_path):
    x, t = np.meshgrid(np.linspace(-1, 1, 9), np.linspace(0, 1, 9))
    u = np.exp(-0.1 * np.pi**2 * t) * np.sin(np.pi * x)
    np.savetxt(tmp_path / "obs.csv", np.c_[t.ravel(), x.ravel(), u.ravel()], "%.8g", ",", header="t,x,u", comments="")
    known = load_problem(changed(data={"file": str(tmp_path / "obs.csv")}))
    assert known.data.fields == ("u",) and known.data.points[1] == pytest.approx((-0.75, 0))
    assert known.data.values[1][0] == pytest.approx(u.ravel()[1], abs=1e-7)
    (tmp_path / "mine.yaml").write_text(known.yaml())
    assert load_problem(tmp_path / "mine.yaml").data == known.data
    assert "table" not in known.source["data"] and len(known.source["data"]["sha256"]) == 64
    assert load_problem(known.source, samples=known.samples).data == known.data
    (tmp_path / "beside.yaml").write_text(load_problem(changed(data={"points": 9})).yaml().replace(
        "points: 9", "file: obs.csv"))  # fmt: skip
    assert load_problem(tmp_path / "beside.yaml").data == known.data
    assert solve(known, model={"width": [3]}, training=QUICK).metrics["parameter_kappa_error"] < 0.1


@pytest.mark.parametrize(
    "data, parts",
    [
        ({"file": "nowhere.csv"}, ["data.file", "nowhere.csv", "Check the path"]),
        ({"table": "x,u\n0,1\n0.1,2"}, ["columns x, t, u", "t is there 0 times"]),
        ({"table": "x,t,u\n0,0,1\n0,0.5,nan"}, ["finite numbers", "line 3", "nan"]),
        ({"table": "x,t,u\n0,0,1\n0,0.5,word"}, ["finite numbers", "line 3", "word"]),
        ({"table": "x,t,u\n0,0,1\n0,0.5"}, ["3 values in every line", "line 3"]),
        ({"table": "x,t,u\n0,0,1\n5,0.5,1"}, ["inside the ranges", "1 of 2", "x = 5"]),
        ({"table": "x,t,u\n0,0,1"}, ["2 observations or more", "it has 1"]),
        ({"table": "x,t,u\n0,0,1\n0,0.5,1e200"}, ["up to 1e+150", "1e+200"]),
        ({"points": 50, "of": "magic"}, ["data.of.magic", "field"]),
        ({"points": 1}, ["data.points", "whole number"]),
        ({"points": 50, "noise": -1}, ["data.noise"]),
        ({"points": 50, "nois": 1}, ["nois", "Did you mean"]),
        ({"points": 50, "fields": ["w"]}, ["data.fields", "u"]),
        ([1], ["data needs"]),
    ],
)
def test_refused_data(data, parts):
    with pytest.raises(InputError) as caught:
        load_problem(changed(data=data), name="mine")
    assert str(caught.value).startswith("mine: data")
    for part in parts:
        assert part in str(caught.value)


def test_an_exact_solution_too_large_to_be_squared_is_no_data():
    with pytest.raises(InputError, match="up to 1e.150"):
        load_problem(changed(exact={"u": "exp(exp(6*x))"}, data={"points": 50}))


@pytest.mark.parametrize(
    "changes, parts",
    [
        ({"data": None}, ["data are needed to learn kappa"]),
        ({"parameters": {"kappa": {"value": 0.1, "learn": "maybe"}}}, ["parameters.kappa", "learn: true"]),
        ({"parameters": {"kappa": {"value": 0.1, "start": 2}}}, ["parameters.kappa", "start"]),
        ({"parameters": {"kappa": {"value": 0.1, "learn": True, "start": "x"}}}, ["kappa.start", "a number"]),
        ({"parameters": {**DIFFUSION["parameters"], "s": "2*kappa"}}, ["parameters.s", "kappa"]),
        ({"equations": {"heat": "u_t = 0.1*u_xx"}}, ["parameters.kappa", "learned", "none"]),
    ],
)
def test_refused_parameters(changes, parts):
    with pytest.raises(InputError) as caught:
        load_problem(changed(**changes), name="mine")
    for part in parts:
        assert part in str(caught.value)


DECAY = {
    "coordinates": {"t": [0, 2]}, "fields": ["u"], "equations": "u_t = -k*u", "initial": "u = 1",
    "exact": {"u": "exp(-k*t)"}, "data": {"points": 20, "of": "exact", "noise": 0, "seed": 0},
}  # fmt: skip


def decay(**entry):
    return load_problem({**DECAY, "parameters": {"k": {"value": 0.6, "learn": True, **entry}}})


def test_a_constant_stays_between_its_bounds(tmp_path):
    free, bounded = decay(start=0.3, bounds=[0, 1]), decay(start=0.3, bounds=[0.1, 0.4])
    small = {"model.width": [], "model.grid": 6, "training.stages": 1, "training.starts": 1, "training.steps": 15}
    found = [solve(one, **small) for one in (free, bounded)]
    assert abs(found[0].metrics["parameter_k"] - 0.6) < 1e-6
    assert 0.35 < found[1].metrics["parameter_k"] <= 0.4
    found[0].save(tmp_path / "run.h5")
    again = open_run(tmp_path / "run.h5")
    assert again.solution.learned == found[0].solution.learned and again.problem.bounds == {"k": (0.0, 1.0)}


@pytest.mark.parametrize(("entry", "reason"), [
    ({"start": 2, "bounds": [0, 1]}, "the start between them"), ({"start": 0.5, "bounds": [1, 0]}, "that increase"),
    ({"start": 0.5, "bounds": 3}, "two numbers"), ({"learn": False, "bounds": [0, 1]}, "need learn: true"),
])  # fmt: skip
def test_bounds_that_are_none(entry, reason):
    with pytest.raises(InputError, match=reason):
        decay(**entry)
