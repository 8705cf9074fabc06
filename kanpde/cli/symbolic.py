"""`kanpde symbolic`: formulas out of a run."""

import argparse
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from kanpde.cli.parsing import command_parser, say
from kanpde.errors import InputError
from kanpde.files.atomic import replace_file
from kanpde.results.archive import archive_of, write_archive
from kanpde.runs.run import Run, open_run
from kanpde.symbolic.discovery import Search
from kanpde.symbolic.manual import Workbench
from kanpde.symbolic.readings import Reading, read_formulas, read_structures, with_reading, with_structures

NOT_FOUND = 3


def symbolic_command(words: Sequence[str]) -> int:
    """read formulas out of a run: automatic, of a form you assume, or edge by edge"""
    parser = _parser()
    options = parser.parse_args(words)
    archive = archive_of(options.run)
    run = open_run(archive)
    watch = say if options.verbose else lambda line: None
    if options.structure:
        structures = read_structures(run.solution, options.seed)
        write_archive(archive, with_structures(run.data, structures))
        for field, structure in structures.items():
            say(field, *structure.lines())
        say(str(archive))
        return 0
    if options.set or options.suggest:
        reading = _by_hand(run, options)
        if reading is None:
            return 0
    else:
        search = Search(budget=options.budget, starts=options.starts)
        reading = read_formulas(run.solution, search, options.seed, options.assume, watch, run.verdict.estimate)
    run = replace(run, data=with_reading(run.data, reading))
    write_archive(archive, run.data)
    if options.diagram:
        _draw(run, options)
    say(*reading.lines(), str(archive))
    return 0 if reading.found else NOT_FOUND


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(symbolic_command)
    parser.add_argument("run", metavar="RUN", help="a run's folder or its result.h5")
    parser.add_argument("--assume", metavar="FORM", help='a form to test, as "exp(a(x) + b(y))"; a, b are unknown')
    parser.add_argument(
        "--structure", action="store_true", help="say what derivatives tell: sums, products, symmetries, x²+y², x/y, …"
    )
    parser.add_argument(
        "--set", metavar="L,I,O=NAME", action="append", help='name an edge, as "0,1,0=sin"; spline to take it back'
    )
    parser.add_argument("--suggest", metavar="L,I,O", help="list what an edge may be, and change nothing")
    parser.add_argument("--field", help="the field whose edges are meant, the first unless given")
    parser.add_argument("--diagram", metavar="FILE", help="draw the network, as .svg, .pdf or .png")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--starts", type=int, default=3, help="random networks for each template")
    parser.add_argument("--budget", type=float, default=60.0, help="CPU seconds after which nothing new is begun")
    parser.add_argument("-v", "--verbose", action="store_true", help="show what is tried")
    parser.epilog = "exit codes: 0 found, 2 the input cannot be used, 3 no formula was found"
    return parser


def _by_hand(run: Run, options: argparse.Namespace) -> Reading | None:
    """Edges named one by one; what was stored before is gone on with."""
    field = options.field or run.problem.fields[0]
    if field not in run.problem.fields:
        raise InputError(f"--field needs one of {', '.join(run.problem.fields)}; {field!r} came. Choose one.")
    bench = Workbench.of(run.solution, run.data, field, options.seed)
    if options.suggest:
        key = _key(options.suggest)
        say(*(f"{c.name:14} 1 - R² = {c.unexplained:.1e}" for c in bench.suggest(key)))
        say(f"left out, singular or degenerate on its values: {', '.join(bench.left_out(key)) or 'none'}")
        return None
    for entry in options.set:
        place, _, name = entry.partition("=")
        bench.set(_key(place), name)
        say(f"{place} = {name}: error {bench.error:.1e}")
    return bench.reading()


def _draw(run: Run, options: argparse.Namespace) -> None:
    """The diagram of one field's network."""
    if Path(options.diagram).suffix not in (".svg", ".pdf", ".png"):
        raise InputError(f"A diagram is an .svg, .pdf or .png; {options.diagram!r} came. Name it so.")
    drawn = io.BytesIO()
    run.plot("network", options.field).savefig(drawn, format=Path(options.diagram).suffix[1:], dpi=200)
    replace_file(options.diagram, drawn.getvalue())
    say(options.diagram)


def _key(text: str) -> tuple[int, int, int]:
    parts = text.split(",")
    if len(parts) != 3 or not all(part.strip().isdigit() for part in parts):
        raise InputError(f'An edge is layer,input,output, as "0,1,0"; {text!r} came. Count from 0.')
    layer, i, o = map(int, parts)
    return layer, i, o
