"""The commands: `kanpde solve | check | reference | problems | show | export | scaling | collect | report | schema`.

Exit codes: 0 done; 1 the run failed; 2 the input cannot be used; 130 stopped by Ctrl-C, as shells report it.
"""

import argparse
import atexit
import gc
import os
import sys
from collections.abc import Sequence

import kanpde
from kanpde.cli.check import check_command
from kanpde.cli.collect import collect_command
from kanpde.cli.export import export_command
from kanpde.cli.parsing import Command
from kanpde.cli.problems import problems_command
from kanpde.cli.reference import reference_command
from kanpde.cli.report import report_command
from kanpde.cli.scaling import scaling_command
from kanpde.cli.schema import schema_command
from kanpde.cli.show import show_command
from kanpde.cli.solve import solve_command
from kanpde.errors import InputError
from kanpde.runs.jobs import State

CLOSED_PIPE = 141  # what shells report for a program that SIGPIPE ended


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    # The interpreter's last collection walks through all of PyTorch and SymPy, a second in which nothing is freed.
    atexit.register(gc.freeze)
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = argument_parser()
    # Settings and options may come in any order, which argparse allows only where there are no subcommands.
    options = parser.parse_args(words[:1])
    command = COMMANDS.get(options.command)
    if command is None:
        parser.print_help()
        return 0
    try:
        return command(words[1:])
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped by Ctrl-C", file=sys.stderr)
        return State.INTERRUPTED.exit_code
    except BrokenPipeError:  # whoever read the output, as head does, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED_PIPE


def argument_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kanpde",
        description=kanpde.__doc__,
        epilog="kanpde COMMAND --help says more. python -m kanpde … does the same.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"kanpde {kanpde.__version__}")
    listed = "\n".join(f"{name:9} {command.__doc__}" for name, command in COMMANDS.items())
    parser.add_argument("command", nargs="?", choices=list(COMMANDS), metavar="COMMAND", help=argparse.SUPPRESS)
    parser.description += f"\n\ncommands:\n{listed}"
    return parser


COMMANDS: dict[str, Command] = {
    "solve": solve_command,
    "check": check_command,
    "reference": reference_command,
    "problems": problems_command,
    "show": show_command,
    "export": export_command,
    "scaling": scaling_command,
    "collect": collect_command,
    "report": report_command,
    "schema": schema_command,
}
