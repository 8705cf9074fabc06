"""The picture of an archived run as a file: to look at, or for paper."""

from pathlib import Path

from kanpde.files.atomic import replace_file
from kanpde.reports.plots import PICTURES, picture_bytes, solution_figure
from kanpde.results.archive import RunData

__all__ = ["PICTURES", "write_picture"]


def write_picture(data: RunData, kind: str, folder: Path) -> Path:
    """Write `solution.<kind>` of a kind in `PICTURES` to a folder that exists, and return its path."""
    path = folder / f"solution.{kind}"
    replace_file(path, picture_bytes(solution_figure(data), kind))
    return path
