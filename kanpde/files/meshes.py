"""Triangles out of Gmsh's mesh files, ASCII of version 2.2 or 4.1; whatever else is in them is passed over.

    $Nodes … $EndNodes      numbers and places of nodes
    $Elements … $EndElements      kinds (2 is a triangle of three nodes) and nodes of elements

Source: Gmsh's reference manual, sections "MSH file format" and "Legacy formats".
"""

from __future__ import annotations

from collections.abc import Sized
from pathlib import Path

import numpy as np

from kanpde.files.regular import Unreadable, read_regular

MOST_BYTES = 64_000_000
TRIANGLE = 2
HIGHER = {9, 20, 21, 22, 23, 24, 25}
"""Kinds of triangles with nodes between their corners."""


def read_triangles(path: Path) -> dict[str, np.ndarray]:
    """`nodes` [N, 3] and `triangles` [T, 3] of them.

    Raises:
        Unreadable: It is no such mesh, or one without triangles.
    """
    try:
        lines = read_regular(path, MOST_BYTES).decode("ascii").splitlines()
    except UnicodeDecodeError:
        raise Unreadable("is no ASCII mesh of Gmsh; save it so, as version 2.2 or 4.1") from None
    parts = _sections(lines)
    version = (parts.get("MeshFormat") or [""])[0].split()
    if not version or version[0] not in ("2.2", "4.1") or version[1:2] == ["1"]:
        raise Unreadable("is no ASCII mesh of Gmsh; save it so, as version 2.2 or 4.1")
    read = (_nodes_2, _triangles_2) if version[0] == "2.2" else (_nodes_4, _triangles_4)
    try:
        numbers, places = read[0](parts.get("Nodes", []))
        kinds, corners = read[1](parts.get("Elements", []))
    except (ValueError, IndexError):
        raise Unreadable("has lines that are no nodes or elements") from None
    if set(kinds) & HIGHER:
        raise Unreadable("has triangles with nodes between their corners; save it with elements of order 1")
    if not len(corners):
        raise Unreadable("has no triangles; in Gmsh, mesh its surface")
    known = {int(number): place for place, number in enumerate(numbers)}
    missing = sorted(set(corners.ravel().tolist()) - set(known))
    if missing:
        raise Unreadable(f"has triangles of the node {missing[0]}, which it does not have")
    return {"nodes": places, "triangles": np.array([[known[own] for own in row] for row in corners.tolist()], float)}


def _sections(lines: list[str]) -> dict[str, list[str]]:
    """The lines between $Name and $EndName, by name."""
    found: dict[str, list[str]] = {}
    own: list[str] | None = None
    for line in map(str.strip, lines):
        if line.startswith("$End"):
            own = None
        elif line.startswith("$"):
            own = found.setdefault(line[1:], [])
        elif own is not None and line:
            own.append(line)
    return found


def _nodes_2(lines: list[str]) -> tuple[np.ndarray, np.ndarray]:
    rows = np.array([[float(word) for word in line.split()] for line in lines[1:]]).reshape(-1, 4)
    _check_count(rows, lines)
    return rows[:, 0], rows[:, 1:]


def _triangles_2(lines: list[str]) -> tuple[list[int], np.ndarray]:
    rows = [[int(word) for word in line.split()] for line in lines[1:]]
    _check_count(rows, lines)
    own = [row[3 + row[2] :] for row in rows if row[1] == TRIANGLE]
    return [row[1] for row in rows], np.array(own, dtype=int).reshape(-1, 3)


def _nodes_4(lines: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Blocks: a line that ends in a count, the numbers of so many nodes, then their places."""
    numbers: list[int] = []
    places: list[list[float]] = []
    at = 1
    while at < len(lines):
        count = int(lines[at].split()[3])
        numbers += [int(line) for line in lines[at + 1 : at + 1 + count]]
        places += [[float(word) for word in line.split()[:3]] for line in lines[at + 1 + count : at + 1 + 2 * count]]
        at += 1 + 2 * count
    _check_count(places, lines, place=1)
    return np.array(numbers), np.array(places).reshape(len(numbers), 3)


def _triangles_4(lines: list[str]) -> tuple[list[int], np.ndarray]:
    """Blocks: a line with the kind and a count, then so many lines of a number and nodes."""
    kinds: list[int] = []
    own: list[list[int]] = []
    at, read = 1, 0
    while at < len(lines):
        _, _, kind, count = map(int, lines[at].split())
        rows = [[int(word) for word in line.split()] for line in lines[at + 1 : at + 1 + count]]
        kinds.append(kind)
        own += [row[1:] for row in rows if kind == TRIANGLE]
        at, read = at + 1 + count, read + len(rows)
    _check_count(range(read), lines, place=1)
    return kinds, np.array(own, dtype=int).reshape(-1, 3)


def _check_count(rows: Sized, lines: list[str], place: int = 0) -> None:
    """As many as the first line says."""
    if int(lines[0].split()[place]) != len(rows):
        raise ValueError
