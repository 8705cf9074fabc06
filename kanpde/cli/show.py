"""`kanpde show`."""

import math
from collections.abc import Sequence

from kanpde.cli.metrics import metric_lines
from kanpde.cli.parsing import command_parser, say
from kanpde.results.archive import RunData, archive_of, read_archive
from kanpde.results.archive.folders import runs_below
from kanpde.results.verdicts import verdict_in


def show_command(words: Sequence[str]) -> int:
    """show what a run's archive holds, or which runs a folder has"""
    parser = command_parser(show_command)
    parser.add_argument("run", metavar="RUN", help="a run's folder or its result.h5, or a folder of runs")
    archive = archive_of(parser.parse_args(words).run)
    if archive.parent.is_dir() and not archive.exists() and (runs := runs_below(archive.parent)[0]):
        say(*run_lines(runs), f"{len(runs)} runs in {archive.parent}; kanpde show RUN says more of one")
        return 0
    say(*shown_lines(read_archive(archive)), str(archive))
    return 0


def run_lines(runs: Sequence[tuple[str, RunData]]) -> list[str]:
    """A line a run: its verdict, its error, where it lies."""
    lines = []
    for path, data in runs:
        verdict, error = verdict_in(data.attributes, data.metrics), data.metrics.get("rel_l2", math.nan)
        told = "" if math.isnan(error) else f"rel_l2 {error:.2e}"
        lines.append(f"{verdict.word.value:8}  {told:15}  {data.attributes.get('status')!s:11}  {path}")
    return lines


def shown_lines(data: RunData) -> list[str]:
    """An archive in a few lines: what was solved, how it ended, the metrics."""
    about = data.attributes
    lines = [f"{about.get('title')}: {about.get('status')}", str(about.get("stop_reason"))]
    shape = ", ".join(f"{name} [{values.size}]" for name, values in data.axes.items())
    lines += [*metric_lines(data.metrics), f"  {'reference':22} {about.get('reference', 'none')}"]
    lines.insert(1, verdict_in(about, data.metrics).line())
    lines.append(f"  {'model':22} {data.model.kind}, seed {about.get('seed')}")
    if data.fields:
        lines.append(f"  {'fields':22} {', '.join(data.fields)} over {shape}")
    if about.get("formula"):
        lines.append(f"  {'edge':22} {about['formula']} ({about.get('formula_errors')})")
    return [*lines, f"  {'created':22} {about.get('created')}"]
