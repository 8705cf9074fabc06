"""Composed settings → typed, frozen objects: the only place that instantiates."""

import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import torch
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from kanpde.errors import InputError
from kanpde.models.networks import MODELS, Design
from kanpde.problems.catalog import Problem, file_contents, load_problem
from kanpde.problems.geometry.samplings import SAMPLINGS
from kanpde.references import check_table
from kanpde.runs.checked_values import check_names, required, settings_from, typed
from kanpde.runs.choices import DEFAULT_CHOICES, FOR_LAYERS, GROUPS, group_defaults, says_layers
from kanpde.runs.general_settings import Output, Settings
from kanpde.runs.hydra_composition import Composition, compose_mapping, is_path, near
from kanpde.solving.optimizers import OPTIMIZERS
from kanpde.solving.training.settings import Training

KINDS: dict[str, Mapping[str, type]] = {"model": MODELS, "optimizer": OPTIMIZERS, "sampling": SAMPLINGS}
OUTSIDE_KEY = ("device", "threads", "output", "rerun", "tracker")  # say where a run goes, not what it is
RETRY = "failed"
"""What `rerun` says to try again only what failed."""


@dataclass(frozen=True)
class Config:
    """Everything that defines a run, checked.

    `yaml` is the composed mapping before interpolation, `sha256` the hash of what the run depends on (device, threads
    and output left out), `key` its first twelve digits.
    """

    problem: Problem
    model: Any
    optimizer: Any
    sampling: Any
    training: Training
    seed: int
    device: str
    dtype: str
    threads: int | None
    output: Output
    reference: bool
    rerun: bool | Literal["failed"]
    tracker: str
    model_name: str
    yaml: str
    sha256: str
    warnings: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return self.sha256[:12]

    @property
    def folder(self) -> Path:
        """`outputs/<problem>/<model>/<key>`, the same for the same run; `<model>` is that of the settings."""
        return Path(self.output.folder) / self.problem.name / self.model_name / self.key


def compose(overrides: Sequence[str] = (), problem: Problem | None = None) -> Config:
    """Compose the settings of one run from override words; a Hydra of the calling program is left as it is.

    Args:
        overrides: Words as on the command line; `override_words` makes them of keywords.
        problem: Takes the place of the group `problem`.

    Raises:
        InputError: A setting or its value cannot be used.

    >>> compose(["model=mlp", "seed=3"]).seed
    3
    """
    return config_of(compose_mapping(overrides), problem)


def config_of(composition: Composition, problem: Problem | None = None) -> Config:
    """Make the typed config of composed settings; a problem given takes the place of theirs."""
    settings, choices = copy.deepcopy(composition.settings), composition.hydra.runtime.choices
    label = "problem"
    if problem is None:
        choice = choices.get("problem")
        name, label = problem_name(choice), Path(choice).name if is_path(choice) else f"{choice}.yaml"
        source = required(_resolved(settings), "problem")
        problem = _problem(json.dumps(source), name, label, file_contents(source))
        _seal(settings, problem)
    else:
        OmegaConf.update(settings, "problem", problem.source, merge=False, force_add=True)
    _suit(settings, problem, composition.hydra, label)
    _as_asked(settings, composition.hydra)
    check_table(problem)
    return build_config(_resolved(settings), problem, str(choices.get("model")), OmegaConf.to_yaml(settings))


def _seal(settings: DictConfig, problem: Problem) -> None:
    """Put the hashes of files in place of where they lie, which is nobody's business but this machine's."""
    for what in {key.rpartition(".")[0] for key in problem.samples}:
        entry: Any = problem.source
        for part in what.split("."):
            entry = entry[part]
        OmegaConf.update(settings, f"problem.{what}", entry, merge=False)


