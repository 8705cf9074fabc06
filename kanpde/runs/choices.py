"""What can be chosen, read from the files of `conf/`: groups, the choices of each, their settings and launchers."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

GROUPS = ("problem", "model", "optimizer", "sampling", "training")
FOR_LAYERS = "lm"
"""The optimizer of a command that says how layers are trained, and names none."""

FOR_ANY_ROUTE = ("time_limit", "target", "conditions", "boundary_weight", "data_weight")
"""Settings of training that ask for no route; all others say how layers are trained."""

LAUNCHERS = {
    "basic": "hydra-core",
    "joblib": "hydra-joblib-launcher",
    "submitit_local": "hydra-submitit-launcher",
    "submitit_slurm": "hydra-submitit-launcher",
    "ray": "hydra-ray-launcher",
}
"""Hydra's launchers, and the package that each of them comes with."""


def config_folder() -> Path:
    """The folder of the YAML groups: inside the package when installed, beside it in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "conf"
    return installed if installed.is_dir() else package.parent / "conf"


def group_choices(group: str) -> tuple[str, ...]:
    """The files of a group, the default choice first.

    >>> group_choices("sampling")
    ('sobol', 'gauss')
    """
    names = {path.stem for path in (config_folder() / group).glob("*.yaml")}
    first = [name for name in (DEFAULT_CHOICES.get(group),) if name in names]
    return (*first, *sorted(names - set(first)))


def says_layers(key: str) -> bool:
    """Whether a word of a command says which layers are to be trained, or how.

    >>> [says_layers(key) for key in ("model", "training.steps", "training.time_limit", "seed")]
    [True, True, False, False]
    """
    group, _, name = key.partition(".")
    routes = {"optimizer": ("share",), "training": FOR_ANY_ROUTE}
    return group in ("model", "optimizer", "sampling", "training") and name not in routes.get(group, ())


def group_defaults(group: str, choice: str) -> dict[str, Any]:
    """The settings of one choice, as its file has them.

    >>> group_defaults("optimizer", "adam")
    {'kind': 'adam', 'learning_rate': 0.001, 'decay': 0.9}
    """
    return dict(_read(config_folder() / group / f"{choice}.yaml"))


def top_defaults() -> dict[str, Any]:
    """The settings above the groups, as `conf/config.yaml` has them.

    >>> top_defaults()["output"]["folder"]
    'outputs'
    """
    return {key: value for key, value in _read(config_folder() / "config.yaml").items() if key not in OWN_KEYS}


OWN_KEYS = ("defaults", "hydra")
"""Keys of `conf/config.yaml` that are Hydra's, and no settings."""


@lru_cache(maxsize=64)
def _read(path: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")))


def _default_choices() -> dict[str, str]:
    listed = _read(config_folder() / "config.yaml")["defaults"]
    named = {group: name for entry in listed if isinstance(entry, dict) for group, name in entry.items()}
    return {group: named[group] for group in GROUPS if group != "problem"}


DEFAULT_CHOICES = _default_choices()
"""Of each group but the problem, what is taken where nothing is chosen, as `conf/config.yaml` has it."""
