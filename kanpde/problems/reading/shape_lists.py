"""Shapes in files: `{holes: {disks: holes.csv}}`, numbers as in `disk(x, y, r)`, and `{part: {mesh: part.msh}}`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kanpde.errors import InputError
from kanpde.files.arrays import comma_separated
from kanpde.files.meshes import read_mesh
from kanpde.files.regular import Unreadable
from kanpde.files.yaml import Entries
from kanpde.problems.geometry.shapes import (
    LARGEST,
    SHAPES,
    Cuboid,
    Misshapen,
    Outline,
    Shape,
    Solid,
    Together,
    shape_of,
)
from kanpde.problems.named_files import Arrays, utf8_text
from kanpde.problems.reading.entries import Source
from kanpde.problems.reading.messages import wrong_kind

MOST_BYTES, MOST_LISTED, MOST_EDGES = 1_000_000, 100, 200
MESH, INSIDE, EXTRUDE = "mesh", "inside", "extrude"
KEYS = {"each", "file", "sha256"}


def listed_shapes(value: object) -> object:
    """`{disks: holes.csv}` in the form that names files, `{each: disks, file: holes.csv}`; anything else as it is.

    >>> listed_shapes({"mesh": "part.msh", "z": [0, 1]})
    {'each': 'mesh', 'file': 'part.msh', 'z': [0, 1]}
    """
    if not isinstance(value, dict) or {"file", INSIDE, EXTRUDE} & set(value):
        return value
    ranges = {key: own for key, own in value.items() if isinstance(own, list)}
    files = [(key, own) for key, own in value.items() if key not in ranges]
    return {"each": files[0][0], "file": files[0][1], **ranges} if len(files) == 1 else value


def shape_list(statement: Source, name: str, entry: Entries, bounds: Cuboid) -> Shape:
    """The union of the shapes of a file, or what the triangles or tetrahedra of a mesh fill.

    Raises:
        InputError: for a kind that there is not, a file that cannot be read, and lines that are no shape in the box.
    """
    where, dimension = statement.where(f"shapes.{name}"), len(bounds.lower)
    if entry.get("each") == MESH and set(entry) <= KEYS and "file" in entry:
        return _meshed(statement, name, entry, bounds)
    kind = SHAPES.get(str(entry.get("each")).removesuffix("s").replace("boxe", "box"))
    if not set(entry) <= KEYS or not {"each", "file"} <= set(entry) or kind is None:
        kinds = f"mesh or one of {', '.join(SHAPES)} in the plural, and a file"
        raise wrong_kind(where, kinds, entry, "{disks: holes.csv}")
    read = statement.files.arrays
    rows = read(f"shapes.{name}", entry, where, lambda path: _numbers(path))["numbers"]
    if kind.dimension(dimension) != dimension or not kind.takes(rows.shape[1], dimension):
        raise InputError(
            f"{where} needs the numbers of {kind.form} in every line, in {kind.dimension(dimension)} space dimensions; "
            f"it has {rows.shape[1]} in {dimension}. Correct the file."
        )
    if len(rows) > MOST_LISTED:
        raise InputError(f"{where} may have {MOST_LISTED} shapes; the file has {len(rows)}. Use fewer.")
    parts = [_part(kind, row.tolist(), number, where) for number, row in enumerate(rows, 1)]
    for number, part in enumerate(parts, 1):
        if not part.meets(bounds):
            raise InputError(f"{where} needs shapes that meet the box; line {number} lies outside it. Move it.")
    return Together(tuple(parts))


def _meshed(statement: Source, name: str, entry: Entries, bounds: Cuboid) -> Shape:
    where = statement.where(f"shapes.{name}")
    found = statement.files.arrays(f"shapes.{name}", entry, where, read_mesh)
    shape = _filled(found, where, len(bounds.lower))
    if len(shape.facets()) > MOST_EDGES:
        pieces = "straight edges" if isinstance(shape, Outline) else "pieces of its surface that have no creases"
        raise InputError(
            f"{where} may have {MOST_EDGES} {pieces}; the mesh has {len(shape.facets())}. Use a coarser mesh, name "
            "parts of its boundary, or use disks and boxes."
        )
    if not shape.meets(bounds):
        raise InputError(f"{where} needs a mesh that meets the box; it lies outside. Move it, or widen the ranges.")
    return shape


def mesh_part(statement: Source, name: str, part: str, dimension: int) -> Shape | None:
    """What a named group of a mesh's elements fills; None where the shape is no mesh or has none so called.

    Raises:
        InputError: it fills no shape.
    """
    found = {key.removeprefix(f"shapes.{name}."): values for key, values in statement.files.samples.items()
             if key.startswith(f"shapes.{name}.")}  # fmt: skip
    if (chosen := found.get(f"part:{part}")) is None:
        return None
    filled = "tetrahedra" if "tetrahedra" in found else "triangles"
    where, cells = statement.where(f"shapes.{name}[{part}]"), found[filled]
    _check_numbers(chosen.astype(int), len(cells), where)
    return _filled({"nodes": found["nodes"], filled: cells[chosen.astype(int)]}, where, dimension)


def mesh_parts(statement: Source, name: str) -> list[str]:
    """The names of groups of a mesh's triangles or tetrahedra."""
    start = f"shapes.{name}.part:"
    return [key.removeprefix(start) for key in statement.files.samples if key.startswith(start)]


