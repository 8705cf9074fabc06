"""The key `data`: measured values from a file, or samples of the exact solution."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

import numpy as np
import sympy
import torch

from kanpde.errors import InputError
from kanpde.files.regular import Unreadable, read_regular, size_text
from kanpde.problems.geometry.boxes import Box
from kanpde.problems.geometry.sampling import uniform_points
from kanpde.problems.language import compile_expression, shortened, suggestion
from kanpde.problems.observations import Data, left_out, noisy
from kanpde.problems.reading.entries import Source
from kanpde.problems.reading.messages import wrong_kind

FROM_FILE = ("file", "table", "fields", "test", "seed")
FROM_EXACT = ("points", "of", "noise", "fields", "test", "seed")
MOST_BYTES = 48 * 1024
"""Data travel within the problem, so that an archive is complete; this fits beside the rest of one."""
MOST_POINTS, FEWEST = 100_000, 2
EXAMPLE = "data: {file: observations.csv}"


def with_table(data: dict, folder: Path, label: str) -> dict:
    """The data of a problem with the text of its observation file in place of the file's name.

    Raises:
        InputError: the file cannot be read, or is too long.
    """
    given = data.get("data")
    if not isinstance(given, dict) or "file" not in given:
        return data
    where, name = f"{label}: data.file", given["file"]
    if not isinstance(name, str) or not name.strip():
        raise wrong_kind(where, "the name of a CSV file", name, EXAMPLE)
    table = _text_of(folder / name, where)
    return {**data, "data": {"table": table, **{key: value for key, value in given.items() if key != "file"}}}


def _text_of(path: Path, where: str) -> str:
    try:
        return read_regular(path, MOST_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{where} needs text in UTF-8; {path.name} is not. Save it as UTF-8.") from None
    except Unreadable as reason:
        raise InputError(
            f"{where} needs a file that can be read, of at most {size_text(MOST_BYTES)}; {path.name} {reason}. "
            "Check the path, or thin it out."
        ) from None


def read_data(
    statement: Source,
    fields: tuple[str, ...],
    coordinates: tuple[str, ...],
    box: Box,
    exact: dict[str, sympy.Expr],
    test_share: float,
) -> Data | None:
    """The observations, if the problem has any; `test_share` of them are held out unless the file says another."""
    given = statement.data.get("data")
    if given is None:
        return None
    if not isinstance(given, dict) or not ({"table", "points"} & set(given)):
        raise wrong_kind(statement.where("data"), "a file, or points of the exact solution", given, EXAMPLE)
    return _Reader(statement, given, fields, coordinates, box, exact, test_share).data()


class _Reader:
    def __init__(self, statement, given, fields, coordinates, box, exact, test_share):
        self.statement, self.given, self.all_fields = statement, given, fields
        self.coordinates, self.box, self.exact, self.test_share = coordinates, box, exact, test_share

    def data(self) -> Data:
        self.check_keys()
        points, values = self.from_table() if "table" in self.given else self.from_exact()
        if len(points) < FEWEST:
            raise InputError(
                f"{self.where()} needs {FEWEST} observations or more; it has {len(points)}. Add observations."
            )
        test = left_out(len(points), self.test(len(points)), self.whole("seed", 0, 0, 2**31))
        return Data(self.fields(), _tuples(points), _tuples(values), test)

    def where(self, key: str = "") -> str:
        return self.statement.where(f"data.{key}" if key else "data")

    def check_keys(self) -> None:
        known = FROM_FILE if "table" in self.given else FROM_EXACT
        for key in self.given:
            if key not in known:
                hint = suggestion(key, known) or " Remove it."
                raise InputError(f"{self.where()} takes {', '.join(known)}; it has {shortened(key)}.{hint}")

    def fields(self) -> tuple[str, ...]:
        """The measured fields: those named, else those that the table has, else all."""
        names = self.given.get("fields")
        if names is None:
            named = self.header() if "table" in self.given else self.all_fields
            names = [name for name in self.all_fields if name in named]
        names = [names] if isinstance(names, str) else names
        if not isinstance(names, list) or not names or not set(map(str, names)) <= set(self.all_fields):
            raise wrong_kind(
                self.where("fields"), f"fields that were measured ({', '.join(self.all_fields)})", names,
                f"fields: [{self.all_fields[0]}]",
            )  # fmt: skip
        return tuple(names)

    def test(self, count: int) -> float:
        fraction = self.number("test", self.test_share, 0.0, 0.9)
        if fraction and count < 5:
            raise InputError(
                f"{self.where('test')} needs 5 observations to leave some out; there are {count}. Add some."
            )
        return fraction

    # from a table

    def header(self) -> list[str]:
        lines = self.lines()
        return [name.strip() for name in lines[0]] if lines else []

    def lines(self) -> list[list[str]]:
        table = self.given["table"]
        if not isinstance(table, str):
            raise wrong_kind(self.where("table"), "lines of comma-separated values", table, EXAMPLE)
        return [line for line in csv.reader(io.StringIO(table)) if line and any(word.strip() for word in line)]

    def from_table(self) -> tuple[np.ndarray, np.ndarray]:
        header, needed = self.header(), [*self.coordinates, *self.fields()]
        for name in needed:
            if header.count(name) != 1:
                raise InputError(
                    f"{self.where()} needs a first line with the columns {', '.join(needed)}; {name} is there "
                    f"{header.count(name)} times. Name the columns in the first line."
                )
        rows = [self.row(number, line, header, needed) for number, line in enumerate(self.lines()[1:], 2)]
        table = np.array(rows, dtype=float).reshape(-1, len(needed))
        self.check_inside(table[:, : len(self.coordinates)])
        return table[:, : len(self.coordinates)], table[:, len(self.coordinates) :]

    def row(self, number: int, line: list[str], header: list[str], needed: list[str]) -> list[float]:
        if len(line) != len(header):
            raise InputError(
                f"{self.where()} needs {len(header)} values in every line, as in the first; line {number} has "
                f"{len(line)}. Correct it."
            )
        return [self.value(number, name, line[header.index(name)]) for name in needed]

    def value(self, number: int, name: str, word: str) -> float:
        try:
            value = float(word)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise InputError(
                f"{self.where()} needs finite numbers; line {number} has {shortened(word)} for {name}. "
                "Correct or leave out the line."
            )
        return value

    def check_inside(self, points: np.ndarray) -> None:
        lower, upper = np.array(self.box.lower), np.array(self.box.upper)
        slack = 1e-9 * (upper - lower)
        outside = ((points < lower - slack) | (points > upper + slack)).any(axis=1)
        if outside.any():
            first = points[outside][0]
            place = ", ".join(f"{name} = {x:g}" for name, x in zip(self.coordinates, first, strict=True))
            raise InputError(
                f"{self.where()} needs points inside the ranges of coordinates; {outside.sum()} of {len(points)} lie "
                f"outside, the first at {place}. Widen the ranges, or leave the points out."
            )

    # from the exact solution

    def from_exact(self) -> tuple[np.ndarray, np.ndarray]:
        if self.given.get("of", "exact") != "exact" or not self.exact:
            raise InputError(
                f"{self.where('of')} needs exact, and a solution under exact; it has "
                f"{shortened(self.given.get('of', 'exact'))}{'' if self.exact else ' but no solution'}. "
                "Add exact: {field: …}, or give a file."
            )
        seed = self.whole("seed", 0, 0, 2**31)
        points = uniform_points(self.box, self.whole("points", None, FEWEST, MOST_POINTS), seed)
        formulas = [compile_expression(self.exact[name], self.coordinates) for name in self.fields()]
        values = torch.stack([formula(points) for formula in formulas], dim=1).numpy()
        return points.numpy(), noisy(values, self.number("noise", 0.0, 0.0, 1e3), seed)

    # numbers

    def number(self, key: str, default: float, low: float, high: float) -> float:
        value = self.given.get(key, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            raise wrong_kind(self.where(key), f"a number from {low:g} to {high:g}", value, f"{key}: {default or 0.1}")
        return float(value)

    def whole(self, key: str, default: int | None, low: int, high: int) -> int:
        value = self.given.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise wrong_kind(self.where(key), f"a whole number from {low} to {high}", value, f"{key}: {default or 50}")
        return value


def _tuples(table: np.ndarray) -> tuple[tuple[float, ...], ...]:
    return tuple(map(tuple, table.tolist()))
