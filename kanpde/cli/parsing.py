"""What all commands share: how they read their words and how they print."""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import IO

from kanpde.runs.progress import printable

Command = Callable[[Sequence[str]], int]
"""Takes the words after its name and returns the exit code; the docstring is its line in the help."""

SETTINGS = """settings are key=value words:
  problem=burgers | problem=path/to/file.yaml      problem.parameters.nu=0.02
  model=kan|mlp|chebyshev|gaussian|fourier         model.width=[5,5] model.grid=10 model.degree=5
  optimizer=lm|lbfgs|adam   sampling=sobol|gauss   training=default|quick  training.time_limit=60
  seed=1  device=auto|cpu|cuda  dtype=float64  threads=2  output.folder=outputs  rerun=true|failed
  tracker=none|tensorboard|mlflow   with -m: hydra/launcher=basic|joblib|submitit_slurm|submitit_local|ray

exit codes: 0 done, 1 the run failed, 2 the input cannot be used, 130 stopped by Ctrl-C"""


def command_parser(command: Command, settings: bool = False) -> argparse.ArgumentParser:
    """The parser of the words after a command's name, `solve` for `solve_command`; `settings` for those of a run."""
    parser = argparse.ArgumentParser(
        prog=f"kanpde {command.__name__.removesuffix('_command')}",
        description=command.__doc__,
        epilog=SETTINGS if settings else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if settings:
        parser.add_argument("settings", nargs="*", metavar="key=value", help="a setting; see below")
    return parser


def say(*lines: str, stream: IO[str] | None = None) -> None:
    """Print lines, on standard output unless told otherwise."""
    for line in lines:
        print(printable(line), file=stream or sys.stdout)
