"""`kanpde report`: one HTML file on a run or a study, from archives alone."""

from collections.abc import Sequence

from kanpde.cli.parsing import command_parser, say
from kanpde.files.regular import typed_path
from kanpde.studies.files import write_report


def report_command(words: Sequence[str]) -> int:
    """write report.html for a run, a study or a folder of runs"""
    parser = command_parser(report_command)
    parser.add_argument("path", metavar="RUN|SWEEP", help="a run's folder or result.h5, a study's, or a folder of runs")
    target, comparisons = write_report(typed_path(parser.parse_args(words).path))
    for comparison in comparisons:
        say(*comparison.conclusions())
    say(str(target))
    return 0
