"""Override words → typed config: what is accepted, what is refused and in which words, what the run's key sees."""

import dataclasses
import os
import re
from pathlib import Path
from typing import Literal

import hydra
import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.version import VersionBase
from omegaconf import OmegaConf

import kanpde
from kanpde.errors import InputError
from kanpde.models.networks import KANDesign, MLPDesign
from kanpde.runs.checked_values import settings_from, typed
from kanpde.runs.choices import config_folder
from kanpde.runs.general_settings import Output, Settings
from kanpde.runs.hydra_composition import compose_mapping, compositions, sweep_jobs, without_foreign
from kanpde.runs.settings import KINDS, compose, config_of, override_words, smoothness_warnings
from kanpde.solving.training.settings import Training

PROBLEM = """
title: Decay
coordinates: {x: [0, 1]}
fields: [u]
parameters: {k: 2, tiny: 1e-3}
equations: {balance: u_xx = auto}
boundary: {x-: u = auto, "*": u = auto}
exact: {u: exp(-k*x) + tiny}
"""

DEFAULT_FILES = {
    ("model", "kan"): KINDS["model"]["kan"],
    ("model", "mlp"): KINDS["model"]["mlp"],
    ("optimizer", "lm"): KINDS["optimizer"]["lm"],
    ("optimizer", "lbfgs"): KINDS["optimizer"]["lbfgs"],
    ("optimizer", "adam"): KINDS["optimizer"]["adam"],
    ("sampling", "sobol"): KINDS["sampling"]["sobol"],
    ("sampling", "gauss"): KINDS["sampling"]["gauss"],
    ("training", "default"): Training,
}
README = Path(__file__).parents[2] / "conf" / "README.md"
GROUP_FILES = sorted(path for group in (*KINDS, "training") for path in (config_folder() / group).glob("*.yaml"))


def read(path: Path) -> dict:
    return OmegaConf.to_container(OmegaConf.load(path))


