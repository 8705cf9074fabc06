"""JSON from strangers → composed configurations within the limits.

What a client sends is never a word of the command line: words are trusted input, which may read the environment. JSON
goes through `plain_data`, which refuses what directs Hydra, and an allow-list of keys, and is written as words here.
"""

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import yaml
from omegaconf import OmegaConf

from kanpde.errors import InputError
from kanpde.files.yaml import Entries, plain_data
from kanpde.problems.catalog import confined, load_problem, problem_names, read_problem_text
from kanpde.runs.hydra_composition import Composition, compositions, without_foreign
from kanpde.runs.settings import Config, config_of, override_words
from kanpde.service.limits import Limits

ALLOWED = ("model", "optimizer", "sampling", "training", "seed", "dtype", "reference")
GROUPS = ALLOWED[:4]
LABEL = "problem.yaml"
_CHOICE, _KEY = re.compile(r"[a-z0-9_]{1,40}"), re.compile(r"[a-z][a-z0-9_]{0,40}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,60}")


@dataclass(frozen=True)
class Asked:
    """A problem as it came: the name of one that the operator has, or a text and the folder of its files."""

    name: str
    text: str | None = None
    files: str | None = None


def words_of(settings: object) -> list[str]:
    """Settings as override words.

    >>> words_of({"model": {"kind": "kan", "width": [5, 5]}, "seed": 1})
    ['model=kan', 'model.width=[5,5]', 'seed=1']

    Raises:
        InputError: A key is not one that a client may set.
    """
    plain = plain_data(settings, "settings")
    if not isinstance(plain, dict):
        raise InputError('settings needs a mapping; something else came. Write {"seed": 1}, say.')
    for key, value in plain.items():
        _check_setting(key, value)
    return override_words(**plain)


def _check_setting(key: str, value: object) -> None:
    if key not in ALLOWED:
        raise InputError(f"settings.{key}: a service takes {', '.join(ALLOWED)}; this came. Leave it out.")
    choice = value.get("kind") if isinstance(value, dict) else value
    if key in GROUPS and (choice is not None or not isinstance(value, dict)):
        if not isinstance(choice, str) or not _CHOICE.fullmatch(choice):
            raise InputError(f"settings.{key} needs the name of a choice or settings; {choice!r:.60} came. Write kan.")
    elif key not in GROUPS and isinstance(value, (dict, list)):
        raise InputError(f"settings.{key} needs one value; a list or a mapping came. To run several, use sweep.")
    for inner, given in value.items() if isinstance(value, dict) else ():
        if not _KEY.fullmatch(inner) or isinstance(given, dict):
            raise InputError(f"settings.{key}.{inner:.40}: a setting's name and a value are needed. Leave it out.")


def jobs_of(settings: object, sweep: object, limits: Limits) -> tuple[list[list[str]], list[str]]:
    """The words of every job that settings and the values of a sweep make, and notes on what was left out.

    >>> jobs_of({"seed": 0}, {"model": ["kan", "mlp"]}, Limits())[0]
    [['seed=0', 'model=kan'], ['seed=0', 'model=mlp']]
    """
    common, axes = words_of(settings), []
    plain = plain_data(sweep, "sweep")
    if not isinstance(plain, dict) or not all(isinstance(values, list) and values for values in plain.values()):
        raise InputError('sweep needs a list of values for each key; another thing came. Write {"seed": [0, 1]}.')
    if (count := math.prod(map(len, plain.values()))) > limits.jobs:
        raise InputError(f"A sweep may have {limits.jobs} jobs; this one has {count}. Leave out some values.")
    for key, values in plain.items():
        axes.append([words_of(_nested(key, value)) for value in values])
    lists = [[*common, *itertools.chain(*chosen)] for chosen in itertools.product(*axes)]
    return without_foreign(lists) if len(lists) > 1 else (lists, [])


def _nested(key: str, value: object) -> Entries:
    group, _, name = key.partition(".")
    return {group: {name: value}} if name else {group: value}


def composed(asked: Asked, words: Sequence[str], limits: Limits) -> tuple[Config, Composition, dict[str, float]]:
    """The configuration of one run, within the limits, and its sizes.

    Raises:
        InputError: Something asked for cannot be used, or is too much.
    """
    return next(each_composed(asked, [words], limits))


