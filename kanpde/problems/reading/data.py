"""The key `data`: measured values from a file, or samples of the exact solution."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import sympy
import torch

from kanpde.errors import InputError
from kanpde.files.arrays import comma_separated
from kanpde.problems.geometry.boxes import Box
from kanpde.problems.geometry.regions import Region, in_domain, inside_points
from kanpde.problems.language import (
    ExpressionError,
    Scope,
    compile_expression,
    jets_of,
    parse_expression,
    remotes_of,
    shortened,
    substituted,
    suggestion,
)
from kanpde.problems.named_files import utf8_text
from kanpde.problems.observations import Data, left_out, noisy
from kanpde.problems.reading.entries import Source
from kanpde.problems.reading.messages import wrong_kind

FROM_FILE = ("file", "sha256", "table", "of", "fields", "deviations", "test", "seed")
FROM_EXACT = ("points", "of", "noise", "fields", "test", "seed")
MOST_BYTES = 64_000_000
MOST_POINTS, FEWEST = 100_000, 2
LARGEST = 1e150
EXAMPLE = "data: {file: observations.csv}"


def read_data(
    statement: Source, scope: Scope, box: Box, exact: dict[str, sympy.Expr], truths: Mapping[str, sympy.Expr],
    test_share: float, region: Region,
) -> Data | None:  # fmt: skip
    """The observations, if the problem has any; `test_share` of them are held out unless the file says another.

    The exact solution goes with `truths`, the true values of learned parameters.
    """
    given = statement.data.get("data")
    if given is None:
        return None
    if not isinstance(given, dict) or not ({"file", "table", "points"} & set(given)):
        raise wrong_kind(statement.where("data"), "a file, or points of the exact solution", given, EXAMPLE)
    return _Reader(statement, given, scope, box, exact, truths, test_share, region).data()


@dataclass(frozen=True)
class _Reader:
    statement: Source
    given: dict[str, object]
    scope: Scope
    box: Box
    exact: dict[str, sympy.Expr]
    truths: Mapping[str, sympy.Expr]
    test_share: float
    region: Region

    @property
    def coordinates(self) -> tuple[str, ...]:
        return self.scope.coordinates

    def data(self) -> Data:
        self.check_keys()
        points, values = self.from_exact() if self.columns is None else self.from_columns(self.columns)
        if len(points) < FEWEST:
            raise InputError(
                f"{self.where()} needs {FEWEST} observations or more; it has {len(points)}. Add observations."
            )
        test = left_out(len(points), self.test(len(points)), self.whole("seed", 0, 0, 2**31))
        others = {name: expr for name, expr in self.others.items() if name in self.fields()}
        return Data(self.fields(), points, values, test, self.deviations(), others)

    def where(self, key: str = "") -> str:
        return self.statement.where(f"data.{key}" if key else "data")

    def check_keys(self) -> None:
        known = FROM_EXACT if "points" in self.given else FROM_FILE
        for key in self.given:
            if key not in known:
                hint = suggestion(key, known) or " Remove it."
                raise InputError(f"{self.where()} takes {', '.join(known)}; it has {shortened(key)}.{hint}")

    @cached_property
    def others(self) -> dict[str, sympy.Expr]:
        """What is measured beside fields, by name: `{q: -k*u_x}`, or derivatives that are their own names."""
        given, where = self.given.get("of"), self.where("of")
        if given is None or given == "exact" and "points" in self.given:
            return {}
        given = [given] if isinstance(given, str) else given
        named = {text: text for text in given if isinstance(text, str)} if isinstance(given, list) else given
        if not isinstance(named, dict) or not named or not all(isinstance(text, str) for text in named.values()):
            raise wrong_kind(where, "a derivative, or expressions by name", given, "of: u_x, or of: {q: -k*u_x}")
        scope, found = replace(self.scope, auto=False), {}
        for name, text in named.items():
            if not re.fullmatch(r"[A-Za-z]\w*", str(name)) or name in self.scope.names:
                raise InputError(
                    f"{where} needs a new name for each column, as q or u_x; {shortened(str(name))} is none. "
                    f"Write {{q: {shortened(text)}}}, and name the column q."
                )
            try:
                found[name] = parse_expression(text, scope, f"{where}.{name}")
            except ExpressionError as error:
                raise InputError(f"{where}.{name} {error}") from None
            if not jets_of(found[name]) or remotes_of(found[name]):
                raise InputError(
                    f"{where}.{name} needs an expression in fields ({', '.join(self.scope.fields)}) and their "
                    f"derivatives where they are measured; {shortened(text)} is none. Correct it."
                )
        return found

    @property
    def all_names(self) -> tuple[str, ...]:
        return *self.scope.fields, *self.others

    def fields(self) -> tuple[str, ...]:
        """What was measured: the fields named, else those that the table has, else all, or what `of` says alone."""
        names = self.given.get("fields")
        if names is None and self.columns is None:
            names = [*(self.others or self.scope.fields)]
        elif names is None:
            names = [name for name in self.all_names if name in (self.columns or {})]
        names = [names] if isinstance(names, str) else names
        if not isinstance(names, list) or not names or not set(map(str, names)) <= set(self.all_names):
            raise wrong_kind(
                self.where("fields"), f"fields that were measured ({', '.join(self.all_names)})", names,
                f"fields: [{self.all_names[0]}]",
            )  # fmt: skip
        return tuple(names)

    def test(self, count: int) -> float:
        fraction = self.number("test", self.test_share, 0.0, 0.9)
        if fraction and count < 5:
            raise InputError(
                f"{self.where('test')} needs 5 observations to leave some out; there are {count}. Add some."
            )
        return fraction

    def deviations(self) -> np.ndarray | None:
        """The column of standard deviations that `deviations` names."""
        if (name := self.given.get("deviations")) is None:
            return None
        columns = self.columns or {}
        found = columns.get(str(name))
        if found is None or not (found > 0).all():
            raise InputError(
                f"{self.where('deviations')} needs the name of a column of positive numbers; {shortened(str(name))} "
                f"{'has others' if found is not None else 'is none'}. Correct the name or the file."
            )
        return found.ravel()

    # from a table

    @cached_property
    def columns(self) -> dict[str, np.ndarray] | None:
        """The coordinates and fields of a table by name; None where the exact solution is asked."""
        if "file" in self.given:
            return self.from_file()
        return self.parsed(self.given["table"]) if "table" in self.given else None

    def from_file(self) -> dict[str, np.ndarray]:
        where, name = self.where("file"), self.given["file"]
        if not isinstance(name, str) or not name.strip():
            raise wrong_kind(where, "the name of a CSV file", name, EXAMPLE)
        read = self.statement.files.arrays
        return read("data", self.given, where, lambda path: self.parsed(utf8_text(path, MOST_BYTES)))

    def parsed(self, table: object) -> dict[str, np.ndarray]:
        """The columns of lines of comma-separated values, of which the first has the names."""
        if not isinstance(table, str):
            raise wrong_kind(self.where("table"), "lines of comma-separated values", table, EXAMPLE)
        lines = list(comma_separated(table))
        header = [name.strip() for name in lines[0][1]] if lines else []
        apart = [name for name in header if name == self.given.get("deviations")][:1]
        wanted = self.wanted(header)
        idle = [name for name in self.idle(wanted) if name not in header]
        needed = [*(name for name in self.coordinates if name not in idle), *wanted, *apart]
        for name in needed:
            if header.count(name) != 1:
                raise InputError(
                    f"{self.where()} needs a first line with the columns {', '.join(needed)}; {name} is there "
                    f"{header.count(name)} times. Name the columns in the first line."
                )
        for number, line in lines[1:]:
            if len(line) != len(header):
                raise InputError(
                    f"{self.where()} needs {len(header)} values in every line, as in the first; line {number} has "
                    f"{len(line)}. Correct it."
                )
        found = {name: self.column(name, lines[1:], header.index(name)) for name in needed}
        middles = dict(zip(self.coordinates, (np.array(self.box.lower) + np.array(self.box.upper)) / 2, strict=True))
        return found | {name: np.full(len(lines) - 1, middles[name]) for name in idle}

    def idle(self, names: Sequence[str]) -> list[str]:
        """The coordinates along which nothing that was measured varies; a table may leave them out."""
        measured = [jets_of(self.others[name]) if name in self.others else [(name, ())] for name in names]
        fields = {field for jets in measured for field, _ in jets}
        still = [{*self.scope.narrow.get(field, ())} for field in fields]
        return [self.coordinates[axis] for axis in sorted(set.intersection(*still))] if still else []

    def wanted(self, header: list[str]) -> list[str]:
        """The fields whose columns are needed: those named, else those there; one where there is none, to say so."""
        named = self.given.get("fields")
        named = [named] if isinstance(named, str) else named
        if isinstance(named, list):
            return [name for name in self.all_names if name in named]
        there = [name for name in self.scope.fields if name in header]
        return [*there, *self.others] or [self.scope.fields[0]]

    def column(self, name: str, lines: list[tuple[int, list[str]]], place: int) -> np.ndarray:
        try:
            values = np.array([float(line[place]) for _, line in lines])
        except ValueError:
            values = np.array([np.nan])
        if not np.isfinite(values).all():
            number, word = next((number, line[place]) for number, line in lines if not _is_finite(line[place]))
            raise InputError(
                f"{self.where()} needs finite numbers; line {number} has {shortened(word)} for {name}. "
                "Correct or leave out the line."
            )
        return values

    def from_columns(self, columns: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        points, values = (self.stacked(columns, names) for names in (self.coordinates, self.fields()))
        self.check_inside(points)
        self.check_sizes(values)
        return points, values

    def check_sizes(self, values: np.ndarray) -> None:
        if not (fit := np.abs(values) <= LARGEST).all():
            raise InputError(
                f"{self.where()} needs values up to {LARGEST:.0e}, which can be squared; {values[~fit][0]:.3g} came. "
                "Correct it, or measure in larger units."
            )

    def stacked(self, columns: dict[str, np.ndarray], names: Sequence[str]) -> np.ndarray:  # [n, len(names)]
        if not set(names) <= set(columns) or len({columns[name].shape for name in columns}) != 1:
            raise InputError(
                f"{self.where()} needs columns of one length for {', '.join(names)}; it has "
                f"{', '.join(columns)}. Give the file again."
            )
        return np.stack([columns[name].ravel() for name in names], axis=1)

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
        holed = ~in_domain(self.region, self.box, (), torch.from_numpy(points)).numpy()
        if holed.any():
            place = ", ".join(f"{name} = {x:g}" for name, x in zip(self.coordinates, points[holed][0], strict=True))
            raise InputError(
                f"{self.where()} needs points inside the domain; {holed.sum()} of {len(points)} lie where shapes are "
                f"cut out, the first at {place}. Correct the shapes, or leave the points out."
            )

    # from the exact solution

    def from_exact(self) -> tuple[np.ndarray, np.ndarray]:
        if not self.exact:
            raise InputError(
                f"{self.where('of')} needs exact, and a solution under exact; it has "
                f"{shortened(self.given.get('of', 'exact'))}{'' if self.exact else ' but no solution'}. "
                "Add exact: {field: …}, or give a file."
            )
        seed = self.whole("seed", 0, 0, 2**31)
        points = inside_points(self.region, self.box, self.whole("points", None, FEWEST, MOST_POINTS), seed)
        truths = {sympy.Symbol(name, real=True): value for name, value in self.truths.items()}
        others = {name: substituted(expr, self.exact).xreplace(truths) for name, expr in self.others.items()}
        exprs = [{**self.exact, **others}[name] for name in self.fields()]
        formulas = [compile_expression(expr, self.coordinates) for expr in exprs]
        values = torch.stack([formula(points) for formula in formulas], dim=1).numpy()
        self.check_sizes(values)
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


def _is_finite(word: str) -> bool:
    try:
        return math.isfinite(float(word))
    except ValueError:
        return False
