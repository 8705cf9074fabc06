"""Families of problems: `parameters: {nu: {range: [0.01, 0.1]}}` makes nu one more coordinate, the last."""

from __future__ import annotations

from kanpde.errors import InputError
from kanpde.problems.language import shortened
from kanpde.problems.reading.entries import Source
from kanpde.problems.reading.parameter_entries import is_range


def family_ranges(statement: Source) -> dict[str, object]:
    """The range of each parameter of a family, unchecked, in the order of the file."""
    entries = statement.mapping("parameters", "{nu: 0.01/pi}")
    coordinates = statement.mapping("coordinates", "{x: [-1, 1], t: [0, 1]}")
    for name, text in entries.items():
        if is_range(text) and (len(text) > 1 or name == "t" or name in coordinates):
            raise InputError(
                f"{statement.where(f'parameters.{name}')} needs a range alone, under a name that no coordinate has; it "
                f"has {shortened(text)}. Write e.g. nu: {{range: [0.01, 0.1]}}."
            )
    return {name: text["range"] for name, text in entries.items() if is_range(text)}


def family_names(statement: Source) -> tuple[str, ...]:
    """The parameters of a family."""
    return tuple(family_ranges(statement))