@pytest.fixture
def problem_file(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "decay.yaml"
    path.write_text(PROBLEM, encoding="utf-8")
    return path


# The YAML groups and the dataclasses say the same


@pytest.mark.parametrize("path", GROUP_FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_group_file_names_every_setting(path):
    values = read(path)
    cls = Training if path.parent.name == "training" else KINDS[path.parent.name][values.pop("kind")]
    assert list(values) == [field.name for field in dataclasses.fields(cls)]


@pytest.mark.parametrize(("group", "name"), DEFAULT_FILES)
def test_the_file_of_a_class_repeats_its_defaults_truly(group, name):
    values = read(config_folder() / group / f"{name}.yaml")
    assert values.pop("kind", name) == name or group == "training"
    cls = DEFAULT_FILES[group, name]
    assert settings_from(cls, values, group) == cls()


def test_every_kind_has_a_file_of_its_name():
    for group, kinds in KINDS.items():
        assert set(kinds) <= {path.stem for path in (config_folder() / group).glob("*.yaml")}


def test_the_top_level_has_every_setting():
    top = read(config_folder() / "config.yaml")
    assert {field.name for field in dataclasses.fields(Settings)} | {"defaults", "output", "hydra"} == set(top)
    assert settings_from(Output, top["output"], "output") == Output()


@pytest.mark.skipif(not README.is_file(), reason="only a checkout has it")
def test_the_document_states_the_defaults_of_the_files_truly():
    """The tables are made from the classes; here they meet the files of the choices, by another route."""
    stated = {}
    for group, name, table in re.findall(r"^### `(\w+)=(\w+)`\n\n(.*?)\n\n", README.read_text("utf-8"), re.M | re.S):
        rows = re.findall(r"^\| `\w+\.(\w+)` \| `(.+?)` \| ", table, re.M)
        stated[group, name] = {setting: OmegaConf.create(f"{{value: {default}}}").value for setting, default in rows}
    for (group, name), settings in stated.items():
        values = read(config_folder() / group / f"{name}.yaml")
        assert settings == {key: value for key, value in values.items() if key != "kind"}, name
    assert {("model", "kan"), ("optimizer", "lm"), ("training", "default")} <= set(stated)


# Overrides


def test_overrides_reach_the_typed_config():
    config = compose(["model=kan", "model.width=[5,5]", "model.grid=10", "model.degree=5", "seed=1", "threads=2"])
    assert config.model == KANDesign(width=(5, 5), grid=10, degree=5)
    assert (config.seed, config.threads, config.model_name) == (1, 2, "kan")


def test_defaults_are_those_of_the_classes():
    config = compose()
    assert (config.model, config.training, config.output) == (KANDesign(), Training(), Output())
    assert (config.problem.name, config.device, config.dtype) == ("poisson_2d", "auto", "float64")


@pytest.mark.parametrize("written", ["decay.yaml", "./decay.yaml", "{}", "'{}'"])
def test_a_problem_file_by_its_path(problem_file, written):
    config = compose([f"problem={written.format(problem_file)}"])
    assert (config.problem.name, config.problem.title) == ("decay", "Decay")


def test_a_path_may_hold_any_character(problem_file):
    odd = problem_file.parent / "two words (1), a=b" / "decay.yaml"
    odd.parent.mkdir()
    problem_file.rename(odd)
    assert compose([f"problem={odd}"]).problem.title == "Decay"


def test_a_folder_of_the_search_path(problem_file, monkeypatch):
    monkeypatch.setenv("KANPDE_PROBLEM_PATH", os.pathsep.join(["/nowhere", str(problem_file.parent)]))
    assert compose(["problem=decay"]).problem.title == "Decay"


def test_problem_overrides(problem_file):
    config = compose(["problem=decay.yaml", "problem.parameters.k=3/2", "+problem.parameters.c=1e-4"])
    assert config.problem.parameters["k"] == 1.5
    assert config.problem.parameters["c"] == 1e-4
    assert config.problem.parameters["tiny"] == 1e-3


def test_sides_survive_as_keys(problem_file):
    source = compose(["problem=decay.yaml", "problem.boundary.x-='u = auto + 0'"]).problem.source
    assert dict(source["boundary"]) == {"x-": "u = auto + 0", "*": "u = auto"}


def test_override_words_come_back_as_they_were():
    title = "it's (a) test, with = and \\ in it"
    words = override_words(model={"kind": "kan", "width": (3, 4)}, seed=2, rerun=True, threads=None)
    assert words == ["model=kan", "model.width=[3,4]", "seed=2", "rerun=true", "threads=null"]
    assert compose(override_words(**{"problem.title": title})).problem.title == title


def test_the_caller_s_hydra_is_left_alone(tmp_path):
    (tmp_path / "app.yaml").write_text("a: 1\n", encoding="utf-8")
    with hydra.initialize_config_dir(str(tmp_path), version_base="1.2"):
        base = VersionBase.instance().getbase()
        compose(["seed=4"])
        assert VersionBase.instance().getbase() == base
        assert hydra.compose("app", overrides=["a=2"]) == {"a": 2}
    assert not GlobalHydra.instance().is_initialized()


@pytest.mark.parametrize(
    "line",
    [
        "# @package _global_",
        "defaults: [{override /hydra/launcher: basic}]",
        "hydra: {callbacks: {x: {_target_: os.system}}}",
        "_target_: os.system",
        "seed: ${oc.env:HOME}",
    ],
)
def test_a_problem_file_cannot_reach_hydra(problem_file, line):
    problem_file.write_text(PROBLEM + line + "\n", encoding="utf-8")
    with pytest.raises(InputError):
        compose(["problem=decay.yaml"])


# What is refused, and in which words


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("problem=poison_2d", "Did you mean poisson_2d?"),
        ("problem=no/such.yaml", "there is none at"),
        ("problem=[burgers]", "one name or file"),
        ("problem=null", "one choice"),
        ("problem=", "problem is one of"),
        ("model=kn", "Did you mean kan?"),
        ("model=5", "one choice"),
        ("modle=kan", "Did you mean model?"),
        ("seeed=1", "Did you mean seed?"),
        ("model.gird=3", "Did you mean grid?"),
        ("problem.parameters.mu=3", "+problem.parameters.mu="),
        ("seed.x=1", "seed has no settings inside"),
        ("+training.stps=1", "Did you mean steps?"),
        ("+extra=1", "There are problem, model"),
        ("~model", "model is needed"),
        ("seed=-1", "seed needs a whole number"),
        ("seed=abc", "seed needs a whole number; 'abc' came"),
        ("seed=1.5", "seed needs a whole number; 1.5 came"),
        ("seed=1,2", "Add -m"),
        ("seed=range(0,3)", "Add -m"),
        ("seed=${nothing}", "Write the value itself"),
        ("threads=0", "threads needs 1 to"),
        ("threads=100000", "threads needs 1 to"),
        ("output.resolution=1", "output.resolution needs 2 to"),
        ("output.resolution=1e9", "output.resolution needs 2 to"),
        ("output.folder=", "output.folder=."),
        ("~seed", "seed is needed and was removed"),
        ("=5", "this one has no key"),
        ("problem=~/none_such.yaml", "there is none at"),
        ("problem=/", "this is a folder"),
        ("device=gpu", "one of auto, cpu, cuda"),
        ("dtype=double", "one of float64, float32"),
        ("rerun=1", "rerun needs true or false"),
        ("model.width=[a]", "model.width needs a list"),
        ("model.width=null", "model.width needs a list"),
        ("model.kind=kam", "one of kan, edges, mlp"),
        ("model.basis=bspine", "Did you mean bspline?"),
        ("model.degree=1", "model.degree=3 or more"),
        ("training.conditions=exct", "Did you mean exact?"),
        ("training.steps=0", "steps"),
        ("optimizer.damping=nan", "optimizer.damping needs a number"),
        ("model", "written key=value"),
        ("rod.yaml", "write problem=rod.yaml"),
        ("problem.exact.u=sin(x)", "quotes twice"),
        ("hydra.run.dir=x", "hydra/launcher"),
        ("hydra/launcher=none_such", "hydra/launcher is one of basic"),
        ("experiment=none_such", "experiment is one of"),
    ],
)
def test_bad_input_is_a_sentence(words, said):
    with pytest.raises(InputError) as error:
        compose(words.split())
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_name_beside_a_file_points_to_the_file(problem_file):
    problem_file.rename("own_rod.yaml")
    with pytest.raises(InputError, match=r"write problem=own_rod\.yaml"):
        compose(["problem=own_rod"])


