"""`kanpde COMMAND …`: a command is a module of this folder that defines `COMMAND_command`; nothing else lists them.

Exit codes: 0 done; 1 the run failed; 2 the input cannot be used; 3 trained, but not solved; 130 stopped by Ctrl-C, as
shells report it.
"""

import argparse
import ast
import atexit
import gc
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import kanpde
from kanpde.cli.parsing import Command
from kanpde.errors import InputError
from kanpde.files.texts import printable
from kanpde.runs.stops import interruptible

INTERRUPTED = 130  # what shells report for a program that Ctrl-C ended
CLOSED_PIPE = 141  # and that SIGPIPE ended


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    # The interpreter's last collection walks through all of PyTorch and SymPy, a second in which nothing is freed.
    atexit.register(gc.freeze)
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = argument_parser()
    # Settings and options may come in any order, which argparse allows only where there are no subcommands.
    options = parser.parse_args(words[:1])
    if options.command is None:
        parser.print_help()
        return 0
    try:
        with interruptible():
            return command_of(options.command)(words[1:])
    except InputError as error:
        print(f"error: {printable(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped by Ctrl-C", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # whoever read the output, as head does, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED_PIPE


def command_of(name: str) -> Command:
    """The command, whose module is imported now and no other: some need PyTorch, which takes seconds to load."""
    command: Command = getattr(importlib.import_module(f"kanpde.cli.{name}"), f"{name}_command")
    return command


def command_lines() -> dict[str, str]:
    """Each command and its line in the help, the docstring of its function, read without importing the module."""
    lines = {}
    for path in sorted(Path(__file__).parent.glob("*.py")):
        for node in ast.parse(path.read_bytes()).body:
            if isinstance(node, ast.FunctionDef) and node.name == f"{path.stem}_command":
                lines[path.stem] = ast.get_docstring(node) or ""
    return lines


def argument_parser() -> argparse.ArgumentParser:
    lines = command_lines()
    parser = argparse.ArgumentParser(
        prog="kanpde",
        description=f"{kanpde.__doc__}\n\ncommands:\n" + "\n".join(f"{name:9} {line}" for name, line in lines.items()),
        epilog="kanpde COMMAND --help says more. python -m kanpde … does the same.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"kanpde {kanpde.__version__}")
    parser.add_argument("command", nargs="?", choices=list(lines), metavar="COMMAND", help=argparse.SUPPRESS)
    return parser
