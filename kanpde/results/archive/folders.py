"""The archives that lie below a folder."""

from pathlib import Path

from kanpde.errors import InputError
from kanpde.results.archive.reading import ARCHIVE, read_archive
from kanpde.results.archive.record import RunData


def runs_below(folder: Path) -> tuple[list[tuple[str, RunData]], list[str]]:
    """The archives below a folder and where they lie in it; a sentence on each that cannot be read.

    Raises:
        InputError: There is no such folder.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: a run's folder, its archive, or a folder of runs is needed; there is none.")
    found, reasons = [], []
    for archive in sorted(folder.rglob(ARCHIVE)):
        try:
            found.append((str(archive.parent.relative_to(folder)), read_archive(archive)))
        except InputError as error:
            reasons.append(str(error))
    return found, reasons
