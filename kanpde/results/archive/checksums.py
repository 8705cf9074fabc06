"""One hash over what HDF5's own sums leave out: texts, scalars, names and shapes.

Arrays of more than one number carry a Fletcher sum in every chunk. Attributes and scalars carry none: one flipped bit
made 7e-6 of an error of 0.48.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping

import numpy as np

from kanpde.results.archive.record import RunData

CHECKSUM = "content_sha256"
"""The attribute of the root that holds it; archives of earlier versions have none."""


def record_sha256(data: RunData) -> str:
    """The hash of a run's texts and scalars, and of the names and shapes of its arrays, in no particular order."""
    return hashlib.sha256("\n".join(sorted(_lines(data))).encode("utf-8", "surrogatepass")).hexdigest()


def _lines(data: RunData) -> Iterator[str]:
    yield from _scalars("", data.attributes)
    yield from _scalars("metrics", data.metrics)
    yield from _scalars("model", {"kind": data.model.kind, "config_json": data.model.config_json})
    yield from _scalars("symbolic", data.symbolic_attributes)
    groups = {
        "axes": data.axes, "fields": data.fields, "history": data.history, "points": data.points,
        "coefficients": data.coefficients, "spectrum": data.spectrum, "samples": data.samples,
        "symbolic arrays": data.symbolic,
        "parameters": data.model.parameters, "grids": data.model.grids,
    }  # fmt: skip
    for group, arrays in groups.items():
        for name, values in arrays.items():
            values = np.asarray(values)
            yield json.dumps([group, name, list(values.shape), *(_text(x) for x in values.flat if values.size <= 1)])


def _scalars(group: str, values: Mapping[str, object]) -> Iterator[str]:
    for name, value in values.items():
        yield json.dumps([group, name, _text(value)])


def _text(value: object) -> str:
    """A scalar, the same before it is stored and after."""
    if isinstance(value, str):
        return f"text {value}"
    number = np.asarray(value).item()
    return f"number {float(number).hex()}" if isinstance(number, float) else f"number {number}"
