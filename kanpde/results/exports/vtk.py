"""Images for ParaView and VTK: a file in XML for up to two space coordinates and time, a series of them beyond."""

import base64
import struct
from collections.abc import Mapping
from xml.sax.saxutils import quoteattr

import numpy as np

from kanpde.errors import InputError
from kanpde.results.archive import RunData
from kanpde.results.archive.vtk import spacing

TIME = "t"
MOST_AXES = 3

IMAGE = """<?xml version="1.0"?>
<VTKFile type="ImageData" version="1.0" byte_order="LittleEndian" header_type="UInt64">
<ImageData WholeExtent="{extent}" Origin="{origin}" Spacing="{steps}">
<Piece Extent="{extent}">
<PointData Scalars={first}>
{arrays}
</PointData>
</Piece>
</ImageData>
</VTKFile>
"""
ARRAY = '<DataArray type="Float64" Name={name} format="binary">{content}</DataArray>'
SERIES = """<?xml version="1.0"?>
<VTKFile type="Collection" version="1.0" byte_order="LittleEndian">
<Collection>
{entries}
</Collection>
</VTKFile>
"""
ENTRY = '<DataSet timestep="{time!r}" file="{name}"/>'


def vtk_files(data: RunData) -> dict[str, bytes]:
    """One image of all coordinates; with three or more, time among them, an image at each time and a `.pvd`.

    Raises:
        InputError: There are more than three coordinates besides time, or their steps are not even.
    """
    names = list(data.axes)
    if TIME in names and len(names) >= MOST_AXES:
        return _series(data, names.index(TIME))
    return {"solution.vti": _image(data.axes, data.fields)}


def _series(data: RunData, axis: int) -> dict[str, bytes]:
    times = data.axes[TIME].tolist()
    space = {name: values for name, values in data.axes.items() if name != TIME}
    names = [f"solution_{place:04}.vti" for place in range(len(times))]
    files = {
        name: _image(space, {field: np.take(values, place, axis) for field, values in data.fields.items()})
        for place, name in enumerate(names)
    }
    entries = [ENTRY.format(time=time, name=name) for time, name in zip(times, names, strict=True)]
    return {**files, "solution.pvd": SERIES.format(entries="\n".join(entries)).encode()}


def _image(axes: Mapping[str, np.ndarray], fields: Mapping[str, np.ndarray]) -> bytes:
    steps = [spacing(values) for values in axes.values()]
    if not 1 <= len(axes) <= MOST_AXES or None in steps or not fields:
        came = f"{len(fields)} fields over {', '.join(f'{name} [{values.size}]' for name, values in axes.items())}"
        raise InputError(f"vtk shows fields over one to three even coordinates; {came} came. Take --to npz or csv.")
    missing = MOST_AXES - len(axes)  # these have one point, at 0
    return IMAGE.format(
        extent=" ".join(f"0 {size - 1}" for size in [*map(len, axes.values()), *[1] * missing]),
        origin=" ".join(repr(float(start)) for start in [*(values[0] for values in axes.values()), *[0.0] * missing]),
        steps=" ".join(map(repr, [*steps, *[1.0] * missing])),
        first=quoteattr(next(iter(fields))),
        arrays="\n".join(ARRAY.format(name=quoteattr(n), content=_base64(values)) for n, values in fields.items()),
    ).encode()


def _base64(values: np.ndarray) -> str:
    """The length in bytes and the numbers, the first coordinate fastest."""
    raw = np.asarray(values, dtype="<f8").tobytes(order="F")
    return base64.b64encode(struct.pack("<Q", len(raw)) + raw).decode()
