"""The driver of the classical solvers: choice, error bars, cache, and what runs make of a reference."""

import os

import numpy as np
import pytest

import kanpde
from kanpde import references
from kanpde.cli.main import main
from kanpde.errors import InputError
from kanpde.problems.catalog import load_problem
from kanpde.problems.reading.reference import REFERENCE_METHODS
from kanpde.references import METHODS, NotSolved, method_for, reference_of
from kanpde.references.cache import cache_path
from kanpde.references.interface import Solved
from kanpde.references.means import OutOfMeans, time_left

BRATU = {
    "coordinates": {"x": [0, 1]},
    "fields": ["u"],
    "equations": {"bratu": "u_xx + exp(u) = 0"},
    "boundary": {"*": "u = 0"},
}
QUICK = {"stages": 2, "starts": 1, "steps": 15}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KANPDE_CACHE", str(tmp_path))
    return tmp_path


def bratu(x, theta=1.5171645990507543):
    return -2 * np.log(np.cosh((x - 0.5) * theta / 2) / np.cosh(theta / 4))


def test_the_error_bar_holds_and_is_small(cache):
    found = reference_of(load_problem(BRATU), "chebyshev")
    x = np.linspace(0, 1, 101)
    miss = np.linalg.norm(found.values(x[:, None])[:, 0] - bratu(x)) / np.linalg.norm(bratu(x))
    assert miss < max(10 * found.error, 1e-13) and found.error < 1e-10
    assert found.unknowns > 0 and found.seconds > 0


def test_a_coarse_reference_has_a_large_error_bar(cache):
    layer = {**BRATU, "equations": {"layer": "1e-2*u_xx + u_x = 0"}, "boundary": {"x-": "u = 0", "x+": "u = 1"}}
    fine = reference_of(load_problem(layer), "chebyshev")
    coarse = reference_of(load_problem({**layer, "reference": {"method": "chebyshev", "resolution": 24}}), "chebyshev")
    points = np.linspace(0, 1, 500)[:, None]
    miss = np.linalg.norm(coarse.values(points) - fine.values(points)) / np.linalg.norm(fine.values(points))
    assert coarse.error > 1e-6 and miss < 2 * coarse.error


def test_it_is_kept_by_content(cache, monkeypatch):
    problem = load_problem(BRATU)
    first = reference_of(problem, "chebyshev")
    monkeypatch.setattr(METHODS["chebyshev"], "solve", lambda *_: pytest.fail("solved again"))
    again = reference_of(load_problem({**BRATU, "title": "another title"}, name="other"), "chebyshev")
    points = np.linspace(0, 1, 7)[:, None]
    assert (again.values(points) == first.values(points)).all()
    assert (again.error, again.unknowns, again.seconds) == (first.error, first.unknowns, first.seconds)
    other = load_problem({**BRATU, "equations": {"bratu": "u_xx + 2*exp(u) = 0"}})
    assert cache_path(other, "chebyshev", (1, 2)) != cache_path(problem, "chebyshev", (1, 2))


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut off"])
def test_a_spoiled_cache_is_solved_anew(cache, content):
    problem = load_problem(BRATU)
    first = reference_of(problem, "chebyshev")
    (stored,) = cache.glob("reference-*.npz")
    stored.write_bytes(content)
    assert reference_of(problem, "chebyshev").error == first.error
    assert stored.read_bytes() != content


POISON = {
    "values doubled": lambda good: {"values": 2 * good["values"]},
    "an error of an array": lambda good: {"error": np.zeros(3)},
    "an error of text": lambda good: {"error": np.array("abc")},
    "no values": lambda good: {"values": np.zeros(0)},
    "values of three axes": lambda good: {"values": np.zeros((2, 2, 2))},
    "values of NaN": lambda good: {"values": good["values"] * np.nan},
    "another kind of axis": lambda good: {"axis_0_kind": np.array("pieces")},
    "no kind of axis": lambda good: {"axis_0_kind": np.array("__class__")},
    "a huge axis": lambda good: {"axis_0_count": np.array(10**12)},
    "an axis of text": lambda good: {"axis_0_lower": np.array("x")},
    "energies of text": lambda good: {"energies": np.array(["a"])},
    "energies in a square": lambda good: {"energies": np.zeros((2, 2))},
    "an object": lambda good: {"values": np.array([{}], dtype=object)},
}


