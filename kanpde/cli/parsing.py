"""What all commands share: how they read their words and how they print. Light, as some commands are."""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import IO

from kanpde.files.texts import printable

Command = Callable[[Sequence[str]], int]
"""Takes the words after its name and returns the exit code; the docstring is its line in the help."""


def command_parser(command: Command) -> argparse.ArgumentParser:
    """The parser of the words after a command's name, `solve` for `solve_command`."""
    return argparse.ArgumentParser(
        prog=f"kanpde {command.__name__.removesuffix('_command')}",
        description=command.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def say(*lines: str, stream: IO[str] | None = None) -> None:
    """Print lines, on standard output unless told otherwise."""
    for line in lines:
        print(printable(line), file=stream or sys.stdout)
