"""`kanpde show`."""

from collections.abc import Sequence

from kanpde.cli.metrics import metric_lines
from kanpde.cli.parsing import command_parser, say
from kanpde.results.archive import RunData, archive_of, read_archive
from kanpde.results.verdicts import verdict_in


def show_command(words: Sequence[str]) -> int:
    """show what a run's archive holds"""
    parser = command_parser(show_command)
    parser.add_argument("run", metavar="RUN", help="a run's folder or its result.h5")
    archive = archive_of(parser.parse_args(words).run)
    say(*shown_lines(read_archive(archive)), str(archive))
    return 0


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
