"""A new optimizer, sampling, task, action, shape, reference method and metric, each its leaves alone, and used."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import pytest
import torch

import kanpde
from kanpde.files.discovery import leaves, modules_in
from kanpde.models.networks.kan import KANDesign
from kanpde.problems import tasks as stated_tasks
from kanpde.problems.catalog import load_problem
from kanpde.problems.geometry.boxes import Box
from kanpde.problems.geometry.sampling import Sample, placed
from kanpde.problems.geometry.samplings import SAMPLINGS, Sampling, SobolSampling
from kanpde.problems.problem import Task
from kanpde.problems.reading import problem_file
from kanpde.problems.tasks import TASKS
from kanpde.problems.tasks.equations import Equations
from kanpde.solving import tasks as sought_tasks
from kanpde.solving.adaptation import Density, followed
from kanpde.solving.ansatz.exact_conditions import exact_ansatz
from kanpde.solving.optimizers import OPTIMIZERS, Ended, Iterate, LevenbergMarquardt, Optimizer, StopReason
from kanpde.solving.tasks import GOALS, goal_of
from kanpde.solving.tasks.equations import LeastResiduals
from kanpde.solving.time_windows import carried_ansatz
from kanpde.solving.training.actions import Course, Draw, State
from kanpde.solving.training.settings import Training
from kanpde.solving.training.setup import Setup
from kanpde.solving.training.stages import schedule, train

PACKAGE = Path(kanpde.__file__).parent
BOX = Box((0.0, -1.0), (2.0, 1.0))
FEW = Training(stages=2, starts=1, steps=4)


@dataclass(frozen=True)
class Descent(Optimizer):
    """An optimizer in one leaf: steps along the gradient."""

    kind: ClassVar[str] = "descent"
    rate: float = 1e-4

    def minimize(self, objective, theta, steps, observe, state=None):
        loss = float("nan")
        for _ in range(steps):
            loss, gradient = objective.gradient(theta)
            theta = theta - self.rate * gradient
            observe(Iterate(theta, loss, None, {"rate": self.rate}))
        return Ended(theta, loss, StopReason.STEPS)


@dataclass(frozen=True)
class Scattered(Sampling):
    """A sampling in one leaf: independent points."""

    kind: ClassVar[str] = "scattered"
    density: float = 5.0
    points: int | None = None
    boundary_points: int | None = None

    def interior(self, box, count, seed, periodic=()):
        unit = torch.rand(count, box.dimension, generator=torch.Generator().manual_seed(seed)).double()
        return Sample(placed(unit, box), torch.ones(count).double())

    def on_side(self, box, side, count, seed, periodic=()):
        sample = self.interior(box, count, seed)
        sample.points[:, side.axis] = side.level(box)
        return sample


@dataclass(frozen=True)
class Vanish(Equations):
    """A task, its half in `problems`: expressions that are to vanish, without a word about conditions."""

    key: ClassVar[str] = "vanish"
    example: ClassVar[str] = "[u_xx]"

    def equations(self, source, scope, exact):
        texts = source.words("vanish", self.example)
        return {f"part_{n}": source.residuals("vanish", f"{text} = 0", scope, exact)[0] for n, text in enumerate(texts)}

    def checked(self, problem, label):
        return iter(())

    def lines(self, problem):
        yield f"  {len(problem.equations)} parts vanish"


@dataclass(frozen=True)
class LeastParts(LeastResiduals):
    """And its half in `solving`."""

    key: ClassVar[str] = "vanish"


def setup(problem, **changes) -> Setup:
    goal = goal_of(problem, exact_ansatz(problem), (10.0, 1.0), torch.float64)
    given = {
        "problem": problem, "goal": goal, "design": KANDesign(width=(3,), grid=4, degree=4),
        "optimizer": LevenbergMarquardt(), "sampling": SobolSampling(), "settings": FEW, "seed": 0,
        "dtype": torch.float64, "device": torch.device("cpu"), "track": lambda network: float("nan"),
    }  # fmt: skip
    return Setup(**{**given, **changes})


def test_every_optimizer_sampling_and_goal_is_the_module_it_lies_in():
    for known, root in ((OPTIMIZERS, Optimizer), (SAMPLINGS, Sampling), (TASKS, Task)):
        assert all(issubclass(leaf, root) and dataclasses.is_dataclass(leaf) for leaf in known.values())
        assert len({leaf.__module__ for leaf in known.values()}) == len(known)
    assert {name for name in TASKS if name in GOALS} == set(GOALS)


def test_a_leaf_is_found_where_it_lies(tmp_path, monkeypatch):
    (tmp_path / "trial_leaves").mkdir()
    (tmp_path / "trial_leaves" / "__init__.py").touch()
    (tmp_path / "trial_leaves" / "half.py").write_text(
        "from kanpde.solving.optimizers import Adam\n\n\n"
        "class Half(Adam):\n    kind = 'half'\n\n\nclass Between(Adam):\n    pass\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert [module.__name__ for module in modules_in("trial_leaves", [str(tmp_path / "trial_leaves")])]
    found = leaves("trial_leaves", [str(tmp_path / "trial_leaves")], Optimizer, "kind")
    assert [*found] == ["half"]  # Between names nothing, and Adam lies elsewhere


def test_a_new_optimizer_and_sampling_train():
    """One leaf each; a file of conf/ makes them choices."""
    losses = []
    chosen = setup(load_problem("poisson_1d"), optimizer=Descent(), sampling=Scattered())
    trained = train(chosen, lambda event: losses.append(event.record["loss"]) if hasattr(event, "record") else None)
    assert trained.outcome.status == "done" and losses[3] < losses[0]


@pytest.mark.parametrize("sampling", [*(kind() for kind in SAMPLINGS.values()), Scattered(),
                                      followed(SobolSampling(), {0: Density(0.0, 2.0, torch.ones(8).numpy())})],
                         ids=lambda sampling: type(sampling).__name__)  # fmt: skip
def test_the_contract_of_samplings(sampling):
    assert isinstance(sampling, Sampling)
    points, weights = sampling.interior(BOX, 64, 3)
    assert points.shape[1] == 2 and len(points) >= 64 and weights.mean().item() == pytest.approx(1)
    assert ((points >= torch.tensor(BOX.lower)) & (points <= torch.tensor(BOX.upper))).all()
    assert torch.equal(points, sampling.interior(BOX, 64, 3).points)


def test_a_new_task_is_two_leaves(monkeypatch):
    monkeypatch.setitem(stated_tasks.TASKS, "vanish", Vanish)
    monkeypatch.setitem(sought_tasks.GOALS, "vanish", LeastParts)
    monkeypatch.setattr(problem_file, "KEYS", (*problem_file.KEYS, "vanish"))
    data = {"coordinates": {"x": [0, 1]}, "fields": ["u"], "boundary": {"x-": "u = 1"}, "vanish": ["u_x + u"]}
    problem = load_problem(data)
    assert isinstance(problem.task, Vanish) and [*problem.equations] == ["part_0"]
    assert [*problem.task.lines(problem)] == ["  1 parts vanish"]
    trained = train(setup(problem, settings=replace(FEW, steps=30)), lambda event: None)
    assert trained.heldout < 1e-3
    with pytest.raises(Exception, match="takes the place of equations"):
        load_problem({**data, "equations": "u_x = 0"})


def test_an_action_leaves_its_state_as_it_was():
    course = Course(setup(load_problem("poisson_1d")), lambda event: None)
    before = course.state
    after = Draw()(before, course)
    assert isinstance(after, State) and before.drawn is None and after.drawn is not None
    with pytest.raises(dataclasses.FrozenInstanceError):
        before.steps = 3


def test_the_schedule_of_two_grids():
    kinds = [type(action).__name__ for action in schedule(replace(FEW, adapt=True), (4, 8), 3)]
    assert kinds == ["Draw", "Keep", "Announce", "TryStarts", "Begin", "Minimize", "EndStage",
                     "Enter", "Adapt", "Extend", "Draw", "Begin", "Minimize", "EndStage"]  # fmt: skip


def test_both_ansatzes_bind_alike():
    """The one that is carried on takes the place of the first: same members, same shapes."""
    problem = load_problem("burgers")
    first = exact_ansatz(problem)
    network = KANDesign(width=(2,), grid=3, degree=3).build(
        2, 1, 3, lower=problem.domain.lower, upper=problem.domain.upper, periodic=(), dtype=torch.float64,
        generator=torch.Generator().manual_seed(0))  # fmt: skip
    from_solution = sought_solution(problem, first, network)
    second = carried_ansatz(problem, from_solution, first)
    points, indices = torch.tensor([[0.2, 0.3], [0.5, 0.9]]).double(), ((0, 0),)
    for ansatz in (first, second):
        assert isinstance(ansatz.penalties, tuple) and isinstance(ansatz.warnings, tuple)
        assert ansatz.bind(points, indices).lift.shape == (2, 1, 1)


def sought_solution(problem, ansatz, network):
    from_module = sought_tasks.interface.Solution
    return from_module(problem, ansatz, network)


LEAVES = {
    "problems/geometry/shapes/diamond.py": """
