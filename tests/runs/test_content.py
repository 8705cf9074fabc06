"""What a run is follows from the content of files, not from their names; an archive needs none of them."""

import json
import os
from dataclasses import replace

import h5py
import numpy as np
import pytest

import kanpde
from kanpde.cli.main import main
from kanpde.errors import InputError
from kanpde.problems.catalog import load_problem
from kanpde.results.archive import read_archive, write_archive
from kanpde.runs.hydra_composition import compose_mapping
from kanpde.runs.settings import compose, config_of

QUICK = ["model.width=[3]", "model.grid=4", "training.stages=1", "training.starts=1", "training.steps=3",
         "output.plot=false", "output.resolution=9"]  # fmt: skip
FILE = """title: a rod
coordinates: {x: [0, 1], t: [0, 1]}
fields: [u]
parameters: {k: {learn: true, start: 0.5}}
coefficients: {V: {file: v.npy}}
equations: {heat: u_t = k*u_xx + 0*V}
boundary: {"*": u = 0}
initial: u = sin(pi*x)
data: {file: seen.csv}
reference: {method: file, file: known.npz, error: 1e-6}
"""


def lay(folder, scale=1.0):
    """The problem and its files, its three kinds of files depending on a scale."""
    folder.mkdir(exist_ok=True)
    (folder / "rod.yaml").write_text(FILE)
    x, t = np.linspace(0, 1, 9), np.linspace(0, 1, 9)
    u = np.exp(-0.1 * np.pi**2 * t) * np.sin(np.pi * x[:, None])
    np.save(folder / "v.npy", scale * (1 + x))
    np.savez(folder / "known.npz", x=x, t=t, u=scale * u)
    rows = [f"{a},{b},{float(scale * u[i, j])!r}" for i, a in enumerate(x) for j, b in enumerate(t)]
    (folder / "seen.csv").write_text("\n".join(["x,t,u", *rows]))
    return folder / "rod.yaml"


def key_of(path):
    return config_of(compose_mapping([f"problem={path}", *QUICK])).key


@pytest.mark.parametrize("changed", ["v.npy", "known.npz", "seen.csv"])
def test_another_content_is_another_run_and_another_place_the_same(tmp_path, changed):
    path = lay(tmp_path / "a")
    before = key_of(path)
    assert key_of(lay(tmp_path / "b")) == before
    lay(tmp_path / "c", scale=2.0)
    os.replace(tmp_path / "c" / changed, tmp_path / "a" / changed)
    assert key_of(path) != before
    lay(tmp_path / "a")
    assert key_of(path) == before


def test_keys_of_problems_without_files_are_those_of_earlier_versions():
    keys = {"kdv": "389f2c763d2c", "poisson_2d": "97810ccc9153", "inverse_diffusion": "2bdc09c57990"}
    assert {name: compose([f"problem={name}", "optimizer=lm"]).key for name in keys} == keys


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """A run whose problem and files are gone."""
    folder = tmp_path_factory.mktemp("run")
    path = lay(folder / "a")
    assert main(["solve", f"problem={path}", f"output.folder={folder}/out", *QUICK]) in (0, 3)
    for file in (folder / "a").iterdir():
        file.unlink()
    (found,) = folder.glob("out/**/result.h5")
    return found


def test_a_run_opens_where_none_of_its_files_is(archive):
    run = kanpde.open_run(archive)
    assert run.problem.data.points.shape == (81, 2) and run.metrics["reference_error"] == 1e-6
    text = str(run.data.attributes["problem_yaml"]) + str(run.data.attributes["config_yaml"])
    assert "file: v.npy" in text and str(archive.parents[4] / "a") not in text
    points = np.array([[0.5, 0.5], [0.1, 0.9]])
    assert np.isfinite(run.solution(points)).all()
    again = load_problem(run.problem.source, name="rod", samples=run.problem.samples)
    assert again == run.problem


def test_an_archive_with_foreign_names_reads_no_file(archive, tmp_path, monkeypatch):
    data = read_archive(archive)
    secret = lay(tmp_path).parent
    text = str(data.attributes["problem_yaml"])
    for name in ("v.npy", "seen.csv", "known.npz"):
        text = text.replace(f"file: {name}", f"file: {secret / name}")
    forged = tmp_path / "forged.h5"
    bare = {key: values for key, values in data.samples.items() if key.startswith("reference")}
    lines = "\n".join(line.split(", sha256")[0] + "}" * (", sha256" in line) for line in text.splitlines())
    write_archive(forged, replace(data, attributes={**data.attributes, "problem_yaml": lines}, samples=bare,
                                  coefficients={}))  # fmt: skip
    opened = []
    monkeypatch.setattr("os.open", lambda path, *rest, _open=os.open: opened.append(str(path)) or _open(path, *rest))
    with pytest.raises(InputError, match="needs the samples of v.npy, which the archive should hold"):
        kanpde.open_run(forged)
    assert not [path for path in opened if str(secret / "v.npy") in path]


