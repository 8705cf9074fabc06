"""The contract of optimizers: known minima, restarts, observers that stop, losses that are not finite."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from kanpde.errors import InputError
from kanpde.solving.optimizers import LBFGS, OPTIMIZERS, Adam, Auto, LeastSquares, LevenbergMarquardt, Stop, StopReason
from kanpde.solving.optimizers.levenberg_marquardt import LARGEST_FACTORED
from kanpde.solving.optimizers.ssbroyden import SSBroyden, updated


@dataclass
class Problem:
    """A sum of squares with a known least value, differentiated by autograd."""

    function: Callable[[Tensor], Tensor]
    start: Tensor
    least: float

    def residual(self, theta: Tensor) -> Tensor:
        return self.function(theta)

    def linearize(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        return self.function(theta), torch.func.jacrev(self.function)(theta)

    def gradient(self, theta: Tensor) -> tuple[float, Tensor]:
        theta = theta.clone().requires_grad_()
        loss = self.function(theta).square().sum()
        return loss.item(), torch.autograd.grad(loss, theta)[0]


def rosenbrock() -> Problem:
    return Problem(
        lambda p: torch.stack([10 * (p[1] - p[0] ** 2), 1 - p[0]]), torch.tensor([-1.2, 1.0], dtype=torch.float64), 0.0
    )


def linear() -> Problem:
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(30, 5, generator=generator, dtype=torch.float64)
    right = torch.randn(30, generator=generator, dtype=torch.float64)
    least = (matrix @ torch.linalg.lstsq(matrix, right[:, None]).solution[:, 0] - right).square().sum().item()
    return Problem(lambda p: matrix @ p - right, torch.zeros(5, dtype=torch.float64), least)


def exponential() -> Problem:
    """Fit a decaying exponential; the parameters differ in scale by 10³."""
    t = torch.linspace(0, 1, 40, dtype=torch.float64)
    target = 2000 * torch.exp(-3 * t)
    return Problem(lambda p: p[0] * torch.exp(-p[1] * t) - target, torch.tensor([500.0, 1.0], dtype=torch.float64), 0.0)


METHODS = {
    "lm": (LevenbergMarquardt(), 100),
    "lm by qr": (LevenbergMarquardt(solver="qr"), 100),
    "lm by lsmr": (LevenbergMarquardt(solver="lsmr"), 100),
    "lm without acceleration": (LevenbergMarquardt(geodesic=False), 100),
    "lbfgs": (LBFGS(), 500),
    "ssbroyden": (SSBroyden(), 500),
    "adam": (Adam(learning_rate=0.05, decay=0.4), 6000),
    "least squares": (LeastSquares(), 100),
    "auto": (Auto(), 100),
}
SMOOTH = {"rosenbrock": rosenbrock, "linear": linear}


def ignore(_) -> None:
    pass


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("case", SMOOTH)
def test_known_minima(name, case):
    method, steps = METHODS[name]
    problem = SMOOTH[case]()
    ended = method.minimize(problem, problem.start, steps, ignore)
    assert ended.loss == pytest.approx(problem.least, rel=1e-6, abs=1e-5 if name == "adam" else 1e-12)


@pytest.mark.parametrize("name", [name for name in METHODS if name != "adam"])
def test_badly_scaled_parameters(name):
    method, steps = METHODS[name]
    problem = exponential()
    ended = method.minimize(problem, problem.start, steps, ignore)
    assert ended.theta.tolist() == pytest.approx([2000, 3], rel=1e-4)


@pytest.mark.parametrize("name", METHODS)
def test_what_is_reported_is_what_is_returned(name):
    """Iterates carry their own loss, and the last one is the result."""
    method, _ = METHODS[name]
    problem, seen = rosenbrock(), []
    ended = method.minimize(problem, problem.start, 8, seen.append)
    assert 1 <= len(seen) <= 8
    for iterate in seen:
        assert iterate.loss == pytest.approx(problem.residual(iterate.theta).square().sum().item())
    assert torch.equal(ended.theta, seen[-1].theta) and ended.loss == seen[-1].loss


@pytest.mark.parametrize("name", ["lm", "lm by qr", "lm by lsmr", "lbfgs", "ssbroyden"])
def test_every_accepted_step_lowers_the_loss(name):
    method, _ = METHODS[name]
    losses = []
    method.minimize(rosenbrock(), rosenbrock().start, 30, lambda iterate: losses.append(iterate.loss))
    assert all(later < earlier for earlier, later in zip(losses, losses[1:], strict=False))


@pytest.mark.parametrize("name", METHODS)
def test_an_observer_can_stop(name):
    method, _ = METHODS[name]
    seen = []

    def stop_after_three(iterate) -> None:
        seen.append(iterate)
        if len(seen) == 3:
            raise Stop

    ended = method.minimize(rosenbrock(), rosenbrock().start, 50, stop_after_three)
    assert ended.reason is StopReason.OBSERVER and len(seen) == 3
    assert torch.equal(ended.theta, seen[-1].theta)


@pytest.mark.parametrize("name", METHODS)
def test_other_exceptions_of_an_observer_pass_through(name):
    def fail(_) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        METHODS[name][0].minimize(rosenbrock(), rosenbrock().start, 5, fail)


@pytest.mark.parametrize("name", ["lm", "adam"])
def test_a_restart_from_the_state_goes_on_as_if_nothing_had_happened(name):
    method, _ = METHODS[name]
    problem = rosenbrock()
    through = method.minimize(problem, problem.start, 12, ignore)
    first = method.minimize(problem, problem.start, 5, ignore)
    second = method.minimize(problem, first.theta, 7, ignore, first.state)
    assert torch.allclose(second.theta, through.theta, rtol=1e-12)


@pytest.mark.parametrize("name", METHODS)
def test_a_start_that_is_not_finite_is_said(name):
    problem = Problem(lambda p: torch.log(p), torch.tensor([-1.0, -2.0], dtype=torch.float64), 0.0)
    ended = METHODS[name][0].minimize(problem, problem.start, 5, ignore)
    assert ended.reason is StopReason.DIVERGED


def test_levenberg_marquardt_walks_around_places_that_are_not_finite():
    """A first step into log of a negative number is refused, not taken."""
    problem = Problem(lambda p: torch.log(p) * 3, torch.tensor([8.0], dtype=torch.float64), 0.0)
    ended = LevenbergMarquardt(damping=1e-8).minimize(problem, problem.start, 50, ignore)
    assert ended.theta.item() == pytest.approx(1.0, abs=1e-6)


def test_both_solvers_take_the_same_step():
    problem, thetas = exponential(), []
    for solver in ("cholesky", "qr"):
        ended = LevenbergMarquardt(solver=solver, geodesic=False).minimize(problem, problem.start, 3, ignore)
        thetas.append(ended.theta)
    assert torch.allclose(*thetas, rtol=1e-9)


def test_a_vanishing_gradient_ends_the_run():
    problem = Problem(lambda p: p * 0 + 1, torch.zeros(2, dtype=torch.float64), 2.0)
    assert LevenbergMarquardt().minimize(problem, problem.start, 5, ignore).reason is StopReason.FLAT


def test_the_global_generator_is_left_alone():
    before = torch.get_rng_state()
    for method, _ in METHODS.values():
        method.minimize(rosenbrock(), rosenbrock().start, 3, ignore)
    assert torch.equal(before, torch.get_rng_state())


def test_settings_out_of_range_are_explained():
    with pytest.raises(InputError, match="0 < damping"):
        LevenbergMarquardt(damping=0.0)
    with pytest.raises(InputError, match="learning_rate > 0"):
        Adam(learning_rate=-1.0)
    with pytest.raises(InputError, match="memory ≥ 1"):
        LBFGS(memory=0)


def test_lbfgs_minimizes_small_losses_as_well_as_large_ones():
    problem = rosenbrock()
    tiny = Problem(lambda p: 1e-7 * problem.function(p), problem.start, 0.0)
    losses = [LBFGS().minimize(case, case.start, 100, ignore).loss for case in (problem, tiny)]
    assert losses[0] < 1e-15 and losses[1] < 1e-14 * 1e-15


def test_self_scaled_broyden_keeps_its_matrix_positive_and_meets_the_secant():
    generator = torch.Generator().manual_seed(0)
    for _ in range(50):
        draws = torch.randn(3, 6, 6, generator=generator, dtype=torch.float64).numpy()
        H, curvature = (m @ m.T + 1e-3 * np.eye(6) for m in draws[:2])
        g, length = draws[2][0], abs(draws[2][1, 0]) + 0.1
        s = -length * (H @ g)
        y = curvature @ s
        found = updated(H, s, y, -length * (s @ g) / (s @ y))
        assert np.linalg.eigvalsh(found).min() > 0
        assert np.allclose(found @ y, s, rtol=1e-8, atol=1e-10 * np.abs(s).max())


def test_self_scaled_broyden_is_the_published_update_by_hand():
    """H = 1, s = (1, 1), y = (1, 2), sᵀg = -2, α = 1: b = 2/3, h = 5/3, a = 1/9, θ = 1/2, τ = 18/19, φ = 9/19.

    Urbán, Stefanou and Pons start from H = 1 without a first scaling, and so does this.
    """
    found = updated(np.eye(2), np.array([1.0, 1.0]), np.array([1.0, 2.0]), 2 / 3)
    assert np.allclose(found, np.array([[11, -1], [-1, 5]]) / 9, rtol=1e-14)
    bfgs = np.array([[8, -1], [-1, 5]]) / 9
    assert not np.allclose(found, bfgs, rtol=1e-2), "which θ = 0, τ = 1 would give"


def test_self_scaled_broyden_needs_fewer_steps_than_l_bfgs_where_many_parameters_depend_on_each_other():
    n = 60
    matrix = torch.tensor([[1 / (1 + abs(i - j)) ** 2 * 10 ** (4 * i / n) for j in range(n)] for i in range(n)])
    problem = Problem(lambda p: matrix.double() @ p - 1, torch.zeros(n, dtype=torch.float64), 0.0)
    methods = SSBroyden(tolerance=0), LBFGS(memory=5, tolerance=0)
    losses = [one.minimize(problem, problem.start, 150, ignore).loss for one in methods]
    assert losses[0] < 1e-3 * losses[1]


def test_a_matrix_that_is_too_large_is_refused():
    big = Problem(lambda p: p, torch.zeros(10_001, dtype=torch.float64), 0.0)
    with pytest.raises(InputError, match="up to 10000"):
        SSBroyden().minimize(big, big.start, 1, ignore)


def test_steps_without_a_factorization_are_those_with_one_where_they_are_solved_to_the_end():
    problem = exponential()
    for one in (problem, linear()):
        found = {}
        for solver in ("cholesky", "lsmr"):
            found[solver] = seen = []
            method = LevenbergMarquardt(solver=solver, geodesic=False)
            method.minimize(one, one.start, 4, lambda one, seen=seen: seen.append(one.loss))
        assert found["lsmr"] == pytest.approx(found["cholesky"], rel=1e-4)


def test_steps_by_iteration_go_without_acceleration():
    """It would take as long as the step."""
    losses = {}
    for geodesic in (False, True):
        losses[geodesic] = seen = []
        method = LevenbergMarquardt(solver="lsmr", geodesic=geodesic)
        method.minimize(exponential(), exponential().start, 4, lambda one, seen=seen: seen.append(one.loss))
    assert losses[True] == losses[False]


def test_large_models_are_not_factored():
    assert LevenbergMarquardt().solver_for(LARGEST_FACTORED) == "cholesky"
    assert LevenbergMarquardt().solver_for(LARGEST_FACTORED + 1) == "lsmr"
    assert LevenbergMarquardt(solver="qr").solver_for(10**6) == "qr"


def test_all_methods_are_registered():
    assert {type(method) for method, _ in METHODS.values()} == set(OPTIMIZERS.values())
