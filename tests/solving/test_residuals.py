"""The residual engine: two routes to residual and Jacobian, gradients, scales, what an exact solution leaves."""

import pytest
import torch

from kanpde.errors import InputError, RunError
from kanpde.models.differentiation import NestedRoute
from kanpde.models.networks import KAN, MLP
from kanpde.problems.catalog import load_problem
from kanpde.problems.geometry.samplings import GaussSampling, SobolSampling
from kanpde.solving.ansatz.exact_conditions import exact_ansatz, penalty_ansatz
from kanpde.solving.losses.residuals import bind, build_blocks, draw

PROBLEMS = ["poisson_2d", "burgers", "biharmonic_1d", "advection_1d", "reaction_diffusion", "diffusion_2d"]


def engine(name, network=None, conditions=exact_ansatz, count=40, route=None, sampling=None, dtype=torch.float64):
    problem = load_problem(name)
    ansatz = conditions(problem)
    blocks = build_blocks(problem, ansatz, 10.0, dtype)
    samples = draw(problem, blocks, sampling or SobolSampling(), count, seed=1)
    if network is None:
        widths = [problem.domain.dimension, 3, len(problem.fields)]
        options = {"lower": problem.domain.lower, "upper": problem.domain.upper, "periodic": problem.periodic}
        network = KAN(widths, grid=4, degree=6, **options, dtype=dtype)
    return bind(network, problem, ansatz, blocks, samples, *([route] if route else []))


@pytest.mark.parametrize("conditions", [exact_ansatz, penalty_ansatz])
@pytest.mark.parametrize("name", PROBLEMS)
def test_jacobian_against_nested_autograd(name, conditions):
    fast = engine(name, conditions=conditions)
    slow = engine(name, network=fast.network, conditions=conditions, route=NestedRoute)
    theta = fast.theta
    (r, jacobian), (r_slow, jacobian_slow) = fast.linearize(theta), slow.linearize(theta)
    assert torch.allclose(r, r_slow, rtol=1e-9, atol=1e-10 * r.abs().max().item())
    assert (jacobian - jacobian_slow).abs().max() < 1e-10 * jacobian.abs().max()


@pytest.mark.parametrize("name", PROBLEMS)
def test_jacobian_against_differences(name):
    """A directional derivative by central differences, independent of any autograd."""
    objective = engine(name)
    theta = objective.theta
    direction = torch.randn_like(theta)
    h = 1e-6
    ahead, behind = objective.residual(theta + h * direction), objective.residual(theta - h * direction)
    slope = objective.linearize(theta)[1] @ direction
    assert (slope - (ahead - behind) / (2 * h)).norm() < 1e-6 * slope.norm()


