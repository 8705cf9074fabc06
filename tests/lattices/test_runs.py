"""Lattice problems as runs: measured, archived, read back, resumed; edges learned."""

import json

import h5py
import numpy as np
import pytest
import torch
import xarray
from matplotlib.figure import Figure

from kanpde.cli.main import main
from kanpde.errors import InputError
from kanpde.lattices import measurements
from kanpde.lattices.edge_formulas import edge_formula
from kanpde.lattices.measurements import measure
from kanpde.models.networks import KAN, KANDesign
from kanpde.problems.catalog import load_problem
from kanpde.reports.plots.lattices import draw_lattice, lattice_panels
from kanpde.runs.run import open_run, solve
from kanpde.solving.losses.cross_entropy import CrossEntropy
from kanpde.symbolic.classification import ClassifierShape, Labeled, formula_terms, is_named, named, pruned
from kanpde.symbolic.classifiers import second_class, train
from kanpde.symbolic.readings import stored_network

SMALL = {
    "title": "A small chain",
    "lattice": {"sites": [34], "onsite": "2*lam*cos(2*pi*b*n + phi)", "hopping": 1, "ends": "periodic"},
    "parameters": {"b": "golden", "lam": {"range": [0.2, 2]}, "phi": {"range": [0, "2*pi"], "average": True}},
    "measure": {"realizations": 40, "lyapunov": 2000, "sizes": [21, 34], "moments": 64},
    "theory": {"edge": "lam - 1", "lyapunov": "max(0, log(lam))"},
    "edge": {"states": 5, "threshold": 0.01, "terms": ["1", "lam", "E"]},
    "settings": {"model": {"width": [], "grid": 4, "degree": 3}},
}


@pytest.fixture(scope="module")
def run():
    torch.set_default_dtype(torch.float64)
    return solve(load_problem(SMALL, name="small"), seed=1)


def test_a_run_measures_learns_and_says_so(run):
    assert run.status == "done" and run.verdict.word.value == "solved", run.verdict.line()
    assert run.metrics["accuracy_learned"] > 0.85 > run.metrics["accuracy_majority"]
    assert run.metrics["gamma_off_theory"] < 0.01
    assert "lam" in run.data.attributes["formula"]
    assert list(run.history["step"]) == [10, 20, 30, 40]


def test_the_archive_has_axes_and_opens_in_xarray(run, tmp_path):
    run.save(tmp_path / "result.h5")
    again = open_run(tmp_path / "result.h5")
    assert again.data.spectrum_axes == dict(run.data.spectrum_axes)
    assert all(np.array_equal(again.data.spectrum[name], values) for name, values in run.data.spectrum.items())
    with xarray.open_dataset(tmp_path / "result.h5", group="spectrum", engine="h5netcdf") as data:
        assert data["energy"].dims == ("realization", "state") and data["lam"].dims == ("realization",)
        assert data["size_ipr"].dims == ("realization", "size")
    with h5py.File(tmp_path / "result.h5") as root:
        assert root["spectrum/gamma"].dims[0][0] == root["spectrum/realization"]
        assert json.loads(root["model"].attrs["config_json"])["head"] == "sigmoid"