def _suit(settings: DictConfig, problem: Problem, hydra: DictConfig, label: str) -> None:
    """Put a problem's own settings in place of defaults; what the command or an experiment says stays.

    They are meant for the default choice of their group: `training=quick` and `model=mlp` leave them out.
    """
    said, chosen = _said(hydra), hydra.runtime.choices
    for key, value in problem.settings.items():
        group, _, name = key.partition(".")
        choice = DEFAULT_CHOICES[group]
        defaults = group_defaults(group, choice)
        if name not in defaults:
            names = [known for known in defaults if known != "kind"]
            raise InputError(
                f"{label}: settings.{key}: there is no such setting; {group}={choice} has {', '.join(names)}."
                f"{near(name, names)}"
            )
        meant = chosen.get(group) in (choice, FOR_LAYERS if group == "optimizer" else choice)
        if meant and key not in said and settings[group].get(name) == defaults[name]:
            OmegaConf.update(settings, key, value, merge=False)


def _said(hydra: DictConfig) -> set[str]:
    """The settings that a command names."""
    words: Any = OmegaConf.to_container(hydra.overrides.task, resolve=False)  # words, not yet what they refer to
    return {word.lstrip("+~").partition("=")[0] for word in words}


def _as_asked(settings: DictConfig, hydra: DictConfig) -> None:
    """Have layers trained where a command says how, and names no optimizer.

    >>> [type(compose(words).optimizer).__name__ for words in ([], ["model=kan"], ["model=kan", "optimizer=auto"])]
    ['Auto', 'LevenbergMarquardt', 'Auto']
    """
    said, own = _said(hydra), group_defaults("optimizer", FOR_LAYERS)
    chosen = hydra.runtime.choices.get("optimizer") == DEFAULT_CHOICES["optimizer"] and "optimizer" not in said
    if chosen and "optimizer.share" not in said and any(map(says_layers, said)):
        settings.optimizer = {name: settings.optimizer.get(name, value) for name, value in own.items()}
        settings.optimizer.kind = own["kind"]


def override_words(**keywords: Any) -> list[str]:
    """Write Python keywords as override words: groups by name or as mappings, everything else as a value.

    >>> override_words(model="kan", seed=1, training={"steps": 3, "conditions": "penalty"})
    ['model=kan', 'seed=1', 'training.steps=3', "training.conditions='penalty'"]
    >>> override_words(model={"kind": "mlp", "width": (20, 20)})
    ['model=mlp', 'model.width=[20,20]']
    """
    return [word for key, value in keywords.items() for word in _words(key, value)]


def problem_name(choice: Any) -> str:
    """The name under which a chosen problem's runs are filed: the choice, or the stem of its file.

    >>> problem_name("burgers"), problem_name("../mine/heat.yaml")
    ('burgers', 'heat')
    """
    if not isinstance(choice, str):
        raise InputError("problem needs one name or file; none came, or a list. Write for example problem=burgers.")
    return Path(choice).stem if is_path(choice) else choice


def build_config(mapping: Mapping[str, Any], problem: Problem, model_name: str, yaml: str) -> Config:
    """Check a plain composed mapping and make its typed config.

    Args:
        mapping: The groups and top-level settings, resolved.
        problem: What the group `problem` says, loaded and checked.
        model_name: The choice made in the group `model`; it names the run's folder.
        yaml: The mapping before interpolation, kept for the archive.

    Raises:
        InputError: A key is unknown or missing, or a value has the wrong type.
    """
    top = [field.name for field in fields(Settings)]
    check_names(mapping, ["problem", *KINDS, "training", "output", *top], "")
    parts = {group: _chosen(group, required(mapping, group)) for group in KINDS}
    for name, cls in (("training", Training), ("output", Output)):
        parts[name] = settings_from(cls, required(mapping, name), name)
    settings = settings_from(Settings, {name: mapping[name] for name in top if name in mapping}, "")
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise InputError("device=cuda needs a GPU that PyTorch can use; it sees none here. Write device=auto.")
    model = parts["model"]
    warnings = smoothness_warnings(problem.order(), model)
    warnings += width_warnings(len(problem.coordinates), problem.outputs, model)
    config = Config(problem, **parts, **vars(settings), model_name=model_name, yaml=yaml, sha256="", warnings=warnings)
    return replace(config, sha256=hashlib.sha256(_canonical(config).encode()).hexdigest())