def _filled(found: Arrays, where: str, dimension: int) -> Shape:
    nodes, sides = found["nodes"], {name.removeprefix("side:"): own.astype(int) for name, own in found.items()
                                    if name.startswith("side:")}  # fmt: skip
    solid = "tetrahedra" in found
    cells = found["tetrahedra" if solid else "triangles"].astype(int)
    for own in (cells, *sides.values()):
        _check_numbers(own, len(nodes), where)
    if np.abs(nodes).max() > LARGEST:
        raise InputError(f"{where} needs nodes within {LARGEST:g} of 0; there are others. Choose another unit.")
    if solid and dimension != 3:
        raise InputError(
            f"{where} needs triangles in a plane, in {dimension} space dimensions; the mesh has tetrahedra. Add a "
            "third coordinate, or mesh a plane surface."
        )
    if not solid and (dimension != 2 or np.ptp(nodes[:, 2:]) > 1e-12 * np.ptp(nodes[:, :2])):
        raise InputError(
            f"{where} needs triangles in a plane in two space dimensions, and tetrahedra in three; the mesh has "
            f"triangles alone, the problem {dimension}. Project it, or mesh its volume."
        )
    try:
        if solid:
            return Solid.of_cells(nodes, cells, sides)
        return Outline.around(nodes[:, :2], cells, sides)
    except Misshapen as wanted:
        raise InputError(f"{where} needs {wanted}. Mesh the part again.") from None


def _check_numbers(own: np.ndarray, count: int, where: str) -> None:
    """Those out of an archive may be any."""
    if not own.size or own.min() < 0 or own.max() >= count:
        raise InputError(f"{where} needs elements of its own nodes; there are others. Save the mesh again.")


def _part(kind: type[Shape], values: list[float], number: int, where: str) -> Shape:
    try:
        return shape_of(kind, values)
    except Misshapen as wanted:
        raise InputError(
            f"{where} needs {wanted}; line {number} of the file is another. Correct the numbers."
        ) from None


def _numbers(path: Path) -> Arrays:
    """Lines of numbers; a first line of words is their heading."""
    lines = [line for _, line in comma_separated(utf8_text(path, MOST_BYTES))]
    if lines and not _row(lines[0]):
        lines = lines[1:]
    rows = [_row(line) for line in lines]
    if not rows or any(not row or len(row) != len(rows[0]) for row in rows):
        raise Unreadable("needs as many numbers in every line")
    return {"numbers": np.array(rows)}


def _row(words: list[str]) -> list[float]:
    try:
        return [float(word) for word in words]
    except ValueError:
        return []
