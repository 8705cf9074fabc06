"""`kanpde problems`."""

from collections.abc import Sequence
from pathlib import Path

from kanpde.cli.parsing import command_parser, say
from kanpde.errors import InputError
from kanpde.problems.listing import problem_data, problem_names, problem_title


def problems_command(words: Sequence[str]) -> int:
    """list the problems there are, a line each"""
    command_parser(problems_command).parse_args(words)
    names = problem_names()
    width = max(map(len, names), default=0)
    for name, path in sorted(names.items()):
        say(f"{name:{width}}  {_title(name, path)}")
    return 0


def _title(name: str, path: Path) -> str:
    """The file's title, or why it cannot be read; whether it states a problem is for `kanpde check` to say."""
    try:
        return problem_title(problem_data(path), name, path.name)
    except InputError as error:
        return f"does not load: {error}"
