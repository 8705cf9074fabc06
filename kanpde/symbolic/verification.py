"""A formula in the equation and its conditions: what it leaves, by SymPy where SymPy decides, by numbers otherwise."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import sympy
import torch
from torch import Tensor

from kanpde.errors import InputError
from kanpde.problems.catalog import load_problem
from kanpde.problems.geometry.boxes import Side
from kanpde.problems.geometry.regions import Piece, inside_points, piece_points
from kanpde.problems.language import (
    ExpressionError,
    Scope,
    compile_expression,
    coordinate_symbols,
    parse_expression,
    substituted,
)
from kanpde.problems.language.functions import Elementary, absolute, power, sqrt
from kanpde.problems.problem import Problem
from kanpde.symbolic.formulas import Formula, problem_text
from kanpde.symbolic.stationarity import Statement, stationary

SMALL = 1e-9
"""A residual relative to its terms that is rounding."""
POINTS, SEED = 256, 7
STATIONARY = "makes the integral stationary and meets all conditions"


@dataclass(frozen=True)
class Residual:
    """What a formula leaves in one statement.

    name: Of the equation, or of the condition.
    symbolic: Whether SymPy found it to be zero.
    largest: Its largest value relative to the largest of its terms at points; 0 where it is symbolically zero, infinite
        where the formula is not defined at all of them.
    """

    name: str
    symbolic: bool
    largest: float

    def __str__(self) -> str:
        if math.isinf(self.largest):
            return f"{self.name}: not defined at all points"
        return f"{self.name}: 0, symbolically" if self.symbolic else f"{self.name}: {self.largest:.1e}, at points"


@dataclass(frozen=True)
class Verification:
    """What the formulas of all fields leave in equations, or where they make an integral stationary, and in conditions.

    subject: What that is called.
    """

    residuals: tuple[Residual, ...]
    subject: str = "satisfies the equation and all conditions"

    @property
    def holds(self) -> bool:
        """Whether all of it is zero, symbolically or to rounding."""
        return bool(self.residuals) and all(r.symbolic or r.largest <= SMALL for r in self.residuals)

    @property
    def symbolic(self) -> bool:
        """Whether SymPy found all of it to be zero."""
        return bool(self.residuals) and all(r.symbolic for r in self.residuals)

    @property
    def sentence(self) -> str:
        if self.symbolic:
            return f"It {self.subject}: every residual is symbolically zero."
        worst = max(self.residuals, key=lambda r: r.largest)
        if self.holds:
            return f"It {self.subject} at points, to {worst.largest:.1e} of their terms."
        if math.isinf(worst.largest):
            return f"It does not satisfy the problem: it is not defined all over {worst.name}."
        return f"It does not satisfy the problem: {worst.name} is left with {worst.largest:.1e} of its terms."


def verified(problem: Problem, formulas: Mapping[str, Formula]) -> Verification | None:
    """Put formulas of all fields into a problem; None where nothing can be said of them there."""
    if set(formulas) != set(problem.fields):
        return None
    problem = problem.settled()
    exact = {field: _in_language(problem, formula) for field, formula in formulas.items()}
    if any(value is None for value in exact.values()):
        return None
    own: list[Statement] | None = [(name, expr, None) for name, expr in problem.equations.items()]
    if problem.task.integrals():
        own = stationary(problem, exact)
    if not own:
        return None
    inside = inside_points(problem.region, problem.domain, POINTS, SEED)
    statements: list[Statement] = [*own, *((c.name, c.residual, c.side) for c in problem.conditions)]
    residuals = tuple(_residual(problem, exact, *statement, inside) for statement in statements)
    return Verification(residuals, STATIONARY) if problem.task.integrals() else Verification(residuals)


def offered(problem: Problem, formulas: Mapping[str, Formula]) -> bool:
    """Whether the problem with the formulas as its `exact` solution passes all checks of a problem file."""
    exact = {field: problem_text(formula.expr) for field, formula in formulas.items()}
    source = {key: value for key, value in problem.source.items() if key != "reference"} | {"exact": exact}
    try:
        load_problem(source, name=problem.name)
    except InputError:
        return False
    return True


def _in_language(problem: Problem, formula: Formula) -> sympy.Expr | None:
    try:
        return parse_expression(problem_text(formula.expr), Scope(problem.coordinates, ()), "formula")
    except ExpressionError:
        return None


def _residual(
    problem: Problem, exact: Mapping[str, sympy.Expr], name: str, expr: sympy.Expr, side: Piece | None, inside: Tensor
) -> Residual:
    left = substituted(expr, exact)
    if _vanishes(_on_side(problem, left, side)):
        return Residual(name, True, 0.0)
    points = inside if side is None else piece_points(problem.region, problem.domain, side, POINTS, SEED)
    rest = compile_expression(left, problem.coordinates)(points)
    terms = [compile_expression(_terms(expr, exact), problem.coordinates)(at) for at in (points, inside)]
    scale = max(float(torch.as_tensor(term).abs().max()) for term in terms)
    largest = float(torch.as_tensor(rest).abs().max()) / (scale or 1.0)
    return Residual(name, False, largest if math.isfinite(largest) else math.inf)


def _terms(expr: sympy.Expr, exact: Mapping[str, sympy.Expr]) -> sympy.Expr:
    """The size of a statement's terms with the formulas put in."""
    return sum((absolute(substituted(term, exact)) for term in sympy.Add.make_args(expr)), start=sympy.S.Zero)


def _on_side(problem: Problem, expr: sympy.Expr, side: Piece | None) -> sympy.Expr:
    """The statement with the side's coordinate put in, where the side is one of the box's."""
    if not isinstance(side, Side):
        return expr
    value = sympy.nsimplify(side.level(problem.domain), rational=True)
    return expr.xreplace({coordinate_symbols(problem.coordinates)[side.axis]: value})


def _vanishes(expr: sympy.Expr) -> bool:
    """Whether SymPy finds an expression without decimals to be zero."""
    plain = plain_functions(expr)
    if plain is None or plain.atoms(sympy.Float):
        return False
    return plain == 0 or (sympy.count_ops(plain) < 400 and sympy.simplify(plain) == 0)


def plain_functions(expr: sympy.Expr) -> sympy.Expr | None:
    """The expression in SymPy's own functions; None where it has one that SymPy lacks."""
    special = {absolute: sympy.Abs, power: sympy.Pow, sqrt: sympy.sqrt}

    kinds = {type(node) for node in expr.atoms(Elementary)}
    if any(kind not in special and not hasattr(sympy, kind.__name__) for kind in kinds):
        return None
    for kind in sorted(kinds, key=lambda kind: kind.__name__):
        expr = expr.replace(kind, special.get(kind) or getattr(sympy, kind.__name__))
    return _whole_floats(expr)


def _whole_floats(expr: sympy.Expr) -> sympy.Expr:
    """Decimals that are whole or halves become what they are."""
    near = {f: sympy.Rational(round(2 * float(f)), 2) for f in expr.atoms(sympy.Float)}
    return expr.xreplace({f: q for f, q in near.items() if float(q) == float(f)})