@pytest.mark.parametrize("summed", [True, False], ids=["with its hash", "of an earlier version"])
@pytest.mark.parametrize("poison", POISON)
def test_a_changed_cache_is_solved_anew(cache, poison, summed):
    problem = load_problem(BRATU)
    first, points = reference_of(problem, "chebyshev"), np.linspace(0, 1, 7)[:, None]
    (stored,) = cache.glob("reference-*.npz")
    good = dict(np.load(stored))
    changed = {**good, **POISON[poison](good)}
    if not summed:
        del changed["sha256"]
    np.savez(stored, **changed)
    found = reference_of(problem, "chebyshev").values(points)
    if poison == "values doubled" and not summed:  # what an earlier version could not have told
        assert (found == 2 * first.values(points)).all()
    else:
        assert (found == first.values(points)).all()


def test_an_entry_of_an_earlier_version_is_still_read(cache, monkeypatch):
    problem = load_problem(BRATU)
    first = reference_of(problem, "chebyshev")
    (stored,) = cache.glob("reference-*.npz")
    np.savez(stored, **{name: values for name, values in np.load(stored).items() if name != "sha256"})
    monkeypatch.setattr(METHODS["chebyshev"], "solve", lambda *_: pytest.fail("solved again"))
    assert reference_of(problem, "chebyshev").error == first.error


@pytest.mark.parametrize("trap", [os.mkfifo, lambda path: os.symlink("/dev/zero", path)], ids=["fifo", "endless"])
def test_a_trap_in_the_cache_is_not_opened(cache, trap):
    problem = load_problem(BRATU)
    first = reference_of(problem, "chebyshev")
    (stored,) = cache.glob("reference-*.npz")
    stored.unlink()
    trap(stored)
    assert reference_of(problem, "chebyshev").error == first.error


