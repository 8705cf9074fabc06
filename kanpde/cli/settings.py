"""What the commands that make runs share: the settings among their words."""

import argparse
import textwrap
from collections.abc import Sequence
from types import UnionType
from typing import Literal, Union, get_args, get_origin, get_type_hints

from kanpde.cli.parsing import Command, command_parser
from kanpde.runs.choices import DEFAULT_CHOICES, LAUNCHERS, group_choices, group_defaults, top_defaults
from kanpde.runs.general_settings import Settings

WIDTH = 110
EXIT_CODES = "exit codes: 0 done, 1 the run failed, 2 bad input, 3 trained but not solved, 130 stopped by Ctrl-C"


def settings_text() -> str:
    """The settings with their choices and defaults, as `conf/` and the dataclasses have them."""
    lines = ["problem=poisson_2d|path/to/file.yaml  problem.parameters.nu=0.02"]
    for group, default in DEFAULT_CHOICES.items():
        own = [f"{group}.{key}={written(value)}" for key, value in group_defaults(group, default).items()]
        lines += _wrapped([f"{group}={'|'.join(group_choices(group))}", *own[group != "training" :]])
    lines += _wrapped([*_general(), f"experiment={'|'.join(group_choices('experiment'))}"])
    lines += [f"with -m: hydra/launcher={'|'.join(LAUNCHERS)}"]
    text = "\n  ".join(lines)
    return f"settings are key=value words, here with their defaults, of choices the first:\n  {text}\n\n{EXIT_CODES}"


def written(value: object) -> str:
    """A value as it is written in a word.

    >>> written(None), written([5, 5]), written(True), written(0.5)
    ('null', '[5,5]', 'true', '0.5')
    """
    if isinstance(value, list):
        return f"[{','.join(map(written, value))}]"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _general() -> list[str]:
    """The settings above the groups, each with its choices where it has some, else with its default."""
    defaults = top_defaults()
    output = [f"output.{key}={written(value)}" for key, value in defaults.pop("output").items()]
    hints = get_type_hints(Settings)
    words = [f"{key}={'|'.join([written(value), *_others(hints[key], value)])}" for key, value in defaults.items()]
    return words + output


def _others(hint: object, default: object) -> list[str]:
    """The other choices of a setting that has a few."""
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    named = [choice for option in options if get_origin(option) is Literal for choice in get_args(option)]
    choices = [False, True, *named] if bool in options and named else named
    return [written(choice) for choice in choices if choice != default]


def _wrapped(words: Sequence[str]) -> list[str]:
    """Lines of words, all but the first indented."""
    return textwrap.wrap("  ".join(words), WIDTH, subsequent_indent="    ", break_long_words=False,
                         break_on_hyphens=False)  # fmt: skip


def settings_parser(command: Command) -> argparse.ArgumentParser:
    """The parser of a command whose words are settings of a run."""
    parser = command_parser(command)
    parser.epilog = settings_text()
    parser.add_argument("settings", nargs="*", metavar="key=value", help="a setting; see below")
    return parser
