"""The group that VTK and ParaView look for: hard links to the fields on a uniform grid."""

from collections.abc import Iterable

import h5py
import numpy as np

from kanpde.results.archive.record import RunData

GROUP = "VTKHDF"
# The first major version: VTK 9.1 reads it, and so does every later one.
VERSION = (1, 0)


def spacing(axis: np.ndarray) -> float | None:
    """The step of a uniform axis, None if it has no single step."""
    steps = np.diff(axis)
    if steps.size == 0 or not np.allclose(steps, steps.mean(), rtol=1e-6, atol=0):
        return None
    return float(steps.mean())


def link_image(root: h5py.File, data: RunData) -> None:
    """Add `/VTKHDF`, an ImageData of the fields in `/solution`, if the grid is uniform with one to three axes.

    VTK counts the first coordinate fastest, an HDF5 array the last. The archive stores fields with the axes
    reversed (see `writing`), so both orders agree and links are enough.

    Source: VTK documentation, VTKHDF format specification, "Image data".
    """
    steps = [step for axis in data.axes.values() if (step := spacing(axis)) is not None]
    if not 1 <= len(steps) <= 3 or len(steps) < len(data.axes) or not data.fields:
        return
    group = root.create_group(GROUP, track_order=True)
    group.attrs["Version"] = np.array(VERSION, dtype=np.int64)
    # VTK wants a fixed-length ASCII string here.
    group.attrs["Type"] = np.bytes_("ImageData")
    for name, values in _geometry(data, steps).items():
        group.attrs[name] = values
    _link(group, root["solution"], data.axes)
    _link(group.create_group("PointData", track_order=True), root["solution"], data.fields)
    # The field that VTK shows first.
    root["solution"][data.solved_fields[0]].attrs["Attribute"] = np.bytes_("Scalars")


def _link(group: h5py.Group, source: h5py.Group, names: Iterable[str]) -> None:
    """Hard links; netCDF wants to find an array's dimensions in its group or one above, VTK does not mind them."""
    for name in names:
        group[name] = source[name]


def _geometry(data: RunData, steps: list[float]) -> dict[str, np.ndarray]:
    """Axes that are not there have one point at 0."""
    missing = 3 - len(steps)
    ends = [axis.size - 1 for axis in data.axes.values()] + [0] * missing
    return {
        "WholeExtent": np.array([[0, end] for end in ends], dtype=np.int64).ravel(),
        "Origin": np.array([float(axis[0]) for axis in data.axes.values()] + [0.0] * missing),
        "Spacing": np.array(steps + [1.0] * missing),
        "Direction": np.eye(3).ravel(),
    }
