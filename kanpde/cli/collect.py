"""`kanpde collect`: the analysis of a study over runs that exist."""

from collections.abc import Sequence
from dataclasses import replace

from kanpde.cli.parsing import command_parser, say
from kanpde.errors import InputError
from kanpde.files.atomic import made_folder
from kanpde.files.regular import typed_path
from kanpde.studies.files import collected, write_study
from kanpde.studies.lattice_runs import TABLE, lattice_lines, lattice_runs, write_lattice_table

ANOTHER = "--to FOLDER"


def collect_command(words: Sequence[str]) -> int:
    """compare runs that exist: error against size, who wins at equal budget"""
    parser = command_parser(collect_command)
    parser.add_argument("folders", metavar="FOLDER", nargs="+", help="folders with runs, at any depth")
    parser.add_argument("--to", metavar="FOLDER", help="where to write; by default `collected` in the first folder")
    options = parser.parse_args(words)
    folders = [typed_path(folder) for folder in options.folders]
    outcome, lattices = collected(folders), lattice_runs(folders)
    measured = {str(path) for path, _ in lattices}
    outcome = replace(outcome, skipped=tuple(one for one in outcome.skipped if one.path not in measured))
    say(*(f"left out: {one.path}: {one.reason}" for one in outcome.skipped))
    say(f"{len(outcome.records)} runs, {len(outcome.skipped)} left out")
    first = folders[0].parent if folders[0].is_file() else folders[0]
    target = typed_path(options.to) if options.to else first / "collected"
    if lattices:
        write_lattice_table(made_folder(target, ANOTHER) / TABLE, lattices)
        say(f"{len(lattices)} of lattices", *lattice_lines(lattices), str(target / TABLE))
    if not outcome.records and lattices:
        return 0
    if not outcome.records:
        raise InputError(
            f"{', '.join(map(str, folders))}: runs are needed; none there can be used. Run `kanpde solve` first."
        )
    for comparison in outcome.comparisons():
        say("", *comparison.conclusions())
    say(f"{made_folder(target, ANOTHER)}: {'  '.join(path.name for path in write_study(target, outcome))}")
    return 0