def each_composed(
    asked: Asked, jobs: Sequence[Sequence[str]], limits: Limits
) -> Iterator[tuple[Config, Composition, dict[str, float]]]:
    """As `composed`, for the words of each job."""
    if asked.text is None and asked.name not in problem_names():
        raise InputError(f"problem needs a name in the list or a text; {asked.name!r:.60} came. See /problems.")
    chosen = [f"problem={asked.name}"] if asked.text is None else []
    problem = None if asked.text is None else load_problem(sent_problem_data(asked), name=name_of(asked), label=LABEL)
    for composition in compositions([*words, *chosen] for words in jobs):
        config = config_of(composition, problem)
        if problem is not None:
            OmegaConf.update(composition.settings, "problem", problem.source, merge=False, force_add=True)
        yield config, composition, checked_sizes(config, limits)


def name_of(asked: Asked) -> str:
    """Under which a problem's runs are filed: the name given, or one made of its title."""
    if asked.name:
        if not _NAME.fullmatch(asked.name):
            raise InputError(f"name needs letters, digits, - and _; {asked.name!r:.60} came. Rename it.")
        return asked.name
    title = str(read_problem_text(asked.text or "", LABEL).get("title", ""))
    return re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")[:40] or "problem"


def sent_problem_data(asked: Asked) -> Entries:
    """The data of a problem that came as text; its files are those that came with it."""
    return confined(read_problem_text(asked.text or "", LABEL), asked.files or "/nowhere")


def checked_sizes(config: Config, limits: Limits) -> dict[str, float]:
    """The sizes of a run, within the limits; settings inside the problem file count as well.

    Raises:
        InputError: It would take more than a service gives; names the limit.
    """
    found = measures(config, limits)
    for name, value in found.items():
        most = getattr(limits, name)
        if value > most:
            raise InputError(f"{_SETTINGS[name]}: the service allows {most} {name}; {value:.6g} came. Ask for less.")
    return found


_SETTINGS = {
    "time_limit": "training.time_limit",
    "windows": "training.windows",
    "resolution": "output.resolution",
    "parameters": "model.width, model.grid",
    "points": "sampling.points, sampling.density",
}


def measures(config: Config, limits: Limits) -> dict[str, float]:
    """The sizes of a run before it begins: windows, resolution, parameters, points, seconds."""
    windows = config.training.window_count
    parameters = windows * _parameters(config, limits)
    equations = max(1, len(config.problem.equations))
    points = config.sampling.points or config.sampling.density * parameters / windows * equations
    reference = config.problem.source.get("reference")
    finest = reference.get("resolution", 0) if isinstance(reference, dict) else 0
    finest = max(map(float, finest)) if isinstance(finest, (list, tuple)) else float(finest or 0)
    return {
        "time_limit": config.training.time_limit,
        "windows": windows,
        "resolution": max(config.output.resolution or 0, finest),
        "parameters": parameters,
        "points": points,
    }


def _parameters(config: Config, limits: Limits) -> float:
    """Of one network; what is hopelessly large is not built to be counted."""
    problem, design = config.problem, config.model
    widths = [problem.domain.dimension, *getattr(design, "width", ()), problem.outputs]
    least = sum(a * b for a, b in itertools.pairwise(widths)) * max(1, getattr(design, "grid", 1))
    if least > 2 * limits.parameters:
        return float(least)
    box = problem.domain
    network = design.build(
        box.dimension, problem.outputs, design.grids(config.training.stages)[-1], lower=box.lower, upper=box.upper,
        periodic=problem.periodic, dtype=torch.float64, generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    return float(sum(p.numel() for p in network.parameters()))


def estimate(config: Config, found: dict[str, float]) -> dict[str, float]:
    """What a run of these sizes will take: parameters, points, megabytes of derivatives, seconds at most."""
    by_jacobian = config.optimizer.forms_jacobian
    megabytes = found["points"] * found["parameters"] / found["windows"] * 8 / 2**20 if by_jacobian else 0.0
    return {**found, "megabytes": round(megabytes, 1)}


def line_of(text: str, message: str) -> int | None:
    """The line of a problem file that a message is about: one it names, or that of the key it names."""
    if named := re.search(r"\bline (\d+)", message):
        return int(named[1])
    key = re.match(rf"{re.escape(LABEL)}:? ?([\w.*+-]+)", message)
    if key is None:
        return None
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return None
    return max(_lines(node, key[1].split(".")), default=None)


def _lines(node: yaml.Node | None, keys: Sequence[str]) -> Iterator[int]:
    """The lines of the keys on the way down, as far as they are there."""
    for key in keys:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        found = next(((k, v) for k, v in pairs if k.value == key), None)
        if found is None:
            return
        yield found[0].start_mark.line + 1
        node = found[1]


def without_paths(message: str, *folders: Path) -> str:
    """A message without the places of files on the server."""
    for folder in folders:
        message = message.replace(f"{folder}/", "").replace(str(folder), ".")
    return message
