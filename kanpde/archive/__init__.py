"""Runs as HDF5 files: one file that h5py, xarray, NeXus viewers and VTK open; knows no training.

From the bottom up:

    record      what a run leaves behind, as plain arrays, numbers and text
    files       put a finished file in place, whole or not at all
    writing     record -> bytes of an HDF5 file
    vtk         the group that VTK and ParaView look for
    safety      what a file from a stranger may contain
    reading     file -> record
"""

from kanpde.archive.files import replace_file
from kanpde.archive.reading import read_archive
from kanpde.archive.record import ModelData, RunData, metric_digits
from kanpde.archive.writing import archive_bytes, write_archive

__all__ = [
    "ModelData", "RunData", "archive_bytes", "metric_digits", "read_archive", "replace_file", "write_archive",
]  # fmt: skip
