"""Learned parameters: `parameters: {D: {value: 0.1, learn: true, start: 0.5}}`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sympy

from kanpde.errors import InputError
from kanpde.expressions import constant_value
from kanpde.keys.messages import wrong_kind

if TYPE_CHECKING:
    from kanpde.keys.statement import Statement

LEARNED_KEYS = ("value", "learn", "start")


def is_learned(text: object) -> bool:
    """Whether a parameter's entry asks for it to be learned."""
    return isinstance(text, dict) and text.get("learn") is True


def checked_entry(text: dict, where: str) -> object:
    """The value in a parameter's mapping; for a learned one without, its start."""
    if set(text) - set(LEARNED_KEYS) or text.get("learn", False) not in (True, False):
        raise wrong_kind(where, "a value, with learn: true and a start if it is learned", text,
                         "{value: 0.1, learn: true, start: 0.5}")  # fmt: skip
    if "start" in text and not is_learned(text):
        raise InputError(f"{where} has a start, which needs learn: true; it is not learned. Add learn: true.")
    return text.get("value", text.get("start", 1.0) if is_learned(text) else None)


def read_learned(statement: Statement, parameters: dict[str, sympy.Expr]) -> dict[str, float]:
    """The first guess of each learned parameter: its start, else 1 where the truth is known, else its value."""
    entries = statement.mapping("parameters", "{nu: 0.01/pi}")
    learned = {
        name: _start(statement, name, text, parameters[name]) for name, text in entries.items() if is_learned(text)
    }
    if learned and statement.data.get("data") is None:
        raise InputError(
            f"{statement.where('data')} are needed to learn {', '.join(learned)}; there are none. "
            "Add data: {file: observations.csv}, or leave out learn."
        )
    return learned


def _start(statement: Statement, name: str, text: dict, value: sympy.Expr) -> float:
    known = statement.data.get("exact") is not None
    start = text.get("start", 1.0 if known else constant_value(value))
    if isinstance(start, bool) or not isinstance(start, (int, float)) or not abs(start) < 1e30:
        raise wrong_kind(statement.where(f"parameters.{name}.start"), "a number", start, "start: 0.5")
    return float(start)
