"""The Python calls: solve, measure, save, open again; what each problem reaches in a few steps."""

import json

import numpy as np
import pytest
import torch

import kanpde
from kanpde.errors import InputError
from kanpde.models.networks import KAN
from kanpde.problems.grids import grid_points

QUICK = {"stages": 2, "starts": 2, "start_steps": 4, "steps": 12}
SMALL = {"width": [4], "grid": 6}


@pytest.fixture(scope="module")
def run():
    return kanpde.solve("poisson_1d", model=SMALL, training=QUICK, seed=1)


def test_metrics_are_there_and_small(run):
    expected = {
        "rel_l2", "h1", "max_error", "residual_rms", "heldout_residual_rms", "boundary_rms", "n_parameters", "n_points",
        "wall_time_s", "peak_memory_mb", "flops_per_step", "reference_error",
    }  # fmt: skip
    assert expected <= set(run.metrics)
    assert run.metrics["rel_l2"] < 1e-4 and run.metrics["boundary_rms"] < 1e-12
    assert run.status == "done" and "stages were completed" in run.stop_reason


def test_flops_are_counted():
    """A Levenberg–Marquardt step needs the Gram matrix, 2NP², and a few products of the size of the Jacobian."""
    run = kanpde.solve("poisson_2d", model=SMALL, training={"stages": 1, "starts": 1, "steps": 5})
    n, p = run.metrics["n_points"], run.metrics["n_parameters"]
    assert 2 * n * p**2 < run.metrics["flops_per_step"] < 4 * n * p**2


def test_errors_are_those_of_the_archived_fields(run):
    fields = run.data.fields
    error = np.linalg.norm(fields["u"] - fields["u_ref"]) / np.linalg.norm(fields["u_ref"])
    assert run.metrics["rel_l2"] == pytest.approx(error, rel=1e-12)
    assert run.metrics["max_error"] == pytest.approx(abs(fields["u_error"]).max(), rel=1e-12)


def test_the_reference_is_the_exact_solution_and_not_the_network(run):
    x = run.data.axes["x"]
    by_hand = eval_exact(run.problem, x)
    assert np.allclose(run.data.fields["u_ref"], by_hand, rtol=1e-13)
    assert abs(run.data.fields["u"] - by_hand).max() > 0


def eval_exact(problem, x):
    """The exact solution of poisson_1d, evaluated by SymPy in 30 digits."""
    import_name = next(iter(problem.coordinates))
    expr = problem.exact["u"]
    symbol = next(s for s in expr.free_symbols if s.name == import_name)
    return np.array([float(expr.subs(symbol, float(value)).evalf(30)) for value in x])


def test_saved_and_opened_again_bit_for_bit(run, tmp_path):
    run.save(tmp_path / "r.h5")
    again = kanpde.open_run(tmp_path / "r.h5")
    points = grid_points(run.data.axes)
    assert np.array_equal(again.solution(points), run.solution(points))
    assert np.array_equal(again.solution(points)[:, 0], again.data.fields["u"])
    assert np.array_equal(again.solution.derivative("u_xx", points), run.solution.derivative("u_xx", points))
    assert again.metrics == run.metrics and again.problem == run.problem
    assert json.loads(again.data.model.config_json)["design"]["width"] == [4]


def test_derivatives_of_the_solution(run):
    x = np.linspace(-0.5, 0.5, 11)[:, None]
    h = 1e-5
    slope = (run.solution(x + h) - run.solution(x - h))[:, 0] / (2 * h)
    assert np.allclose(run.solution.derivative("u_x", x), slope, atol=1e-7)
    combined = run.solution.derivative("x*u_x + u**2", x)
    assert np.allclose(combined, x[:, 0] * slope + run.solution(x)[:, 0] ** 2, atol=1e-7)


def test_wrong_questions_to_a_solution_are_explained(run):
    with pytest.raises(InputError, match=r"table \[n, 1\]"):
        run.solution(np.zeros(3))
    with pytest.raises(InputError, match="v_x"):
        run.solution.derivative("v_x", np.zeros((2, 1)))


def test_the_same_call_gives_the_same_run(run):
    again = kanpde.solve("poisson_1d", model=SMALL, training=QUICK, seed=1)
    assert np.array_equal(again.data.fields["u"], run.data.fields["u"])
    other = kanpde.solve("poisson_1d", model=SMALL, training=QUICK, seed=2)
    assert not np.array_equal(other.data.fields["u"], run.data.fields["u"])


def test_the_callers_default_precision_does_not_matter(run):
    torch.set_default_dtype(torch.float32)
    again = kanpde.solve("poisson_1d", model=SMALL, training=QUICK, seed=1)
    assert np.array_equal(again.data.fields["u"], run.data.fields["u"])


def test_history_follows_the_run(run):
    history = run.history
    assert {"step", "time_s", "loss", "heldout_residual", "rel_l2", "mu", "grid", "n_parameters"} <= set(history)
    assert history["loss"][-1] < history["loss"][0]
    blocks = [values for name, values in history.items() if name.startswith("loss_")]
    assert np.allclose(sum(blocks), history["loss"], rtol=1e-10)


def test_an_mlp_and_a_dict_problem():
    problem = kanpde.load_problem("poisson_1d").source
    run = kanpde.solve(problem, model={"kind": "mlp", "width": [8]}, training=QUICK)
    assert run.metrics["rel_l2"] < 0.1


