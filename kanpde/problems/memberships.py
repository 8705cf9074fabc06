"""Which points lie in a shape, as a function of the space coordinates: 1 inside, 0 elsewhere.

    ∂_i inside(x) = -n_i δ(rim),    n outward

The δ is a function of its own, zero at all points but the rim's: equations turn it into a condition on the flux.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import sympy
import torch
from sympy.printing.latex import LatexPrinter
from sympy.printing.str import StrPrinter
from torch import Tensor

from kanpde.problems.geometry.regions import Parts
from kanpde.problems.geometry.shapes import Shape
from kanpde.problems.language.calculus import is_jet
from kanpde.problems.language.functions import Elementary, Evaluation, choice, raised


class Membership(Elementary):
    """inside(shape) of the space coordinates, or, with an index, the δ of its rim that derivatives of it have."""

    title: str
    shape: Shape
    index: tuple[int, ...]
    rough = True
    steps = True

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        index = tuple(order + (axis == argindex - 1) for axis, order in enumerate(self.index))
        return membership(self.title, self.shape, index)(*self.args)

    @classmethod
    def evaluate(cls, *columns: Tensor) -> Tensor:
        columns = torch.broadcast_tensors(*map(torch.as_tensor, columns))
        if any(cls.index):
            return torch.zeros_like(columns[0])
        return cls.shape.contains(torch.stack(columns, dim=-1)).to(columns[0])

    def operation(self) -> Evaluation:
        return type(self).evaluate, self.args, ("shape", self.func)

    def _sympystr(self, printer: StrPrinter) -> str:
        return f"inside({self.title})"

    def _latex(self, printer: LatexPrinter, exp: str | None = None) -> str:
        name = self.title.replace("_", r"\_")
        return raised(rf"\mathbf{{1}}_{{\mathrm{{{name}}}}}", exp)


@lru_cache(maxsize=1000)
def membership(title: str, shape: Shape, index: tuple[int, ...]) -> type[Membership]:
    """The class of one shape; the same one for equal shapes, so that equal expressions compare equal."""
    return type(f"inside {title} {index}", (Membership,), {"title": title, "shape": shape, "index": index})


def memberships_of(expr: sympy.Expr) -> set[Membership]:
    """inside(…) of any shape, and the δ of rims."""
    return set(expr.atoms(Membership))


def rims_of(expr: sympy.Expr, title: str) -> list[Membership]:
    """The δ of one shape's rim in an expression."""
    return sorted((one for one in memberships_of(expr) if any(one.index) and one.title == title), key=str)


def without_rims(expr: sympy.Expr) -> sympy.Expr:
    """The expression at all points but those of rims."""
    return expr.xreplace({one: sympy.S.Zero for one in memberships_of(expr) if any(one.index)})


def by_shape(values: Iterable[tuple[sympy.Expr, sympy.Expr]], otherwise: sympy.Expr) -> sympy.Expr:
    """The value of the first shape that a point lies in: m₁ v₁ + (1 - m₁)(m₂ v₂ + (1 - m₂) …).

    What need not be finite elsewhere, as 1/r, is chosen: where(m > 1/2, v₁, v₂).
    """
    for inside, value in reversed(list(values)):
        if value == otherwise:
            continue
        if _finite(value) and _finite(otherwise):
            otherwise = inside * value + (1 - inside) * otherwise
        else:
            otherwise = choice(sympy.Rational(1, 2) - inside, value, otherwise)
    return otherwise


def within(parts: Parts, numbers: tuple[int, ...], symbols: tuple[sympy.Symbol, ...]) -> sympy.Expr:
    """1 in the parts of these numbers, 0 elsewhere."""
    values = [sympy.Integer(number in numbers) for number in range(1 + len(parts))]
    insides = [membership(name, shape, (0,) * len(symbols))(*symbols) for name, shape in parts]
    return by_shape(zip(insides, values[1:], strict=True), values[0])


def _finite(expr: sympy.Expr) -> bool:
    """Whether it is a polynomial in coordinates and derivatives of fields, and of values in shapes."""
    if is_jet(expr) or isinstance(expr, Membership) or not expr.args:
        return True
    whole = expr.is_Add or expr.is_Mul or expr.is_Pow and expr.exp.is_Integer and expr.exp > 0
    return bool(whole) and all(map(_finite, expr.args))

