"""References for families of problems, and out of files."""

import h5py
import numpy as np
import oracles
import pytest

import kanpde
from kanpde import references
from kanpde.cli.main import main
from kanpde.errors import InputError
from kanpde.problems.catalog import load_problem
from kanpde.problems.geometry.regions import inside_points
from kanpde.references import check_table, method_for, reference_of
from kanpde.references.families import member, middle

QUICK = {"training": {"stages": 1, "starts": 1, "steps": 3}, "model": {"width": [3]}}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KANPDE_CACHE", str(tmp_path / "cache"))


def relative(found, known):
    return np.linalg.norm(found - known) / np.linalg.norm(known)


# families


def test_a_member_is_the_problem_with_that_value():
    family, one = load_problem("diffusion_parametric"), load_problem("diffusion_1d")
    found = member(family, (0.1,))
    assert found.coordinates == one.coordinates and found.domain == one.domain
    assert list(found.equations.values()) == list(one.equations.values())
    assert [c.residual for c in found.conditions] == [c.residual for c in one.conditions]
    assert middle(one) is one


def test_a_family_against_its_exact_solution(monkeypatch):
    problem = load_problem("diffusion_parametric")
    assert references.applicable_method(problem) == "lines"
    found = reference_of(problem, "lines")
    x, t, kappa = (points := inside_points(problem.region, problem.domain, 500, 9).numpy()).T
    known = np.exp(-kappa * np.pi**2 * t) * np.sin(np.pi * x)
    assert relative(found.values(points)[:, 0], known) < 3 * found.error + 1e-9 < 1e-7
    monkeypatch.setattr(references, "_family", lambda *_: pytest.fail("solved again"))
    assert (reference_of(problem, "lines").values(points) == found.values(points)).all()


def test_burgers_at_any_viscosity_against_cole_and_hopf(monkeypatch):
    monkeypatch.setattr("kanpde.references.families.COUNTS", {1: (3, 5)})
    data = {**load_problem("burgers_parametric").source, "reference": {"method": "lines", "resolution": 84}}
    problem = load_problem(data)
    found, points = reference_of(problem, "lines"), inside_points(problem.region, problem.domain, 300, 9).numpy()
    known = np.array([oracles.cole_hopf(point[None, :2], point[2])[0] for point in points])
    assert relative(found.values(points)[:, 0], known) < found.error < 5e-2
    assert method_for(load_problem("burgers_parametric")) == "lines"


def test_a_family_of_stationary_problems_in_two_parameters():
    data = {
        "coordinates": {"x": [0, 1]}, "fields": ["u"], "parameters": {"a": {"range": [1, 2]}, "b": {"range": [0, 1]}},
        "equations": "-u_xx + b*u = a", "boundary": {"*": "u = 0"},
    }  # fmt: skip
    problem = load_problem({**data, "reference": {"method": "chebyshev", "resolution": 32}})
    found = reference_of(problem, "chebyshev")
    x, a, b = (points := inside_points(problem.region, problem.domain, 300, 9).numpy()).T
    known = a / b * (1 - np.cosh(np.sqrt(b) * (x - 0.5)) / np.cosh(np.sqrt(b) / 2))
    assert relative(found.values(points)[:, 0], known) < 3 * found.error + 1e-9 < 1e-6


def test_a_family_whose_members_have_no_solution(capsys):
    bratu = {"coordinates": {"x": [0, 1]}, "fields": ["u"], "parameters": {"c": {"range": [1, 5]}},
             "equations": "u_xx + c*exp(u) = 0", "boundary": {"*": "u = 0"},
             "reference": {"method": "chebyshev", "resolution": 16}}  # fmt: skip
    run = kanpde.solve(bratu, **QUICK)
    assert any("There is no reference" in sentence for sentence in run.warnings) and "rel_l2" not in run.metrics


# files

HEAT = {
    "coordinates": {"x": [0, 1], "t": [0, 1]}, "fields": ["u"], "equations": "u_t = u_xx/10",
    "boundary": {"*": "u = 0"}, "initial": "u = sin(pi*x)",
}  # fmt: skip


def heat(x, t):
    return np.exp(-(np.pi**2) * t / 10) * np.sin(np.pi * x)


def arrays(nx=41, nt=21):
    x, t = np.linspace(0, 1, nx), np.linspace(0, 1, nt)
    return {"x": x, "t": t, "u": heat(x[:, None], t)}


def written(folder, suffix, content):
    path = folder / f"known{suffix}"
    if suffix == ".npz":
        np.savez(path, **content)
    elif suffix == ".h5":
        with h5py.File(path, "w") as root:
            for name, values in content.items():
                root[name] = values
    else:
        x, t = (part.ravel() for part in np.meshgrid(content["x"], content["t"], indexing="ij"))
        table = np.stack([x, t, content["u"].ravel()], axis=1)
        np.random.default_rng(0).shuffle(table)
        np.savetxt(path, table[:, [2, 0, 1]], delimiter=",", header="u, x, t", comments="")
    return path


def stated(path, **more):
    return {**HEAT, "reference": {"method": "file", "file": str(path), **more}}


