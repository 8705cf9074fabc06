"""Tables in files: columns by name out of CSV, NPY, NPZ, HDF5 and Parquet, numbers or words.

What is missing is not a number in a column of numbers, and an empty word in a column of words.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from kanpde.errors import InputError
from kanpde.files.arrays import comma_separated, file_kind, read_npy, read_npz
from kanpde.files.hdf5 import read_columns
from kanpde.files.regular import Unreadable, cut_path, read_regular

MOST_ROWS = 1_000_000
MOST_BYTES = 2**30
BLOCK = 50_000
MISSING = ("", "na", "n/a", "nan", "null", "none", "?")
"""Words, in small letters, that say that a value is missing."""
_PARQUET = b"PAR1"

Columns = dict[str, np.ndarray]


def read_table(path: str | Path) -> Columns:
    """The columns of a table, float64 or words, the kind of file told by its content.

    A CSV file begins with a line of names; an .npy file has none, its columns are x1, x2, …; an .npz file or an HDF5
    file holds one array for each column; Parquet needs the extra `tables`.

    Raises:
        InputError: It is no such table, or has more than a million rows.
    """
    path = Path(path)
    try:
        columns = _READERS[_kind(path)](path)
        lengths = {len(values) for values in columns.values()}
        if len(lengths) != 1:
            raise Unreadable(f"has columns of {len(lengths)} lengths" if lengths else "has no columns")
        if max(lengths) > MOST_ROWS:
            raise Unreadable(f"has {max(lengths)} rows, where {MOST_ROWS} are allowed")
    except Unreadable as reason:
        raise InputError(
            f"{cut_path(path)} needs to be a table in CSV, NPY, NPZ, HDF5 or Parquet; it {reason}. Correct it, or give "
            "arrays."
        ) from None
    return columns


def numbers_or_words(values: Iterable[object]) -> np.ndarray:
    """Words that are numbers as float64, others as they are; None, NaN and what `MISSING` lists is missing.

    >>> numbers_or_words(["1", "", "2e3"]).tolist(), numbers_or_words(["red", None, "5"]).tolist()
    ([1.0, nan, 2000.0], ['red', '', '5'])
    """
    words = ["" if value is None or value != value else str(value).strip() for value in values]
    words = ["" if word.lower() in MISSING else word for word in words]
    try:
        return np.array([float(word) if word else np.nan for word in words])
    except ValueError:
        return np.array(words)


def _kind(path: Path) -> str:
    kind = file_kind(path)
    if kind == "text":
        with open(path, "rb") as file:
            return "parquet" if file.read(len(_PARQUET)) == _PARQUET else "text"
    return kind


def _text(path: Path) -> Columns:
    text = _decoded(read_regular(path, MOST_BYTES, links=True))
    lines = comma_separated(text)
    header = [name.strip() for name in next(lines, (0, []))[1]]
    if len(set(header)) != len(header) or not all(header):
        raise Unreadable("needs a first line of different names")
    blocks: list[list[np.ndarray]] = [[] for _ in header]
    while rows := list(islice(lines, BLOCK)):
        for number, words in rows:
            if len(words) != len(header):
                raise Unreadable(f"has {len(words)} values in line {number}, where its first line has {len(header)}")
        for own, column in zip(blocks, zip(*(words for _, words in rows), strict=True), strict=True):
            own.append(_numbers(column))
    return {name: _joined(own) for name, own in zip(header, blocks, strict=True)}


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable("is no text in UTF-8") from None


def _numbers(words: Sequence[str]) -> np.ndarray:
    """A block of a column: all numbers the fast way, else one by one; words stay words until the column is known."""
    try:
        return np.array(words).astype(float)
    except ValueError:
        found = numbers_or_words(words)
        return found if found.dtype.kind == "f" else np.array(words, dtype=object)


def _joined(blocks: Sequence[np.ndarray]) -> np.ndarray:
    if all(block.dtype.kind == "f" for block in blocks):
        return np.concatenate(blocks) if blocks else np.zeros(0)
    return np.array([_word(word) for block in blocks for word in block])


def _word(word: str | float) -> str:
    """Numbers among words are written alike, wherever they stand."""
    try:
        return "" if np.isnan(value := float(word)) else f"{value:.15g}"
    except ValueError:
        return "" if str(word).strip().lower() in MISSING else str(word).strip()


def _npy(path: Path) -> Columns:
    values = read_npy(path, MOST_BYTES)
    if values.ndim not in (1, 2) or values.dtype.kind not in "fiub":
        raise Unreadable(f"holds an array of shape {list(values.shape)} and type {values.dtype}")
    return {f"x{place + 1}": column for place, column in enumerate(np.atleast_2d(values.astype(float).T))}


def _npz(path: Path) -> Columns:
    members = read_npz(path, MOST_BYTES)
    return _plain({name: members[name] for name in members.names})


def _hdf5(path: Path) -> Columns:
    return _plain(read_columns(path, MOST_BYTES))


def _plain(arrays: Mapping[str, np.ndarray]) -> Columns:
    found = {name: values for name, values in arrays.items() if values.ndim == 1}
    return {name: values.astype(float) if values.dtype.kind in "fiub" else numbers_or_words(values)
            for name, values in found.items()}  # fmt: skip


def _parquet(path: Path) -> Columns:
    if importlib.util.find_spec("pyarrow") is None:
        raise InputError(f'{path} needs the package pyarrow to be read. Install it: pip install "kanpde[tables]".')
    arrow = importlib.import_module("pyarrow")
    parquet = importlib.import_module("pyarrow.parquet")
    try:
        source = parquet.ParquetFile(path)
        if source.metadata.num_rows > MOST_ROWS:
            raise Unreadable(f"has {source.metadata.num_rows} rows, where {MOST_ROWS} are allowed")
        table = source.read()
    except (arrow.ArrowException, OSError) as error:
        raise Unreadable(f"cannot be read ({str(error).splitlines()[0][:120]})") from None
    return {name: arrow_column(table[name]) for name in table.column_names}


def arrow_column(column: object) -> np.ndarray:
    """A column of pyarrow, a float or words."""
    values = np.asarray(column)
    return values.astype(float) if values.dtype.kind in "fiub" else numbers_or_words(values.tolist())


_READERS: dict[str, Callable[[Path], Columns]] = {
    "text": _text, "npy": _npy, "npz": _npz, "hdf5": _hdf5, "parquet": _parquet
}  # fmt: skip
