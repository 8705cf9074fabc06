"""Where data of conditions jump, have a kink or a slope without bound, though each formula in them is smooth apart.

A piece of the boundary is looked at along lines p(s), 0 ≤ s ≤ 1. What switches (a in |a|, a - b in max(a, b), d in
where(d < 0, …), a in √a) is zero at s_0, and there the second difference of the data is about c δ^p:

    g(s_0 + δ) - 2 g(s_0) + g(s_0 - δ),    p = 0 a jump, 0 < p < 1 a slope without bound, p = 1 a kink, p = 2 smooth
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import sympy
import torch
from sympy import Function
from torch import Tensor

from kanpde.problems.geometry.boxes import Side
from kanpde.problems.geometry.regions import Piece, ShapeBoundary, carrier_of, on_boundary
from kanpde.problems.geometry.sampling import sobol_unit, uniform_points
from kanpde.problems.geometry.shapes.solid import Patch
from kanpde.problems.language import compile_expression, coordinate_symbols, jet_expression, jets_of, text_of
from kanpde.problems.language.functions import absolute, choice, heaviside, larger, power, sign, smaller, sqrt
from kanpde.problems.problem import Condition, Problem

SCANNED, LINES, SEED = 513, 8, 5
"""Points of a line, lines along each direction of a piece."""

BISECTIONS, NARROWINGS = 52, 80
STEP = 1e-5
"""δ, of a line."""

SMALL = 1e-6
"""Of the data's size: second differences over δ below it are none."""

ZERO = 1e-12
"""Of what switches: how near to 0 it comes where it touches 0."""

Along = Callable[[Tensor], Tensor]
"""Of s, [n]: points [n, d], or a value at each, [n]."""


@dataclass(frozen=True)
class Kink:
    """What data of a condition have at a place."""

    condition: str
    fields: tuple[str, ...]
    what: str
    of: str
    place: str

    def sentence(self) -> str:
        """For `kanpde check`."""
        return (
            f"{self.condition} gives {', '.join(self.fields)} {self.what} at {self.place}, where {self.of} is not "
            "smooth: errors are largest there, and exact conditions cannot carry it. Smooth it if it is not meant."
        )


def data_kinks(problem: Problem) -> Iterator[Kink]:
    """One for each function in the data of a condition that makes them rough somewhere on its piece."""
    for condition in problem.conditions:
        data = _data(problem, condition)
        for node in sorted(data.atoms(*SWITCHES), key=text_of):
            if not jets_of(node) and (found := _roughest(problem, condition, data, node)) is not None:
                what, place = found
                yield Kink(condition.name, condition.fields, what, text_of(node), place)


def _data(problem: Problem, condition: Condition) -> sympy.Expr:
    """What a condition leaves where all fields are zero."""
    zeros = {jet_expression(jet, problem.coordinates): sympy.S.Zero for jet in jets_of(condition.residual)}
    return condition.residual.xreplace(zeros)


SWITCHES: dict[type[Function], Callable[..., sympy.Expr]] = {
    absolute: lambda a: a, sign: lambda a: a, heaviside: lambda a: a, sqrt: lambda a: a, power: lambda a, b: a,
    larger: lambda a, b: a - b, smaller: lambda a, b: a - b, choice: lambda d, a, b: d,
}  # fmt: skip
"""What passes zero where such a function is not smooth."""


def _roughest(problem: Problem, condition: Condition, data: sympy.Expr, node: Function) -> tuple[str, str] | None:
    """What the data have, and where, at the first place at which the function makes them rough."""
    switch = SWITCHES[node.func](*node.args)
    if jets_of(switch) or not switch.free_symbols:
        return None
    switching, values = (compile_expression(one, problem.coordinates) for one in (switch, data))
    for line in _lines(problem, condition.side):
        for s in _zeros(_along(line, switching), ends=isinstance(node, (sqrt, power))):
            if not on_boundary(problem.region, problem.domain, condition.side, line(s.clamp(STEP, 1 - STEP))).all():
                continue
            if what := _said(_exponent(_along(line, values), s)):
                return what, _place(problem, switch, line(s)[0])
    return None


