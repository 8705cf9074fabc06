"""Words of the command line → one composed mapping, through Hydra.

    problem=burgers model.width=[5,5] seed=1   →   {problem: {…}, model: {…}, …, seed: 1}

Problem files are data from strangers. Hydra would run what a package header or a defaults list in them asks for, so the
group `problem` has a source of its own, which hands Hydra nothing but the plain data of `read_problem_file`.
"""

import copy
import difflib
import itertools
import os
import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override
from hydra.core.plugins import Plugins
from hydra.core.utils import JobRuntime
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException, OverrideParseException
from hydra.plugins.config_source import ConfigResult, ConfigSource
from hydra.version import VersionBase, setbase
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from kanpde.errors import InputError
from kanpde.files.regular import own_path
from kanpde.problems.catalog import problem_names, read_problem_file
from kanpde.runs.choices import GROUPS, LAUNCHERS, config_folder, group_choices, group_defaults

HYDRA_WORDS = ("hydra/launcher", "hydra.launcher")  # all of Hydra's own settings that a command takes


class ProblemSource(ConfigSource):
    """The group `problem`: shipped names, names in the folders of KANPDE_PROBLEM_PATH, and paths of files."""

    @staticmethod
    def scheme() -> str:
        return "kanpde-problems"

    def available(self) -> bool:
        return True

    def is_group(self, config_path: str) -> bool:
        return config_path == "problem"

    def is_config(self, config_path: str) -> bool:
        return config_path.startswith("problem/") and problem_file(config_path.removeprefix("problem/")) is not None

    def load_config(self, config_path: str) -> ConfigResult:
        path = problem_file(config_path.removeprefix("problem/"))
        if path is None:
            raise ValueError(f"{config_path} is no problem, though Hydra was told so")
        config = OmegaConf.create({key: _literal(value) for key, value in read_problem_file(path).items()})
        return ConfigResult(provider=self.provider, path=str(path), config=config, header={"package": None})

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        wanted = config_path == "problem" and results_filter != ObjectType.GROUP
        return sorted(problem_names()) if wanted else []


