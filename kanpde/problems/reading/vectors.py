"""The key `fields`: a list of names, or a mapping with vectors and complex fields, `{v: [v1, v2], p: scalar}`.

A complex field psi is a pair of real ones, psi_re and psi_im.
"""

from __future__ import annotations

from kanpde.errors import InputError
from kanpde.problems.reading.entries import Source
from kanpde.problems.reading.fewer_coordinates import coordinates_of
from kanpde.problems.reading.messages import wrong_kind


def field_names(statement: Source) -> tuple[str, ...]:
    """Every scalar field, the components of vectors in their place."""
    given = statement.data["fields"]
    if not isinstance(given, dict):
        return statement.words("fields", "[u]")
    names: list[str] = []
    for name, value in given.items():
        if value not in ("scalar", "complex") and not _is_names(value):
            raise wrong_kind(
                statement.where(f"fields.{name}"), "scalar, complex, its coordinates, or the names of components",
                value, f"{name}: [v1, v2]",
            )  # fmt: skip
        alone = value == "scalar" or coordinates_of(value, statement.data["coordinates"]) is not None
        names += [name] if alone else _parts(name) if value == "complex" else value
    return tuple(names)


def complex_fields(statement: Source) -> dict[str, tuple[str, ...]]:
    """Real and imaginary part of each complex field."""
    given = statement.data["fields"]
    entries = given.items() if isinstance(given, dict) else ()
    return {name: _parts(name) for name, value in entries if value == "complex"}


def _parts(name: str) -> tuple[str, str]:
    return f"{name}_re", f"{name}_im"


def vector_fields(statement: Source, coordinates: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """The components of each vector, as many as there are space coordinates."""
    given = statement.data["fields"]
    entries = given.items() if isinstance(given, dict) else ()
    vectors = {name: tuple(value) for name, value in entries
               if _is_names(value) and coordinates_of(value, coordinates) is None}  # fmt: skip
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
