"""Time in windows: chained exactly, differentiated, archived, interrupted, and worth it."""

import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.func import jacrev, vmap

from kanpde import load_problem, open_run, solve
from kanpde.errors import InputError
from kanpde.models.jets import closure
from kanpde.models.networks import KAN
from kanpde.problems.language import compile_expression
from kanpde.results.errors import exact_jets
from kanpde.runs.run import solve_config
from kanpde.runs.settings import compose
from kanpde.solving.ansatz.exact_conditions import exact_ansatz
from kanpde.solving.time_windows import Windows, solution_of, window_ends
from kanpde.solving.training.events import Finished, Note, Started, Step
from kanpde.solving.training.settings import Training

QUICK = {"stages": 2, "starts": 1, "steps": 12, "windows": 2}
SMALL = {"width": [4], "grid": 4}
CONDITIONS = ["exact", "penalty"]
ENDS = (0.0, 0.3, 0.45, 1.0)


def untrained(name, ends=ENDS, conditions="exact"):
    """Random networks in each window."""
    problem = load_problem(name)
    networks = []
    for place, (begin, end) in enumerate(pairwise(ends)):
        box = problem.domain
        networks.append(
            KAN([box.dimension, 3, len(problem.fields)], 3, 6, lower=[*box.lower[:-1], begin],
                upper=[*box.upper[:-1], end], periodic=problem.periodic,
                generator=torch.Generator().manual_seed(place))
        )  # fmt: skip
    return solution_of(problem, conditions, Windows(ends, networks))


def at(problem, t, count=30):
    x = torch.rand(count, problem.domain.dimension)
    lower, upper = torch.tensor(problem.domain.lower), torch.tensor(problem.domain.upper)
    points = lower + (upper - lower) * x
    points[:, problem.time] = t
    return points


@pytest.mark.parametrize("conditions", CONDITIONS)
@pytest.mark.parametrize("name", ["diffusion_1d", "wave_1d", "reaction_diffusion", "allen_cahn"])
def test_as_many_derivatives_as_the_equation_has_in_time_are_continuous(name, conditions):
    """All windows but the first meet what came before, to rounding; one derivative more jumps."""
    solution = untrained(name, conditions=conditions)
    problem, order = solution.problem, solution.problem.order_along("u", solution.problem.time)
    indices = closure([(2, order)], 2)
    for before, after, t in zip(solution.pieces, solution.pieces[1:], ENDS[1:], strict=False):
        points = at(problem, t)
        left, right = before.jets(points, indices), after.jets(points, indices)
        for column, index in enumerate(indices):
            gap = (left - right)[:, column].abs().max() / left[:, column].abs().max().clamp(min=1)
            assert gap < 1e-11 if index[1] < order else gap > 1e-3


@pytest.mark.parametrize("name", ["diffusion_1d", "wave_1d", "reaction_diffusion"])
def test_conditions_on_the_boundary_hold_in_every_window(name):
    """Exact lifts with random networks: Dirichlet conditions and initial ones to rounding."""
    solution = untrained(name)
    assert not solution.pieces[-1].ansatz.penalties
    for condition in solution.problem.conditions:
        points = at(solution.problem, 0.0) if condition.kind == "initial" else at(solution.problem, torch.rand(30))
        points[:, condition.side.axis] = condition.side.level(solution.problem.domain)
        assert np.abs(solution.evaluate(condition.residual, points)).max() < 1e-12


def test_initial_penalties_are_the_first_windows_alone():
    first, second = untrained("diffusion_1d", (0.0, 0.5, 1.0), "penalty").pieces
    assert {c.kind for c in first.ansatz.penalties} == {"initial", "boundary"}
    assert {c.kind for c in second.ansatz.penalties} == {"boundary"}


@pytest.mark.parametrize("name", ["diffusion_1d", "wave_1d"])
def test_jets_against_nested_autograd(name):
    """Second route: each window written out by hand, from the networks' values alone."""
    solution = untrained(name)
    problem = solution.problem
    ansatz, networks, order = exact_ansatz(problem), solution.network.networks, problem.order_along("u", 1)
    lift = compile_expression(ansatz.lifts[0], problem.coordinates, ())
    walls = (lambda x: x**2 - 1) if name == "diffusion_1d" else (lambda x: (2 * x - 1) ** 2 - 1)

    def value(place, x, t):
        point = torch.stack([x, t])
        begin, end = ENDS[place : place + 2]
        tau = (t - begin) / (end - begin)
        own = networks[place](point[None])[0, 0] * walls(x)
        if place == 0:
            return lift(point[None])[0] + own * (2 * tau) ** order
        start = torch.tensor(begin)
        value_before = value(place - 1, x, start)
        slope = jacrev(lambda t: value(place - 1, x, t))(start) if order == 2 else 0.0
        return value_before + slope * (t - begin) + own * tau**order

    indices = closure([(2, 0), (1, 2)], 2)
    for place, (begin, end) in enumerate(pairwise(ENDS)):
        points = at(problem, begin + (end - begin) * torch.rand(5), 5)
        fast = solution.jets(points, indices)[:, :, 0]
        for column, index in enumerate(indices):
            f = lambda x, t: value(place, x, t)  # noqa: B023, E731
            for axis, count in enumerate(index):
                for _ in range(count):
                    f = jacrev(f, axis)
            slow = vmap(f)(points[:, 0], points[:, 1])
            assert (fast[:, column] - slow).abs().max() < 1e-9 * slow.abs().max().clamp(min=1)


