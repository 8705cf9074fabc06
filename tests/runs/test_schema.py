"""The JSON Schemas of problem files and settings: valid, true to the reader, and with help for every setting."""

import copy
import json
from dataclasses import fields

import jsonschema
import pytest

from kanpde.cli.main import main
from kanpde.errors import InputError
from kanpde.files.yaml import read_yaml
from kanpde.problems.catalog import load_problem, problem_names, read_problem_text
from kanpde.runs.checked_values import argument_help, described
from kanpde.runs.general_settings import Output, Settings
from kanpde.runs.schema import problem_schema, settings_schema
from kanpde.runs.settings import KINDS, compose
from kanpde.solving.training.settings import Training
from kanpde.studies.plans import Study

PROBLEM = {
    "coordinates": {"x": [0, 1], "t": [0, 1]},
    "fields": ["u"],
    "parameters": {"k": 2},
    "equations": {"heat": "u_t = k*u_xx"},
    "boundary": {"*": "u = 0"},
    "initial": "u = sin(pi*x)",
}
CLASSES = [Settings, Output, Training, Study, *(cls for kinds in KINDS.values() for cls in kinds.values())]


def valid(data: object, schema: dict) -> bool:
    return jsonschema.Draft202012Validator(schema).is_valid(data)


@pytest.mark.parametrize("make", [problem_schema, settings_schema])
def test_a_schema_is_one(make):
    jsonschema.Draft202012Validator.check_schema(make())


# Problem files


@pytest.mark.parametrize("name", problem_names())
def test_every_shipped_problem_fits_the_schema(name):
    text = problem_names()[name].read_text(encoding="utf-8")
    jsonschema.Draft202012Validator(problem_schema()).validate(read_problem_text(text, name))


@pytest.mark.parametrize(
    "line",
    [
        "title: 5",
        "titel: A rod",
        "coordinates: {x: 1}",
        "coordinates: {x: [0, 1, 2]}",
        "fields: {u: vector}",
        "fields: [1]",
        "parameters: [1]",
        "parameters: {k: true}",
        "parameters: {k: {value: 1, lern: true}}",
        "equations: [u_t = u_xx]",
        "equations: {heat: 1}",
        "boundary: u = 0",
        "boundary: {x-: 0, x+: u = 0}",
        "boundary: {x-: {where: t < 0.5}, x+: u = 0}",
        "initial: 0",
        "periodic: 1",
        "coefficients: {V: {random_cells: {cells: 5}}}",
        "coefficients: {V: {file: v.npy, interpolation: none}}",
        "exact: sin(x)",
        "reference: {method: none_such}",
        "reference: {method: lines, resolution: 1}",
        "data: observations.csv",
        "data: {points: 1, of: exact}",
        "settings: {model: [1]}",
        "settings: {solver: {steps: 1}}",
    ],
)
def test_what_the_reader_refuses_the_schema_refuses(line):
    """And the problem without that line is refused by neither."""
    problem = PROBLEM | read_yaml(line, "line")
    assert valid(PROBLEM, problem_schema())
    load_problem(PROBLEM)
    assert not valid(problem, problem_schema())
    with pytest.raises(InputError):
        load_problem(problem)


def test_the_schema_of_a_problem_knows_the_settings():
    problem = PROBLEM | {"settings": {"training": {"steps": 5}, "model": {"width": [4]}}}
    assert valid(problem, problem_schema())
    for wrong in ({"stps": 5}, {"steps": "many"}):
        changed = copy.deepcopy(problem) | {"settings": {"training": wrong}}
        assert not valid(changed, problem_schema())


# Settings


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_setting_has_help(cls):
    told = argument_help(cls)
    assert [field.name for field in fields(cls)] == list(told)
    assert all(text.endswith((".", ";")) for text in told.values())


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"seed": "one"}, "seed=one"),
        ({"device": "gpu"}, "device=gpu"),
        ({"model": {"kind": "kan", "basis": "spline"}}, "model.basis=spline"),
        ({"model": {"kind": "kan", "width": ["a"]}}, "model.width=[a]"),
        ({"optimizer": "newton"}, "optimizer=newton"),
        ({"training": {"steps": 1.5}}, "training.steps=1.5"),
        ({"output": {"plot": 1}}, "output.plot=1"),
        ({"sed": 1}, "+sed=1"),
    ],
)
def test_what_the_command_refuses_the_schema_refuses(settings, word):
    assert not valid(settings, settings_schema())
    with pytest.raises(InputError):
        compose([word])


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"problem": "burgers", "model": "mlp", "seed": 3, "threads": None},
        {"model": {"kind": "kan", "width": [5, 5]}, "training": {"windows": [0.2, 0.5]}, "rerun": "failed"},
    ],
)
def test_what_python_takes_fits_the_schema(settings):
    assert valid(settings, settings_schema())


def test_defaults_are_those_of_a_run_without_words():
    config = compose()
    for name, schema in settings_schema()["properties"].items():
        if "default" in schema:
            assert schema["default"] == getattr(config, name)
    training = settings_schema()["properties"]["training"]["anyOf"][1]["properties"]
    assert {name: schema["default"] for name, schema in training.items()} == vars(config.training)


def test_choices_are_sentences_too():
    basis = settings_schema()["properties"]["model"]["anyOf"][1]["properties"]["basis"]
    assert described(basis).startswith("one of bspline, ")


@pytest.mark.parametrize(("words", "title"), [(["problem"], "kanpde problem"), (["settings"], "kanpde settings")])
def test_the_command_prints_a_schema(words, title, capsys):
    assert main(["schema", *words]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == title


def test_the_command_prints_both(capsys):
    assert main(["schema"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"problem", "settings"}
