"""A table of whatever kind as columns of numbers: words become columns of 0 and 1, what is missing is said.

A column of words with the levels a, b, c becomes two: 1 where the word is b, and 1 where it is c; both are 0 at a.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kanpde.errors import InputError
from kanpde.files.tables import Columns, numbers_or_words, read_table

MOST_LEVELS = 12


@dataclass(frozen=True)
class Column:
    """One column of a table: a number, or one of some words."""

    name: str
    levels: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """Of the columns of numbers that stand for it."""
        return [f"{self.name}_{_plain(level)}" for level in self.levels[1:]] if self.levels else [self.name]

    @property
    def note(self) -> str:
        """What stands for its words."""
        return f"{self.name} has words: {', '.join(self.names)} are 1 or 0, and all are 0 where it is {self.levels[0]}."


@dataclass(frozen=True)
class Encoding:
    """How the columns of a table become numbers, found on one table and used on others."""

    columns: tuple[Column, ...]

    @classmethod
    def of(cls, table: Columns) -> Encoding:
        """Numbers stay, words become columns of 0 and 1.

        Raises:
            InputError: A column has too many words, or a name cannot stand in a formula.
        """
        found = cls(tuple(Column(name, _levels(name, values)) for name, values in table.items()))
        names = found.names
        if len(set(names)) != len(names) or not all(name.isidentifier() for name in names):
            raise InputError(f"A fit needs {len(names)} different names that are words; {names} came. Give names=[…].")
        return found

    @property
    def names(self) -> list[str]:
        return [name for column in self.columns for name in column.names]

    @property
    def notes(self) -> list[str]:
        return [column.note for column in self.columns if column.levels]

    def points_of(self, X: Any) -> np.ndarray:  # -> [n, d]
        """The numbers of a table of whatever kind; the columns of an array are those of the fit, in their order."""
        named = isinstance(X, str | Path) or _own_names(X) is not None
        return self.points(columns_of(X, None if named else [column.name for column in self.columns]))

    def points(self, table: Columns) -> np.ndarray:  # -> [n, d]
        """The numbers of a table with these columns; not a number where a value is missing.

        Raises:
            InputError: A column is not there, has words where there were numbers, or new words.
        """
        lacking = [column.name for column in self.columns if column.name not in table]
        if lacking:
            raise InputError(
                f"A prediction needs the columns {', '.join(c.name for c in self.columns)}; {', '.join(lacking)} "
                "are not there. Give the table with all of them."
            )
        return np.stack([part for column in self.columns for part in _parts(column, table[column.name])], axis=1)


def columns_of(X: Any, names: Sequence[str] | None = None) -> Columns:
    """The columns by name of a file, a mapping, a table of pandas, polars or pyarrow, or an array [n, d].

    Args:
        X: The table.
        names: Of the columns of an array; x, y, z or x1, x2, … unless given.

    Raises:
        InputError: It is no table.
    """
    if isinstance(X, str | Path):
        table = read_table(X)
    elif (known := _own_names(X)) is not None:
        table = {str(name): _column(X[name]) for name in known}
    else:
        array = np.asarray(X)
        if array.ndim != 2:
            raise InputError(f"A table needs shape [n, d]; {list(array.shape)} came. Give one row for each value.")
        count = array.shape[1]
        usual = list("xyz"[:count]) if count <= 3 else [f"x{place + 1}" for place in range(count)]
        table = {name: _column(array[:, place]) for place, name in enumerate(usual)}
    if names is not None and len(names) != len(table):
        raise InputError(f"A fit needs {len(table)} different names that are words; {names} came. Give names=[…].")
    return table if names is None else dict(zip(names, table.values(), strict=True))


def missing_rows(table: Columns) -> tuple[np.ndarray, str]:
    """Which rows lack a value, bool [n], and where: "b in 3 rows"."""
    lacking = {name: _missing(values) for name, values in table.items()}
    said = [f"{name} in {int(rows.sum())}" for name, rows in lacking.items() if rows.any()]
    return np.any(list(lacking.values()), axis=0), ", ".join(said)


def labels_of(values: Any) -> np.ndarray:
    """A column of labels as they are, words or numbers; missing ones are empty or not a number."""
    return _column(values)


def _own_names(X: Any) -> list[Any] | None:
    if isinstance(X, Mapping):
        return list(X)
    found = getattr(X, "column_names", None) if hasattr(X, "column_names") else getattr(X, "columns", None)
    return None if found is None or isinstance(X, np.ndarray) else list(found)


def _column(values: Any) -> np.ndarray:
    array = np.asarray(values)
    if array.dtype.kind in "fiub":
        return array.astype(float)
    if array.dtype.kind in "OUST" and array.ndim == 1:
        return numbers_or_words(array.tolist())
    raise InputError(f"A table needs numbers or words; values of type {array.dtype} came. Turn them into numbers.")


def _missing(values: np.ndarray) -> np.ndarray:
    return ~np.isfinite(values) if values.dtype.kind == "f" else values == ""


def _levels(name: str, values: np.ndarray) -> tuple[str, ...]:
    if values.dtype.kind == "f":
        return ()
    found = sorted(set(values.tolist()) - {""})
    if not 2 <= len(found) <= MOST_LEVELS:
        raise InputError(
            f"A column of words needs 2 to {MOST_LEVELS} different ones; {name} has {len(found)}, as "
            f"{', '.join(found[:3])}. Leave it out, or group them."
        )
    return tuple(found)


def _parts(column: Column, values: np.ndarray) -> list[np.ndarray]:
    if not column.levels:
        if values.dtype.kind != "f":
            raise InputError(f"{column.name} needs numbers, as in the fit; it has words. Correct the column.")
        return [values]
    words = np.array([f"{value:.15g}" for value in values]) if values.dtype.kind == "f" else values
    new = sorted(set(words.tolist()) - {"", "nan", *column.levels})
    if new:
        raise InputError(f"{column.name} needs one of {', '.join(column.levels)}; {new[0]} came. Fit with such rows.")
    lacking = ~np.isin(words, column.levels)
    return [np.where(lacking, np.nan, (words == level).astype(float)) for level in column.levels[1:]]


def _plain(level: str) -> str:
    return re.sub(r"\W", "_", level)
