"""Bad input of every kind that once ended in a traceback: a sentence each."""

import json
import os
from dataclasses import replace

import h5py
import numpy as np
import pytest

import kanpde
from kanpde.cli.main import main
from kanpde.cli.show import shown_lines
from kanpde.errors import InputError
from kanpde.problems.catalog import load_problem
from kanpde.reports.run_report import run_report
from kanpde.results.archive import read_archive, write_archive
from kanpde.runs.jobs import left
from kanpde.runs.settings import compose
from kanpde.studies.files import collected, csv_text

LINE = {"coordinates": {"x": [0, 1]}, "fields": ["u"], "boundary": {"*": "u = 0"}}
FAMILY = {**LINE, "equations": "u_xx = 1", "parameters": {"a": {"range": [0, 1]}}}
PROBLEMS = {
    "a number of coordinates": {**FAMILY, "coordinates": 0.2},
    "a truth of coordinates": {**FAMILY, "coordinates": True},
    "a division by the exact solution": {**LINE, "coordinates": {"x": [0, 1], "y": [0, 1]}, "exact": {"u": "0"},
                                         "equations": "div(u_x**(-u)*grad(u)) = auto"},
}  # fmt: skip


@pytest.mark.parametrize("name", PROBLEMS)
def test_problems(name):
    with pytest.raises(InputError, match="problem: "):
        load_problem(PROBLEMS[name])


def test_an_energy_whose_sign_stands_in_a_condition():
    assert load_problem({**LINE, "energy": "where(pi > 0, 2, 0)*u_x**2"}).task is not None
    with pytest.raises(InputError, match="energy needs to say something of u"):
        load_problem({**LINE, "energy": "where(pi < 0, 2, 0)*u_x**2"})


WORDS = {
    "hydra.launcher._target_=os.system": "chosen by its name", "hydra/launcher=[basic]": "chosen by its name",
    "+@problem=os.system": "has no key", "@model=kan": "has no key",
    "experiment=[5,5]": "The name of one choice",
    "hydra.launcher=1": "chosen by its name", "problem=~nobodyhere/x.yaml": "an unknown user",
    f"problem={'x' * 400}": "there is no such problem",
    f"problem={'a' * 5000}.yaml": "cannot be composed|problem file is needed",
}  # fmt: skip


@pytest.mark.parametrize("word", WORDS, ids=lambda word: word[:30])
def test_words(word):
    with pytest.raises(InputError, match=WORDS[word]):
        compose([word])


@pytest.mark.parametrize("path", ["~nobodyhere/x", "/nope:" + "a" * 5000])
def test_search_paths(path, monkeypatch, capsys):
    monkeypatch.setenv("KANPDE_PROBLEM_PATH", path)
    assert main(["check", "problem=poisson_1d"]) == (2 if "~" in path else 0)
    assert "Traceback" not in capsys.readouterr().err


def test_a_setting_that_refers_to_the_seed_takes_its_value():
    assert compose(["problem=poisson_1d", "training.steps=${seed}", "seed=7"]).training.steps == 7


@pytest.fixture(scope="module")
def run():
    return kanpde.solve("poisson_1d", model={"width": [3]}, training={"stages": 1, "starts": 1, "steps": 2})


def described(run, **changes):
    return {**json.loads(run.data.model.config_json), **changes}


BILLION = 10**9
DESIGNS = {
    "nothing": "", "an empty mapping": "{}", "deep": "[" * 60_000, "null": "null", "a list": "[]", "a number": "5",
}  # fmt: skip
CHANGES = {
    "design": [None, [1], 5, {"width": [BILLION]}, {"width": "a"}, {"basis": "x"}, {"degree": -1}, {"foo": 1}],
    "dtype": ["x", None, 5, "int64", "nn"], "grid": [BILLION, -1, None, "a", [1, 2], 0], "windows": [5, [1], "a"],
    "conditions": [None, "x", 5], "inputs": [BILLION, 0, -1, "a", None], "outputs": [BILLION, 0, "a"],
    "periodic": [5, ["a"], [7]],
}  # fmt: skip


def with_model(run, text):
    return replace(run.data, model=replace(run.data.model, config_json=text))


def opened(run, folder, text):
    """The solution of an archive with these settings of its model."""
    write_archive(folder / "r.h5", with_model(run, text))
    return kanpde.open_run(folder / "r.h5").solution


