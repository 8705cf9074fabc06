"""Shapes that part the domain: the key `regions`, coefficients by shapes, and fields that live in one region.

    coefficients: {k: {inside: {wire: 400}, else: 1.38}}
    regions: {wire: {coefficients: {k: 400}, equations: {heat: …}, jump: {T: 0.1, heat: 2}}}
    regions: {wire: {fields: [c], equations: {decay: …}, rim: c = T}, else: {fields: [b]}}

An equation holds where all of its fields live, in the part that it is stated for; so does a condition. What goes on
across rims is in `rims`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import sympy

from kanpde.errors import InputError
from kanpde.files.yaml import Entries
from kanpde.problems.geometry.boxes import Box, Side
from kanpde.problems.geometry.regions import Parts, Region, ShapeBoundary, SubSide, carrier_of, part_of, piece_points
from kanpde.problems.geometry.shapes import Shape
from kanpde.problems.homes import Homes
from kanpde.problems.language import Scope, coordinate_symbols, fields_of, parse_expression, shortened, suggestion
from kanpde.problems.memberships import by_shape, membership, memberships_of, within
from kanpde.problems.problem import Condition
from kanpde.problems.reading.entries import Source
from kanpde.problems.reading.messages import wrong_kind

LOOKED_AT = 512
"""Points of a side that tell whether it lies in a shape."""

KEYS = ("fields", "coefficients", "equations", "jump", "rim")
ELSE, ELSE_KEYS = "else", ("fields", "equations")
"""The region outside of all shapes, and what it may have: what is stated for the whole domain holds there."""

EXAMPLE = "{wire: {coefficients: {k: 400}}}"
CALL = re.compile(r"\binside\s*\(\s*(\w+)\s*\)")
NOT_MEANT = ("title", "shapes", "domain")


def parting_shapes(statement: Source, shapes: Mapping[str, Shape]) -> Parts:
    """The shapes that have something of their own, in the order of the file."""
    found = {name for entry in _inside_entries(statement.data) for name in entry}
    own = {key: value for key, value in statement.data.items() if key not in NOT_MEANT}
    found |= {*statement.mapping("regions", EXAMPLE), *CALL.findall(str(own))} - {ELSE}
    for name in sorted(found - set(shapes), key=str):
        raise InputError(
            f"{statement.label} needs shapes ({', '.join(shapes) or 'none so far'}) for regions and inside; it has "
            f"{shortened(name)}.{suggestion(name, shapes) or f' Add shapes: {{{shortened(name)}: …}}.'}"
        )
    return tuple((name, shape) for name, shape in shapes.items() if name in found)


def _inside_entries(data: Entries) -> Iterator[Entries]:
    """{wire: 400} of each {inside: {wire: 400}, else: 1}."""
    for key in ("coefficients", "exact"):
        values = data.get(key)
        for value in values.values() if isinstance(values, dict) else ():
            if isinstance(value, dict) and isinstance(value.get("inside"), dict):
                yield value["inside"]


def insides(parts: Parts, coordinates: tuple[str, ...], axes: tuple[int, ...]) -> dict[str, sympy.Expr]:
    """inside(…) of each shape."""
    symbols = [coordinate_symbols(coordinates)[axis] for axis in axes]
    return {name: membership(name, shape, (0,) * len(axes))(*symbols) for name, shape in parts}


def parted_value(value: object, scope: Scope, where: str) -> sympy.Expr | None:
    """{inside: {wire: 400}, else: 1.38} as an expression; None for what is not written so."""
    if not isinstance(value, dict) or "inside" not in value:
        return None
    if set(value) != {"inside", "else"} or not isinstance(value["inside"], dict) or not value["inside"]:
        raise wrong_kind(where, "inside, by shapes, and else", value, "{inside: {wire: 400}, else: 1.38}")
    own = {name: parse_expression(text, scope, f"{where}.inside.{name}") for name, text in value["inside"].items()}
    otherwise = parse_expression(value["else"], scope, f"{where}.else")
    return by_shape([(inside, own[name]) for name, inside in scope.shapes.items() if name in own], otherwise)


def region_entries(statement: Source) -> dict[str, Entries]:
    """What `regions` says of each shape, and of `else`."""
    given = statement.mapping("regions", EXAMPLE)
    for shape, entry in given.items():
        keys = ELSE_KEYS if shape == ELSE else KEYS
        if not isinstance(entry, dict) or not entry or not set(entry) <= set(keys):
            where = statement.where(f"regions.{shape}")
            raise wrong_kind(where, f"one or several of {', '.join(keys)}", entry, "{coefficients: {k: 400}}")
    return given


@dataclass(frozen=True)
class Own:
    """What the key `regions` says of one kind, by name and by shape: texts."""

    statement: Source
    kind: str

    def entries(self) -> dict[str, dict[str, object]]:
        """{k: {wire: 400}} of {wire: {coefficients: {k: 400}}}."""
        found: dict[str, dict[str, object]] = {}
        for shape, entry in region_entries(self.statement).items():
            own = entry.get(self.kind, {})
            if not isinstance(own, dict):
                where = self.statement.where(f"regions.{shape}.{self.kind}")
                raise wrong_kind(where, "a mapping of names", own, "{k: 400}")
            for name, text in own.items():
                found.setdefault(name, {})[shape] = text
        return found

    def where(self, shape: str, name: str) -> str:
        return self.statement.where(f"regions.{shape}.{self.kind}.{name}")

    def unknown(self, shape: str, name: str, known: Mapping[str, object], what: str) -> InputError:
        hint = suggestion(name, known) or f" Add it to {what}."
        return InputError(
            f"{self.where(shape, name)} needs a name that {what} has for the rest of the domain "
            f"({', '.join(known) or 'none'}); {shortened(name)} is none.{hint}"
        )


def read_homes(statement: Source, scope: Scope, parts: Parts, narrow: Mapping[str, object]) -> Homes:
    """Where fields live: those that regions list, in these alone; vectors and complex fields by their own names."""
    names, found = (ELSE, *scope.shapes), dict[str, set[int]]()
    several = {**scope.vectors, **scope.complexes}
    for region, entry in region_entries(statement).items():
        where = statement.where(f"regions.{region}.fields")
        listed = entry.get("fields", [])
        listed = [listed] if isinstance(listed, str) else listed
        if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
            raise wrong_kind(where, "a list of names", listed, "[c]")
        for name in listed:
            if name not in scope.fields and name not in several:
                raise InputError(
                    f"{where} needs fields ({', '.join((*scope.fields, *several))}); it has {shortened(name)}."
                    f"{suggestion(name, (*scope.fields, *several)) or f' Add {shortened(name)} to fields.'}"
                )
            if name in narrow:
                raise InputError(
                    f"{where} needs fields of all coordinates; {name} is of fewer, which no shape parts. Remove it."
                )
            for own in several.get(name, (name,)):
                found.setdefault(own, set()).add(names.index(region))
    if found and not parts:
        raise InputError(
            f"{statement.where('regions')} needs a shape that else is outside of; there is none. Add one to regions, "
            "{wire: {fields: [c]}}, and to shapes."
        )
    return Homes(len(names), {name: tuple(sorted(own)) for name, own in found.items() if len(own) < len(names)})


def own_coefficients(statement: Source, scope: Scope, found: Mapping[str, sympy.Expr]) -> dict[str, sympy.Expr]:
    """Coefficients with the values that they have in shapes."""
    own, changed = Own(statement, "coefficients"), dict(found)
    for name, texts in own.entries().items():
        for shape, text in texts.items():
            if name not in found:
                raise own.unknown(shape, name, found, "coefficients")
            values = parse_expression(text, replace(scope, fields=()), own.where(shape, name))
            texts[shape] = values
        changed[name] = by_shape(((scope.shapes[s], v) for s, v in _ordered(texts, scope)), found[name])
    return changed


@dataclass(frozen=True)
class Stated:
    """Equations by name, those that differ from part to part, and where those hold that do not everywhere."""

    residuals: dict[str, sympy.Expr]
    own: frozenset[str]
    held: dict[str, tuple[int, ...]]


def own_equations(
    statement: Source, scope: Scope, exact: dict[str, sympy.Expr], equations: Mapping[str, sympy.Expr], homes: Homes
) -> Stated:
    """Equations with those that hold in shapes in their place there; new ones among them are of fields that live there.

    Raises:
        InputError: for fields of one equation that live nowhere together.
    """
    reader = _EquationReader(statement, replace(scope, walls=True), exact, homes)
    texts = Own(statement, "equations").entries()
    found, held = {}, {}
    for name in dict.fromkeys((*equations, *texts)):
        by_part = reader.by_part(name, texts.get(name, {}), equations)
        found[name] = reader.whole(by_part)
        if len(by_part) < homes.count:
            held[name] = tuple(sorted(by_part))
    if homes and equations and not (statement.data.get("data") or scope.narrow):
        reader.check_counts(found, held)
    return Stated(found, frozenset(texts), held)


@dataclass(frozen=True)
class _EquationReader:
    statement: Source
    scope: Scope
    exact: dict[str, sympy.Expr]
    homes: Homes

    @property
    def names(self) -> tuple[str, ...]:
        return (ELSE, *self.scope.shapes)

    def by_part(
        self, name: str, texts: Mapping[str, object], equations: Mapping[str, sympy.Expr]
    ) -> dict[int, sympy.Expr]:
        """The residual in each part in which the equation holds."""
        found = {}
        for shape, text in texts.items():
            (residual,) = self.statement.residuals(f"regions.{shape}.equations.{name}", text, self.scope, self.exact)
            fields = fields_of(residual)
            if name not in equations and not set(fields) & set(self.homes.own):
                raise Own(self.statement, "equations").unknown(shape, name, equations, "equations")
            number = self.names.index(shape)
            if number not in self.homes.common(fields):
                strange = next(field for field in fields if number not in self.homes.of(field))
                raise InputError(
                    f"{self.statement.where(f'regions.{shape}.equations.{name}')} needs fields that live in {shape}; "
                    f"{strange} lives in {self.told(strange)}. Remove {strange}, or add it to regions.{shape}.fields."
                )
            found[number] = residual
        if name in equations:
            fields = fields_of(equations[name])
            self.check_together(f"equations.{name}", fields)
            found |= {number: equations[name] for number in self.homes.common(fields) if number not in found}
        return found

    def check_together(self, key: str, fields: tuple[str, ...]) -> None:
        if not self.homes.common(fields):
            told = ", ".join(f"{field} in {self.told(field)}" for field in fields if field in self.homes.own)
            raise InputError(
                f"{self.statement.where(key)} needs fields that live together somewhere; they do nowhere ({told}). "
                "What joins them where regions meet is a condition: regions: {wire: {rim: a = 3*b}}."
            )

    def check_counts(self, equations: Mapping[str, object], held: Mapping[str, tuple[int, ...]]) -> None:
        """As many equations as fields in every part, which has some."""
        for part, name in enumerate(self.names):
            fields = [field for field in self.scope.fields if part in self.homes.of(field)]
            own = [equation for equation in equations if part in held.get(equation, (part,))]
            if not fields:
                raise InputError(
                    f"{self.statement.where('regions')} need a field in each; none lives in {name}. Leave it out by "
                    f"domain: {f'box - {name}' if part else self.names[1]}, or add a field to regions.{name}.fields."
                )
            if len(own) != len(fields):
                more = "Add" if len(own) < len(fields) else "Remove"
                raise InputError(
                    f"{self.statement.where('equations')} need to be as many in {name} as fields that live there, "
                    f"{len(fields)} ({', '.join(fields)}); it has {len(own) or 'none'}"
                    f"{' (' * bool(own)}{', '.join(own)}{')' * bool(own)}. {more} equations; "
                    "they hold where all of their fields live."
                )

    def told(self, field: str) -> str:
        return " and ".join(self.names[number] for number in self.homes.of(field))

    def whole(self, by_part: Mapping[int, sympy.Expr]) -> sympy.Expr:
        """One expression; what it is where it does not hold is nothing."""
        insides = [(inside, by_part[number]) for number, inside in enumerate(self.scope.shapes.values(), 1)
                   if number in by_part]  # fmt: skip
        return by_shape(insides, by_part[0]) if 0 in by_part else by_shape(insides[:-1], insides[-1][1])


def _ordered(values: Mapping[str, object], scope: Scope) -> list[tuple[str, sympy.Expr]]:
    return [(name, values[name]) for name in scope.shapes if name in values]


def within_parts(
    conditions: tuple[Condition, ...], parts: Parts, region: Region, box: Box
) -> tuple[Condition, ...]:
    """Conditions with inside(…) of each shape decided where all of their side lies in it or outside of it."""
    return tuple(_decided(condition, parts, region, box) for condition in conditions)


def _decided(condition: Condition, parts: Parts, region: Region, box: Box) -> Condition:
    if not memberships_of(condition.residual):
        return condition
    space = piece_points(region, box, condition.side, LOOKED_AT, 0)[:, list(region.axes)]
    values = {}
    for one in memberships_of(condition.residual):
        inside = dict(parts)[one.title].contains(space)
        if inside.all() or not inside.any():
            values[one] = sympy.Integer(int(inside.all()))
    return replace(condition, residual=condition.residual.xreplace(values))


def within_homes(
    statement: Source, conditions: tuple[Condition, ...], scope: Scope, homes: Homes, parts: Parts, region: Region,
    box: Box,
) -> Iterator[Condition]:  # fmt: skip
    """Conditions on those parts of their sides where all of their fields live.

    Raises:
        InputError: they do nowhere on a side that the file names.
    """
    for condition in conditions:
        common = homes.common(condition.fields)
        points = piece_points(region, box, condition.side, LOOKED_AT, 0)
        own = sum((part_of(parts, points[:, list(region.axes)]) == number for number in common),
                  start=points.new_zeros(len(points)))  # fmt: skip
        carrier = carrier_of(condition.side)
        if own.all():
            yield condition
        elif own.any() and isinstance(carrier, (Side, ShapeBoundary)):
            symbols = coordinate_symbols(scope.coordinates)
            mask = within(parts, common, tuple(symbols[axis] for axis in region.axes))
            if isinstance(condition.side, SubSide):
                mask *= condition.side.mask
            yield replace(condition, side=SubSide(carrier, mask, scope.coordinates))
        elif _is_named(statement, carrier.name):
            names = (ELSE, *scope.shapes)
            told = " and ".join(f"{field} in {', '.join(names[number] for number in homes.of(field))}"
                                for field in condition.fields if field in homes.own)  # fmt: skip
            raise InputError(
                f"{statement.where('boundary')} needs fields that live on {carrier.name}; {condition.written} holds of "
                f"{told}, which {carrier.name} is not a side of. Move it, or write it as regions: {{{names[-1]}: "
                "{rim: …}}."
            )


def _is_named(statement: Source, side: str) -> bool:
    """Whether conditions on a side are not those for all sides that remain."""
    given = statement.data.get("boundary")
    return not isinstance(given, dict) or "*" not in given or any(key.split("[")[0] == side for key in given)
