"""File -> record, trusting nothing."""

from pathlib import Path

import h5py
import numpy as np

from kanpde.errors import InputError
from kanpde.files.hdf5 import DAMAGED, Unsafe, attribute, check_contents, check_texts, first_line, opened
from kanpde.files.regular import Unreadable, check_regular, cut_path, typed_path
from kanpde.results.archive.checksums import CHECKSUM, record_sha256
from kanpde.results.archive.record import ModelData, RunData
from kanpde.results.archive.writing import SCHEMA

ARCHIVE = "result.h5"
"""What the file is called in a run's folder."""

# Attributes of the root that are the format's, not the run's.
FORMAT_ATTRIBUTES = {"NX_class", "default", "kanpde_schema", CHECKSUM}


def archive_of(run: str | Path) -> Path:
    """The archive of a run, given by its folder or by the archive itself."""
    path = typed_path(run)
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
        with opened(path) as root:
            _check_schema(path, root)
            check_contents(root)
            return _checked(_read_run(root), root)
    except InputError:
        raise
    except Unsafe as error:
        raise InputError(
            f"{path}: an archive of plain numbers and text is needed, but this file holds {error}. "
            "Do not trust it; get the file again from whoever made it."
        ) from error
    except DAMAGED as error:
        raise InputError(
            f"{path}: a complete archive is needed, but this one is cut off or damaged ({first_line(error)}). "
            "Copy the file again, or run `kanpde solve` again."
        ) from error


def _checked(data: RunData, root: h5py.File) -> RunData:
    """The run, if its texts and scalars are those that were written; earlier versions left no hash of them."""
    if CHECKSUM in root.attrs and attribute(root, CHECKSUM) != record_sha256(data):
        raise ValueError(f"its texts and scalars do not have the hash {CHECKSUM} that was written with them")
    return data


def _check_file(path: Path) -> None:
    needed = f"{cut_path(path)}: an archive such as result.h5 is needed"
    try:
        check_regular(path, links=True)
    except Unreadable as reason:
        raise InputError(f"{needed}, but this one {reason}. Check the path, or run `kanpde solve` first.") from None
    empty = path.stat().st_size == 0
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
        samples=_arrays(root["samples"]) if "samples" in root else {},
        spectrum_axes=_spectrum_axes(root["spectrum"]) if "spectrum" in root else {},
    )


def _attributes(group: h5py.Group) -> dict[str, str | int | float]:
    return {name: attribute(group, name) for name in group.attrs}


def _spectrum_axes(group: h5py.Group) -> dict[str, tuple[str, ...]]:
    """Of each array with dimension scales, their names in the group."""
    on_axes = {name: item for name, item in group.items() if not item.is_scale}
    return {
        name: tuple(_own_name(dimension[0]) for dimension in item.dims)
        for name, item in on_axes.items()
        if item.ndim and all(len(dimension) for dimension in item.dims)
    }


def _own_name(scale: h5py.Dataset) -> str:
    return str(scale.name).rpartition("/")[2]


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
