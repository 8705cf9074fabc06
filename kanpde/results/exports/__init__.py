"""A run in the formats of other programs: an archive → the bytes of files by name.

    csv           solution.csv, history.csv, metrics.csv    tables, one line a point, step or metric
    npz           solution.npz                              all arrays, for NumPy
    vtk           solution.vti, or solution.pvd and images  for ParaView
    safetensors   parameters.safetensors                    the trained network, under the names of its state_dict
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from kanpde.errors import InputError
from kanpde.files.atomic import replace_file
from kanpde.results.archive import RunData
from kanpde.results.exports.csv import csv_files
from kanpde.results.exports.npz import npz_files
from kanpde.results.exports.safetensors import safetensors_files
from kanpde.results.exports.vtk import vtk_files

__all__ = ["FORMATS", "export_run"]

FORMATS: Mapping[str, Callable[[RunData], dict[str, bytes]]] = {
    "csv": csv_files,
    "npz": npz_files,
    "vtk": vtk_files,
    "safetensors": safetensors_files,
}


def export_run(data: RunData, kind: str, folder: Path) -> list[Path]:
    """Write a run in a format of `FORMATS` to a folder that exists, and return the files.

    Raises:
        InputError: The format is unknown, the run does not fit it, or the folder cannot be written to.
    """
    if kind not in FORMATS:
        raise InputError(f"--to needs one of {', '.join(FORMATS)}; {kind} came. Write --to csv, say.")
    paths = []
    for name, content in FORMATS[kind](data).items():
        replace_file(folder / name, content)
        paths.append(folder / name)
    return paths