def smoothness_warnings(order: int, model: Design) -> tuple[str, ...]:
    """Say where a model has too few derivatives for an equation of an order.

    Pieces of degree k have k - 1 continuous derivatives; the k-th jumps, the next vanishes.

    Raises:
        InputError: The highest derivative vanishes, whatever is trained.
    """
    degree, pieces, remedy = model.smoothness(order)
    if degree > order:
        return ()
    if degree < order:
        raise InputError(f"An equation of order {order} needs that derivative; {pieces} has none. {remedy}")
    return (f"The residual will jump: the derivative of order {order} of {pieces} is not continuous. {remedy}",)


def width_warnings(inputs: int, outputs: int, model: Design) -> tuple[str, ...]:
    """Say where the widths look like pykan's, which name inputs and outputs as well.

    >>> width_warnings(2, 1, KINDS["model"]["kan"](width=(2, 5, 1)))
    ('model.width=[2,5,1] has hidden layers alone, so that the network is [2,2,5,1,1]. For [2,5,1] write [5].',)
    """
    width = list(model.width)
    if len(width) < 3 or (width[0], width[-1]) != (inputs, outputs):
        return ()
    given, whole, hidden = (str(own).replace(" ", "") for own in (width, [inputs, *width, outputs], width[1:-1]))
    return (
        f"model.width={given} has hidden layers alone, so that the network is {whole}. For {given} write {hidden}.",
    )


def _chosen(group: str, values: Any) -> Any:
    if not isinstance(values, Mapping) or "kind" not in values:
        raise InputError(f"{group} needs settings with a kind; {values!r} came. Choose one: {group}=….")
    kind = typed(values["kind"], Literal[tuple(KINDS[group])], f"{group}.kind")
    return settings_from(KINDS[group][kind], {k: v for k, v in values.items() if k != "kind"}, group)


@lru_cache(maxsize=64)  # the jobs of a sweep share a few problems, and their checks take longer than anything here
def _problem(source: str, name: str, label: str, contents: tuple[str, ...]) -> Problem:
    return load_problem(json.loads(source), name=name, label=label)


def flat_settings(config: Config) -> dict[str, Any]:
    """What a run depends on besides its problem, by the names of the command line.

    >>> flat_settings(compose(["model=mlp"]))["model.width"]
    (20, 20)
    """
    flat: dict[str, Any] = {}
    for name, value in _parts(config).items():
        flat |= {f"{name}.{key}": entry for key, entry in value.items()} if isinstance(value, dict) else {name: value}
    return flat


def _parts(config: Config) -> dict[str, Any]:
    """The groups, as dictionaries, and the settings above them."""
    parts = {field.name: getattr(config, field.name) for field in fields(config)}
    for name in (*OUTSIDE_KEY, "problem", "model_name", "yaml", "sha256", "warnings"):
        del parts[name]
    for group, kinds in KINDS.items():
        kind = next(name for name, cls in kinds.items() if isinstance(parts[group], cls))
        parts[group] = {"kind": kind, **asdict(parts[group])}
    return {**parts, "training": asdict(config.training)}


def _canonical(config: Config) -> str:
    """What a run depends on, as text; order is kept, because the order of coordinates is the network's."""
    return json.dumps({"problem": config.problem.content(), **_parts(config)}, default=str)


def _resolved(settings: DictConfig) -> dict[str, Any]:
    try:
        return {str(key): value for key, value in _container(settings).items()}
    except OmegaConfBaseException as error:
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"Settings may refer to others as ${{seed}} does; {reason}. Write the value itself."
        ) from error


def _container(settings: DictConfig) -> dict[Any, Any]:
    found = OmegaConf.to_container(settings, resolve=True)
    if not isinstance(found, dict):
        raise TypeError("settings are a mapping")
    return found


def _words(key: str, value: Any) -> list[str]:
    if key in GROUPS and isinstance(value, str):
        return [f"{key}={value}"]
    if isinstance(value, Mapping):
        choice = [f"{key}={value['kind']}"] if "kind" in value else []
        return choice + [word for k, v in value.items() if k != "kind" for word in _words(f"{key}.{k}", v)]
    return [f"{key}={_literal(value)}"]


def _literal(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(_literal, value)) + "]"
    if isinstance(value, str):
        escaped = value.replace("'", "\\'")
        return f"'{escaped}'"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