def test_a_module_of_ones_own(tmp_path):
    torch.manual_seed(0)

    def build():
        return torch.nn.Sequential(torch.nn.Linear(1, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1)).double()

    run = kanpde.solve("poisson_1d", model=build(), training={"stages": 1, "steps": 20})
    assert run.metrics["rel_l2"] < 1e-2
    run.save(tmp_path / "r.h5")
    x = np.linspace(-1, 1, 5)[:, None]
    again = kanpde.open_run(tmp_path / "r.h5", network=build())
    assert np.array_equal(again.solution(x), run.solution(x))
    with pytest.raises(InputError, match="open_run\\(path, network"):
        kanpde.open_run(tmp_path / "r.h5").solution(x)
    with pytest.raises(InputError, match="Build the network that was trained"):
        kanpde.open_run(tmp_path / "r.h5", network=torch.nn.Linear(1, 1))


def tanh_module(inputs: int, outputs: int) -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Linear(inputs, 5), torch.nn.Tanh(), torch.nn.Linear(5, outputs))


def frozen() -> torch.nn.Module:
    return tanh_module(1, 1).requires_grad_(False)


@pytest.mark.parametrize(
    ("problem", "module", "message"),
    [
        ("poisson_1d", tanh_module(3, 1), r"accept points of shape \[n, 1\]"),
        ("poisson_1d", tanh_module(1, 3), r"fields \[n, 1\] \(u\); three points gave shape \[3, 3\]"),
        ("reaction_diffusion", tanh_module(2, 1), r"fields \[n, 2\] \(u, v\)"),
        ("poisson_1d", torch.nn.Sequential(tanh_module(1, 1), torch.nn.Flatten(0)), r"gave shape \[3\]"),
        ("poisson_1d", torch.nn.Sequential(tanh_module(1, 9), torch.nn.Dropout(), torch.nn.Linear(9, 1)), "dropout"),
        ("poisson_1d", frozen(), "parameters that require gradients"),
        ("advection_1d", tanh_module(2, 1), "periodic in x"),
    ],
)
def test_modules_that_cannot_be_trained_are_explained(problem, module, message):
    with pytest.raises(InputError, match=message):
        kanpde.solve(problem, model=module, training=QUICK)


def test_a_kan_of_ones_own_is_trained_as_it_is_and_the_original_is_left_alone(tmp_path):
    def build():
        return KAN([2, 3, 1], grid=4, degree=5, lower=(0.0, 0.0), upper=(1.0, 1.0), periodic=(0,))

    module = build()
    before = [parameter.clone() for parameter in module.parameters()]
    run = kanpde.solve("advection_1d", model=module, training={"stages": 1, "steps": 3})
    assert all(torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True))
    x = np.random.default_rng(0).random((5, 2))
    assert np.allclose(run.solution(x), run.solution(x + [1.0, 0.0]), atol=1e-9)
    run.save(tmp_path / "r.h5")
    assert np.array_equal(kanpde.open_run(tmp_path / "r.h5", network=build()).solution(x), run.solution(x))


def test_frozen_layers_stay_as_they_are():
    module = KAN([1, 3, 1], grid=3, degree=5, lower=(-0.5,), upper=(0.5,))
    module.layers[0].requires_grad_(False)
    run = kanpde.solve("poisson_1d", model=module, training={"stages": 1, "steps": 8})
    assert torch.equal(run.solution.network.layers[0].weight, module.layers[0].weight)
    assert run.history["loss"][-1] < run.history["loss"][0]


def test_opening_a_run_leaves_the_global_generator_alone(run, tmp_path):
    run.save(tmp_path / "r.h5")
    before = torch.get_rng_state()
    kanpde.open_run(tmp_path / "r.h5").solution(np.zeros((1, 1)))
    assert torch.equal(before, torch.get_rng_state())


def test_a_problem_without_reference_reports_residuals_only():
    run = kanpde.solve("burgers", model=SMALL, training={"stages": 1, "starts": 1, "steps": 3}, reference=False)
    assert "rel_l2" not in run.metrics and run.metrics["heldout_residual_rms"] > 0
    assert set(run.data.fields) == {"u"} and np.isnan(run.history["rel_l2"]).all()


def test_several_fields_have_errors_of_their_own():
    run = kanpde.solve("reaction_diffusion", model=SMALL, training={"stages": 1, "starts": 1, "steps": 3})
    assert {"rel_l2", "rel_l2_u", "rel_l2_v"} <= set(run.metrics)
    assert run.metrics["rel_l2_u"] != run.metrics["rel_l2_v"]


def test_single_precision():
    run = kanpde.solve("poisson_1d", model=SMALL, training=QUICK, dtype="float32")
    assert run.metrics["rel_l2"] < 1e-2


def test_a_point_cloud_that_is_cheated_is_said():
    """Far fewer points than parameters: the residual vanishes on them and nowhere else."""
    run = kanpde.solve(
        "poisson_2d",
        model={"width": [6], "grid": 8},
        sampling={"points": 64},
        training={"stages": 1, "starts": 1, "steps": 15},
    )
    assert any("the points were fitted rather than the equation" in warning for warning in run.warnings)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu():
    run = kanpde.solve("poisson_2d", training=QUICK, device="cuda")
    assert run.metrics["rel_l2"] < 1e-3
