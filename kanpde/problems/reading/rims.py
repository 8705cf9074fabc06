"""What holds across the rims of shapes that part the domain.

Across a rim with the normal n outward, [v] = v outside - v inside,

    [u] = 0,    [n·A∇u] + b = 0,    A_ij = ∂R/∂u_ij,

where b is what the derivative of a jump leaves when ∇u = 0. The slope of a field goes on where no factor of its second
derivatives jumps inside a derivative: [n·∇u] = 0.
`jump` puts what is asked for in the place of 0: by a field's name for [u], by an equation's for the flux. A field that
lives on one side alone ends there, and `rim` says how: as many conditions as on any other boundary of its home.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import sympy

from kanpde.errors import InputError
from kanpde.problems.geometry.boxes import Box
from kanpde.problems.geometry.regions import Parts, Region, Seam, piece_points, sampled_parts, seams_of, stretches
from kanpde.problems.geometry.samplings import SobolSampling
from kanpde.problems.homes import Homes
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
)
from kanpde.problems.memberships import memberships_of, rims_of, without_rims
from kanpde.problems.problem import Condition
from kanpde.problems.reading.entries import Source
from kanpde.problems.reading.messages import wrong_kind
from kanpde.problems.reading.parts import ELSE, LOOKED_AT, Own, Stated, region_entries

BESIDE = 1e-10
"""How far beside a rim its sides are looked at, of the box."""


def across_seams(
    statement: Source, stated: Stated, scope: Scope, exact: dict[str, sympy.Expr], parts: Parts, homes: Homes,
    region: Region, box: Box,
) -> tuple[dict[str, sympy.Expr], tuple[Condition, ...]]:  # fmt: skip
    """Equations without the δ of rims, and what holds across them.

    Raises:
        InputError: for shapes that part nothing, coordinates that are not Cartesian, derivatives of jumps that say
            nothing of a flux, and too few or too many conditions on a rim.
    """
    if not parts:
        return stated.residuals, ()
    if scope.metric is not None:
        raise InputError(
            f"{statement.where('metric')} goes with coefficients that are the same all over; shapes part the domain. "
            "Write the equation out in Cartesian coordinates."
        )
    _check_parts(statement, parts, region, box)
    jumps = Own(statement, "jump").entries()
    known = {**dict.fromkeys(scope.fields), **stated.residuals}
    for name, texts in jumps.items():
        if name not in known:
            raise Own(statement, "jump").unknown(next(iter(texts)), name, known, "fields or equations")
    found: list[Condition] = []
    for number, ((name, _), seams) in enumerate(zip(parts, seams_of(parts), strict=True), 1):
        meet = [one for one in seams if len(piece_points(region, box, one, 4, 0))]
        pieces = [piece for one in meet for piece in stretches(region, box, parts, one, LOOKED_AT)] if homes else [
            (one, 0) for one in meet]  # fmt: skip
        asked = {key: texts[name] for key, texts in jumps.items() if name in texts}
        written, used = _written(statement, name), set[str]()
        for place, (seam, beyond) in enumerate(pieces, 1):
            label = f"[{place}]" * (len(pieces) > 1)
            rim = _Rim(statement, scope, exact, seam, label, asked, BESIDE * max(box.lengths), homes, (number, beyond))
            try:
                found += rim.conditions(stated)
            except ExpressionError as error:
                raise InputError(f"{statement.where('equations')} {error}") from None
            own = [*rim.written(written)]
            rim.check_count(own, stated)
            used |= {text for text, _ in own}
            found += [condition for _, condition in own]
        if idle := [text for text in written if text not in used]:
            raise InputError(
                f"{statement.where(f'regions.{name}.rim')} needs fields that live on one of its sides; {idle[0]} has "
                "some that live on neither. Correct or remove it."
            )
    return {name: without_rims(residual) for name, residual in stated.residuals.items()}, tuple(found)


def _written(statement: Source, name: str) -> list[str]:
    """The conditions that a region's `rim` lists."""
    given = region_entries(statement).get(name, {}).get("rim", [])
    given = given if isinstance(given, list) else [given]
    if not all(isinstance(text, str) for text in given):
        where = statement.where(f"regions.{name}.rim")
        raise wrong_kind(where, "conditions", given, "[a = 3*b, Da*dn(a) = Db*dn(b)]")
    return given


def _check_parts(statement: Source, parts: Parts, region: Region, box: Box) -> None:
    sample = sampled_parts(SobolSampling(), region, box, parts, 4 * (1 + len(parts)), 0, ())
    if len(sample.points) < 4 * (1 + len(parts)):
        raise InputError(
            f"{statement.where('shapes')} needs points of the domain inside each of {', '.join(n for n, _ in parts)} "
            "and outside of all of them; one is empty. Move the shapes, or remove one."
        )