@pytest.mark.parametrize("name", DESIGNS)
def test_models_in_archives(run, tmp_path, name):
    with pytest.raises(InputError, match="model that can be built again"):
        opened(run, tmp_path, DESIGNS[name])


@pytest.mark.parametrize("key", CHANGES)
def test_settings_of_models_in_archives(run, tmp_path, key):
    for value in CHANGES[key]:
        own = {**described(run)["design"], **value} if key == "design" and isinstance(value, dict) else value
        with pytest.raises(InputError):  # in the words of whatever part refuses it
            opened(run, tmp_path, json.dumps(described(run, **{key: own})))


@pytest.mark.parametrize("text", ["[" * 60_000, '{"design": [1]}', '{"design": 5}'], ids=["deep", "list", "number"])
def test_a_report_is_made_of_any_model(run, text):
    assert "<html" in run_report(with_model(run, text))


def test_what_is_not_changed_opens(run, tmp_path):
    points = np.linspace(0, 1, 5)[:, None]
    assert np.array_equal(opened(run, tmp_path, run.data.model.config_json)(points), run.solution(points))


@pytest.mark.parametrize("status", ["weird", 5, "not begun"])
def test_an_archive_of_no_known_status_counts_as_none(run, tmp_path, status):
    write_archive(tmp_path / "result.h5", replace(run.data, attributes={**run.data.attributes, "status": status}))
    assert left(tmp_path) is None
    assert read_archive(tmp_path / "result.h5").attributes["status"] == status


@pytest.mark.parametrize("held", [None, "a file", "a folder"])
def test_a_run_folder_that_is_none(tmp_path, held):
    if held == "a file":
        (tmp_path / "run").write_text("")
    if held == "a folder":
        (tmp_path / "run" / "history.jsonl").mkdir(parents=True)
    assert left(tmp_path / "run") is None


FOLDERS = {
    "a file": "file", "below a file": "file/below", "a fifo": "fifo", "long": "x" * 5000, "deep": "d/" * 2000,
    "a device": "/dev/null", "empty": "''", "a number": "5", "a list": "[1]", "nothing": "null",
    "nobody's": "~nobodyhere/x", "a zero byte": "a\0b", "not text": "\udcff",
}  # fmt: skip


@pytest.mark.parametrize("sweeping", [[], ["-m"]], ids=["one", "sweep"])
@pytest.mark.parametrize("name", FOLDERS)
def test_folders_for_runs(tmp_path, monkeypatch, capsys, name, sweeping):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    os.mkfifo(tmp_path / "fifo")
    words = ["problem=poisson_1d", "model.width=[3]", "training.steps=1", f"output.folder={FOLDERS[name]}"]
    assert main(["solve", *sweeping, *words]) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if "jobs" not in line]
    assert len(said) == 1 and said[0].startswith("error: ") and len(said[0]) < 600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fifo", "file"]


def test_a_folder_with_a_quote_in_its_name(tmp_path, monkeypatch):
    (tmp_path / "a'b").mkdir()
    monkeypatch.chdir(tmp_path / "a'b")
    (tmp_path / "a'b" / "own.yaml").write_text("coordinates: {x: [0, 1]}\nfields: [u]\nequations: u_xx = 1\n"
                                               "boundary: {'*': u = 0}\n")  # fmt: skip
    words = [f"problem={tmp_path}/a'b/own.yaml", "model.width=[3]", "training.stages=1", "training.starts=1",
             "training.steps=1", "output.plot=false", "output.resolution=5"]  # fmt: skip
    assert main(["solve", *words]) in (0, 3)
    assert len(list((tmp_path / "a'b" / "outputs").glob("*/*/*/result.h5"))) == 1


def reforged(path, change):
    """An archive changed by a stranger who takes its hash away, as those of earlier versions have none."""
    with h5py.File(path, "r+") as root:
        del root.attrs["content_sha256"]
        change(root)


def with_text(place, name, content):
    def change(root):
        root[place].attrs.create(name, content, dtype=h5py.string_dtype())

    return change


def with_fixed_text(name, content):
    def change(root):
        del root.attrs[name]
        root.attrs.create(name, np.array(content), dtype=f"S{len(content)}")

    return change


def with_named_array(root):
    h5py.h5d.create(root["metrics"].id, b"m\xff", h5py.h5t.NATIVE_DOUBLE, h5py.h5s.create(h5py.h5s.SCALAR))


