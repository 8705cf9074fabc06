"""Contracts of the protocols: every basis, every kind of network; and that a new one is one module and one file."""

import json
import math
import os
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import torch

from kanpde.errors import InputError
from kanpde.models.bases import BASES, BSplines
from kanpde.models.bases.interface import edge_values, fitted_weights
from kanpde.models.networks import MODELS, KANDesign
from kanpde.models.networks.interface import WIDEST
from kanpde.runs.checked_values import settings_from
from kanpde.runs.choices import group_defaults

ROOT = Path(__file__).parents[2]
LOWER, UPPER = torch.tensor([[-1.0, 0.0], [1.0, 3.0]], dtype=torch.float64)
NESTED = {"bspline", "chebyshev", "fourier"}  # twice the resolution holds all that half of it holds


def placed(name: str, resolution: int = 6):
    return BASES[name].on(LOWER, UPPER, resolution, degree=5)


def inside(count: int) -> torch.Tensor:
    return LOWER + (UPPER - LOWER) * torch.rand(count, 2)


# Basis


@pytest.mark.parametrize("name", BASES)
class TestBasis:
    def test_it_lies_where_it_was_put(self, name):
        basis = placed(name)
        assert basis.name == name and basis.inputs == 2 and basis.resolution == 6
        assert torch.equal(basis.lower, LOWER) and torch.equal(basis.upper, UPPER)
        assert basis.breaks.shape[0] == 2 and bool((basis.breaks.diff(dim=1) > 0).all())

    def test_the_constant_is_among_its_functions(self, name):
        """B-splines, Chebyshev's T_0 and Fourier's 1 have it to rounding; Gaussians ripple by 1e-8."""
        basis = placed(name)
        nodes = basis.nodes()
        weight = fitted_weights(basis, nodes, torch.ones(2, len(nodes), 1))
        error = (edge_values(basis, weight, inside(50)) - 1).abs().max()
        assert error < (1e-11 if name in NESTED else 1e-6)

    def test_the_nodes_determine_a_fit(self, name):
        """A function of the basis comes back from its values at the nodes, at every other point."""
        basis = placed(name)
        weight = torch.randn(2, basis.size, 3)
        again = fitted_weights(basis, basis.nodes(), edge_values(basis, weight, basis.nodes()))
        x = inside(200)
        before, after = edge_values(basis, weight, x), edge_values(basis, again, x)
        assert (after - before).abs().max() < 1e-6 * before.abs().max()

    def test_twice_the_resolution_keeps_functions(self, name):
        basis = placed(name)
        finer = basis.resized(basis.lower, basis.upper, 2 * basis.resolution)
        assert type(finer) is type(basis) and finer.resolution == 12
        weight = basis.random_weights(1, torch.Generator().manual_seed(0))
        kept = fitted_weights(finer, finer.nodes(), edge_values(basis, weight, finer.nodes()))
        x = inside(200)
        gap = (edge_values(finer, kept, x) - edge_values(basis, weight, x)).abs().max()
        assert gap < (1e-10 if name in NESTED else 1e-5)

    @pytest.mark.parametrize("degree", [2, 3, 5])
    def test_it_is_as_smooth_as_it_says(self, name, degree):
        """The derivative of order `smoothness` is there and the next is not; smooth bases have one more always."""
        basis = BASES[name].on(LOWER, UPPER, 8, degree)
        last = BASES[name].smoothness(degree)
        order = min(last, degree)
        rows = basis.dense(inside(50), int(order) + 1)
        assert rows[:, int(order)].abs().max() > 1e-3
        assert (rows[:, int(order) + 1].abs().max() < 1e-9) == math.isfinite(last)

    def test_random_edges_do_not_roughen_with_the_resolution(self, name):
        if name == "gaussian":
            pytest.skip("its first bells are the largest, and they narrow: training starts on a coarse grid")
        spans = []
        for resolution in (4, 32):
            basis = placed(name, resolution)
            weight = basis.random_weights(40, torch.Generator().manual_seed(1))
            assert weight.shape == (2, basis.size, 40)
            slopes = torch.einsum("nrim,imo->rnio", basis.dense(inside(300), 1), weight)
            spans.append((slopes[1].std() / slopes[0].std()).item())
        assert spans[1] < 5 * spans[0]

    def test_knots_are_taken_by_those_that_have_them(self, name):
        knots = torch.tensor([[-1.0, -0.9, 0.2, 1.0], [0.0, 0.1, 2.0, 3.0]])
        moved = placed(name).resized(LOWER, UPPER, 3, knots)
        assert moved.resolution == 3
        assert torch.equal(moved.breaks, knots) == (name == BSplines.name)


