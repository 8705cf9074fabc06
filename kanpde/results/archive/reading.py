"""File -> record, trusting nothing."""

import os
import stat
from pathlib import Path

import h5py
import numpy as np

from kanpde.errors import InputError
from kanpde.files.hdf5 import Unsafe, attribute, check_contents, check_texts
from kanpde.results.archive.record import ModelData, RunData
from kanpde.results.archive.writing import SCHEMA

ARCHIVE = "result.h5"
"""What the file is called in a run's folder."""

# Attributes of the root that are the format's, not the run's.
FORMAT_ATTRIBUTES = {"NX_class", "default", "kanpde_schema"}


def archive_of(run: str | Path) -> Path:
    """The archive of a run, given by its folder or by the archive itself."""
    path = Path(run)
    return path / ARCHIVE if path.is_dir() else path


def read_archive(path: str | Path) -> RunData:
    """Open an archive that may come from a stranger.

    Args:
        path: Of a file that `write_archive` made.

    Returns:
        The run, bit for bit as it was saved; axes in the order of the problem's coordinates.

    Raises:
        InputError: The file is missing, cut off, damaged, no archive, of another version, or holds what an
            archive has no need of (links to other files, foreign filters, sizes over the bounds in `safety`).
    """
    path = Path(path)
    _check_file(path)
    try:
        check_texts(path)
        with h5py.File(path, "r", locking=False) as root:
            _check_schema(path, root)
            check_contents(root)
            return _read_run(root)
    except InputError:
        raise
    except Unsafe as error:
        raise InputError(
            f"{path}: an archive of plain numbers and text is needed, but this file holds {error}. "
            "Do not trust it; get the file again from whoever made it."
        ) from error
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError, AttributeError) as error:
        raise InputError(
            f"{path}: a complete archive is needed, but this one is cut off or damaged ({_first_line(error)}). "
            "Copy the file again, or run `kanpde solve` again."
        ) from error


def _first_line(error: Exception) -> str:
    text = str(error.args[0]) if error.args else type(error).__name__
    return text.splitlines()[0].rstrip(".") if text else type(error).__name__


def _check_file(path: Path) -> None:
    needed = f"{path}: an archive such as result.h5 is needed"
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise InputError(f"{needed}, but this is not a file. Give the path of the result.h5 in it.")
        with open(path, "rb") as file:
            empty = not file.read(1)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(
            f"{needed}, but there is no such file. Check the path, or run `kanpde solve` first."
        ) from error
    except OSError as error:
        raise InputError(f"{needed}, but it cannot be read: {error.strerror}. Check who may read it.") from error
    if empty or not h5py.is_hdf5(path):
        came = "this file is empty" if empty else "this is no HDF5 file, or its beginning is damaged"
        raise InputError(f"{needed}, but {came}. Give a result.h5 that `kanpde solve` wrote.")


def _check_schema(path: Path, root: h5py.File) -> None:
    if "kanpde_schema" not in root.attrs:
        raise InputError(
            f"{path}: an archive written by kanpde is needed, but this HDF5 file has no attribute kanpde_schema. "
            "Give a result.h5 that `kanpde solve` wrote."
        )
    schema = attribute(root, "kanpde_schema")
    if schema != SCHEMA:
        raise InputError(
            f"{path}: an archive of schema {SCHEMA} is needed, but this one has schema {schema}. "
            "Open it with the version of kanpde that wrote it (attribute versions_json), or run again."
        )


def _read_run(root: h5py.File) -> RunData:
    solution = root["solution"]
    axes = {name: _values(item) for name, item in solution.items() if item.is_scale}
    return RunData(
        attributes={name: attribute(root, name) for name in root.attrs if name not in FORMAT_ATTRIBUTES},
        axes=axes,
        fields=_on_axes(solution),
        history=_arrays(root["history"]),
        metrics={name: values.item() for name, values in _arrays(root["metrics"]).items()},
        model=_read_model(root["model"]),
        points=_arrays(root["points"]),
        coefficients=_on_axes(root["coefficients"]) if "coefficients" in root else {},
        spectrum=_arrays(root["spectrum"]) if "spectrum" in root else {},
        symbolic=_arrays(root["symbolic"]) if "symbolic" in root else {},
        symbolic_attributes=_attributes(root["symbolic"]) if "symbolic" in root else {},
    )


def _attributes(group: h5py.Group) -> dict[str, str | int | float]:
    return {name: attribute(group, name) for name in group.attrs}


def _on_axes(group: h5py.Group) -> dict[str, np.ndarray]:
    """What stands on the scales of a group, axes in the order of the coordinates."""
    values = {name: _values(item) for name, item in group.items() if not item.is_scale}
    return {name: np.ascontiguousarray(np.transpose(value)) for name, value in values.items()}


def _read_model(group: h5py.Group) -> ModelData:
    return ModelData(
        kind=str(attribute(group, "kind")),
        config_json=str(attribute(group, "config_json")),
        parameters=_arrays(group["parameters"]),
        grids=_arrays(group["grids"]),
    )


def _arrays(group: h5py.Group) -> dict[str, np.ndarray]:
    return {name: _values(item) for name, item in group.items()}


def _values(dataset: h5py.Dataset) -> np.ndarray:
    values = np.asarray(dataset[()])
    return values.astype(values.dtype.newbyteorder("="), copy=False)