def _literal(data: object) -> object:
    """Data that OmegaConf takes for what they are; only the folders of files may hold what reads as a reference."""
    if isinstance(data, dict):
        return {key: _literal(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_literal(value) for value in data]
    return data.replace("${", "\\${") if isinstance(data, str) else data


def is_path(choice: str) -> bool:
    """Whether `problem=choice` names a file rather than a problem of the search path."""
    return "/" in choice or choice.endswith((".yaml", ".yml"))


def problem_file(choice: str) -> Path | None:
    if not is_path(choice):
        return problem_names().get(choice)
    path = own_path(choice)
    return path if os.path.isfile(path) else None  # unlike the method, False for names that no file can have


@dataclass(frozen=True)
class Composition:
    """The settings of a run before interpolation, and Hydra's part: the choices made and the words given."""

    settings: DictConfig
    hydra: DictConfig


def compose_mapping(words: Sequence[str]) -> Composition:
    """Compose the settings of one run from override words.

    Raises:
        InputError: A word cannot be read, or names a group, a choice or a setting that does not exist.
    """
    whole = compose_whole(words)
    names = [str(key) for key in whole if key != "hydra"]
    return Composition(OmegaConf.masked_copy(whole, names), OmegaConf.masked_copy(whole, ["hydra"]).hydra)


def compositions(jobs: Iterable[Sequence[str]]) -> Iterator[Composition]:
    """The settings of many runs as `compose_mapping` gives them; jobs of the same choices are composed once.

    What is left for each job, to set its values and to write down its words, is done by Hydra's own functions.

    Raises:
        InputError: As `compose_mapping`.
    """
    composed: dict[tuple[str, ...], Composition] = {}
    for words in jobs:
        choices = tuple(word for word in words if not _sets_a_value(word))
        if choices not in composed:
            composed[choices] = compose_mapping(choices)
        yield _with_values(composed[choices], words)


def _sets_a_value(word: str) -> bool:
    """Whether a word sets one value of what is there: `seed=3`, `model.grid=5`, and no choice, nothing new."""
    key = word.partition("=")[0]
    return (
        re.fullmatch(r"[A-Za-z_]\w*(\.\w+)*", key) is not None
        and key.partition(".")[0] != "hydra"
        and ("." in key or key not in (*GROUPS, "experiment"))
    )


def _with_values(composition: Composition, words: Sequence[str]) -> Composition:
    settings, hydra = copy.deepcopy(composition.settings), copy.deepcopy(composition.hydra)
    parsed = _single(_parsed(words))
    with _sentences(parsed):
        OmegaConf.set_struct(settings, True)  # as Hydra does: what is not there cannot be set
        for one in parsed:
            if _sets_a_value(one.input_line or ""):
                OmegaConf.update(settings, one.key_or_group, one.value(), merge=True)
        OmegaConf.set_struct(settings, None)
        hydra.overrides.task = [one.input_line for one in parsed if not one.is_hydra_override()]
    return Composition(settings, hydra)


def compose_whole(words: Sequence[str]) -> DictConfig:
    """The composed mapping as Hydra's launchers want it, settings and Hydra's part in one."""
    parsed = _single(_parsed(words))
    with _hydra(), _sentences(parsed):
        return compose("config", [str(one.input_line) for one in parsed], return_hydra_config=True)


def compose_master(words: Sequence[str]) -> DictConfig:
    """What all jobs of a sweep share: Hydra's part, with the launcher, and the sweep of an experiment."""
    own = [word for word in words if word.startswith(("hydra", "experiment="))]
    return compose_whole([str(one.input_line) for one in _parsed(own) if not one.is_sweep_override()])


def own_sweep(hydra: DictConfig) -> dict[str, str]:
    """The values over which an experiment sweeps, as its file has them under `hydra.sweeper.params`."""
    params = hydra.get("sweeper", {}).get("params") or {}
    return {str(key): str(value) for key, value in params.items()}


def sweep_jobs(words: Sequence[str]) -> list[list[str]]:
    """Split words with several values into one list of words a job.

    >>> sweep_jobs(["model=kan,mlp", "seed=range(0,2)"])
    [['model=kan', 'seed=0'], ['model=kan', 'seed=1'], ['model=mlp', 'seed=0'], ['model=mlp', 'seed=1']]
    """
    said = {word.partition("=")[0] for word in words}
    own = [f"{key}={value}" for key, value in own_sweep(compose_master(words).hydra).items() if key not in said]
    values: dict[str, list[str]] = {}
    for one in _parsed((*words, *own)):
        if not one.is_hydra_override():
            values[one.get_key_element()] = _values(one)
    rows = itertools.product(*values.values())
    return [[f"{key}={value}" for key, value in zip(values, row, strict=True)] for row in rows]


def _values(word: Override) -> list[str]:
    """The values of a word, one where it is no sweep, as Hydra would read them again."""
    if not word.is_sweep_override():
        return [word.get_value_element_as_str()]
    if not word.is_discrete_sweep():
        raise InputError(f"{word.input_line}: single values are needed; an interval came. Write range(…), say.")
    group, pattern = word.key_or_group, word.value()
    if isinstance(pattern, Glob):
        return pattern.filter(sorted(problem_names() if group == "problem" else group_choices(group)))
    return list(word.sweep_string_iterator())


def without_foreign(jobs: Sequence[Sequence[str]]) -> tuple[list[list[str]], list[str]]:
    """Leave out of each job the settings that only another choice of the same sweep has.

    `model=kan,mlp model.grid=5,10` is one study of two models; that the MLP has no grid is no mistake in it.

    >>> without_foreign([["model=kan", "model.grid=5"], ["model=mlp", "model.grid=5"]])
    ([['model=kan', 'model.grid=5'], ['model=mlp']], ['model.grid does not apply to model=mlp and is left out there'])
    """
    known = {group: {c: _choice_keys(group, c) for c in _choices(group, jobs)} for group in GROUPS[1:]}
    kept, notes = [], []
    for job in jobs:
        foreign = [word for word in job if _is_foreign(word, job, known)]
        kept.append([word for word in job if word not in foreign])
        notes += [_foreign_note(word, job) for word in foreign]
    return kept, list(dict.fromkeys(notes))


def near(name: str, names: Iterable[str]) -> str:
    """A closing sentence with the closest of the names allowed, or nothing.

    >>> near("gird", ["grid", "degree"])
    ' Did you mean grid?'
    """
    close = difflib.get_close_matches(name, list(names), n=1, cutoff=0.7)
    return f" Did you mean {close[0]}?" if close else ""


_ONE_AT_A_TIME = threading.RLock()


@contextmanager
def _hydra() -> Iterator[ConfigLoader]:
    """Hydra over kanpde's settings inside; the calling program's own Hydra, if there is one, is put back behind it."""
    with _ONE_AT_A_TIME, hydra_1_3():
        Plugins.instance().register(ProblemSource)
        theirs, job = GlobalHydra.instance(), JobRuntime.instance().get("name")
        running = theirs.hydra
        theirs.clear()
        try:
            with initialize_config_dir(str(config_folder()), job, version_base="1.3"):
                yield GlobalHydra.instance().config_loader()
        finally:
            theirs.hydra = running
            GlobalHydra.set_instance(theirs)


def config_loader() -> ConfigLoader:
    """What Hydra's launchers compose the settings of a job with."""
    with _hydra() as loader:
        return loader


@contextmanager
def hydra_1_3() -> Iterator[None]:
    """Hydra's 1.3 behavior inside, whatever the calling program has chosen for itself outside."""
    base = VersionBase.instance()
    before = base.version_base
    setbase("1.3")
    try:
        yield
    finally:
        base.version_base = before


def _parsed(words: Sequence[str]) -> list[Override]:
    """Words as Hydra reads them; choices are names, and of Hydra's own settings only the launcher's can be set."""
    _check_hydra_words(words)
    with hydra_1_3(), _sentences():
        parsed = OverridesParser.create().parse_overrides([_quoted(word) for word in words])
    for one in parsed:
        group = one.key_or_group
        if group in (*GROUPS, "experiment") and not one.is_delete() and not _names_choices(one):
            raise InputError(_no_choice([group]))
        if one.is_sweep_override() and one.is_hydra_override():
            raise InputError(f"{one.input_line}: one launcher is needed for a sweep; several came. Leave one.")
    return parsed


def _names_choices(word: Override) -> bool:
    values = [] if word.is_sweep_override() else word.value()
    return all(isinstance(value, str) for value in (values if isinstance(values, list) else [values]))


def _single(parsed: list[Override]) -> list[Override]:
    """Words of one run, which hold one value each."""
    for one in parsed:
        if one.is_sweep_override():
            how = "Add -m to run each of them, or write a list as [1,2]."
            raise InputError(f"{one.input_line}: one value is needed; several came. {how}")
    return parsed


@contextmanager
def _sentences(parsed: Sequence[Override] = ()) -> Iterator[None]:
    """Turn Hydra's errors into sentences that name what is allowed."""
    try:
        yield
    except MissingConfigException as error:
        raise InputError(_unknown_choice(error)) from error
    except OverrideParseException as error:
        raise InputError(_unreadable(error)) from error
    except (ConfigAttributeError, ConfigKeyError) as error:
        raise InputError(_unknown_key(error, parsed)) from error
    except ConfigCompositionException as error:
        cause = error.__cause__ or error
        if isinstance(cause, ConfigAttributeError | ConfigKeyError):
            raise InputError(_unknown_key(cause, parsed)) from error
        raise InputError(_not_composed(cause)) from error
    except (HydraException, OmegaConfBaseException, OSError, ValueError) as error:
        raise InputError(_not_composed(error)) from error


def _unknown_choice(error: MissingConfigException) -> str:
    missing = error.missing_cfg_file or ""
    # The choice of a problem may be a path; no other choice holds a slash, but a group may: hydra/launcher.
    group, _, choice = missing.partition("/") if missing.startswith("problem/") else missing.rpartition("/")
    if group == "problem" and is_path(choice):
        path = own_path(choice).absolute()
        came = "this is a folder" if os.path.isdir(path) else f"there is none at {path}"
        return f"problem={choice}: a problem file is needed; {came}. Check the path; `kanpde problems` lists names."
    names = sorted(error.options or [])
    if not names:
        return _no_choice([group])
    if group == "hydra/launcher" and choice in LAUNCHERS:
        package = LAUNCHERS[choice]
        return f"hydra/launcher={choice} needs the package {package}; it is not installed. Run: pip install {package}"
    beside = Path(f"{choice}.yaml")
    if group == "problem" and choice and os.path.isfile(beside):
        return f"problem={choice}: no problem has this name; for the file here write problem={beside}."
    there_is = f"{group}={choice}: there is no such {group}.{near(choice, names)}"
    return f"{there_is} {group} is one of {', '.join(names)}; {choice or 'nothing'} came."


def _no_choice(groups: Sequence[str]) -> str:
    names = ", ".join(groups)
    return f"The name of one choice is needed for {names}; a list, a number or nothing came. Write model=kan, say."


def _unreadable(error: OverrideParseException) -> str:
    key, sign, _ = error.override.partition("=")
    if not sign and key.endswith((".yaml", ".yml")):
        return f"{key}: a setting is written key=value; a file came. For a problem of your own write problem={key}."
    example = f"\"{key or 'problem.title'}='…'\""
    return (
        f"{error.override}: a setting is written key=value; this one cannot be read. "
        f"A value with brackets, commas, quotes or an equals sign goes in quotes twice: {example}."
    )


def _not_composed(error: BaseException) -> str:
    return f"The settings cannot be composed: {_one_line(error)}"


def _unknown_key(error: OmegaConfBaseException, parsed: Sequence[Override]) -> str:
    """A setting that is not there; a problem's mappings may grow, the settings are what they are."""
    full_key, parent = str(error.full_key), error.parent_node
    owner, _, name = full_key.rpartition(".")
    names = [str(key) for key in parent if key != "hydra"] if isinstance(parent, DictConfig) else []
    if not names:
        return f"{full_key}: a setting that exists is needed; {owner or 'this'} has no settings inside."
    where = f"In {owner} there" if owner else "There"
    asked = next((one.key_or_group for one in parsed if f"{one.key_or_group}.".startswith(f"{full_key}.")), full_key)
    add = f" To add it: +{asked}=…" if asked.startswith("problem.") else ""
    return f"{full_key}: there is no such setting.{near(name, names)} {where} are {', '.join(names)}.{add}"


def _one_line(error: object) -> str:
    return " ".join(str(error).split())[:400]


def _check_hydra_words(words: Sequence[str]) -> None:
    for word in words:
        key = word.lstrip("+~").partition("=")[0]
        if not key.partition("@")[0]:
            raise InputError(f"{word}: a setting is written key=value; this one has no key. Write for example seed=1.")
        if key.partition(".")[0].partition("/")[0] == "hydra" and not key.startswith(HYDRA_WORDS):
            allowed = "hydra/launcher and hydra.launcher.…"
            raise InputError(f"{word}: of Hydra's own settings a command takes {allowed}. Leave this one out.")
        if key.startswith(HYDRA_WORDS):
            _check_launcher_word(word, key)


def _check_launcher_word(word: str, key: str) -> None:
    """A launcher by its name, and its settings one by one; never what it is made of."""
    value = word.partition("=")[2]
    named = key == "hydra/launcher" and re.fullmatch(r"[\w,-]+", value)
    if not named and (not key.startswith("hydra.launcher.") or "_target_" in word):
        raise InputError(
            f"{word:.200}: a launcher is chosen by its name, and its settings by theirs; this is neither. Write "
            "hydra/launcher=joblib hydra.launcher.n_jobs=2, say."
        )


def _quoted(word: str) -> str:
    """Quote a problem's path: one that exists may hold any character, others what is no syntax of sweeps."""
    key, _, value = word.partition("=")
    if key != "problem" or not is_path(value):
        return word
    if "${" in value:
        raise InputError(f'{word}: a path without "${{", which would name a setting, is needed; it has one. Rename it.')
    if "'" in value:
        return word if problem_file(value) is None else f"problem={_escaped(value)}"
    plain = not set(value) & set(',"$()[]{}')
    return f"problem='{value}'" if plain or problem_file(value) is not None else word


def _escaped(path: str) -> str:
    """A path in double quotes, as Hydra's grammar of words wants one that has single quotes in it."""
    return '"' + path.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _choices(group: str, jobs: Sequence[Sequence[str]]) -> set[str]:
    return {choice for job in jobs if (choice := _choice(group, job)) is not None}


def _choice(group: str, job: Sequence[str]) -> str | None:
    values = [word.partition("=")[2].strip("'\"") for word in job if word.partition("=")[0] == group]
    return values[-1] if values else None


def _choice_keys(group: str, choice: str) -> set[str]:
    path = config_folder() / group / f"{choice}.yaml"
    return set(group_defaults(group, choice)) if path.is_file() else set()


def _is_foreign(word: str, job: Sequence[str], known: dict[str, dict[str, set[str]]]) -> bool:
    group, name = _setting(word)
    choices = known.get(group, {})
    mine = _choice(group, job)
    elsewhere = any(name in keys for choice, keys in choices.items() if choice != mine)
    return mine in choices and name not in choices[mine] and elsewhere


def _setting(word: str) -> tuple[str, str]:
    group, _, rest = word.partition("=")[0].partition(".")
    return group, rest.partition(".")[0]


def _foreign_note(word: str, job: Sequence[str]) -> str:
    group, name = _setting(word)
    return f"{group}.{name} does not apply to {group}={_choice(group, job)} and is left out there"
