"""All arrays of a run in one file for `numpy.load`: no pickled objects."""

import io
import json
import zipfile
from collections.abc import Iterator

import numpy as np

from kanpde.results.archive import RunData


def npz_files(data: RunData) -> dict[str, bytes]:
    """Coordinates and fields by name, indexed u[i, j] for coordinates x, y; the rest as `history/loss` and so on.

    Written array by array, since `numpy.savez` takes names as keywords, and a coordinate may be called `file`.
    """
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as file:
        for name, values in _named(data):
            with file.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, np.asanyarray(values), allow_pickle=False)
    return {"solution.npz": content.getvalue()}


def _named(data: RunData) -> Iterator[tuple[str, object]]:
    yield from data.axes.items()
    yield from data.fields.items()
    yield "attributes_json", json.dumps(dict(data.attributes))
    groups = {"history": data.history, "metrics": data.metrics, "points": data.points}
    groups |= {"parameters": data.model.parameters, "grids": data.model.grids}
    for group, arrays in groups.items():
        yield from ((f"{group}/{name}", values) for name, values in arrays.items())