@dataclass(frozen=True)
class _Rim:
    """One facet across which a part begins.

    asked: The texts of jumps by field and equation.
    sides: The numbers of the parts inside and outside.
    """

    statement: Source
    scope: Scope
    exact: dict[str, sympy.Expr]
    seam: Seam
    number: str
    asked: Mapping[str, object]
    step: float
    homes: Homes
    sides: tuple[int, int]

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

    def lives(self, field: str) -> int:
        """On how many of the two sides."""
        return sum(part in self.homes.of(field) for part in set(self.sides)) if self.homes else 2

    def through(self, stated: Stated) -> dict[str, sympy.Expr]:
        """The equations that hold on both sides."""
        return {name: residual for name, residual in stated.residuals.items()
                if set(self.sides) <= set(stated.held.get(name, self.sides))}  # fmt: skip

    def order(self, field: str, stated: Stated) -> int:
        """Of a field's derivatives along space in the equations that hold beside the rim."""
        held = [residual for name, residual in stated.residuals.items()
                if set(self.sides) & set(stated.held.get(name, self.sides))]  # fmt: skip
        return max((sum(index[axis] for axis in self.space) for residual in held
                    for name, index in jets_of(residual) if name == field), default=0)  # fmt: skip

    def conditions(self, stated: Stated) -> Iterator[Condition]:
        """[u] of each field that lives on both sides, and the flux of each equation that holds there."""
        through = self.through(stated)
        for field in self.scope.fields:
            order = self.order(field, stated)
            if order > 2 and self.lives(field) == 2:
                raise ExpressionError("takes derivatives up to second order where shapes part the domain. Use fewer.")
            if order > 0 and self.lives(field) == 2:
                value = jet_expression((field, (0,) * len(self.symbols)), self.scope.coordinates)
                said = f"{field} goes on across" if field not in self.asked else f"{field} jumps at"
                yield self.condition(f"{field}_across", field, self.jump(value), said)
        free = dict.fromkeys(field for residual in through.values() for field, _ in self.second(residual)
                             if self.lives(field) == 2)  # fmt: skip
        for name, residual in through.items():
            if name in stated.own or name in self.asked or rims_of(residual, self.seam.name):
                said = f"the flux of {name} " + ("goes on across" if name not in self.asked else "jumps at")
                yield self.condition(f"{name}_at", name, self.flux(residual), said)
                for field, _ in self.second(residual):
                    free.pop(field, None)
        for field in free:
            slopes = (n * self.slope(field, axis) for axis, n in self.normal.items())
            said = f"the slope of {field} goes on across"
            yield self.condition(f"{field}_slope_across", "", self.jump(sympy.Add(*slopes)), said)

    def written(self, texts: list[str]) -> Iterator[tuple[str, Condition]]:
        """What `rim` says of this stretch, with each text: that of which all fields live on one of its sides."""
        name = self.seam.name
        normal = tuple(self.normal.get(axis, sympy.S.Zero) for axis in range(len(self.symbols)))
        scope = replace(self.scope, normal=normal, walls=False)
        for place, text in enumerate(texts, 1):
            key = f"regions.{name}.rim" + f"[{place}]" * (len(texts) > 1)
            residuals = self.statement.residuals(key, text, scope, self.exact)
            for component, residual in enumerate(residuals, 1):
                if all(map(self.lives, fields_of(residual))):
                    label = f"rim_{name}" + f".{place}" * (place > 1) + f"_{component}" * (component > 1) + self.number
                    said = f"{text} at the rim of {name}"
                    yield text, Condition(label, self.seam, self.sided(residual, -1), "interface",
                                          fields_of(residual), said)  # fmt: skip

    def check_count(self, own: list[tuple[str, Condition]], stated: Stated) -> None:
        """As many conditions as fields take that end here, or whose flux no equation carries on; each in one."""
        least, most = dict[str, int](), 0
        carried = {field for residual in self.through(stated).values() for field, _ in self.second(residual)}
        for field in self.scope.fields:
            order, lives = self.order(field, stated), self.lives(field)
            if lives == 1 and order:
                least[field], most = order // 2, most + (order + 1) // 2
            elif lives == 2 and order == 2 and field not in carried:
                least[field], most = 1, most + 1
        missing = [field for field, count in least.items() if count and not any(field in c.fields for _, c in own)]
        if sum(least.values()) <= len(own) <= most and not missing:
            return
        names = [(ELSE, *self.scope.shapes)[side] for side in self.sides]
        ending = ", ".join(least) or "no field ends there"
        if len(own) > most:
            does = "Remove some; what lives on both sides goes on by itself, or by jump."
        else:
            field = next(iter(missing or least))
            does = f"Add a condition on {field}, as {field} = … or dn({field}) = …."
        raise InputError(
            f"{self.statement.where(f'regions.{self.seam.name}.rim')} needs {sum(least.values())} "
            f"condition{'s' * (sum(least.values()) != 1)} where {names[0]} meets {names[1]} ({ending}); it has "
            f"{len(own) or 'none'}{' without ' + missing[0] if missing and own else ''}. {does}"
        )

    def sided(self, expr: sympy.Expr, sign: int) -> sympy.Expr:
        """The value outside (1) or inside (-1), with fields that live on one side alone as they are there."""
        apart = {jet: sympy.Dummy(real=True) for jet in jets_of(expr) if self.side(jet[0], sign) != sign}
        plain = expr.xreplace({jet_expression(jet, self.scope.coordinates): name for jet, name in apart.items()})
        others = {name: self.beside(jet_expression(jet, self.scope.coordinates), -sign) for jet, name in apart.items()}
        return self.beside(plain, sign).xreplace(others)

    def side(self, field: str, sign: int) -> int:
        """Where a field is looked at: outside (1) or inside (-1), if it lives on one side alone."""
        if self.lives(field) == 2:
            return sign
        return -1 if self.sides[0] in self.homes.of(field) else 1

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
        return self.sided(value, 1)

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
