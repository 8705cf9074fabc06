"""Bad input of every kind that once ended in a traceback: a sentence each."""

import json
from dataclasses import replace

import numpy as np
import pytest

import kanpde
from kanpde.cli.main import main
from kanpde.errors import InputError
from kanpde.problems.catalog import load_problem
from kanpde.reports.run_report import run_report
from kanpde.results.archive import read_archive, write_archive
from kanpde.runs.jobs import left
from kanpde.runs.settings import compose

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
