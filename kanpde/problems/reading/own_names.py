"""Names that would take another's place in tables of results: an archive has one entry of a name."""

from __future__ import annotations

from collections.abc import Iterator

from kanpde.errors import InputError
from kanpde.problems.reading.entries import Source

OF_FIELDS, OF_PARAMETERS = ("_ref", "_error"), ("_error", "_interval95")
"""What results add to the name of a field, and to that of a learned parameter."""
BLOCKS = ("interior", "data")
"""Blocks of points that every problem may have, beside its conditions."""


def check_own_names(statement: Source, fields: tuple[str, ...], learned: dict[str, float]) -> None:
    """Refuse names by which one thing would be stored in place of another.

    Raises:
        InputError: Names the two.
    """
    for key, name, taken in _taken(statement, fields, learned):
        raise InputError(
            f"{statement.where(key)} needs names of its own; {name} is that of {taken} in the results. Rename it."
        )


def _taken(statement: Source, fields: tuple[str, ...], learned: dict[str, float]) -> Iterator[tuple[str, str, str]]:
    """Key, name, and what else has the name."""
    for name in fields:
        for end in OF_FIELDS:
            if name.endswith(end) and (base := name.removesuffix(end)) in fields:
                yield "fields", name, f"the {'reference' if end == '_ref' else 'error'} of {base}"
    for name in learned:
        for end in OF_PARAMETERS:
            if name.endswith(end) and (base := name.removesuffix(end)) in learned:
                yield f"parameters.{name}", name, f"the {'error' if end == '_error' else 'interval'} of {base}"
    shapes, equations = (_names(statement, key) for key in ("shapes", "equations"))
    for name in shapes:
        if name in BLOCKS or name in equations:
            yield f"shapes.{name}", name, "an equation" if name in equations else "a block of points"
    if "data" in equations and "data" in statement.data:
        yield "equations.data", "data", "the measured data"


def _names(statement: Source, key: str) -> tuple[str, ...]:
    value = statement.data.get(key)
    return tuple(value) if isinstance(value, dict) else ()