from typing import ClassVar

from kanpde.problems.geometry.shapes.interface import Misshapen
from kanpde.problems.geometry.shapes.polygon import Polygon


class Diamond(Polygon):
    kind: ClassVar[str] = "diamond"
    form: ClassVar[str] = "diamond(x, y, r)"

    @classmethod
    def takes(cls, count, dimension):
        return count == 3

    @classmethod
    def of(cls, values):
        x, y, r = values
        if r <= 0:
            raise Misshapen("a positive radius")
        return cls(((x + r, y), (x, y + r), (x - r, y), (x, y - r)))
""",
    "references/methods/straight.py": """
import numpy as np

from kanpde.references.interface import Solved
from kanpde.references.interpolants import ChebyshevAxis, Interpolant, chebyshev_nodes

PLACE = 9


def applicable(problem):
    return False  # unless it is asked for


def resolutions(problem):
    return 2, 3


def solve(problem, resolution):
    axis = ChebyshevAxis(problem.domain.lower[0], problem.domain.upper[0], resolution)
    return Solved(Interpolant((axis,), axis.nodes[None] * 3.0), resolution)
""",
    "results/metrics/sharpness.py": """
import numpy as np

from kanpde.results.metrics.interface import Metric, MetricRow


class Sharpness(Metric):
    name = "sharpness"
    rows = (MetricRow("sharpness", "how sharp it is", 7),)

    def of(self, run):
        return {"sharpness": np.abs(run.fields["u"]).max()}