@pytest.mark.parametrize("network", [MLP([2, 5, 5, 1]), KAN([2, 3, 1], basis="chebyshev")])
def test_other_networks_go_through_the_same_jacobian(network):
    network = network.double()
    fast, slow = engine("poisson_2d", network), engine("poisson_2d", network, route=NestedRoute)
    assert torch.allclose(fast.linearize(fast.theta)[1], slow.linearize(fast.theta)[1], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", PROBLEMS)
def test_gradient_is_twice_the_transposed_jacobian_times_the_residual(name):
    objective = engine(name, conditions=penalty_ansatz)
    theta = objective.theta
    residual, jacobian = objective.linearize(theta)
    loss, gradient = objective.gradient(theta)
    assert loss == pytest.approx(residual.square().sum().item(), rel=1e-12)
    assert torch.allclose(gradient, 2 * jacobian.mT @ residual, rtol=1e-8, atol=1e-10 * gradient.abs().max().item())


def test_block_losses_add_up_and_bear_the_names_of_equations_and_sides():
    objective = engine("reaction_diffusion", conditions=penalty_ansatz)
    residual = objective.residual(objective.theta)
    losses = objective.losses(residual)
    assert {"substrate", "catalyst", "x-", "x-.2", "t-"} <= set(losses)
    assert sum(losses.values()) == pytest.approx(residual.square().sum().item(), rel=1e-12)


def test_a_parsed_equation_against_a_hand_written_residual():
    objective = engine("poisson_2d", conditions=penalty_ansatz)
    bound = objective.blocks[0]
    x = bound.points.clone().requires_grad_()
    u = objective.network(x)[:, 0]
    (slope,) = torch.autograd.grad(u.sum(), x, create_graph=True)
    laplacian = sum(torch.autograd.grad(slope[:, i].sum(), x, create_graph=True)[0][:, i] for i in range(2))
    source = 2 * torch.pi**2 * torch.sin(torch.pi * x[:, 0]) * torch.sin(torch.pi * x[:, 1])
    by_hand = (-laplacian - source) / (len(x) ** 0.5 * 2**0.5)  # √(ω/n) and the scale of u_xx + u_yy on half-lengths 1
    found = objective.residual(objective.theta)[: len(x)]
    assert torch.allclose(found, by_hand.detach(), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(("name", "scale"), [("poisson_2d", 2**0.5), ("biharmonic_1d", 16.0), ("advection_1d", 8**0.5)])
def test_scales_are_those_of_the_operator_on_the_box(name, scale):
    problem = load_problem(name)
    (block,) = build_blocks(problem, exact_ansatz(problem), 1.0, torch.float64)
    assert block.scales == pytest.approx((scale,))


def test_scaling_an_equation_changes_nothing():
    stated = load_problem("poisson_2d").source
    changed = {**stated, "equations": {"poisson": "1000*lap(u) = -2000*pi**2*sin(pi*x)*sin(pi*y)"}}
    plain, scaled = engine(stated), engine(changed, network=None)
    scaled.network.load_state_dict(plain.network.state_dict())
    assert torch.allclose(plain.residual(plain.theta).abs(), scaled.residual(plain.theta).abs(), rtol=1e-10)


def stated_ode(equation: str, domain=(0, 1), **changes):
    stated = {"coordinates": {"x": list(domain)}, "fields": ["u"], "equations": {"e": equation}}
    return load_problem({**stated, "boundary": {"*": "u = 0"}, **changes})


def test_a_slope_that_is_infinite_at_the_lift_does_not_switch_the_loss_off():
    problem = stated_ode("u_xx = -1/(u + 0.1*x*0)")
    (block,) = build_blocks(problem, exact_ansatz(problem), 1.0, torch.float64)
    assert block.scales == pytest.approx((4.0,))


@pytest.mark.parametrize("equation", ["u_xx = 1e200*u", "1e-200*u_xx = 1e-200"])
def test_terms_beyond_double_precision_are_explained(equation):
    problem = stated_ode(equation)
    with pytest.raises(InputError, match="Choose units"):
        build_blocks(problem, exact_ansatz(problem), 1.0, torch.float64)


def test_points_are_chunked_without_a_trace(monkeypatch):
    whole = engine("poisson_2d")
    monkeypatch.setattr("kanpde.solving.losses.residuals.CHUNK", 7)
    parts = engine("poisson_2d", network=whole.network)
    assert len(parts.blocks) > len(whole.blocks)
    theta = whole.theta
    assert parts.losses(parts.residual(theta)) == pytest.approx(whole.losses(whole.residual(theta)))
    for a, b in zip(whole.linearize(whole.theta), parts.linearize(whole.theta), strict=True):
        assert torch.allclose(a, b, rtol=1e-12, atol=1e-13)


def test_quadrature_weights_enter():
    objective = engine("poisson_2d", sampling=GaussSampling(), count=49)
    factors = objective.blocks[0].factors[:, 0]
    assert factors.max() > 1.5 * factors.min()
    assert factors.square().sum().item() * 2 == pytest.approx(1)  # mean-one weights over n, scale √2


def test_single_precision():
    objective = engine("poisson_2d", dtype=torch.float32)
    residual, jacobian = objective.linearize(objective.theta)
    assert residual.dtype == jacobian.dtype == torch.float32 and jacobian.isfinite().all()


def test_a_jacobian_beyond_memory_is_refused(monkeypatch):
    monkeypatch.setattr("kanpde.solving.losses.residuals.LARGEST_JACOBIAN", 1000)
    objective = engine("poisson_2d")
    with pytest.raises(RunError, match="Use fewer points"):
        objective.linearize(objective.theta)
