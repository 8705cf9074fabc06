"""Tables with one line of names; numbers are written so that they read back bit for bit, what is not known as nan."""

import csv
import io
from collections.abc import Iterable, Mapping

import numpy as np

from kanpde.results.archive import RunData


def csv_files(data: RunData) -> dict[str, bytes]:
    """The fields at every grid point, the history at every step, the metrics."""
    points = np.meshgrid(*data.axes.values(), indexing="ij")
    columns = dict(zip(data.axes, points, strict=True)) | dict(data.fields)
    metrics = zip(data.metrics, map(repr, data.metrics.values()), strict=True)
    return {
        "solution.csv": _columns(columns),
        "history.csv": _columns(data.history),
        "metrics.csv": _table(("metric", "value"), metrics),
    }


def _columns(columns: Mapping[str, np.ndarray]) -> bytes:
    texts = [map(repr, np.asarray(values).ravel().tolist()) for values in columns.values()]
    return _table(columns, zip(*texts, strict=True))


def _table(names: Iterable[str], rows: Iterable[Iterable[str]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)
    return text.getvalue().encode()