FORGED = {
    "a title": with_text("/", "title", b"a\xffb"), "a status": with_text("/", "status", b"\xff"),
    "a problem": with_text("/", "problem_yaml", b"title: \xff"), "settings": with_text("/", "config_yaml", b"\xff"),
    "another text": with_text("/", "formula_u", b"\xed\xa0\x80"), "a kind": with_text("model", "kind", b"kan\xff"),
    "a model": with_text("model", "config_json", b"{\xff}"), "a fixed length": with_fixed_text("title", b"\xffb"),
    "a zero byte": with_fixed_text("title", b"a\0b"), "a name": with_named_array,
}  # fmt: skip


@pytest.mark.parametrize("name", FORGED)
def test_texts_in_archives_that_are_none(run, tmp_path, capsys, name):
    path = tmp_path / "run" / "result.h5"
    path.parent.mkdir()
    write_archive(path, run.data)
    reforged(path, FORGED[name])
    for word in ("show", "report", "export --to csv", "collect", "symbolic"):
        for given in (path, path.parent):
            assert main([*word.split(), str(given)]) == 2, word
            assert "Traceback" not in capsys.readouterr().err
    with pytest.raises(InputError):
        kanpde.open_run(path)


METRICS = {"infinite": np.inf, "not a number": np.nan, "the largest": 1e308, "negative": -1.0, "a large count": 2**62}


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.filterwarnings("error")
def test_odd_metrics_are_shown_compared_and_reported(run, tmp_path, capsys, name):
    odd = dict.fromkeys(run.data.metrics, METRICS[name])
    for number in range(2):
        (tmp_path / str(number)).mkdir()
        metrics = odd if number else run.data.metrics | {"rel_l2": odd["rel_l2"], "wall_time_s": odd["wall_time_s"]}
        write_archive(tmp_path / str(number) / "result.h5", replace(run.data, metrics=metrics))
    assert main(["show", str(tmp_path)]) == main(["show", str(tmp_path / "1")]) == 0
    assert main(["collect", str(tmp_path)]) in (0, 2)
    assert "<html" in run_report(read_archive(tmp_path / "1" / "result.h5"))
    assert "Traceback" not in capsys.readouterr().err


MISSING = ["problem", "problem_yaml", "config_yaml", "status", "title", "verdict", "versions_json"]


@pytest.mark.parametrize("text", [None, "[" * 60_000], ids=["missing", "deep"])
@pytest.mark.parametrize("name", MISSING)
def test_attributes_that_are_missing_or_deep(run, tmp_path, capsys, name, text):
    changed = {key: value for key, value in run.data.attributes.items() if key != name}
    changed |= {} if text is None else {name: text}
    (tmp_path / "run").mkdir()
    write_archive(tmp_path / "run" / "result.h5", replace(run.data, attributes=changed))
    assert shown_lines(read_archive(tmp_path / "run" / "result.h5"))
    found = collected([tmp_path])
    assert len(found.records) + len(found.skipped) == 1 and csv_text(found)
    try:
        assert np.isfinite(kanpde.open_run(tmp_path / "run").solution(np.array([[0.5]]))).all()
    except InputError as error:
        assert name in ("problem", "problem_yaml") and len(str(error)) < 600
    assert "Traceback" not in capsys.readouterr().err


ENDS = [b"[" * 60_000, b'{"status": ' + b"9" * 5000 + b"}", b"\0" * 100, b'{"status": ["failed"]}']


@pytest.mark.parametrize("text", ENDS, ids=["deep", "long", "zeros", "list"])
def test_histories_of_anything(tmp_path, text):
    (tmp_path / "history.jsonl").write_bytes(text + b"\n")
    assert left(tmp_path) is None


def test_escape_sequences_reach_no_terminal(tmp_path, capsys):
    (tmp_path / "a.yaml").write_text("coordinates: {x: [0, 1]}\nfields: [u]\nfit: true\ndata: {file: a.csv}\n")
    (tmp_path / "a.csv").write_text("x,u\n0,\x1b[31mRED\n1,2\n")
    assert main(["check", f"problem={tmp_path}/a.yaml"]) == 2
    assert main(["check", f"problem={tmp_path}/\x1b[31mno.yaml"]) == 2
    told = capsys.readouterr()
    assert "RED" in told.err and "\x1b" not in told.err + told.out
