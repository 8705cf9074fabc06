"""`kanpde problems`."""

from collections.abc import Sequence
from pathlib import Path

from kanpde.cli.parsing import command_parser, say
from kanpde.errors import InputError
from kanpde.problems.catalog import load_problem, problem_names


def problems_command(words: Sequence[str]) -> int:
    """list the problems there are, a line each"""
    command_parser(problems_command).parse_args(words)
    names = problem_names()
    width = max(map(len, names), default=0)
    for name in sorted(names):
        say(f"{name:{width}}  {_title(names[name])}")
    return 0


def _title(path: Path) -> str:
    try:
        return load_problem(path).title
    except InputError as error:
        return f"does not load: {error}"