""",
}
"""A shape, a reference method and a metric, as the files that would be added."""

USED = """
import json
from kanpde import load_problem, solve
from kanpde.errors import InputError
from kanpde.problems.reading.schema import problem_schema
from kanpde.reports.run_report import run_report
from kanpde.results.metrics import metric_digits

rod = {"coordinates": {"x": [0, 1]}, "fields": ["u"], "equations": "u_xx = 0", "reference": "straight",
       "boundary": {"x-": "u = 0", "x+": "u = 3"}}
run = solve(rod, training={"stages": 1, "starts": 1, "steps": 8})
plate = {"coordinates": {"x": [0, 1], "y": [0, 1]}, "fields": ["u"], "equations": "lap(u) = -1",
         "boundary": {"*": "u = 0", "hole": "u = 0"}, "domain": "box - hole",
         "shapes": {"hole": "diamond(0.5, 0.5, 0.25)"}}
region = load_problem(plate).region
try:
    load_problem({**plate, "shapes": {"hole": "diamond(0.5, 0.5, -1)"}})
except InputError as error:
    refused = str(error)
print(json.dumps({
    "metrics": run.metrics, "reference": run.data.attributes["reference"], "report": run_report(run.data),
    "digits": metric_digits("sharpness"), "schema": problem_schema(), "bounds": dict(region.shapes)["hole"].bounds,
    "refused": refused,
}))
"""


def test_a_new_shape_reference_method_and_metric_are_a_leaf_each(tmp_path):
    """In a copy of the package, to which nothing but these files is added."""
    package = tmp_path / "kanpde"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in ("conf", "problems"):
        (tmp_path / folder).symlink_to(PACKAGE.parent / folder)
    for name, text in LEAVES.items():
        assert not (package / name).exists()
        (package / name).write_text(text)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "KANPDE_CACHE": str(tmp_path / "cache")}
    ended = subprocess.run(
        [sys.executable, "-c", USED], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    said = json.loads(ended.stdout.splitlines()[-1])
    assert said["reference"] == "straight" and said["metrics"]["rel_l2"] < 1e-3
    assert "straight" in said["schema"]["properties"]["reference"]["anyOf"][0]["enum"]
    assert said["metrics"]["sharpness"] == pytest.approx(3.0) and said["digits"] == 7
    assert "how sharp it is" in said["report"]
    assert said["bounds"] == [[0.25, 0.25], [0.75, 0.75]] and "a positive radius" in said["refused"]
