"""`kanpde solve`."""

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from kanpde.cli.metrics import metric_lines
from kanpde.cli.parsing import say
from kanpde.cli.settings import settings_parser
from kanpde.runs.jobs import JobState, Result, solve_one
from kanpde.runs.sweeps import sweep

WORST_FIRST = (130, 1, 2, 3)
"""Exit codes of jobs, the one that a sweep ends with first: stopped, failed, bad input, unsolved."""


def solve_command(words: Sequence[str]) -> int:
    """solve a problem, plot and archive it; -m: every combination of several values"""
    parser = settings_parser(solve_command)
    parser.add_argument("-m", "--multirun", action="store_true", help="run every combination: model=kan,mlp seed=0,1")
    options = parser.parse_intermixed_args(words)
    if options.multirun:
        return _report_sweep(sweep(options.settings))
    result = solve_one(options.settings)
    if result.state is not JobState.BESIDE:
        _report(result)
    return result.exit_code


def _report(result: Result) -> None:
    folder = Path(result.folder)
    files = sorted(path.name for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
    lines = [f"warning: {sentence}" for sentence in result.warnings]
    lines += [f"{result.state.value}: {result.sentence}", *metric_lines(result.metrics)]
    lines += [f"  {'reference':22} {result.reference}"] if result.reference else []
    lines += [result.verdict.line()] if result.verdict else []
    lines += [f"{folder}: {'  '.join(files)}"] if files else []
    say(*lines, stream=sys.stderr if result.state is JobState.FAILED else sys.stdout)


def _report_sweep(results: Sequence[Result]) -> int:
    """A line a job: how it ended, what is particular to it, where it is."""
    print()
    own = [" ".join(words) for words in _own_words([result.words for result in results])]
    width = max(map(len, own), default=0)
    for result, words in zip(results, own, strict=True):
        say(f"{result.state.value:11}  {words:{width}}  {result.folder}  {result.note()}")
        say(*(f"{'':11}  warning: {sentence}" for sentence in result.warnings))
    counts = Counter(result.state for result in results)
    unsolved = sum(result.unsolved for result in results)
    counted = [f"{counts[state]} {state.value}" for state in JobState if counts[state]]
    say(", ".join([*counted, *([f"{unsolved} of them unsolved"] if unsolved else [])]))
    codes = {result.exit_code for result in results}
    return next((code for code in WORST_FIRST if code in codes), 0)


def _own_words(jobs: Sequence[Sequence[str]]) -> list[list[str]]:
    """Of each job the words that not all jobs have; of words with the same key, the last holds.

    >>> _own_words([["model=kan", "dtype=float32"], ["model=mlp", "dtype=float32"]])
    [['model=kan'], ['model=mlp']]
    """
    valid = [{word.partition("=")[0]: word for word in words} for words in jobs]
    return [[word for key, word in own.items() if any(other.get(key) != word for other in valid)] for own in valid]
