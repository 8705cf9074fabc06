"""`kanpde export RUN --to csv`, or to pdf or svg, the picture of the run for paper."""

from collections.abc import Sequence

from kanpde.cli.parsing import command_parser, say
from kanpde.errors import InputError
from kanpde.files.atomic import made_folder
from kanpde.files.regular import own_path
from kanpde.results.archive import archive_of, read_archive
from kanpde.results.exports import FORMATS, export_run
from kanpde.runs.pictures import PICTURES, write_picture

ALL = (*FORMATS, *PICTURES)


def export_command(words: Sequence[str]) -> int:
    """write a run in the formats of other programs: csv, npz, vtk, safetensors; its picture: pdf, png, svg"""
    parser = command_parser(export_command)
    parser.add_argument("run", metavar="RUN", help="a run's folder or its result.h5")
    parser.add_argument("--to", metavar="FORMAT", help=", ".join(ALL))
    parser.add_argument("--into", metavar="FOLDER", help="where the files go; made if need be")
    options = parser.parse_args(words)
    if options.to not in ALL:
        raise InputError(f"--to needs one of {', '.join(ALL)}; {options.to or 'none'} came. Write --to csv, say.")
    archive = archive_of(options.run)
    data = read_archive(archive)
    folder = made_folder(own_path(options.into), "--into FOLDER") if options.into else archive.parent
    if options.to in PICTURES:
        say(str(write_picture(data, options.to, folder)))
    else:
        say(*map(str, export_run(data, options.to, folder)))
    return 0
