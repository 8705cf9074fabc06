"""The keys `shapes` and `domain`: what is cut from the box."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import replace

import torch

from kanpde.errors import InputError
from kanpde.files.yaml import Entries
from kanpde.problems.geometry.boxes import Box
from kanpde.problems.geometry.regions import Region, Tree, inside_points
from kanpde.problems.geometry.shapes import SHAPES, Cuboid, Extrusion, Level, Misshapen, Shape, shape_of
from kanpde.problems.language import ExpressionError, Scope, check_name, constant_value, parse_expression, shortened
from kanpde.problems.reading.entries import Source
from kanpde.problems.reading.messages import wrong_kind
from kanpde.problems.reading.shape_lists import EXTRUDE, INSIDE, mesh_part, mesh_parts, shape_list

OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.BitAnd: "&"}
CELLS = ({1: 4001, 2: 301, 3: 61}, {1: 4001, 2: 1501, 3: 121})
"""Cells an axis on which parts are counted; the finer ones where the coarse ones close a gap."""
LONGEST = 400
MOST_CORNERS, MOST_SHAPES = 200, 100
NOT_MEANT = ("title", "shapes", "fields", "coordinates")


def read_shapes(statement: Source, scope: Scope, box: Box) -> dict[str, Shape]:
    """The shapes by name.

    Raises:
        InputError: for what is no shape.
    """
    stated = statement.mapping("shapes", '{hole: "disk(0, 0, 0.1)"}')
    if len(stated) > MOST_SHAPES:
        raise InputError(
            f"{statement.where('shapes')} may have {MOST_SHAPES} shapes; it has {len(stated)}. Use fewer."
        )
    bounds = _whole(scope, box).box
    shapes = {name: _shape(statement, name, text, scope, bounds) for name, text in stated.items()}
    return shapes | _mesh_parts(statement, shapes, scope)


def _mesh_parts(statement: Source, shapes: dict[str, Shape], scope: Scope) -> dict[str, Shape]:
    """What named groups of meshes fill, of those that the file speaks of by names that nothing else has."""
    spoken = set(re.findall(r"\w+", str({key: own for key, own in statement.data.items() if key not in NOT_MEANT})))
    found: dict[str, Shape] = {}
    for name in shapes:
        for part in mesh_parts(statement, name):
            if part in spoken and part not in (*shapes, *found, *scope.names, "box"):
                shape = mesh_part(statement, name, part, len(_space(scope)))
                found |= {} if shape is None else {part: shape}
    return found


def _whole(scope: Scope, box: Box) -> Region:
    axes = tuple(axis for axis, name in enumerate(scope.coordinates) if name != "t" and name not in scope.family)
    return Region.all_of(box, axes)


def read_region(
    statement: Source, scope: Scope, box: Box, shapes: dict[str, Shape], parting: Sequence[str] = ()
) -> Region:
    """The region that `domain` states, all of the box without it; shapes that part it need no `domain`.

    Raises:
        InputError: for a domain that is empty or falls apart.
    """
    whole, text = _whole(scope, box), statement.data.get("domain")
    if text is None:
        stated = statement.data.get("shapes") or {}
        if unused := [name for name in stated if name not in parting and not _is_integrated(statement, name)]:
            raise InputError(
                f"{statement.where('shapes')} needs domain, which says what they are for, or coefficients that have "
                f"{unused[0]} under inside; there is none. Add domain: box - {unused[0]}."
            )
        return whole
    region = replace(whole, tree=_tree(statement, text, shapes), shapes=tuple(shapes.items()))
    _check_region(statement, region, box)
    return region


def _is_integrated(statement: Source, name: str) -> bool:
    """Whether something is integrated over a shape."""
    over = re.compile(rf"\b(?:integral|int|mean)\(.*,\s*{re.escape(name)}\s*\)", re.DOTALL)
    return any(over.search(str(statement.data.get(key, ""))) for key in ("constraints", "equations"))


def _shape(statement: Source, name: str, text: object, scope: Scope, bounds: Cuboid) -> Shape:
    where = statement.where(f"shapes.{name}")
    check_name(name, "shape", statement.where("shapes"))
    if isinstance(text, dict) and (EXTRUDE in text or set(text) & set(_space(scope))):
        return _extruded(statement, name, text, scope, bounds)
    if isinstance(text, dict) and set(text) == {INSIDE}:
        return _level(where, text[INSIDE], scope, bounds)
    if isinstance(text, dict):
        return shape_list(statement, name, text, bounds)
    if name in (*scope.names, "box"):
        raise InputError(f"{where} needs a name of its own; {name} is taken already. Rename the shape.")
    match = re.fullmatch(r"\s*(\w+)\s*\((.*)\)\s*", text, re.DOTALL) if isinstance(text, str) else None
    if match is None or match[1] not in SHAPES:
        raise wrong_kind(where, f"a shape ({', '.join(SHAPES)})", text, "disk(0.3, 0.3, 0.1)")
    constants = Scope(parameters=scope.parameters, definitions=scope.definitions)
    arguments = _arguments(match[2])
    if len(arguments) > 2 * MOST_CORNERS:
        raise InputError(
            f"{where} may have {MOST_CORNERS} corners; it has {len(arguments) // 2}. Use a coarser polygon."
        )
    values = [_number(part, constants, where) for part in arguments]
    shape = _made(SHAPES[match[1]], values, len(bounds.lower), where)
    if not shape.meets(bounds):
        raise InputError(f"{where} needs a shape that meets the box; {shortened(text)} lies outside it. Move it.")
    return shape


def _space(scope: Scope) -> tuple[str, ...]:
    return tuple(name for name in scope.coordinates if name != "t" and name not in scope.family)


def _extruded(statement: Source, name: str, entry: Entries, scope: Scope, bounds: Cuboid) -> Extrusion:
    """A shape in the plane of two coordinates, drawn out along the range of the third."""
    where, names = statement.where(f"shapes.{name}"), _space(scope)
    along = [own for own in names if own in entry]
    plane = {key: value for key, value in entry.items() if key not in along}
    if len(names) != 3 or len(along) != 1 or not plane:
        raise wrong_kind(where, "a plane shape and the range of one of three space coordinates", entry,
                         '{extrude: "disk(0, 0, 1)", z: [0, 1]}')  # fmt: skip
    axis, constants = names.index(along[0]), Scope(parameters=scope.parameters, definitions=scope.definitions)
    low, high = _range(entry[along[0]], constants, f"{where}.{along[0]}")
    if not (low < bounds.upper[axis] and bounds.lower[axis] < high):
        raise InputError(f"{where} needs a shape that meets the box; its range of {along[0]} is outside. Move it.")
    flat = replace(scope, coordinates=tuple(own for own in scope.coordinates if own != along[0]))
    sides = [end[:axis] + end[axis + 1 :] for end in bounds.bounds]
    base = _shape(statement, name, plane.get(EXTRUDE, plane), flat, Cuboid(*sides))
    drawn = Extrusion(base, axis, low, high)
    try:
        for facet in drawn.facets():
            facet.place(torch.full((1, 2), 0.5, dtype=torch.float64))
    except Misshapen as wanted:
        raise InputError(f"{where} needs {wanted}. Correct its numbers.") from None
    return drawn


def _range(value: object, constants: Scope, where: str) -> tuple[float, float]:
    if not isinstance(value, list) or len(value) != 2:
        raise wrong_kind(where, "a range", value, "[0, 1]")
    low, high = (_number(str(end), constants, where) for end in value)
    if not low < high:
        raise InputError(f"{where} needs a range from low to high; it is {low:g} to {high:g}. Correct it.")
    return low, high


def _level(where: str, text: object, scope: Scope, bounds: Cuboid) -> Level:
    """What lies where a comparison of two expressions in the coordinates of the plane holds."""
    example = "{inside: x^2 + y^4 < 1}"
    sides = re.split(r"<=?|>=?", text) if isinstance(text, str) else []
    if len(sides) != 2:
        raise wrong_kind(where, "one comparison of two expressions", text, example)
    names = _space(scope)
    if len(names) != 2:
        raise InputError(
            f"{where} needs two space dimensions; the problem has {len(names)}. Use balls, boxes and cylinders there, "
            "or give it the range of a third coordinate."
        )
    own = Scope(coordinates=names, parameters=scope.parameters, definitions=scope.definitions)
    try:
        less, more = (parse_expression(side, own, where) for side in (sides if "<" in str(text) else sides[::-1]))
        lower, upper = bounds.bounds
        return Level.traced(less - more, names, (lower[0], lower[1]), (upper[0], upper[1]))
    except ExpressionError as error:
        raise InputError(f"{where} {error}") from None
    except Misshapen as wanted:
        raise InputError(f"{where} needs {wanted}; {shortened(str(text))} has none. Correct the comparison.") from None


def _arguments(text: str) -> list[str]:
    """Split at the commas outside parentheses."""
    parts, depth = [""], 0
    for character in text:
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _number(text: str, scope: Scope, where: str) -> float:
    try:
        return constant_value(parse_expression(text, scope, where))
    except ExpressionError as error:
        raise InputError(f"{where} {error}") from None


def _made(kind: type[Shape], values: list[float], dimension: int, where: str) -> Shape:
    lives = kind.dimension(dimension)
    if lives != dimension or not kind.takes(len(values), dimension):
        raise InputError(
            f"{where} needs {kind.form} in {lives} space dimensions; it has {len(values)} numbers in {dimension}. "
            "Correct it."
        )
    try:
        return shape_of(kind, values)
    except Misshapen as wanted:
        numbers = ", ".join(f"{v:g}" for v in values)
        raise InputError(f"{where} needs {wanted}; it has {numbers}. Correct the numbers.") from None


def _tree(statement: Source, text: object, shapes: dict[str, Shape]) -> Tree:
    where = statement.where("domain")
    example = f"box - {next(iter(shapes), 'hole')}"
    if not isinstance(text, str) or len(text) > LONGEST or not re.fullmatch(r"[\w\s()+&-]+", text, re.ASCII):
        raise wrong_kind(where, "shapes joined by +, - and &", text, example)
    try:
        node = ast.parse(f"({text})", mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise wrong_kind(where, "shapes joined by +, - and &", text, example) from None
    return _branch(node, ("box", *shapes), where, text)


def _branch(node: ast.AST, names: tuple[str, ...], where: str, text: str) -> Tree:
    if isinstance(node, ast.Name) and node.id in names:
        return node.id
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        left, right = (_branch(part, names, where, text) for part in (node.left, node.right))
        return OPERATORS[type(node.op)], left, right
    what = shortened(node.id) if isinstance(node, ast.Name) else "something else"
    raise InputError(f"{where} needs shapes ({', '.join(names)}) joined by +, - and &; it has {what}. Correct it.")


def _check_region(statement: Source, region: Region, box: Box) -> None:
    where = statement.where("domain")
    if len(inside_points(region, box, 64, 0)) < 64:
        raise InputError(f"{where} needs points inside the box; it has none, or next to none. Change the shapes.")
    if len(region.axes) in CELLS[0] and (parts := _parts(region)) > 1:
        raise InputError(
            f"{where} needs to be connected; it falls into {parts} parts. State a problem for each, or join them."
        )


def _parts(region: Region) -> int:
    """How many parts the region has."""
    parts = region.parts(CELLS[0])
    return region.parts(CELLS[1]) if parts > 1 else parts