@pytest.mark.parametrize("degree", [1, 4, 7])
def test_bsplines_sum_to_one_and_lie_on_few_cells(degree):
    basis = BSplines.on(LOWER, UPPER, 9, degree)
    rows = basis.dense(inside(100), 1)
    assert (rows[:, 0].sum(-1) - 1).abs().max() < 1e-12 and rows[:, 1].sum(-1).abs().max() < 1e-10
    assert ((rows[:, 0] != 0).sum(-1) <= degree + 1).all()


# Model

DESIGNS = {kind: cls() for kind, cls in MODELS.items()} | {
    "kan of modes": KANDesign((3, 2), 4, basis="fourier"),
    "kan beside silu": KANDesign((3,), 4, 5, base="silu"),
}


@pytest.fixture(params=DESIGNS, name="design")
def design_of_each_kind(request):
    return DESIGNS[request.param]


class TestModel:
    def test_its_settings_are_those_of_its_file(self, design):
        defaults = dict(group_defaults("model", design.kind))
        assert defaults.pop("kind") == design.kind
        assert set(defaults) == {field.name for field in fields(design)}
        assert settings_from(type(design), defaults, "model") == type(design)()

    def test_every_stage_is_built_with_as_many_outputs(self, design):
        for grid in design.grids(3):
            network = design.build(2, 3, grid, lower=[0, 0], upper=[1, 2], generator=torch.Generator().manual_seed(0))
            assert network(torch.rand(5, 2)).shape == (5, 3)

    def test_its_parameters_are_those_of_the_network(self, design):
        network = design.build(3, 2, design.grids(1)[-1])
        assert design.parameters(3, 2) == sum(parameter.numel() for parameter in network.parameters())

    def test_it_comes_back_from_its_description(self, design):
        again = type(design).described(json.loads(json.dumps(design.description())))
        assert again == design and hash(again) == hash(design)

    def test_archived_arrays_fit_into_what_is_rebuilt(self, design):
        grid = design.grids(2)[-1]
        trained = design.build(2, 1, grid, generator=torch.Generator().manual_seed(0))
        arrays = {name: value.numpy() for name, value in trained.state_dict().items()}
        again = design.rebuilt(2, 1, grid, arrays, generator=torch.Generator().manual_seed(1))
        again.load_state_dict(trained.state_dict())
        x = 2 * torch.rand(9, 2) - 1
        assert torch.equal(again(x), trained(x))

    def test_its_words_choose_it(self, design):
        kind, *rest = design.settings()
        assert kind == f"model={design.kind}"
        assert [word.partition("=")[0] for word in rest] == [f"model.{field.name}" for field in fields(design)]

    def test_it_can_be_made_nearly_any_size(self, design):
        for target in (200, 500):
            found = design.sized(target, 2, 1)
            assert type(found) is type(design) and 0.5 < found.parameters(2, 1) / target < 2

    def test_wider_has_more_parameters(self, design):
        counts = [design.widened(width).parameters(2, 1) for width in (2, 5, 11)]
        assert counts == sorted(set(counts)) and design.widened(WIDEST).width[0] == WIDEST

    def test_its_label_leaves_its_size_out(self, design):
        assert design.label.startswith(design.title)
        assert design.widened(7).label == design.label == design.sized(500, 2, 1).label

    def test_its_smoothness_comes_with_a_remedy(self, design):
        degree, pieces, remedy = design.smoothness(order=4)
        assert degree > 4 or (pieces and remedy.startswith("Set model."))

    def test_its_candidates_are_of_its_kind(self, design):
        found = type(design).candidates(4)
        assert found and all(type(one) is type(design) for one in found) and len(set(found)) == len(found)

    def test_it_asks_nothing_of_its_parameters_by_default(self, design):
        assert design.regularizer() is None


def test_a_basis_unknown_is_refused_by_every_question():
    for ask in (lambda one: one.smoothness(2), lambda one: one.label, lambda one: one.build(1, 1, 4)):
        with pytest.raises(InputError, match="'haar' came"):
            ask(KANDesign(basis="haar"))


