"""`kanpde submit`: the words of `solve`, sent to a service."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, QuotedString
from hydra.errors import HydraException

from kanpde.cli.parsing import say
from kanpde.cli.settings import settings_parser
from kanpde.errors import InputError, RunError
from kanpde.files.regular import Unreadable, cut_path, own_path, read_regular
from kanpde.files.yaml import write_yaml
from kanpde.problems.listing import problem_names, problem_text, read_problem_text
from kanpde.runs.hydra_composition import is_path
from kanpde.runs.progress import step_text
from kanpde.service.client import Client, Job

ADDRESS = "KANPDE_SERVICE"
MOST_BYTES = 500_000_000
"""Of a file that is sent along; what a service takes it says itself."""
EXIT = {"successful": 0, "failed": 1, "dismissed": 130}


def submit_command(words: Sequence[str]) -> int:
    """send a run to a service: the words of solve; --wait shows it and ends as it ends"""
    parser = settings_parser(submit_command)
    parser.add_argument("-m", "--multirun", action="store_true", help="every combination: model=kan,mlp seed=0,1")
    parser.add_argument("--at", metavar="URL", help=f"as `kanpde serve` prints it; by default what {ADDRESS} holds")
    parser.add_argument("--wait", action="store_true", help="follow the first job to its end")
    parser.add_argument("--key", help="submitted again with the same key, the same job comes back")
    given = parser.parse_intermixed_args(words)
    address = given.at or os.environ.get(ADDRESS)
    if not address:
        raise InputError(f"--at needs the address of a service; none came. Write --at URL, or set {ADDRESS}.")
    problem, files, settings, sweep = submission(given.settings, given.multirun)
    text, name = problem
    try:
        jobs = Client(address).sweep(text, sweep, settings, files, name, given.key)
    except RunError as error:
        say(f"error: {error}", stream=sys.stderr)
        return EXIT["failed"]
    say(*(f"{job.client.base}/jobs/{job.id}" for job in jobs))
    return _followed(jobs[0]) if given.wait else 0


def submission(
    words: Sequence[str], several: bool
) -> tuple[tuple[str, str], dict[str, bytes], dict[str, Any], dict[str, list[Any]]]:
    """Words → problem (name or text, and what to call it), its files, settings, values swept over.

    >>> submission(["problem=burgers", "model.width=[5,5]", "seed=1"], False)
    (('burgers', ''), {}, {'model': {'width': [5, 5]}, 'seed': 1}, {})

    Raises:
        InputError: A word cannot be read, or is not one that a service takes.
    """
    settings: dict[str, Any] = {}
    sweep: dict[str, list[Any]] = {}
    problem, of_problem = "poisson_2d", {}
    for word in words:
        override = _parsed(word)
        key = override.key_or_group
        if override.is_sweep_override():
            if not several:
                raise InputError(f"{word}: one value is needed; several came. Add -m to run each of them.")
            sweep[key] = [_plain(value) for value in _values(override)]
        elif key == "problem":
            problem = str(_plain(override.value()))
        elif key.startswith("problem."):
            of_problem[key.removeprefix("problem.")] = _plain(override.value())
        else:
            _set(settings, key, _plain(override.value()))
    named, files = _problem(problem, of_problem)
    return named, files, settings, sweep


def _parsed(word: str) -> Override:
    key, _, value = word.partition("=")
    try:
        quoted = f"problem='{value}'" if key == "problem" and is_path(value) else word
        return OverridesParser.create().parse_override(quoted)
    except HydraException as error:
        raise InputError(f"{word}: a setting is written key=value; this one cannot be read. Quote it twice.") from error


def _values(override: Override) -> list[Any]:
    return list(override.sweep_iterator(transformer=lambda value: value))


def _plain(value: Any) -> Any:
    if isinstance(value, QuotedString):
        return value.text
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return {_plain(k): _plain(v) for k, v in value.items()} if isinstance(value, Mapping) else value


def _set(mapping: dict[str, Any], key: str, value: Any) -> None:
    """Put a value at a dotted key; the choice of a group becomes its kind once it has settings besides."""
    *groups, name = key.split(".")
    for group in groups:
        inner = mapping.get(group)
        mapping[group] = inner if isinstance(inner, dict) else {} if inner is None else {"kind": inner}
        mapping = mapping[group]
    if isinstance(mapping.get(name), dict):
        mapping[name] = {"kind": value, **mapping[name]}
    else:
        mapping[name] = value


def _problem(choice: str, changes: Mapping[str, Any]) -> tuple[tuple[str, str], dict[str, bytes]]:
    """A name that the service knows as it is; a file, or a problem that is changed, as text with its files."""
    if not is_path(choice) and not changes:
        return (choice, ""), {}
    path = own_path(choice) if is_path(choice) else problem_names().get(choice)
    if path is None:
        raise InputError(f"problem={choice:.60}: a problem is needed; there is none of that name. See kanpde problems.")
    text = problem_text(path)
    data = read_problem_text(text, path.name)
    for key, value in changes.items():
        _set(data, key, value)
    files: dict[str, bytes] = {}
    attached = _attached(data, path.parent, files)
    return (write_yaml(attached) if changes or attached != data else text, path.stem), files


def _attached(value: Any, folder: Path, files: dict[str, bytes]) -> Any:
    """The data with bare names for the files it names, whose bytes are gathered."""
    if isinstance(value, list):
        return [_attached(item, folder, files) for item in value]
    if not isinstance(value, dict):
        return value
    found = {key: _attached(item, folder, files) for key, item in value.items()}
    if isinstance(name := value.get("file"), str):
        try:
            files[Path(name).name] = read_regular(folder / name, MOST_BYTES)
        except Unreadable as reason:
            place = cut_path(folder / name)
            raise InputError(f"{place}: a file to send along is needed; it {reason}. Check the path.") from None
        found["file"] = Path(name).name
    return found


def _followed(job: Job) -> int:
    """Show a job until it ends: a line that is written over on a terminal, notes elsewhere."""
    terminal, latest, status = sys.stderr.isatty(), dict[str, Any](), "failed"
    for event, data in job.events():
        if event == "step":
            latest |= {key: value for key, value in data.items() if value is not None}
            if terminal:
                shown = {key: value for key, value in latest.items() if key != "event"}
                print(f"\r\033[K{step_text(shown)}", end="", file=sys.stderr, flush=True)
        elif event in ("note", "stage"):
            print(f"\r\033[K{data['text']}" if terminal else data["text"], file=sys.stderr, flush=True)
        elif event == "end":
            status = data["status"]
            say(f"{status}: {data['message']}")
    return EXIT.get(status, 1)
