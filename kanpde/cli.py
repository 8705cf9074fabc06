"""The commands: `kanpde solve | check | reference | problems | show | export | scaling | collect | report`.

Exit codes: 0 done; 1 the run failed; 2 the input cannot be used; 130 stopped by Ctrl-C, as shells report it.
"""

import argparse
import atexit
import gc
import math
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import kanpde
from kanpde.archive import RunData, metric_digits, read_archive
from kanpde.commands.collect import collect_command
from kanpde.commands.report import report_command
from kanpde.commands.scaling import scaling_command
from kanpde.config import config_of
from kanpde.errors import InputError
from kanpde.exports.command import export_command
from kanpde.jobs import ARCHIVE, Result, State, solve_one
from kanpde.overrides import compose_mapping
from kanpde.problems import Problem, load_problem, problem_names
from kanpde.references import FILE, METHODS, NotSolved, Reference, method_for, reference_of
from kanpde.sweeps import sweep
from kanpde.terminal import Command, command_parser, say
from kanpde.verdicts import statement_lines, verdicts

CLOSED_PIPE = 141  # what shells report for a program that SIGPIPE ended
FIRST_METRICS = (
    "rel_l2",
    "reference_error",
    "reference_time_s",
    "h1",
    "max_error",
    "heldout_residual_rms",
    "n_parameters",
    "n_points",
    "wall_time_s",
)


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


def solve_command(words: Sequence[str]) -> int:
    """solve a problem, plot and archive it; -m: every combination of several values"""
    parser = command_parser(solve_command, settings=True)
    parser.add_argument("-m", "--multirun", action="store_true", help="run every combination: model=kan,mlp seed=0,1")
    options = parser.parse_intermixed_args(words)
    if options.multirun:
        return _report_sweep(sweep(options.settings))
    result = solve_one(options.settings)
    _report(result)
    return result.state.exit_code


def check_command(words: Sequence[str]) -> int:
    """run the checks of a problem alone, with its equations echoed as text and in LaTeX"""
    options = command_parser(check_command, settings=True).parse_intermixed_args(words)
    config = config_of(compose_mapping(options.settings))
    warnings = dict.fromkeys((*config.problem.warnings, *config.warnings))
    found = [f"  ok  {verdict}" for verdict in dict.fromkeys(verdicts(config.problem))]
    say(*statement_lines(config.problem), "checked:", *found)
    say(*(f"warning: {sentence}" for sentence in warnings), "checks passed")
    return 0


def reference_command(words: Sequence[str]) -> int:
    """solve a problem by a classical method alone, at several resolutions"""
    options = command_parser(reference_command, settings=True).parse_intermixed_args(words)
    problem = config_of(compose_mapping(options.settings)).problem
    method = method_for(problem)
    if method is None:
        raise InputError(
            f"{problem.name} needs a reference to be found, by one of {', '.join(METHODS)}; "
            f"{'it has an exact solution' if problem.exact else 'no one of them takes it'}. "
            "Write reference: {method: …} in the problem file to choose one, or {method: file, file: …}."
        )
    try:
        found = reference_of(problem, method)
    except NotSolved as reason:
        say(f"failed: {method} {reason}", stream=sys.stderr)
        return State.FAILED.exit_code
    say(*reference_lines(problem, found))
    return 0


def problems_command(words: Sequence[str]) -> int:
    """list the problems there are, a line each"""
    command_parser(problems_command).parse_args(words)
    names = problem_names()
    width = max(map(len, names), default=0)
    for name in sorted(names):
        say(f"{name:{width}}  {_title(names[name])}")
    return 0


def show_command(words: Sequence[str]) -> int:
    """show what a run's archive holds"""
    parser = command_parser(show_command)
    parser.add_argument("run", metavar="RUN", help="a run's folder or its result.h5")
    path = Path(parser.parse_args(words).run)
    archive = path / ARCHIVE if path.is_dir() else path
    say(*shown_lines(read_archive(archive)), str(archive))
    return 0


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
}


# What the commands print


def reference_lines(problem: Problem, found: Reference) -> list[str]:
    """A classical solution in a few lines."""
    how = "read from a file" if found.method == FILE else f"solved by {found.method}"
    lines = [f"{problem.title}: {how}", f"  {'unknowns':22} {found.unknowns}"]
    lines += [f"  {'relative error':22} {found.error:.2e}", f"  {'seconds':22} {found.seconds:.2f}"]
    energies = zip(found.energies, found.energy_errors, strict=True)
    return lines + [f"  {f'energy {n}':22} {energy:.10g} ± {gap:.1e}" for n, (energy, gap) in enumerate(energies, 1)]


def shown_lines(data: RunData) -> list[str]:
    """An archive in a few lines: what was solved, how it ended, the metrics."""
    about = data.attributes
    lines = [f"{about.get('title')}: {about.get('status')}", str(about.get("stop_reason"))]
    shape = ", ".join(f"{name} [{values.size}]" for name, values in data.axes.items())
    lines += [*_metric_lines(data.metrics), f"  {'reference':22} {about.get('reference', 'none')}"]
    lines.append(f"  {'model':22} {data.model.kind}, seed {about.get('seed')}")
    lines.append(f"  {'fields':22} {', '.join(data.fields)} over {shape}")
    return [*lines, f"  {'created':22} {about.get('created')}"]


def _title(path: Path) -> str:
    try:
        return load_problem(path).title
    except InputError as error:
        return f"does not load: {error}"


def _metric_lines(metrics: Mapping[str, float]) -> list[str]:
    names = [*(name for name in FIRST_METRICS if name in metrics), *(n for n in metrics if n not in FIRST_METRICS)]
    return [f"  {name:22} {metrics[name]:.{metric_digits(name)}g}" for name in names if not math.isnan(metrics[name])]


def _report(result: Result) -> None:
    folder = Path(result.folder)
    files = sorted(path.name for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
    lines = [f"warning: {sentence}" for sentence in result.warnings]
    lines += [f"{result.state.value}: {result.sentence}", *_metric_lines(result.metrics)]
    lines += [f"  {'reference':22} {result.reference}"] if result.reference else []
    lines += [f"{folder}: {'  '.join(files)}"] if files else []
    say(*lines, stream=sys.stderr if result.state is State.FAILED else sys.stdout)


def _report_sweep(results: Sequence[Result]) -> int:
    """A line a job: how it ended, what is particular to it, where it is."""
    print()
    own = [" ".join(words) for words in _own_words([result.words for result in results])]
    width = max(map(len, own), default=0)
    for result, words in zip(results, own, strict=True):
        say(f"{result.state.value:11}  {words:{width}}  {result.folder}  {result.note()}")
        say(*(f"{'':11}  warning: {sentence}" for sentence in result.warnings))
    counts = Counter(result.state for result in results)
    say(", ".join(f"{counts[state]} {state.value}" for state in State if counts[state]))
    return max((result.state.exit_code for result in results), default=0)


def _own_words(jobs: Sequence[Sequence[str]]) -> list[list[str]]:
    """Of each job the words that not all jobs have; of words with the same key, the last holds.

    >>> _own_words([["model=kan", "dtype=float32"], ["model=mlp", "dtype=float32"]])
    [['model=kan'], ['model=mlp']]
    """
    valid = [{word.partition("=")[0]: word for word in words} for words in jobs]
    return [[word for key, word in own.items() if any(other.get(key) != word for other in valid)] for own in valid]
