"""The key `fields`: a list of names, or a mapping with vectors, `{v: [v1, v2], p: scalar}`."""

from __future__ import annotations

from kanpde.errors import InputError
from kanpde.problems.reading.entries import Source
from kanpde.problems.reading.messages import wrong_kind


def field_names(statement: Source) -> tuple[str, ...]:
    """Every scalar field, the components of vectors in their place."""
    given = statement.data["fields"]
    if not isinstance(given, dict):
        return statement.words("fields", "[u]")
    names: list[str] = []
    for name, value in given.items():
        if value != "scalar" and not _is_names(value):
            raise wrong_kind(
                statement.where(f"fields.{name}"), "scalar, or the names of components", value, f"{name}: [v1, v2]"
            )
        names += [name] if value == "scalar" else value
    return tuple(names)


def vector_fields(statement: Source, coordinates: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """The components of each vector, as many as there are space coordinates."""
    given = statement.data["fields"]
    entries = given.items() if isinstance(given, dict) else ()
    vectors = {name: tuple(value) for name, value in entries if _is_names(value)}
    count = sum(name in (statement.data["coordinates"]) and name != "t" for name in coordinates)
    for name, parts in vectors.items():
        if len(parts) != count:
            raise InputError(
                f"{statement.where(f'fields.{name}')} needs a component for each of the {count} space coordinates; it "
                f"has {len(parts)}. Correct it."
            )
    return vectors


def _is_names(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(part, str) for part in value)
