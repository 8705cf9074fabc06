"""`kanpde claims`: the KAN paper and its critics, put to the test."""

from collections.abc import Sequence

from kanpde.cli.parsing import command_parser, say
from kanpde.errors import InputError
from kanpde.files.atomic import made_folder, replace_file
from kanpde.files.regular import typed_path
from kanpde.studies.claims import CLAIMS, judged, stored
from kanpde.studies.claims.report import claims_page


def claims_command(words: Sequence[str]) -> int:
    """re-run a claim of the KAN paper or of its critics, and say whether it holds"""
    parser = command_parser(claims_command)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(CLAIMS)}, all unless given; "
                        "or report: one page over what has been run")  # fmt: skip
    parser.add_argument("--list", action="store_true", help="say what there is, and run nothing")
    parser.add_argument("--again", action="store_true", help="run what has been run before as well")
    parser.add_argument("--folder", default="outputs/claims", help="where outcomes are kept, so that one can go on")
    parser.epilog = (
        "All of them take about three quarters of an hour on two cores that do nothing else: feynman eleven minutes of "
        "CPU time, knots ten with its census, poisson seven by the clock, others up to five each. What was stopped "
        "goes on where it was. Outcomes that were measured: outputs/reference/claims."
    )
    options = parser.parse_args(words)
    if options.list:
        say(*(f"{claim.name:12} {claim.statement}" for claim in CLAIMS.values()))
        return 0
    folder = typed_path(options.folder)
    if options.names == ["report"]:
        path = made_folder(folder, "--folder FOLDER") / "claims.html"
        found = [stored(name, folder) for name in CLAIMS]
        replace_file(path, claims_page(list(CLAIMS.values()), found).encode())
        for outcome in found:
            say(*(outcome.lines() if outcome is not None else ()))
        say(str(path))
        return 0
    for name in options.names:
        if name not in CLAIMS:
            raise InputError(f"A claim must be one of {', '.join(CLAIMS)}; {name!r} came. Choose one of them.")
    for name in options.names or CLAIMS:
        say(*judged(CLAIMS[name], folder, options.again).lines())
    return 0