@pytest.mark.parametrize(
    ("value", "hint", "expected"),
    [
        (3, float, 3.0),
        (3.0, int, 3),
        (None, int | None, None),
        (4, int | None, 4),
        ([1, 2], tuple[int, ...], (1, 2)),
        ("a", Literal["a", "b"], "a"),
        (float("inf"), float, float("inf")),
    ],
)
def test_values_that_fit(value, hint, expected):
    result = typed(value, hint, "x")
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("value", "hint"),
    [(True, int), (False, float), (1, bool), ("1", int), (2.5, int), (None, int), (1, str), ([[1]], tuple[int, ...])],
)
def test_values_that_do_not_fit(value, hint):
    with pytest.raises(InputError, match="x needs"):
        typed(value, hint, "x")


@pytest.mark.parametrize(("model", "warned"), [(KANDesign(degree=3), 0), (KANDesign(degree=2), 1), (MLPDesign(), 0)])
def test_smoothness_for_a_second_order_equation(model, warned):
    assert len(smoothness_warnings(2, model)) == warned


def test_widths_with_inputs_and_outputs_are_warned_of():
    (said,) = compose(["problem=poisson_2d", "model.width=[2,5,1]"]).warnings
    assert "the network is [2,2,5,1,1]" in said and "write [5]" in said
    assert not compose(["problem=poisson_2d", "model.width=[5,5]"]).warnings
    assert not compose(["problem=poisson_1d", "model.width=[2,5,1]"]).warnings


