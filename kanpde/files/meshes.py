"""Triangles or tetrahedra out of Gmsh's mesh files, ASCII of version 2.2 or 4.1, and what its physical groups name.

    $Nodes … $EndNodes      numbers and places of nodes
    $Elements … $EndElements      kinds (1, 2, 4 are lines, triangles, tetrahedra), groups and nodes of elements
    $PhysicalNames … $EndPhysicalNames      dimension, number and name of groups

In 4.1 elements belong to entities, and $Entities says to which groups these do. What else is in a file is passed over.
Source: Gmsh's reference manual, sections "MSH file format" and "Legacy formats".
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sized
from pathlib import Path

import numpy as np

from kanpde.files.regular import Unreadable, read_regular

MOST_BYTES, MOST_ELEMENTS, MOST_GROUPS, LONGEST_NAME = 64_000_000, 200_000, 100, 60
KINDS = {1: 1, 2: 2, 4: 3}
"""Dimensions of lines, triangles and tetrahedra; they have a node more than that."""
POINT = 15
FOREIGN = {3: "quadrangles", 5: "hexahedra", 6: "prisms", 7: "pyramids"}
FILLED = {2: ("triangles", "mesh its surface"), 3: ("tetrahedra", "mesh its volume")}

Group = tuple[int, int]
"""Dimension and number."""

Element = tuple[int, tuple[int, ...], tuple[int, ...]]
"""Kind, nodes, numbers of groups."""


def read_mesh(path: Path) -> dict[str, np.ndarray]:
    """`nodes` [N, 3] and the `tetrahedra` [T, 4] of them, or `triangles` [T, 3] where there are none.

    Of each named group also `side:<name>` [F, d], faces of theirs by nodes, or `part:<name>` [T'], numbers of them.

    Raises:
        Unreadable: It is no such mesh, or one of other elements.
    """
    try:
        lines = read_regular(path, MOST_BYTES).decode("utf-8").splitlines()
    except UnicodeDecodeError:
        raise Unreadable("is no ASCII mesh of Gmsh; save it so, as version 2.2 or 4.1") from None
    parts = _sections(lines)
    version = (parts.get("MeshFormat") or [""])[0].split()
    if not version or version[0] not in ("2.2", "4.1") or version[1:2] == ["1"]:
        raise Unreadable("is no ASCII mesh of Gmsh; save it so, as version 2.2 or 4.1")
    if (count := len(parts.get("Elements", []))) > MOST_ELEMENTS:
        raise Unreadable(f"has {count - 1} lines of elements, where up to {MOST_ELEMENTS} are read; use a coarser mesh")
    try:
        if version[0] == "2.2":
            numbers, places = _nodes_2(parts.get("Nodes", []))
            elements = list(_elements_2(parts.get("Elements", [])))
        else:
            numbers, places = _nodes_4(parts.get("Nodes", []))
            elements = list(_elements_4(parts.get("Elements", []), _entities(parts.get("Entities", []))))
        names = _names(parts.get("PhysicalNames", []))
    except Unreadable:
        raise
    except (ValueError, IndexError, OverflowError):
        raise Unreadable("has lines that are no nodes or elements") from None
    _check_kinds({kind for kind, _, _ in elements})
    return _arrays(numbers, places, _distinct(elements), names)


def _check_kinds(kinds: set[int]) -> None:
    for kind in sorted(kinds):
        if kind in FOREIGN:
            raise Unreadable(f"has {FOREIGN[kind]}; mesh it with triangles or tetrahedra alone")
        if kind not in KINDS and kind != POINT:
            raise Unreadable("has elements with nodes between their corners; save it with elements of order 1")


def _distinct(elements: list[Element]) -> list[Element]:
    """One element with all its groups in the place of those that version 2.2 repeats, group by group."""
    found: list[Element] = []
    known: dict[tuple[int, ...], int] = {}
    for kind, nodes, groups in elements:
        place = known.setdefault(nodes, len(found))
        if place < len(found) and not set(groups) <= set(found[place][2]):
            found[place] = (kind, nodes, (*found[place][2], *groups))
        else:
            found.append((kind, nodes, groups))
    return found


def _arrays(
    numbers: list[int], places: np.ndarray, elements: list[Element], names: dict[Group, str]
) -> dict[str, np.ndarray]:
    dimension = 3 if any(kind == 4 for kind, _, _ in elements) else 2
    filled, cure = FILLED[dimension]
    cells = [(nodes, groups) for kind, nodes, groups in elements if KINDS.get(kind) == dimension]
    faces = [(nodes, groups) for kind, nodes, groups in elements if KINDS.get(kind) == dimension - 1]
    if not cells:
        raise Unreadable(f"has no triangles or tetrahedra; in Gmsh, {cure}")
    known = {number: place for place, number in enumerate(numbers)}
    missing = sorted({own for nodes, _ in (*cells, *faces) for own in nodes} - set(known))
    if missing:
        raise Unreadable(f"has {filled} of the node {missing[0]}, which it does not have")
    found = {"nodes": places, filled: np.array([[known[own] for own in nodes] for nodes, _ in cells], float)}
    sides, parts = defaultdict(list), defaultdict(list)
    for nodes, groups in faces:
        for name in {names.get((dimension - 1, group)) for group in groups}:
            sides[name].append([known[own] for own in nodes])
    for number, (_, groups) in enumerate(cells):
        for name in {names.get((dimension, group)) for group in groups}:
            parts[name].append(number)
    found |= {f"side:{name}": np.array(own, float) for name, own in sides.items() if name}
    return found | {f"part:{name}": np.array(own, float) for name, own in parts.items() if name}


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


def _names(lines: list[str]) -> dict[Group, str]:
    """Names of groups, as words: what is no letter, digit or underscore becomes an underscore.

    >>> _names(["1", '2 7 "outer wall"'])
    {(2, 7): 'outer_wall'}
    """
    found: dict[Group, str] = {}
    for line in lines[1:]:
        dimension, number, text = line.split(None, 2)
        name = re.sub(r"\W+", "_", text.strip().strip('"'), flags=re.ASCII).strip("_")
        if not name or len(name) > LONGEST_NAME:
            raise Unreadable(f"has a group called {text[:LONGEST_NAME]}; give it up to {LONGEST_NAME} letters")
        if (int(dimension), name) in {(own, known) for (own, _), known in found.items()}:
            raise Unreadable(f"has two groups called {name}; rename one")
        found[int(dimension), int(number)] = name
    if len(found) > MOST_GROUPS:
        raise Unreadable(f"has {len(found)} named groups, where up to {MOST_GROUPS} are read; join some")
    return found


def _nodes_2(lines: list[str]) -> tuple[list[int], np.ndarray]:
    rows = np.array([[float(word) for word in line.split()] for line in lines[1:]]).reshape(-1, 4)
    _check_count(rows, lines)
    return [int(number) for number in rows[:, 0]], rows[:, 1:]


def _elements_2(lines: list[str]) -> Iterator[Element]:
    rows = [[int(word) for word in line.split()] for line in lines[1:]]
    _check_count(rows, lines)
    for row in rows:
        kind, tags = row[1], row[2]
        yield kind, _corners(kind, row[3 + tags :]), tuple(row[3 : 3 + min(tags, 1)])


def _nodes_4(lines: list[str]) -> tuple[list[int], np.ndarray]:
    """Blocks: a line that ends in a count, the numbers of so many nodes, then their places."""
    numbers: list[int] = []
    places: list[list[float]] = []
    at = 1
    while at < len(lines):
        count = _positive(lines[at].split()[3])
        numbers += [int(line) for line in lines[at + 1 : at + 1 + count]]
        places += [[float(word) for word in line.split()[:3]] for line in lines[at + 1 + count : at + 1 + 2 * count]]
        at += 1 + 2 * count
    _check_count(places, lines, place=1)
    return numbers, np.array(places).reshape(len(numbers), 3)


def _entities(lines: list[str]) -> dict[Group, tuple[int, ...]]:
    """The groups of each entity, by its dimension and number."""
    found: dict[Group, tuple[int, ...]] = {}
    at = 1
    for dimension, count in enumerate(map(_positive, lines[0].split()[:4] if lines else [])):
        before = 4 if dimension == 0 else 7  # its number, and its place or the box around it
        for line in lines[at : at + count]:
            words = line.split()
            groups = words[before + 1 : before + 1 + _positive(words[before])]
            found[dimension, int(words[0])] = tuple(abs(int(word)) for word in groups)
        at += count
    return found


def _elements_4(lines: list[str], entities: dict[Group, tuple[int, ...]]) -> Iterator[Element]:
    """Blocks: a line with the entity, the kind and a count, then so many lines of a number and nodes."""
    at, read = 1, 0
    while at < len(lines):
        dimension, entity, kind, count = map(int, lines[at].split())
        own = lines[at + 1 : at + 1 + _positive(count)]
        for line in own:
            yield kind, _corners(kind, map(int, line.split()[1:])), entities.get((dimension, entity), ())
        at, read = at + 1 + count, read + len(own)
    _check_count(range(read), lines, place=1)


def _corners(kind: int, nodes: Iterable[int]) -> tuple[int, ...]:
    found = tuple(nodes)
    if kind in KINDS and len(found) != KINDS[kind] + 1:
        raise ValueError
    return found


def _positive(word: str | int) -> int:
    """A count; a negative one would be read for ever."""
    count = int(word)
    if count < 0:
        raise ValueError
    return count


def _check_count(rows: Sized, lines: list[str], place: int = 0) -> None:
    """As many as the first line says."""
    if int(lines[0].split()[place]) != len(rows):
        raise ValueError
