"""The keys `boundary` and `initial`: what holds on each side."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, pairwise

import sympy

from kanpde.errors import InputError
from kanpde.problems.geometry.boxes import Box, Side, box_sides
from kanpde.problems.geometry.regions import (
    Piece,
    Place,
    Region,
    ShapeBoundary,
    SubSide,
    carrier_of,
    in_domain,
    on_flat,
    on_side,
    piece_points,
)
from kanpde.problems.language import (
    Remote,
    Scope,
    constant_value,
    coordinate_symbols,
    fields_of,
    jets_of,
    parse_expression,
    shortened,
    suggestion,
    text_of,
)
from kanpde.problems.problem import Condition
from kanpde.problems.reading.entries import Source, double_of
from kanpde.problems.reading.messages import wrong_kind


def read_conditions(
    statement: Source,
    scope: Scope,
    exact: dict[str, sympy.Expr],
    periodic: tuple[int, ...],
    region: Region,
    box: Box,
) -> tuple[Condition, ...]:
    """Every condition, in the order of the coordinates; those on shapes last."""
    return _Conditions(statement, scope, exact, periodic, region, box).all()


FEWEST = 32
"""Of 8192 even points of a facet: how many a part of it has unless all parts are smaller."""


@dataclass(frozen=True)
class _Conditions:
    """Reads `boundary` and `initial`."""

    statement: Source
    scope: Scope
    exact: dict[str, sympy.Expr]
    periodic: tuple[int, ...]
    region: Region
    box: Box

    def all(self) -> tuple[Condition, ...]:
        conditions: list[Condition] = []
        for side, key, texts in self.texts():
            number = 0
            for entry, text in enumerate(texts, 1):
                place = key if len(texts) == 1 else f"{key}[{entry}]"
                pieces, stated = self.pieces(side, place, text)
                for component in zip(*(self.residuals(piece, place, stated) for piece in pieces), strict=True):
                    number += 1
                    found = self.numbered(side, number, pieces, component)
                    conditions += [replace(condition, written=str(stated)) for condition in found]
        return (*conditions, *self.at_points())

    def at_points(self) -> Iterator[Condition]:
        """The key `at`: conditions at points, `at`, `at.2`, …; coordinates that are not named take any value."""
        given = self.statement.data.get("at")
        entries = given if isinstance(given, list) else [] if given is None else [given]
        for number, entry in enumerate(entries, 1):
            place = "at" if len(entries) == 1 else f"at[{number}]"
            piece, text = self.point(place, entry), entry["condition"]
            for component, residual in enumerate(self.residuals(piece, place, text), 1):
                name = "at" + f".{number}" * (number > 1) + f"_{component}" * (component > 1)
                fields = fields_of(residual)
                yield Condition(name, piece, residual, "boundary", fields, str(text))

    def point(self, place: str, entry: object) -> Place:
        where, names = self.statement.where(place), self.scope.coordinates
        space = [name for name in names if name not in ("t", *self.scope.family)]
        if not isinstance(entry, dict) or not {"condition", *space} <= set(entry) <= {"condition", *names}:
            example = ", ".join(f"{name}: 0" for name in space)
            raise wrong_kind(
                where, "a value of each space coordinate and a condition", entry, f"{{{example}, condition: u = 0}}"
            )
        known = Scope(definitions=self.scope.definitions)
        values = tuple(
            constant_value(double_of(parse_expression(entry[name], known, where), where)) if name in entry else None
            for name in names
        )
        piece = Place(values)
        points = piece_points(self.region, self.box, piece, 4, 0)
        if not in_domain(self.region, self.box, (), points).all():
            raise InputError(f"{where} needs a point of the domain; {shortened(str(entry))} lies outside. Move it.")
        return piece

    def pieces(self, side: Side | str, place: str, text: object) -> tuple[Sequence[Piece], object]:
        """Where a condition holds, and its text: a side, a part of one, or the facets of a shape."""
        whole: Sequence[Side | ShapeBoundary] = [side] if isinstance(side, Side) else self.facets(side)
        if not isinstance(text, dict):
            return whole, text
        where = self.statement.where(place)
        if text and set(text) <= set(self.scope.fields):
            listed = ", ".join(value if "=" in str(value) else f"{key} = {value}" for key, value in text.items())
            raise wrong_kind(where, "equations, not values by field", text, f"{place}: [{listed}]")
        if set(text) != {"where", "condition"} or not isinstance(text["where"], str):
            raise wrong_kind(where, "where and condition", text, "{where: y < 0.5, condition: u = 0}")
        mask = parse_expression(f"where({text['where']}, 1, 0)", self.scope, f"{where}.where")
        if jets_of(mask):
            raise wrong_kind(f"{where}.where", "coordinates only", text["where"], "y < 0.5")
        parts = [SubSide(one, mask, self.scope.coordinates) for one in whole]
        # Slivers of facets next to the one that is meant, as where y < 1e-6, hold no condition of their own.
        held = [len(piece_points(self.region, self.box, part, FEWEST, 0)) for part in parts]
        least = FEWEST if max(held) >= FEWEST else 1
        parts = [part for part, found in zip(parts, held, strict=True) if found >= least]
        if not parts:
            name = side if isinstance(side, str) else side.name
            raise InputError(
                f"{where} needs a part of {name} that bounds the domain; {shortened(text['where'])} holds nowhere "
                "there. Correct or remove it."
            )
        return parts, text["condition"]

    def residuals(self, piece: Piece, place: str, text: object) -> tuple[sympy.Expr, ...]:
        """One for each component of an equation between vectors."""
        normal = None if piece.name in ("t-", "t+", "at") else self.normal(piece)
        scope = replace(self.scope, normal=normal, place=self.place(piece))
        residuals = self.statement.residuals(place, text, scope, self.exact)
        for residual in residuals:
            if all(isinstance(name, Remote) for name, _ in jets_of(residual)):
                held = ", ".join(f"{name} = {value:g}" for name, value in scope.place.items())
                raise InputError(
                    f"{self.statement.where(place)} needs a field where the condition holds{held and f', at {held}'}; "
                    f"{shortened(str(text))} has fields elsewhere alone. Move it to the side it speaks of, or write it "
                    "under constraints."
                )
        return residuals

    def place(self, piece: Piece) -> dict[str, float]:
        """The coordinate that is fixed on a side, and its value."""
        side = carrier_of(piece)
        if isinstance(side, Place):
            places = zip(self.scope.coordinates, side.values, strict=True)
            return {name: value for name, value in places if value is not None}
        if not isinstance(side, Side):
            return {}
        ends = self.box.upper if side.name.endswith("+") else self.box.lower
        return {self.scope.coordinates[side.axis]: ends[side.axis]}

    def numbered(
        self, side: Side | str, number: int, pieces: Sequence[Piece], residuals: tuple[sympy.Expr, ...]
    ) -> list[Condition]:
        """A condition for each piece: `hole`, `hole.2`, or `notch[1]`, `notch[2]`, … where there are several."""
        name = side if isinstance(side, str) else side.name
        name = name if number == 1 else f"{name}.{number}"
        names = [name] if len(pieces) == 1 else [f"{name}[{n}]" for n in range(1, len(pieces) + 1)]
        return [
            Condition(
                own, piece, residual, {"t-": "initial", "t+": "final"}.get(piece.name, "boundary"),
                fields_of(residual),
            )
            for own, piece, residual in zip(names, pieces, residuals, strict=True)
        ]  # fmt: skip

    def facets(self, name: str) -> Sequence[ShapeBoundary]:
        """The pieces of a shape's boundary that bound the region."""
        if name in self.edges:
            return [self.edges[name]]
        if name in self.named:
            return self.named[name]
        if not self.bounding[name]:
            raise InputError(
                f"{self.statement.where('boundary')} takes shapes that bound the domain; {name} does not. "
                "Correct domain, or remove the condition."
            )
        return self.bounding[name]

    @cached_property
    def bounding(self) -> dict[str, list[ShapeBoundary]]:
        """Of each shape, the pieces that bound the region; found by trial points, so looked for once."""
        found = {}
        for name in self.region.names():
            facets = dict(self.region.shapes)[name].facets()
            pieces = [ShapeBoundary(name, facet, sign) for facet in facets for sign in self.region.sides]
            found[name] = [piece for piece in pieces if len(piece_points(self.region, self.box, piece, 4, 0))]
        return found

    @cached_property
    def edges(self) -> dict[str, ShapeBoundary]:
        """The pieces of shapes that have several, by `notch[1]`, `notch[2]`, …"""
        several = {name: pieces for name, pieces in self.bounding.items() if len(pieces) > 1}
        return {f"{name}[{n}]": piece for name, pieces in several.items() for n, piece in enumerate(pieces, 1)}

    @cached_property
    def named(self) -> dict[str, list[ShapeBoundary]]:
        """The pieces of shapes that a file gives a name, by `part[inlet]`."""
        found = {}
        for name, pieces in self.bounding.items():
            for own, facets in dict(self.region.shapes)[name].named().items():
                found[f"{name}[{own}]"] = [piece for piece in pieces if piece.facet in facets]
        return {name: pieces for name, pieces in found.items() if pieces}

    def full_name(self, name: str) -> str:
        """`part[inlet]` of `inlet`, where one shape has it."""
        meant = [known for known in self.named if known.endswith(f"[{name}]")]
        return meant[0] if len(meant) == 1 and name not in self.region.names() else name

    def normal(self, piece: Piece) -> tuple[sympy.Expr, ...]:
        """The outward normal, one expression a coordinate."""
        piece = carrier_of(piece)
        if isinstance(piece, Side):
            return tuple(map(sympy.Integer, piece.normal(len(self.scope.coordinates))))
        if isinstance(piece, Place):
            raise TypeError(f"{piece.name} is a point, which has no normal")
        symbols, axes = coordinate_symbols(self.scope.coordinates), self.region.axes
        parts = dict(zip(axes, piece.normal_expressions(tuple(symbols[a] for a in axes)), strict=True))
        return tuple(parts.get(axis, sympy.S.Zero) for axis in range(len(symbols)))

    def texts(self) -> list[tuple[Side | str, str, list[object]]]:
        """The conditions of each side in the order of the coordinates, and the key they stand under."""
        sides = {side.name: side for side in box_sides(self.scope.coordinates)}
        shapes = self.region.names()
        given = self.merged(self.statement.data.get("boundary"))
        if given is None:
            given = {}
        if not isinstance(given, dict):
            raise wrong_kind(self.statement.where("boundary"), "a condition for each side", given, "{x-: u = 0}")
        known = (*shapes, *self.edges, *self.named)
        found = {}
        for name, texts in given.items():
            own = self.full_name(name)
            if name != "*":
                found[own if own in known else self.side(name, sides).name] = (f"boundary.{name}", texts)
        if "*" in given:
            rest = [
                side.name
                for side in sides.values()
                if self.takes_conditions(side) and side.name not in found and (self.region.whole or self.bounds(side))
            ]
            taken = [piece for name in found if name in self.edges or name in self.named for piece in self.facets(name)]
            taken += [piece for name in found if name in sides for piece in self.along(sides[name])]
            apart = {piece.name for piece in taken}
            rest += [name for name in shapes if name not in found and self.bounding[name] and name not in apart]
            rest += [name for name, piece in self.edges.items() if piece.name in apart and piece not in taken]
            self.check_rest(rest)
            found |= dict.fromkeys(rest, ('boundary."*"', given["*"]))
        before = [f"{name} = {text_of(value)}" for name, value in self.scope.history.items()]
        initial = self.statement.data.get("initial", before or None)
        if initial is not None:
            found["t-"] = ("initial", initial)
            self.check_time()
        pieces = sides | {name: name for name in known}
        return [(piece, found[name][0], self.listed(*found[name])) for name, piece in pieces.items() if name in found]

    def bounds(self, side: Side) -> bool:
        """Whether a side of the box bounds the region somewhere where no shape's facet does."""
        points = piece_points(self.region, self.box, side, 64, 0)
        for piece in chain.from_iterable(self.bounding.values()):
            points = points[~on_flat(self.region, piece, points)]
        return len(points) > 0

    def along(self, side: Side) -> list[ShapeBoundary]:
        """The facets of shapes that lie on a side of the box."""
        if side.axis not in self.region.axes:
            return []
        bounding = chain.from_iterable(self.bounding.values())
        samples = ((piece, piece_points(self.region, self.box, piece, 16, 0)) for piece in bounding)
        return [piece for piece, points in samples if len(points) and bool(on_side(side, self.box, points).all())]

    def merged(self, given: object) -> object:
        """The list form, entries {on: side, where: …, condition: …}, as the mapping of sides that it stands for."""
        if not isinstance(given, list):
            return given
        found: dict[str, list[object]] = {}
        for entry in given:
            if isinstance(entry, str) and (side := self.side_meant(entry)):
                found.setdefault(side, []).append(entry)
                continue
            if not isinstance(entry, dict) or "condition" not in entry or not isinstance(entry.get("on"), str):
                raise wrong_kind(
                    self.statement.where("boundary"), "a condition for each side, or entries with on and condition",
                    entry, "{x-: u = 0}, or [{on: x-, where: y < 0.5, condition: u = 0}]",
                )  # fmt: skip
            rest = {key: value for key, value in entry.items() if key != "on"}
            found.setdefault(entry["on"], []).append(rest if set(rest) != {"condition"} else rest["condition"])
        return found

    def side_meant(self, text: str) -> str | None:
        """The side of `u(0, t) = 0` where x- is at 0; None where a condition does not say it so."""
        match = re.search(r"\w\s*\(([^()]*)\)", text)
        parts = [part.strip() for part in match[1].split(",")] if match else []
        if len(parts) != len(self.scope.coordinates):
            return None
        fixed = [(axis, part) for axis, part in enumerate(parts) if part != self.scope.coordinates[axis]]
        if len(fixed) != 1:
            return None
        axis, part = fixed[0]
        where = self.statement.where("boundary")
        known = Scope(definitions=self.scope.definitions)
        value = constant_value(double_of(parse_expression(part, known, where), where))
        ends = {"-": self.box.lower[axis], "+": self.box.upper[axis]}
        return next((f"{self.scope.coordinates[axis]}{sign}" for sign, end in ends.items() if value == end), None)

    def check_rest(self, rest: list[str]) -> None:
        if not rest:
            where = self.statement.where('boundary."*"')
            raise InputError(
                f"{where} needs sides without a condition of their own; none is left that is not periodic. Remove it."
            )

    def takes_conditions(self, side: Side) -> bool:
        return side.axis not in self.periodic and self.scope.coordinates[side.axis] not in ("t", *self.scope.family)

    def _side_meant(self, name: str, possible: list[str]) -> str:
        """What `left` and `x = 0` are called here."""
        box = self.scope.ranges
        words = {"left": "x-", "right": "x+", "bottom": "y-", "top": "y+"}
        ends = {side: box.get(side[:-1], (0, 0))[side[-1] == "+"] for side in possible}
        meant = {f"{side[:-1]}={float(end):g}": side for side, end in ends.items()}
        side = words.get(name.lower(), meant.get(name.replace(" ", ""), ""))
        return f" Write {side} for {shortened(name)}." if side in possible else ""

    def side(self, name: str, sides: Mapping[str, Side]) -> Side:
        where = self.statement.where("boundary")
        possible = [side.name for side in sides.values() if self.takes_conditions(side)]
        if name == "t-" and name in sides:
            raise InputError(
                f"{where} takes conditions in space and at the end of time, t+; it has {name}. Write conditions at the "
                "start of time under initial; if t is no time, call it otherwise."
            )
        if name not in sides or sides[name].axis in map(self.scope.coordinates.index, self.scope.family):
            hint = suggestion(name, [*possible, *self.named]) or self._side_meant(name, possible)
            known = ", ".join((*possible, *self.named)) or "none here"
            raise InputError(
                f'{where} needs sides ({known}, or "*" for all that remain); it has '
                f"{shortened(name)}. Rename or remove it.{hint}"
            )
        if sides[name].axis in self.periodic:
            raise InputError(
                f"{where} takes no condition on {name}: {name[:-1]} is periodic. Remove the condition or periodic; a "
                f"value that pins the solution is at: {{{name[:-1]}: …, condition: {self.scope.fields[0]} = …}}."
            )
        return sides[name]

    def check_time(self) -> None:
        if "t" not in self.scope.coordinates:
            raise InputError(
                f"{self.statement.where('initial')} needs the coordinate t, time; there is none. "
                "Add t to coordinates, or move the condition to boundary."
            )

    def listed(self, key: str, texts: object) -> list[object]:
        texts = texts if isinstance(texts, list) else [texts]
        if not texts:
            raise wrong_kind(self.statement.where(key), "a condition", texts, f"{self.scope.fields[0]} = 0")
        for one, following in pairwise(texts):
            if isinstance(one, str) and isinstance(following, str) and _open(one) > 0 > _open(following):
                raise InputError(
                    f"{self.statement.where(key)} needs quotes around what has a comma inside […]; "
                    f"{shortened(f'{one}, {following}')} came apart at its comma. Write it in double quotes, or each "
                    "condition on a line of its own after a dash."
                )
        return texts


def _open(text: str) -> int:
    return text.count("(") - text.count(")")