def _lines(problem: Problem, piece: Piece) -> Iterator[Along]:
    """Lines of a piece along each of its directions, through evenly spread points."""
    carrier = carrier_of(piece)
    if not isinstance(carrier, (Side, ShapeBoundary)):
        return
    on_shape = [] if isinstance(carrier, Side) else list(problem.region.axes)
    points = uniform_points(problem.domain, LINES, SEED, *([carrier] if isinstance(carrier, Side) else []))
    fixed = {*on_shape, carrier.axis}
    places = sobol_unit(LINES, max(len(on_shape) - 1, 1), SEED)
    for own, place in zip(points, places, strict=True):
        for axis in (axis for axis in range(problem.domain.dimension) if axis not in fixed):
            yield partial(_across, problem, own, axis)
        if isinstance(carrier, ShapeBoundary) and not isinstance(carrier.facet, Patch):  # whose triangles have no order
            for number in range(len(on_shape) - 1):
                yield partial(_around, carrier, on_shape, own, place, number)


def _along(line: Along, function: Along) -> Along:
    return lambda s: function(line(s))


def _across(problem: Problem, own: Tensor, axis: int, s: Tensor) -> Tensor:  # [n] -> [n, d]
    box = problem.domain
    return _moved(own, [axis], box.lower[axis] + s[:, None] * box.lengths[axis])


def _around(
    carrier: ShapeBoundary, axes: list[int], own: Tensor, place: Tensor, number: int, s: Tensor
) -> Tensor:  # [n] -> [n, d]
    return _moved(own, axes, carrier.facet.place(_moved(place, [number], s[:, None])))


def _moved(point: Tensor, axes: list[int], values: Tensor) -> Tensor:  # [d], [n, axes] -> [n, d]
    found = point.expand(len(values), -1).clone()
    found[:, axes] = values
    return found


def _zeros(switching: Along, ends: bool) -> Iterator[Tensor]:  # each [1]
    """s where a function changes its sign or touches zero; at the ends of the line if asked for."""
    grid = torch.linspace(0, 1, SCANNED, dtype=torch.float64)
    found = switching(grid)
    size = float(found.abs().max())
    if not size or not math.isfinite(size):
        return
    for k in torch.nonzero(found[:-1] * found[1:] < 0)[:, 0].tolist():
        yield _bisected(switching, grid[k], grid[k + 1])
    near = found.abs()
    for k in torch.nonzero((near[1:-1] <= near[:-2]) & (near[1:-1] <= near[2:]))[:, 0].tolist():
        if found[k] * found[k + 1] >= 0 and found[k + 1] * found[k + 2] >= 0:
            s = _narrowed(switching, grid[k], grid[k + 2])
            if float(switching(s).abs()) <= ZERO * size:
                yield s
    if ends:
        yield from (grid[k, None] for k in (0, -1) if float(near[k]) <= ZERO * size)


def _bisected(switching: Along, low: Tensor, high: Tensor) -> Tensor:  # -> [1]
    first = switching(low[None]) < 0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if bool((switching(middle[None]) < 0) == first) else (low, middle)
    return high[None] if float(switching(high[None]).abs()) <= float(switching(low[None]).abs()) else low[None]


def _narrowed(switching: Along, low: Tensor, high: Tensor) -> Tensor:  # -> [1]
    """Where a function is nearest to zero, by thirds."""
    for _ in range(NARROWINGS):
        thirds = torch.stack([(2 * low + high) / 3, (low + 2 * high) / 3])
        one, other = switching(thirds).abs()
        low, high = (low, thirds[1]) if one <= other else (thirds[0], high)
    return ((low + high) / 2)[None]


def _exponent(values: Along, s: Tensor) -> float:
    """p of data about a place, inside the line or at an end of it; 2 where they are as good as straight."""
    middle = s if STEP < float(s) < 1 - STEP else s + (STEP if float(s) < 0.5 else -STEP)
    inside = bool((middle == s).all())

    def difference(step: float) -> float:
        at = s if inside else s + step * torch.sign(middle - s)
        low, here, high = values(torch.cat([at - step, at, at + step]).clamp(0, 1))
        return float(low - 2 * here + high)

    whole, half = abs(difference(STEP)), abs(difference(STEP / 2))
    size = float(values(torch.linspace(0, 1, SCANNED, dtype=torch.float64)).abs().max())
    if not whole > SMALL * STEP * size or not half:
        return 2.0
    return math.log2(whole / half)


def _said(exponent: float) -> str:
    """What data of such an exponent have; nothing if they are smooth."""
    return "a jump" if exponent < 0.25 else "a slope without bound" if exponent < 0.75 else "a kink" * (exponent < 1.25)


def _place(problem: Problem, switch: sympy.Expr, point: Tensor) -> str:
    """The coordinates that what switches depends on."""
    pairs = zip(problem.coordinates, coordinate_symbols(problem.coordinates), point.tolist(), strict=True)
    return ", ".join(f"{name} = {value + 0.0:.4g}" for name, symbol, value in pairs if symbol in switch.free_symbols)