def test_a_small_diffusion_in_two_windows(tmp_path):
    events = []
    config = compose([f"training.{k}={v}" for k, v in QUICK.items()] + ["model.width=[4]", "model.grid=4"],
                     load_problem("diffusion_1d"))  # fmt: skip
    run = solve_config(config, events.append)
    assert run.status == "done" and run.metrics["rel_l2"] < 1e-4
    kinds = [type(event) for event in events]
    assert kinds.count(Started) == kinds.count(Finished) == 1 and kinds[-1] is Finished
    assert [event.text for event in events if isinstance(event, Note)] == [
        "window 1 of 2: t from 0 to 0.5", "window 2 of 2: t from 0.5 to 1",
    ]  # fmt: skip
    records = [event.record for event in events if isinstance(event, Step)]
    assert [record["step"] for record in records] == list(range(1, len(records) + 1))
    assert {record["window"] for record in records} == {1, 2}
    times = [record["time_s"] for record in records]
    assert times == sorted(times)
    run.save(tmp_path / "result.h5")
    again = open_run(tmp_path / "result.h5")
    points = np.random.default_rng(0).uniform([-1, 0], [1, 1], (50, 2))
    assert np.array_equal(again.solution(points), run.solution(points))
    heat = [opened.solution.derivative("u_xx - u_t", points) for opened in (again, run)]
    assert np.array_equal(*heat)
    assert json.loads(again.data.model.config_json)["windows"] == [0.0, 0.5, 1.0]
    assert set(again.history["window"]) == {1, 2}
    wrong = exact_jets(run.problem, torch.from_numpy(points), 0)[:, 0, 0].numpy() - run.solution(points)[:, 0]
    assert np.abs(wrong).max() < 1e-3


def test_an_interrupt_in_the_second_window_keeps_the_first():
    config = compose([f"training.{k}={v}" for k, v in {**QUICK, "windows": 3}.items()]
                     + ["model.width=[4]", "model.grid=4"], load_problem("diffusion_1d"))  # fmt: skip

    def interrupt(event):
        if isinstance(event, Step) and event.record["window"] == 2:
            raise KeyboardInterrupt

    run = solve_config(config, interrupt)
    assert run.status == "interrupted"
    assert "Windows from 3 on were not trained" in run.stop_reason and "t = 0.333333" in run.stop_reason
    x = np.linspace(-1, 1, 21)
    exact = np.exp(-0.1 * np.pi**2 / 4) * np.sin(np.pi * x)
    assert np.abs(run.solution(np.c_[x, 0 * x + 0.25])[:, 0] - exact).max() < 1e-3
    end = run.solution(np.c_[x, 0 * x + 2 / 3])
    assert np.abs(run.solution(np.c_[x, 0 * x + 1]) - end).max() < 1e-12  # continued as it was


def test_the_time_limit_is_shared(ticking):
    training = {**QUICK, "steps": 10_000, "time_limit": 3.0, "stages": 1}
    run = solve("diffusion_1d", model=SMALL, training=training, optimizer={"tolerance": 0})
    assert run.status == "done" and "window 1, 2 of 2" in run.stop_reason
    assert 3.0 < run.metrics["wall_time_s"] < 3.3
    first = run.history["window"] == 1
    assert 0 < first.sum() < len(first) and run.history["time_s"][first].max() < run.history["time_s"][-1]


def test_an_mlp_is_trained_in_windows_as_well():
    run = solve("diffusion_1d", model={"kind": "mlp", "width": [6]}, training={**QUICK, "steps": 30})
    assert run.status == "done" and run.metrics["rel_l2"] < 1e-2


def test_ends_of_windows():
    problem = load_problem("diffusion_1d")
    assert window_ends(problem, None) is None and window_ends(problem, 1) is None
    assert window_ends(problem, 4) == (0.0, 0.25, 0.5, 0.75, 1.0)
    assert window_ends(problem, (0.2, 0.7)) == (0.0, 0.2, 0.7, 1.0)


@pytest.mark.parametrize(("windows", "count"), [(None, 1), (4, 4), ((0.2, 0.7), 3)])
def test_the_bar_knows_how_many_windows_there_are(windows, count):
    assert Training(windows=windows).window_count == count


@pytest.mark.parametrize(
    ("name", "windows", "sentence"),
    [
        ("diffusion_1d", (0.5, 0.2), "times between 0 and 1 that increase; .* came. Write for example"),
        ("diffusion_1d", (1.5,), "times between 0 and 1"),
        ("poisson_1d", 2, "evolves from initial conditions.* no time .* Set training.windows=null"),
        ("inverse_diffusion", 2, "this one has data"),
    ],
)
def test_windows_that_do_not_fit_are_refused(name, windows, sentence):
    with pytest.raises(InputError, match=sentence):
        solve(name, training={"windows": windows})


def test_a_module_of_ones_own_is_refused():
    with pytest.raises(InputError, match="needs model=kan or model=mlp; a module of your own came"):
        solve("diffusion_1d", model=torch.nn.Linear(2, 1), training={"windows": 2})


def test_no_windows_are_refused():
    with pytest.raises(InputError, match="training.windows must be 1 to 10000, or times; 0 came"):
        compose(["training.windows=0"])