@pytest.mark.parametrize("suffix", [".npz", ".h5", ".csv"])
def test_values_are_read_and_interpolated(tmp_path, suffix):
    problem = load_problem(stated(written(tmp_path, suffix, arrays())))
    found = reference_of(problem, method_for(problem))
    points = inside_points(problem.region, problem.domain, 500, 9).numpy()
    true = relative(found.values(points)[:, 0], heat(*points.T))
    assert true < found.error < 1e-5 and found.method == "file"
    said = reference_of(load_problem(stated(tmp_path / f"known{suffix}", error=1e-3)), "file")
    assert said.error == 1e-3


def test_a_period_may_end_before_its_last_node(tmp_path):
    x, t = np.linspace(0, 1, 40, endpoint=False), np.linspace(0, 1, 30)
    np.savez(tmp_path / "u.npz", x=x, t=t, u=np.sin(2 * np.pi * (x[:, None] - t)))
    data = {"coordinates": {"x": [0, 1], "t": [0, 1]}, "fields": ["u"], "periodic": ["x"], "initial": "u = sin(2*pi*x)",
            "equations": "u_t + u_x = 0", "reference": {"method": "file", "file": str(tmp_path / "u.npz")}}  # fmt: skip
    found = reference_of(load_problem(data), "file")
    assert abs(found.values(np.array([[0.99, 0.2]]))[0, 0] - np.sin(2 * np.pi * 0.79)) < 1e-5


def test_an_archive_is_such_a_file(tmp_path):
    run = kanpde.solve(HEAT, training={"stages": 2, "starts": 1, "steps": 15}, model={"width": [4]})
    run.save(tmp_path / "r.h5")
    problem = load_problem(stated(tmp_path / "r.h5"))
    points = inside_points(problem.region, problem.domain, 200, 9).numpy()
    assert np.abs(reference_of(problem, "file").values(points) - run.solution(points)).max() < 1e-6


def test_a_run_is_measured_against_a_file_beside_the_problem(tmp_path, monkeypatch, capsys):
    (tmp_path / "problems").mkdir()
    written(tmp_path / "problems", ".npz", arrays())
    path = tmp_path / "problems" / "mine.yaml"
    path.write_text(load_problem(HEAT).yaml() + "reference: {method: file, file: known.npz, error: 1e-7}\n")
    monkeypatch.chdir(tmp_path)
    words = ["training.stages=1", "training.starts=1", "training.steps=3", "model.width=[3]"]
    assert main(["solve", f"problem={path}", "output.plot=false", "output.resolution=11", *words]) == 3
    text = capsys.readouterr().out
    assert "reference_error" in text and "1e-07" in text
    (archive,) = tmp_path.glob("outputs/**/result.h5")
    assert kanpde.open_run(archive).data.attributes["reference"] == "file"
    (tmp_path / "problems" / "known.npz").unlink()
    assert kanpde.open_run(archive).metrics["reference_error"] == 1e-7  # does not need the file
    assert main(["check", f"problem={path}"]) == 2
    assert "reference.file" in capsys.readouterr().err


def bad(change):
    content = arrays()
    change(content)
    return content


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["u"].__setitem__((3, 4), np.nan), "finite"),
        (lambda c: c.pop("u"), "lacks u"),
        (lambda c: c.update(x=c["x"] / 2), "cover the range of x"),
        (lambda c: c.update(x=c["x"][::-1]), "increasing nodes of x"),
        (lambda c: c.update(u=c["u"].T), "array of the shape"),
        (lambda c: c.update(t=np.array([0.0, 1.0])), "nodes of t"),
        (lambda c: c.update(u=c["u"].astype(str)), "finite real numbers"),
        (lambda c: c.update(u=c["u"] + 1j), "finite real numbers"),
    ],
)
def test_bad_arrays_are_refused(tmp_path, change, message):
    path = written(tmp_path, ".npz", bad(change))
    with pytest.raises(InputError, match=message) as caught:
        check_table(load_problem(stated(path), name="mine"))
    assert str(caught.value).startswith("mine: reference.file ")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.npz", None, "can be read"),
        ("u.npz", b"", "can be read"),
        ("u.npz", b"PK\x03\x04 cut off", "can be read"),
        ("u.h5", b"no archive", "can be read"),
        ("u.csv", b"", "lacks x"),
        ("u.csv", b"x,t\n0,0\n", "lacks u"),
        ("u.csv", b"x,t,u\n0,0,zero\n", "can be read"),
        ("u.csv", b"x,t,u\n0,0,1\n0,1,1\n1,0,1\n", "a grid of 2 x 2"),
        ("u.csv", b"x,t,u\n0,0,1\n0,0\n", "can be read"),
        ("u.csv", b"x,t,u\n", "can be read"),
        ("u.csv", b"\xff\xfe\x00", "can be read"),
    ],
)
def test_bad_files_are_refused(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        check_table(load_problem(stated(tmp_path / name)))


@pytest.mark.parametrize(
    "reference",
    [
        {"method": "file"},
        {"method": "file", "file": "u.txt"},
        {"method": "file", "file": 3},
        {"method": "file", "file": "u.npz", "error": -1},
        {"method": "file", "file": "u.npz", "error": "small"},
        {"method": "file", "file": "u.npz", "resolution": 9},
        {"method": "lines", "file": "u.npz"},
        {"method": ["lines"]},
    ],
)
def test_bad_keys_are_refused(reference):
    with pytest.raises(InputError, match="reference"):
        load_problem({**HEAT, "reference": reference})