def test_pictures_show_edges_lengths_and_dimensions(run, tmp_path):
    captions = [caption for caption, _ in lattice_panels(run.data)]
    assert any("classifier's edges" in caption for caption in captions) and any("D₂ of each" in c for c in captions)
    assert np.isfinite(run.data.spectrum["shown_length"]).any() or run.data.spectrum["lam"][0] < 1
    figure = Figure(figsize=(8, 14))
    draw_lattice(figure, list(figure.add_gridspec((len(captions) + 1) // 2, 2))[: len(captions)], run.data)
    first = figure.axes[0]
    assert [text.get_text() for text in first.get_legend().get_texts()] == ["theory", "learned"]
    run.save(tmp_path / "result.h5")
    network, described = stored_network(open_run(tmp_path / "result.h5").data, "edge")
    assert described["inputs"] == ["E", "lam"] and network.edges


def test_a_landscape_bounds_the_states_that_are_shown():
    chain = {"lattice": {"sites": [60], "onsite": "4*uniform(0, 1)", "hopping": 1, "ends": "open"},
             "parameters": {"W": 1}, "measure": {"realizations": 1, "landscape": True}}  # fmt: skip
    spectrum = solve(load_problem(chain, name="chain")).data.spectrum
    shown = spectrum["shown_state"] / spectrum["shown_state"].max(axis=1, keepdims=True)
    assert (shown <= spectrum["shown_bound"] * (1 + 1e-9)).all()
    assert ((spectrum["shown_length"] > 0.3) & (spectrum["shown_length"] < 30)).all()


def test_a_run_that_is_stopped_keeps_its_realizations(monkeypatch, tmp_path):
    monkeypatch.setenv("KANPDE_CACHE", str(tmp_path))
    problem = load_problem({**SMALL, "measure": {"realizations": 30}, "edge": None}, name="small")
    made = []
    whole = measurements._chunk

    def counted(builders, seed, numbers):
        made.append(numbers.start)
        return whole(builders, seed, numbers)

    def stop(done, chunk):
        if done == 20:
            raise KeyboardInterrupt

    monkeypatch.setattr(measurements, "_chunk", counted)
    with pytest.raises(measurements.Stopped) as stopped:
        measure(problem.task, problem.source, 0, stop)
    assert stopped.value.measured.realizations == 20 and made == [0, 10]
    finished = measure(problem.task, problem.source, 0)
    assert finished.realizations == 30 and made == [0, 10, 20]
    assert np.array_equal(finished.arrays["energy"][:20], stopped.value.measured.arrays["energy"])


def test_a_changed_chunk_is_measured_anew(monkeypatch, tmp_path):
    monkeypatch.setenv("KANPDE_CACHE", str(tmp_path))
    problem = load_problem({**SMALL, "measure": {"realizations": 10}, "edge": None}, name="small")
    before = measure(problem.task, problem.source, 0).arrays["energy"]
    (kept,) = (tmp_path / "lattices").glob("*.npz")
    good = dict(np.load(kept))
    for changed in ({"energy": np.zeros((2, 2))}, {"energy": np.array("x")}, {"energy": good["energy"] * 2}):
        np.savez(kept, **{**good, **changed})
        assert np.array_equal(measure(problem.task, problem.source, 0).arrays["energy"], before)
    kept.write_bytes(b"PK\x03\x04 cut off")
    assert np.array_equal(measure(problem.task, problem.source, 0).arrays["energy"], before)


def test_labels_of_one_kind_are_refused():
    with pytest.raises(InputError, match="states of both kinds; all 200 are extended"):
        parameters = {**SMALL["parameters"], "lam": {"range": [0.1, 0.2]}}
        solve(load_problem({**SMALL, "parameters": parameters}, name="small"))


# the classifier


def test_the_curvature_of_cross_entropy_against_automatic_differentiation():
    network = KAN([2, 3, 1], grid=3, degree=3)
    points, labels = torch.rand(20, 2) * 2 - 1, (torch.rand(20) > 0.5).double()
    count = sum(parameter.numel() for parameter in network.parameters())
    objective = CrossEntropy(network, points, labels, 0.1**0.5 * torch.eye(count))
    theta = objective.theta.clone()
    _, gradient, curvature = objective.quadratic(theta)
    for place in (0, 7, 20):
        step = torch.zeros_like(theta)
        step[place] = 1e-6
        numeric = (objective.value(theta + step) - objective.value(theta - step)) / 2e-6
        assert gradient[place].item() == pytest.approx(numeric, abs=1e-8)
    assert (torch.linalg.eigvalsh(curvature) > 0.099).all()


def test_a_kan_learns_a_curved_edge_a_line_does_not(random):
    points = random.uniform(-1, 1, (600, 2))
    labels = points[:, 0] * points[:, 1] > 0.1
    chosen = points[400:], labels[400:]
    trained = train(KANDesign(width=(3,), grid=4, degree=3), points[:400], labels[:400], chosen, 0)
    assert np.mean(second_class(trained, points) == labels) > 0.97


@pytest.fixture(scope="module")
def product_edge():
    """Labels of 2λ + αE - 2 > 0, of which the network knows nothing."""
    random = np.random.default_rng(0)
    points = np.stack([random.uniform(-3, 3, 900), random.uniform(0.2, 3, 900), random.uniform(-0.8, 0.8, 900)], 1)
    labels = 2 * points[:, 1] + points[:, 2] * points[:, 0] - 2 > 0
    return Labeled(torch.from_numpy(points), torch.from_numpy(labels.astype(float)))


def test_a_network_is_pruned_and_named_down_to_a_product_and_a_line(product_edge):
    shape = ClassifierShape(grid=3, degree=3, product=True, by_hand={})
    mask = [(0, 0, 0), (0, 1, 0), (0, 2, 0), (0, 0, 1), (0, 2, 2)]
    begun = shape.network(mask, product_edge, 0)
    for rough in (1e-4, 1e-5):
        product_edge.fit(begun, 30, rough)
    found = named(pruned(begun, product_edge), product_edge)
    assert {key for key in found.edges if key[0] == 0} == {(0, 1, 0), (0, 0, 1), (0, 2, 2)} and is_named(found)
    assert list(formula_terms(found, ["E", "lam", "alpha"])) == ["1", "E*alpha", "lam"]
    assert product_edge.criterion(found) < product_edge.criterion(begun)


def test_an_edge_given_by_hand_is_not_pruned(product_edge):
    shape = ClassifierShape(grid=3, degree=3, product=True, by_hand={0: ("abs",)})  # the edge has no |E|
    begun = shape.network([(0, 0, 0), (0, 1, 0), (0, 0, 1), (0, 2, 2)], product_edge, 0)
    product_edge.fit(begun, 30, 1e-4)
    assert (0, 0, 0) in pruned(begun, product_edge).edges


def test_masks_have_every_pair_of_inputs_as_a_product(product_edge):
    masks = list(ClassifierShape(3, 3, True, {}).masks(3))
    assert [tuple(mask[-2:]) for mask in masks] == [
        ((0, 0, 1), (0, 1, 2)), ((0, 0, 1), (0, 2, 2)), ((0, 1, 1), (0, 2, 2))
    ]  # fmt: skip
    by_hand = ClassifierShape(3, 3, True, {2: ("exp", "cosh")}).network(masks[1], product_edge, 0).edges
    assert by_hand[0, 2, 0].name == "exp" and by_hand[0, 2, 2].name == "cosh" and by_hand[0, 0, 0].name is None
    assert len(list(ClassifierShape(3, 3, False, {}).masks(3))) == 1


def test_a_formula_is_found_with_errors(random):
    x, y = random.uniform(-2, 2, (2, 3000))
    labels = 2 * x * y + x - 0.6 > 0
    columns = np.stack([np.ones(3000), x, y, x * y, x**2], axis=1)
    groups = np.arange(3000) // 10
    found = edge_formula(["1", "x", "y", "x*y", "x**2"], columns, labels, groups, groups > 200)
    assert set(found.terms) == {"1", "x", "x*y"}
    known = dict(zip(found.terms, found.coefficients / abs(found.coefficients[found.terms.index("x")]), strict=True))
    assert known["x*y"] == pytest.approx(2, rel=0.02) and known["1"] == pytest.approx(-0.6, rel=0.05)
    assert found.accuracy > 0.99


# commands


def test_commands_take_lattices(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["problem=anderson_1d", "problem.lattice.sites=[60]", "problem.measure={realizations: 10}"]
    words[-1] = "problem.measure.realizations=10"
    assert main(["check", *words]) == 0
    assert "onsite: W*uniform(-1/2, 1/2)" in capsys.readouterr().out
    assert main(["solve", *words, "problem.measure.lyapunov=500"]) == 0
    (archive,) = tmp_path.glob("outputs/anderson_1d/*/*/result.h5")
    assert (archive.parent / "solution.png").is_file()
    assert main(["show", str(archive.parent)]) == 0
    assert main(["report", str(archive.parent)]) == 0
    assert main(["collect", "outputs"]) == 0
    assert main(["solve", "problem=aubry_andre", "problem.lattice.sites=[612]"]) == 2
    assert "common factor" in capsys.readouterr().err