# A new one is one module and one file

BASIS = '''
"""Powers of ξ: a basis for the trial."""

import torch

from kanpde.models.bases.intervals import IntervalBasis


class Powers(IntervalBasis):
    """1, ξ, ξ², …"""

    name = "powers"

    @classmethod
    def count(cls, resolution):
        return resolution + 1

    def rows(self, xi, order):
        j = torch.arange(self.size, dtype=xi.dtype)
        rows, factor = [], torch.ones_like(j)
        for r in range(order + 1):
            rows.append(factor * xi[..., None] ** (j - r).clamp(min=0))
            factor = factor * (j - r).clamp(min=0)
        return torch.stack(rows, dim=-2)
'''

KIND = '''
"""A tanh network whose weights are held small: a kind for the trial."""

from dataclasses import dataclass

import torch

from kanpde.models.networks.interface import Design
from kanpde.models.networks.mlp import MLP


@dataclass(frozen=True)
class HeldDesign(Design):
    """An MLP with √λ θ among its residuals."""

    kind = "held"
    title = "Held"

    width: tuple[int, ...] = (6,)
    strength: float = 1e-3

    def build(self, inputs, outputs, grid, **options):
        return MLP([inputs, *self.width, outputs], **options)

    @property
    def label(self):
        return f"Held depth {len(self.width)}"

    def regularizer(self):
        def rows(network):
            theta = torch.cat([parameter.detach().flatten() for parameter in network.parameters()])
            return self.strength**0.5 * theta, self.strength**0.5 * torch.eye(len(theta), dtype=theta.dtype)

        return rows
'''

TRIAL = """
import sys
import numpy as np, kanpde
from kanpde.studies.comparisons import compare
from kanpde.studies.records import collect

short = {"stages": 2, "starts": 1, "steps": 3}
known = dict(training=short, output={"resolution": 9}, reference=False)
kan = kanpde.solve("poisson_2d", model={"kind": "powers", "width": [3], "grid": 4}, **known)
runs = {
    "kan": kanpde.solve("poisson_2d", model={"kind": "kan", "width": [3], "grid": 4}, **known),
    "powers": kan,
    "mlp": kanpde.solve("poisson_2d", model={"kind": "mlp", "width": [6]}, **known),
    **{f"held{s}": kanpde.solve("poisson_2d", model={"kind": "held", "strength": s}, **known) for s in (1e-3, 1e3)},
}
assert len(runs["held0.001"].history["loss_regularizer"]) == 6
size = {s: sum(np.sum(p**2) for p in runs[f"held{s}"].data.model.parameters.values()) for s in (1e-3, 1e3)}
assert size[1e3] < size[1e-3], size
x = np.random.default_rng(0).uniform(-1, 1, (20, 2))
for name, run in runs.items():
    run.save(f"{name}.h5")
    assert np.array_equal(kanpde.open_run(f"{name}.h5").solution(x), run.solution(x)), name
found = collect(["."])
assert not found.skipped, found.skipped
kinds = {record.model: record.name for record in found.records}
assert kinds["held"] == "Held depth 1" and {record.name for record in found.records} >= {"KAN powers", "KAN degree 7"}
(one,) = compare(found.records)
assert one.kinds == ["held", "kan", "mlp"] and {pair.kinds for pair in one.pairs} <= {
    ("kan", "mlp"), ("held", "kan"), ("held", "mlp")}
said = " ".join(one.conclusions())
assert "Held" in said and "MLP" in said, said
"""


def test_a_new_basis_and_a_new_kind_are_one_module_and_one_file_each(tmp_path):
    """In a copy of the package with four files more: solved, archived, opened again, and placed in a study."""
    for name in ("kanpde", "conf", "problems"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    added = {
        "kanpde/models/bases/powers.py": BASIS,
        "conf/model/powers.yaml": "kind: kan\nwidth: [8]\ngrid: 5\ndegree: 7 # unused\nbasis: powers\nbase: none\n",
        "kanpde/models/networks/held.py": KIND,
        "conf/model/held.yaml": "kind: held\nwidth: [6]\nstrength: 1e-3\n",
    }
    for name, text in added.items():
        assert not (tmp_path / name).exists()
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "work").mkdir()
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-c", TRIAL], cwd=tmp_path / "work", env=environment, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
