"""Shapes that part the domain: the key `regions`, coefficients by shapes, and what goes on across rims.

    coefficients: {k: {inside: {wire: 400}, else: 1.38}}
    regions: {wire: {coefficients: {k: 400}, equations: {heat: …}, jump: {T: 0.1, heat: 2}}}

The equations hold in each part. Across a rim with the normal n outward, [v] = v outside - v inside,

    [u] = 0,    [n·A∇u] + b = 0,    A_ij = ∂R/∂u_ij,

where b is what the derivative of a jump leaves when ∇u = 0. The slope of a field goes on where no factor of its second
derivatives jumps inside a derivative: [n·∇u] = 0.
`jump` puts what is asked for in the place of 0: by a field's name for [u], by an equation's for the flux.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import sympy

from kanpde.errors import InputError
from kanpde.files.yaml import Entries
from kanpde.problems.geometry.boxes import Box
from kanpde.problems.geometry.regions import Parts, Region, Seam, piece_points, sampled_parts, seams_of
from kanpde.problems.geometry.samplings import SobolSampling
from kanpde.problems.geometry.shapes import Shape
from kanpde.problems.language import (
    ExpressionError,
    Jet,
    Scope,
    coordinate_symbols,
    derivative,
    fields_of,
    jet_expression,
    jet_slopes,
    jets_of,
    moved,
    parse_expression,
    shortened,
    suggestion,
)
from kanpde.problems.memberships import by_shape, membership, memberships_of, rims_of, without_rims
from kanpde.problems.problem import Condition
from kanpde.problems.reading.entries import Source
from kanpde.problems.reading.messages import wrong_kind

BESIDE = 1e-10
"""How far beside a rim its sides are looked at, of the box."""

LOOKED_AT = 512
"""Points of a side that tell whether it lies in a shape."""

KEYS = ("coefficients", "equations", "jump")
CALL = re.compile(r"\binside\s*\(\s*(\w+)\s*\)")
NOT_MEANT = ("title", "shapes", "domain")


def parting_shapes(statement: Source, shapes: Mapping[str, Shape]) -> Parts:
    """The shapes that have something of their own, in the order of the file."""
    found = {name for entry in _inside_entries(statement.data) for name in entry}
    own = {key: value for key, value in statement.data.items() if key not in NOT_MEANT}
    found |= {*statement.mapping("regions", "{wire: {coefficients: {k: 400}}}"), *CALL.findall(str(own))}
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


@dataclass(frozen=True)
class Own:
    """What the key `regions` says of one kind, by name and by shape: texts."""

    statement: Source
    kind: str

    def entries(self) -> dict[str, dict[str, object]]:
        """{k: {wire: 400}} of {wire: {coefficients: {k: 400}}}."""
        found: dict[str, dict[str, object]] = {}
        for shape, entry in self.statement.mapping("regions", "{wire: {coefficients: {k: 400}}}").items():
            where = self.statement.where(f"regions.{shape}")
            if not isinstance(entry, dict) or not entry or not set(entry) <= set(KEYS):
                raise wrong_kind(where, f"one or several of {', '.join(KEYS)}", entry, "{coefficients: {k: 400}}")
            own = entry.get(self.kind, {})
            if not isinstance(own, dict):
                raise wrong_kind(f"{where}.{self.kind}", "a mapping of names", own, "{k: 400}")
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


def own_equations(
    statement: Source, scope: Scope, exact: dict[str, sympy.Expr], equations: Mapping[str, sympy.Expr]
) -> tuple[dict[str, sympy.Expr], frozenset[str]]:
    """Equations with those that hold in shapes in their place there, and which these are."""
    own, changed = Own(statement, "equations"), dict(equations)
    scope = replace(scope, walls=True)
    for name, texts in own.entries().items():
        residuals = {}
        for shape, text in texts.items():
            if name not in equations:
                raise own.unknown(shape, name, equations, "equations")
            (residuals[shape],) = statement.residuals(f"regions.{shape}.equations.{name}", text, scope, exact)
        changed[name] = by_shape(((scope.shapes[s], v) for s, v in _ordered(residuals, scope)), equations[name])
    return changed, frozenset(own.entries())


def _ordered(values: Mapping[str, object], scope: Scope) -> list[tuple[str, sympy.Expr]]:
    return [(name, values[name]) for name in scope.shapes if name in values]


def across_seams(
    statement: Source, equations: dict[str, sympy.Expr], own: frozenset[str], scope: Scope, parts: Parts,
    region: Region, box: Box,
) -> tuple[dict[str, sympy.Expr], tuple[Condition, ...]]:  # fmt: skip
    """Equations without the δ of rims, and what goes on across them.

    Raises:
        InputError: for shapes that part nothing, coordinates that are not Cartesian, and derivatives of jumps that say
            nothing of a flux.
    """
    if not parts:
        return equations, ()
    if scope.metric is not None:
        raise InputError(
            f"{statement.where('metric')} goes with coefficients that are the same all over; shapes part the domain. "
            "Write the equation out in Cartesian coordinates."
        )
    _check_parts(statement, parts, region, box)
    jumps = Own(statement, "jump").entries()
    known = {**dict.fromkeys(scope.fields), **equations}
    for name, texts in jumps.items():
        if name not in known:
            raise Own(statement, "jump").unknown(next(iter(texts)), name, known, "fields or equations")
    found: list[Condition] = []
    for (name, _), seams in zip(parts, seams_of(parts), strict=True):
        meet = [one for one in seams if len(piece_points(region, box, one, 4, 0))]
        asked = {key: texts[name] for key, texts in jumps.items() if name in texts}
        for number, seam in enumerate(meet, 1):
            rim = _Rim(statement, scope, seam, f"[{number}]" * (len(meet) > 1), asked, BESIDE * max(box.lengths))
            try:
                found += rim.conditions(equations, own)
            except ExpressionError as error:
                raise InputError(f"{statement.where('equations')} {error}") from None
    return {name: without_rims(residual) for name, residual in equations.items()}, tuple(found)


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


def _check_parts(statement: Source, parts: Parts, region: Region, box: Box) -> None:
    sample = sampled_parts(SobolSampling(), region, box, parts, 4 * (1 + len(parts)), 0, ())
    if len(sample.points) < 4 * (1 + len(parts)):
        raise InputError(
            f"{statement.where('shapes')} needs points of the domain inside each of {', '.join(n for n, _ in parts)} "
            "and outside of all of them; one is empty. Move the shapes, or remove one."
        )


@dataclass(frozen=True)
class _Rim:
    """One facet across which a part begins; `asked` are the texts of jumps by field and equation."""

    statement: Source
    scope: Scope
    seam: Seam
    number: str
    asked: Mapping[str, object]
    step: float

    @property
    def symbols(self) -> tuple[sympy.Symbol, ...]:
        return coordinate_symbols(self.scope.coordinates)

    @property
    def space(self) -> list[int]:
        scope = self.scope
        return [a for a, name in enumerate(scope.coordinates) if name != scope.time and name not in scope.family]

    @property
    def normal(self) -> dict[int, sympy.Expr]:
        """n by axis."""
        symbols = tuple(self.symbols[axis] for axis in self.space)
        return dict(zip(self.space, self.seam.normal_expressions(symbols), strict=True))

    def beside(self, expr: sympy.Expr, sign: int) -> sympy.Expr:
        """The value outside (1) or inside (-1)."""
        to = {self.symbols[axis]: self.symbols[axis] + sign * sympy.Float(self.step) * n
              for axis, n in self.normal.items()}  # fmt: skip
        return moved(expr, to, self.scope.coordinates)

    def jump(self, expr: sympy.Expr) -> sympy.Expr:
        return self.beside(expr, 1) - self.beside(expr, -1)

    def conditions(self, equations: Mapping[str, sympy.Expr], own: frozenset[str]) -> Iterator[Condition]:
        """[u] of each field, and the flux of each equation."""
        for field in self.scope.fields:
            orders = [sum(index[axis] for axis in self.space) for residual in equations.values()
                      for name, index in jets_of(residual) if name == field]  # fmt: skip
            if max(orders, default=0) > 2:
                raise ExpressionError("takes derivatives up to second order where shapes part the domain. Use fewer.")
            if max(orders, default=0) > 0:
                value = jet_expression((field, (0,) * len(self.symbols)), self.scope.coordinates)
                said = f"{field} goes on across" if field not in self.asked else f"{field} jumps at"
                yield self.condition(f"{field}_across", field, self.jump(value), said)
        free = dict.fromkeys(field for residual in equations.values() for field, _ in self.second(residual))
        for name, residual in equations.items():
            if name in own or name in self.asked or rims_of(residual, self.seam.name):
                said = f"the flux of {name} " + ("goes on across" if name not in self.asked else "jumps at")
                yield self.condition(f"{name}_at", name, self.flux(residual), said)
                for field, _ in self.second(residual):
                    free.pop(field, None)
        for field in free:
            slopes = (n * self.slope(field, axis) for axis, n in self.normal.items())
            said = f"the slope of {field} goes on across"
            yield self.condition(f"{field}_slope_across", "", self.jump(sympy.Add(*slopes)), said)

    def condition(self, name: str, key: str, residual: sympy.Expr, said: str) -> Condition:
        residual = residual - self.wanted(key)
        label = f"{name}_{self.seam.name}{self.number}"
        return Condition(
            label, self.seam, residual, "interface", fields_of(residual), f"{said} the rim of {self.seam.name}"
        )

    def wanted(self, key: str) -> sympy.Expr:
        """The jump that is asked for, of values outside."""
        if key not in self.asked:
            return sympy.S.Zero
        where = self.statement.where(f"regions.{self.seam.name}.jump.{key}")
        normal = tuple(self.normal.get(axis, sympy.S.Zero) for axis in range(len(self.symbols)))
        value = parse_expression(self.asked[key], replace(self.scope, normal=normal, auto=False), where)
        return self.beside(value, 1)

    def slope(self, field: str, along: int) -> sympy.Expr:
        unit = tuple(int(axis == along) for axis in range(len(self.symbols)))
        return jet_expression((field, unit), self.scope.coordinates)

    def second(self, residual: sympy.Expr) -> dict[Jet, sympy.Expr]:
        """∂R/∂u_ij."""
        found = jet_slopes(without_rims(residual), self.scope.coordinates)
        return {jet: a for jet, a in found.items() if sum(jet[1][axis] for axis in self.space) == 2 and a != 0}

    def flux(self, residual: sympy.Expr) -> sympy.Expr:
        """[n·A∇u] + b."""
        second = self.second(residual)
        if not second:
            raise ExpressionError(
                f"takes the derivative of what jumps at the rim of {self.seam.name}, with no second derivative in "
                "whose flux it stands. Write div(k*grad(u)), or smooth the jump with tanh or erf."
            )
        parts: dict[int, sympy.Expr] = dict.fromkeys(self.space, sympy.S.Zero)
        slopes: dict[sympy.Expr, sympy.Expr] = {}
        for (field, index), a in second.items():
            axes = [axis for axis in self.space for _ in range(index[axis])]
            for i, j in ((axes[0], axes[1]), (axes[1], axes[0])):
                slopes[self.slope(field, j)] = sympy.S.Zero
                parts[i] += a * self.slope(field, j) / 2
        found = sympy.Add(*(n * self.jump(parts[axis]) for axis, n in self.normal.items()))
        return found + self.carried(residual, slopes)

    def carried(self, residual: sympy.Expr, slopes: Mapping[sympy.Expr, sympy.Expr]) -> sympy.Expr:
        """b = -Σ_i n_i ∂R/∂δ_i at ∇u = 0."""
        found = sympy.S.Zero
        for rim in rims_of(residual, self.seam.name):
            dummy = sympy.Dummy(real=True)
            weight = derivative(residual.xreplace({rim: dummy}), dummy)
            if sum(rim.index) > 1 or weight.has(dummy) or memberships_of(weight) & set(rims_of(weight, self.seam.name)):
                raise ExpressionError(
                    f"takes second derivatives of what jumps at the rim of {self.seam.name}, or products of its "
                    "slopes. Smooth the jump with tanh or erf."
                )
            axis = self.space[rim.index.index(1)]
            found -= self.normal[axis] * self.beside(without_rims(weight).xreplace(dict(slopes)), 1)
        return found
