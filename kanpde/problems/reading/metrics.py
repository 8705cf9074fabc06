"""The key `metric`: what lap, grad, div and dn mean in curvilinear coordinates.

    grad u = (∂_i u / h_i)_i,   div v = Σ_i ∂_i(J v_i/h_i) / J,   lap u = div grad u

with the scale factors h_i of the space coordinates in their order, and J the volume of dx_1 … dx_n. Where coordinates
are left out, as the angle of (r, z), nothing depends on them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import sympy

from kanpde.errors import InputError
from kanpde.problems.geometry.boxes import Box
from kanpde.problems.geometry.sampling import uniform_points
from kanpde.problems.language import (
    LineElement,
    Scope,
    compile_expression,
    coordinate_symbols,
    parse_expression,
    text_of,
)
from kanpde.problems.language.functions import sin
from kanpde.problems.reading.entries import Source
from kanpde.problems.reading.messages import wrong_kind

METRICS = {
    "polar": "r, theta",
    "cylindrical": "r, theta, z, or r, z",
    "spherical": "r, theta (from the pole), phi, or fewer",
}
"""By name, the coordinates in their order."""

POINTS, SEED = 256, 5
"""Points of the box at which the volume is looked at."""

ANGLES = ("theta", "th", "phi", "ph", "varphi", "angle")
RADII = ("r", "rho")
OPERATOR = re.compile(r"\b(lap|grad|div)\s*\(")


def read_metric(statement: Source, scope: Scope, box: Box) -> LineElement | None:
    """Scale factors and volume; None for Cartesian coordinates."""
    given = statement.data.get("metric")
    if given is None:
        return None
    where = statement.where("metric")
    space = [symbol for symbol in coordinate_symbols(scope.coordinates) if symbol.name not in ("t", *scope.family)]
    if "equations" not in statement.data:
        raise InputError(f"{where} goes with equations; there are none. Write the volume into the integrals instead.")
    if isinstance(given, dict):
        metric, advice = _own_metric(given, scope, space, where), "Correct it, or the ranges of coordinates."
    else:
        metric, advice = _named_metric(given, space, where), (
            "Begin r at 0 or above, and let theta go from 0 to pi at most in spherical coordinates.")  # fmt: skip
    points = uniform_points(box, POINTS, SEED)
    for expr in (*metric.factors, metric.volume):
        if not bool((compile_expression(expr, scope.coordinates)(points) > 0).all()):
            raise InputError(
                f"{where} {'' if isinstance(given, dict) else f'{given} '}needs a volume that is positive inside, "
                f"{text_of(metric.volume)}; in these ranges {text_of(expr)} passes zero. {advice}"
            )
    return metric


def _named_metric(name: object, space: list[sympy.Symbol], where: str) -> LineElement:
    if not isinstance(name, str) or name not in METRICS:
        raise wrong_kind(where, f"a name ({', '.join(METRICS)}), or scale factors", name, "metric: polar")
    if not 1 <= len(space) <= (2 if name == "polar" else 3):
        raise InputError(
            f"{where} {name} needs the space coordinates {METRICS[name]}; there are {len(space)}. Correct it."
        )
    return _metric(name, space)


def _own_metric(given: dict[object, object], scope: Scope, space: list[sympy.Symbol], where: str) -> LineElement:
    """Scale factors of orthogonal coordinates as the file has them, 1 where it has none."""
    names = [symbol.name for symbol in space]
    if not given or not set(given) <= set(names):
        raise wrong_kind(where, f"the scale factors of coordinates ({', '.join(names)})", given, "metric: {theta: r}")
    plain = replace(scope, fields=(), auto=False)
    factors = tuple(
        parse_expression(str(given[name]), plain, f"{where}.{name}") if name in given else sympy.S.One
        for name in names
    )
    return LineElement(factors, sympy.Mul(*factors))


def _metric(name: str, space: list[sympy.Symbol]) -> LineElement:
    radius, one = space[0], sympy.S.One
    if name == "spherical":
        polar = sin(space[1]) if len(space) > 1 else one
        return LineElement((one, radius, radius * polar)[: len(space)], radius**2 * polar)
    second = one if len(space) == 2 and name == "cylindrical" and space[1].name not in ANGLES else radius
    return LineElement((one, second, one)[: len(space)], radius)


def metric_warnings(statement: Source, coordinates: tuple[str, ...]) -> Iterator[str]:
    """Coordinates that look like polar ones, where lap, grad or div are read as Cartesian."""
    radius = next((name for name in coordinates if name.lower() in RADII), None)
    angles = [name for name in coordinates if name.lower() in ANGLES]
    if radius is None or not angles or statement.data.get("metric") is not None:
        return
    texts = str([statement.data.get("equations"), statement.data.get("boundary")])
    if found := OPERATOR.search(texts):
        kind = "spherical" if len(angles) > 1 else "polar"
        yield (
            f"{found[1]}(…) is Cartesian, as if {radius} and {angles[0]} were x and y. Add metric: {kind} (or "
            "cylindrical, spherical) where they are a radius and an angle, or write the derivatives out."
        )