def test_a_cache_that_cannot_be_written_is_no_fault(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KANPDE_CACHE", str(tmp_path / "file" / "below"))
    assert reference_of(load_problem(BRATU), "chebyshev").error < 1e-10


def test_choice():
    assert method_for(load_problem("poisson_1d")) is None
    assert method_for(load_problem(BRATU)) == "chebyshev"
    assert method_for(load_problem({**BRATU, "reference": {"method": "lines"}})) == "lines"


def test_a_run_is_measured_against_it(cache):
    run = kanpde.solve(BRATU, model={"width": [4]}, training=QUICK)
    assert run.metrics["reference_error"] < 1e-10 and run.metrics["rel_l2"] < 1e-5
    assert run.data.attributes["reference"] == "chebyshev"
    x = run.data.axes["x"]
    assert np.abs(run.data.fields["u_ref"] - bratu(x)).max() < 1e-12
    assert np.nanmin(run.history["rel_l2"]) < 1e-5


def test_a_run_goes_on_without_one(cache):
    unsolvable = {**BRATU, "equations": {"bratu": "u_xx + 4*exp(u) = 0"}}  # there is no solution beyond 3.51
    with pytest.raises(NotSolved):
        reference_of(load_problem(unsolvable), "chebyshev")
    run = kanpde.solve(unsolvable, model={"width": [3]}, training={**QUICK, "steps": 3})
    assert "rel_l2" not in run.metrics and any("There is no reference" in sentence for sentence in run.warnings)


def test_it_can_be_left_out(cache):
    run = kanpde.solve(BRATU, model={"width": [3]}, training={**QUICK, "steps": 2}, reference=False)
    assert "rel_l2" not in run.metrics and not list(cache.iterdir())


def test_the_command(cache, tmp_path, capsys):
    path = tmp_path / "mine.yaml"
    path.write_text(load_problem(BRATU).yaml())
    assert main(["reference", f"problem={path}"]) == 0
    text = capsys.readouterr().out
    assert "solved by chebyshev" in text and "relative error" in text and "unknowns" in text
    assert main(["reference", "problem=poisson_1d"]) == 2
    assert "exact solution" in capsys.readouterr().err
    assert main(["reference", "problem=laplace_holes"]) in (0, 2)  # whether or not a method here takes shapes
    assert main(["reference", f"problem={path}", "problem.reference.method=magic"]) == 2
    path.write_text(load_problem({**BRATU, "equations": {"bratu": "u_xx + 4*exp(u) = 0"}}).yaml())
    assert main(["reference", f"problem={path}"]) == 1
    assert "failed: chebyshev" in capsys.readouterr().err


def test_method_error_and_time_stand_beside_the_metrics(cache, tmp_path, monkeypatch, capsys):
    path = tmp_path / "mine.yaml"
    path.write_text(load_problem(BRATU).yaml())
    monkeypatch.chdir(tmp_path)
    words = ["training.stages=1", "training.starts=1", "training.steps=3", "model.width=[3]", "output.plot=false"]
    assert main(["solve", f"problem={path}", *words]) == 3  # three steps solve nothing
    solved = capsys.readouterr().out
    (archive,) = tmp_path.glob("outputs/**/result.h5")
    assert main(["show", str(archive)]) == 0
    for text in (solved, capsys.readouterr().out):
        assert all(name in text for name in ("reference_error", "reference_time_s", "reference_unknowns"))
        assert any(line.split() == ["reference", "chebyshev"] for line in text.splitlines())


@pytest.mark.parametrize(
    "reference", [{"method": "magic"}, {"method": "chebyshev", "resolution": 3}, {"method": "chebyshev", "nodes": 9}, 7]
)
def test_bad_references_are_refused(reference):
    with pytest.raises(InputError, match="reference"):
        load_problem({**BRATU, "reference": reference})


def test_every_method_can_be_asked_for_by_name():
    assert set(REFERENCE_METHODS) == {"exact", "file", *METHODS}


def test_what_two_resolutions_found_stands_where_a_third_cannot_be_compared_in_time(monkeypatch, tmp_path):
    monkeypatch.setenv("KANPDE_CACHE", str(tmp_path))
    solve, asked = METHODS["chebyshev"].solve, []

    def late(problem, resolution, *below):
        asked.append(resolution)
        solved = solve(problem, min(resolution, 9))
        return Solved(Late(), solved.unknowns) if len(asked) == 3 else solved

    class Late:
        def __call__(self, points):
            raise OutOfMeans("did not come to an end")

    monkeypatch.setattr(METHODS["chebyshev"], "solve", late)
    monkeypatch.setattr(METHODS["chebyshev"], "resolutions", lambda problem: (6, 8, 10))
    problem = load_problem({"coordinates": {"x": [0, 1], "y": [0, 1]}, "fields": ["u"],
                            "equations": {"e": "lap(u) = exp(3*x*y)"}, "boundary": {"*": "u = 0"}})  # fmt: skip
    found = reference_of(problem, "chebyshev")
    assert len(asked) == 3 and 0 < found.error < 1 and "did not come to an end" in found.cut


@pytest.mark.parametrize(("equation", "ranges"), [("u_xx = 1", {}), ("u_xx = k", {"k": {"range": [1, 2]}})])
def test_what_was_cut_short_is_not_kept(monkeypatch, equation, ranges):
    """A finer resolution was not begun since the seconds of a hurried run did not suffice: others have more."""
    kept = []

    def hurried(problem, resolution, *below):
        if time_left() < 30 and resolution > 8:
            raise OutOfMeans("would take about 40 s")
        return Solved(lambda points: np.full((len(points), 1), 1 + 1 / resolution), resolution)

    monkeypatch.setattr(METHODS["chebyshev"], "solve", hurried)
    monkeypatch.setattr(METHODS["chebyshev"], "resolutions", lambda problem: (4, 8, 16))
    monkeypatch.setattr(references, "load_values", lambda *_: None)
    monkeypatch.setattr(references, "store_values", lambda *_: kept.append("kept"))
    line = {"coordinates": {"x": [0, 1]}, "fields": ["u"], "equations": equation, "boundary": {"*": "u = 0"}}
    problem = load_problem({**line, "parameters": ranges})
    assert "40 s" in reference_of(problem, "chebyshev", 20.0).cut and not kept
    assert not reference_of(problem, "chebyshev", 50.0).cut and kept
