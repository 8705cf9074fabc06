"""`kanpde bench`: problems × routes × seeds, the error over time, classical solvers and other packages beside."""

from argparse import Namespace
from collections.abc import Sequence
from itertools import product

from kanpde.cli.parsing import command_parser, say
from kanpde.errors import InputError
from kanpde.files.regular import typed_path
from kanpde.problems.catalog import load_problem, problem_names
from kanpde.runs.choices import group_choices
from kanpde.studies.bench import CLASSICAL, Case, run_bench, stored, summary, write_bench
from kanpde.studies.peers import PEERS

EPILOG = """Each run is kept as soon as it is made, and none is made again: the same command goes on where it stopped.
The folder holds bench.json, and bench.csv, bench.png and bench.md, which are made of it.
"""

ROUTES = group_choices("optimizer")


def bench_command(words: Sequence[str]) -> int:
    """measure routes on problems, the error over time: a benchmark that goes on where it stopped"""
    parser = command_parser(bench_command)
    parser.epilog = EPILOG
    parser.add_argument("problems", nargs="*", metavar="PROBLEM", help="names or files; all that ship unless given")
    parser.add_argument("--routes", default="auto", help=f"some of {', '.join([*ROUTES, *PEERS])}; auto unless given")
    parser.add_argument("--seeds", default="0", help="as 0,1,2")
    parser.add_argument("--limit", default=120.0, type=float, help="seconds of training of a run, 120 unless given")
    parser.add_argument("--bare", action="store_true", help="leave out the settings of problem files")
    parser.add_argument("--classical", action="store_true", help="classical solvers beside, at several resolutions")
    parser.add_argument("--peers", action="store_true", help=f"as routes beside all other packages: {', '.join(PEERS)}")
    parser.add_argument("--folder", default="outputs/bench", help="where rows are kept, outputs/bench unless given")
    parser.add_argument("--report", action="store_true", help="run nothing, make the files of the rows anew")
    options = parser.parse_args(words)
    bench = stored(typed_path(options.folder))
    if not options.report:
        bench = run_bench(bench, _cases(options), lambda line: print(line, flush=True))
    if not bench.rows:
        raise InputError(f"{options.folder}: rows of a benchmark are needed; there are none. Run without --report.")
    files = write_bench(bench)
    say(*summary(bench.rows), f"{bench.folder}: {'  '.join(path.name for path in files)}")
    return 0


def _cases(options: Namespace) -> list[Case]:
    """Seeds on the outside, so that a first answer to all comes before the second to any."""
    names = options.problems or _trained()
    for name in names:
        load_problem(name)  # what cannot be read is said before the first run
    routes = options.routes.split(",")
    for route in routes:
        if route not in (*ROUTES, *PEERS):
            known = ", ".join([*ROUTES, *PEERS])
            raise InputError(f"A route must be one of {known}; {route!r} came. Choose one of them.")
    if options.limit <= 0:
        raise InputError(f"--limit needs seconds above 0; {options.limit:g} came. Write 120, say.")
    routes = [*dict.fromkeys([*routes, *(PEERS if options.peers else ())])]
    cases = [Case(name, route, seed, options.limit, options.bare)
             for seed, name, route in product(_numbers(options.seeds), names, routes)]  # fmt: skip
    return [*cases, *(Case(name, CLASSICAL, 0, 0.0) for name in names if options.classical)]


def _numbers(text: str) -> list[int]:
    try:
        return [int(word) for word in text.split(",")]
    except ValueError:
        raise InputError(f"--seeds needs whole numbers, as 0,1,2; {text!r} came. Write them so.") from None


def _trained() -> list[str]:
    """The shipped problems that train: all but spectra of lattices."""
    return [name for name, path in problem_names().items() if load_problem(path).task.key != "lattice"]
