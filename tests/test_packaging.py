"""What ships: every package, every YAML file, in the checkout and in what is built from it."""

import tomllib
from pathlib import Path

import kanpde
from kanpde.runs.choices import config_folder

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SETUPTOOLS = PROJECT["tool"]["setuptools"]


def test_every_package_ships():
    code = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "kanpde").rglob("__init__.py")}
    groups = {f"kanpde.conf.{path.name}" for path in (ROOT / "conf").iterdir() if path.is_dir()}
    assert code | groups | {"kanpde.conf", "kanpde.problem_files"} == set(SETUPTOOLS["packages"])


def test_every_folder_of_yaml_files_ships_them():
    folders = ("kanpde.conf", "kanpde.problem_files")
    data = {package for package in SETUPTOOLS["packages"] if package.startswith(folders)}
    assert {name for name, patterns in SETUPTOOLS["package-data"].items() if "*.yaml" in patterns} == data
    assert SETUPTOOLS["package-data"]["kanpde.problem_files"] == ["*.yaml", "*.csv", "*.msh"]  # what some of them name


def test_no_folder_of_modules_lacks_its_init():
    folders = {path.parent for path in (ROOT / "kanpde").rglob("*.py") if "node_modules" not in path.parts}
    assert all((folder / "__init__.py").exists() for folder in folders)


def test_conf_is_found_in_the_checkout():
    assert (config_folder() / "config.yaml").is_file()


def test_torch_is_bounded_on_both_sides():
    bounds = next(word for word in PROJECT["project"]["dependencies"] if word.startswith("torch"))
    assert bounds == "torch>=2.10,<2.14"


def test_public_names():
    public = {
        "FormulaClassifier",
        "FormulaRegressor",
        "__version__",
        "fit",
        "load_problem",
        "networks",
        "open_run",
        "solve",
    }
    assert set(kanpde.__all__) == public
    assert all(hasattr(kanpde, name) for name in kanpde.__all__)