def test_samples_that_do_not_match_their_hash_are_refused(archive, tmp_path):
    data = read_archive(archive)
    changed = {**data.samples, "data.u": data.samples["data.u"] * 1.001}
    write_archive(tmp_path / "r.h5", replace(data, samples=changed))
    with pytest.raises(InputError, match="data.file needs the samples of sha256"):
        kanpde.open_run(tmp_path / "r.h5")


def test_archives_from_before_samples_traveled_still_open(archive, tmp_path):
    """They name files by absolute paths; the coefficient stands on the grid of the fields."""
    data = read_archive(archive)
    source = json.loads(json.dumps(kanpde.open_run(archive).problem.source))
    source["coefficients"]["V"] = {"file": "/gone/v.npy"}
    source["reference"] = {"method": "file", "file": "/gone/known.npz"}
    source["data"] = {"table": "x,t,u\n0,0,0\n0.5,0,1\n"}
    problem = load_problem(source, name="rod", samples={**data.samples, "coefficients.V.values": np.linspace(1, 2, 9)})
    text = replace(problem, source=source).yaml()
    write_archive(tmp_path / "r.h5", replace(data, attributes={**data.attributes, "problem_yaml": text}, samples={}))
    run, points = kanpde.open_run(tmp_path / "r.h5"), np.array([[0.3, 0.2]])
    assert run.solution(points) == kanpde.open_run(archive).solution(points)
    assert run.problem.samples["coefficients.V.values"] == pytest.approx(np.linspace(1, 2, 9), abs=1e-12)


def test_cells_of_a_table_are_never_taken_for_settings(tmp_path, monkeypatch):
    """`${oc.env:…}` in a CSV was resolved, and its value could end up in the archive."""
    monkeypatch.setenv("NAME_OF_A_FIELD", "u")
    path = lay(tmp_path / "a")
    (tmp_path / "a" / "seen.csv").write_text("x,t,${oc.env:NAME_OF_A_FIELD}\n0,0,0\n0.5,0,1\n")
    with pytest.raises(InputError, match="u is there 0 times"):
        key_of(path)


@pytest.mark.parametrize("folder", ["a{b}", "a,b", "a=b", "a b", "ünï", "a'b", 'a"b', "~x", "a#b", "(x)"])
def test_folders_of_odd_names_are_found(tmp_path, folder):
    assert key_of(lay(tmp_path / folder)) == key_of(lay(tmp_path / "plain"))


def test_a_folder_that_reads_as_a_setting_is_not_resolved(tmp_path, monkeypatch):
    path = lay(tmp_path / "a${oc.env:HOME}b")
    with pytest.raises(InputError, match="problem=.*Rename it"):
        key_of(path)
    assert load_problem(path).data
    monkeypatch.chdir(path.parent)
    with pytest.raises(InputError, match="may not refer to other settings"):
        key_of("./rod.yaml")


def test_a_table_of_a_hundred_thousand_rows(tmp_path):
    path = lay(tmp_path / "a")
    grid = np.random.default_rng(0).random((100_000, 3))
    np.savetxt(tmp_path / "a" / "seen.csv", grid, "%.6f", ",", header="x,t,u", comments="")
    assert load_problem(path).data.points.shape == (100_000, 2)


def test_a_long_reference_takes_no_square_of_its_length(tmp_path):
    x = np.linspace(0, 1, 200_000)
    np.savez(tmp_path / "u.npz", x=x, u=np.sin(x))
    data = {"coordinates": {"x": [0, 1]}, "fields": ["u"], "equations": "u_xx = -sin(x)",
            "boundary": {"x-": "u = 0", "x+": "u_x = cos(1)"},
            "reference": {"method": "file", "file": str(tmp_path / "u.npz")}}  # fmt: skip
    run = kanpde.solve(data, model={"width": [3]}, training={"stages": 1, "starts": 1, "steps": 2})
    assert run.metrics["reference_error"] < 1e-12


def test_a_reference_leads_out_of_its_file_by_no_link(tmp_path):
    x = np.linspace(0, 1, 9)
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["x"], file["u"] = x, x
    data = {"coordinates": {"x": [0, 1]}, "fields": ["u"], "equations": "u_xx = 0", "boundary": {"*": "u = x"}}
    for name, link in {"outer": h5py.ExternalLink("secret.h5", "/u"), "soft": h5py.SoftLink("/x")}.items():
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["x"], file["u"] = x, link
        with pytest.raises(InputError, match="a link to another place"):
            load_problem({**data, "reference": {"method": "file", "file": str(tmp_path / f"{name}.h5")}})