@pytest.mark.parametrize("model", [KANDesign(degree=1), MLPDesign(activation="relu")])
def test_a_model_without_the_derivative_is_refused(model):
    with pytest.raises(InputError, match="needs that derivative"):
        smoothness_warnings(2, model)


# The key


def test_the_key_ignores_where_a_run_goes():
    words = ["device=cpu", "threads=1", "output.folder=elsewhere", "output.plot=false", "rerun=true"]
    assert compose(words).key == compose().key


@pytest.mark.parametrize(
    "word", ["seed=1", "dtype=float32", "model.grid=8", "optimizer=adam", "training.steps=9", "problem.title=Another"]
)
def test_the_key_sees_what_a_run_is(word):
    assert compose([word]).key != compose().key


def test_the_key_does_not_see_how_a_number_is_written():
    assert compose(["training.time_limit=60"]).key == compose(["training.time_limit=60.0"]).key
    assert compose(["model=kan", "model.width=8"]).key == compose(["model.width=[8]"]).key


def test_the_key_is_the_same_in_python_and_on_the_command_line():
    problem = kanpde.load_problem("poisson_2d")
    assert compose(problem=problem).folder == compose(["problem=poisson_2d"]).folder


# Sweeps


def test_every_combination_becomes_a_job():
    jobs = sweep_jobs(["model=kan,mlp", "seed=range(0,3)", "dtype=float64"])
    assert len(jobs) == 6
    assert ["model=mlp", "seed=2", "dtype=float64"] in jobs


def test_problems_sweep_by_pattern():
    jobs = sweep_jobs(["problem=glob(poisson_*)"])
    assert {"problem=poisson_1d", "problem=poisson_2d"} <= {job[0] for job in jobs}


def test_problem_parameters_and_files_sweep(problem_file):
    jobs = sweep_jobs(["problem=decay.yaml,poisson_2d", "+problem.parameters.c=1,2"])
    assert [compose(job).problem.name for job in jobs] == ["decay", "decay", "poisson_2d", "poisson_2d"]


def test_settings_of_the_other_model_are_left_out():
    jobs, notes = without_foreign(sweep_jobs(["model=kan,mlp", "model.grid=5,10", "model.width=[4]"]))
    assert [job for job in jobs if "model=mlp" in job] == [["model=mlp", "model.width=[4]"]] * 2
    assert notes == ["model.grid does not apply to model=mlp and is left out there"]


def test_settings_of_no_model_are_kept_and_refused():
    jobs, notes = without_foreign(sweep_jobs(["model=kan,mlp", "model.gird=5"]))
    assert notes == []
    with pytest.raises(InputError, match="Did you mean grid"):
        compose_mapping(jobs[0])


JOBS = [
    ["problem=burgers", "seed=0"],
    ["problem=burgers", "seed=1", "model.width=[4]", "model.grid=7", "training.steps=7"],
    ["problem=burgers", "model=mlp", "model.width=[3]", "seed=1"],
    ["problem=burgers", "+problem.parameters.k=3", "output.resolution=9"],
    ["experiment=localization", "seed=2"],
]


def test_jobs_composed_together_are_composed_as_each_alone():
    for words, found in zip(JOBS, compositions(JOBS), strict=True):
        alone = compose_mapping(words)
        assert found.settings == alone.settings
        assert found.hydra.overrides == alone.hydra.overrides
        assert found.hydra.runtime.choices == alone.hydra.runtime.choices
        assert config_of(found).key == config_of(alone).key


@pytest.mark.parametrize("word", ["model.gird=5", "sede=1", "seed=1,2", "model.grid=[5", "hydra.run.dir=x"])
def test_a_bad_word_of_a_job_is_refused_as_it_is_alone(word):
    with pytest.raises(InputError) as alone:
        compose_mapping(["problem=burgers", word])
    with pytest.raises(InputError) as together:
        list(compositions([["problem=burgers"], ["problem=burgers", word]]))
    assert str(together.value) == str(alone.value)
