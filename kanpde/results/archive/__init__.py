"""Runs as HDF5 files: one file that h5py, xarray, NeXus viewers and VTK open; knows no training.

From the bottom up:

    record      what a run leaves behind, as plain arrays, numbers and text
    writing     record -> bytes of an HDF5 file
    vtk         the group that VTK and ParaView look for
    reading     file -> record
"""

from kanpde.results.archive.reading import ARCHIVE, archive_of, read_archive
from kanpde.results.archive.record import ModelData, RunData
from kanpde.results.archive.writing import archive_bytes, write_archive

__all__ = [
    "ARCHIVE", "ModelData", "RunData", "archive_bytes", "archive_of", "read_archive", "write_archive",
]  # fmt: skip
