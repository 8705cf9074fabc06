"""`kanpde claims`: the KAN paper and its critics, put to the test."""

from collections.abc import Sequence
from pathlib import Path

from kanpde.cli.parsing import command_parser, say
from kanpde.errors import InputError
from kanpde.studies.claims import CLAIMS, judged


def claims_command(words: Sequence[str]) -> int:
    """re-run a claim of the KAN paper or of its critics, and say whether it holds"""
    parser = command_parser(claims_command)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(CLAIMS)}; all unless given")
    parser.add_argument("--list", action="store_true", help="say what there is, and run nothing")
    parser.add_argument("--again", action="store_true", help="run what has been run before as well")
    parser.add_argument("--folder", default="outputs/claims", help="where outcomes are kept, so that one can go on")
    options = parser.parse_args(words)
    if options.list:
        say(*(f"{claim.name:12} {claim.statement}" for claim in CLAIMS.values()))
        return 0
    for name in options.names:
        if name not in CLAIMS:
            raise InputError(f"A claim must be one of {', '.join(CLAIMS)}; {name!r} came. Choose one of them.")
    for name in options.names or CLAIMS:
        say(*judged(CLAIMS[name], Path(options.folder), options.again).lines())
    return 0
