"""Learned parameters: `parameters: {D: {value: 0.1, learn: true, start: 0.5}}`."""

from __future__ import annotations

import math
import re

import sympy

from kanpde.errors import InputError
from kanpde.files.yaml import Entries
from kanpde.problems.language import Scope, constant_value, parse_expression
from kanpde.problems.reading.entries import Source
from kanpde.problems.reading.messages import wrong_kind
from kanpde.problems.reading.parameter_entries import is_learned

NORMAL = re.compile(r"\s*normal\s*\(([^(),]+),([^(),]+)\)\s*")


def read_learned(statement: Source, parameters: dict[str, sympy.Expr]) -> dict[str, float]:
    """The first guess of each learned parameter: its start, else 1 where the truth is known, else its value."""
    entries = statement.mapping("parameters", "{nu: 0.01/pi}")
    learned = {
        name: _start(statement, name, text, parameters[name]) for name, text in entries.items() if is_learned(text)
    }
    told = any(statement.data.get(key) for key in ("data", "constraints", "at"))
    if learned and not told:
        raise InputError(
            f"{statement.where('data')} are needed to learn {', '.join(learned)}; there are none. "
            "Add data: {file: observations.csv}, a constraint that determines it with the rest, as constraints: "
            "mean(u**2) = 1 or at: {x: 0, condition: u = 1} do an eigenvalue, or leave out learn."
        )
    return learned


def _start(statement: Source, name: str, text: Entries, value: sympy.Expr) -> float:
    known = statement.data.get("exact") is not None
    start = text.get("start", 1.0 if known else constant_value(value))
    if isinstance(start, bool) or not isinstance(start, (int, float)) or not abs(start) < 1e30:
        raise wrong_kind(statement.where(f"parameters.{name}.start"), "a number", start, "start: 0.5")
    return float(start)


def read_priors(statement: Source, learned: dict[str, float]) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation of what is known of each learned parameter beside the data."""
    entries, data = statement.mapping("parameters", "{nu: 0.01/pi}"), statement.data.get("data")
    found = {}
    for name in learned:
        given = entries[name].get("prior")
        if given is None:
            continue
        where = statement.where(f"parameters.{name}.prior")
        match = NORMAL.fullmatch(given) if isinstance(given, str) else None
        if match is None:
            raise wrong_kind(where, "a normal distribution", given, "prior: normal(0.6, 0.1)")
        known = Scope(definitions=statement.parameters())
        mean, deviation = (constant_value(parse_expression(part, known, where)) for part in match.groups())
        if not 0 < deviation < math.inf:
            raise InputError(
                f"{where} needs a positive deviation; it has {deviation:g}. Correct normal(mean, deviation)."
            )
        if not isinstance(data, dict) or "deviations" not in data:
            raise InputError(
                f"{where} is weighed against data by their standard deviations; there are none. Name their column, "
                "data: {file: …, deviations: s}, or give bounds instead."
            )
        found[name] = mean, deviation
    return found


def read_bounds(statement: Source, learned: dict[str, float]) -> dict[str, tuple[float, float]]:
    """Between which each learned parameter lies, where the file says so; its start among them."""
    entries = statement.mapping("parameters", "{nu: 0.01/pi}")
    found = {}
    for name, start in learned.items():
        given = entries[name].get("bounds")
        if given is None:
            continue
        where = statement.where(f"parameters.{name}.bounds")
        numbers = isinstance(given, list) and len(given) == 2 and all(
            isinstance(end, (int, float)) and not isinstance(end, bool) and abs(end) < 1e30 for end in given
        )  # fmt: skip
        if not numbers or not given[0] < given[1]:
            raise wrong_kind(where, "two numbers that increase", given, "bounds: [0, 1]")
        low, high = map(float, given)
        if not low < start < high:
            raise InputError(
                f"{where} need the start between them; it is {start:g}, they are {low:g} and {high:g}. Give another "
                "start, or widen the bounds."
            )
        found[name] = low, high
    return found
