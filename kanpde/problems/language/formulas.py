"""SymPy expressions turned into short lists of torch operations.

A formula is compiled once. Equal subexpressions share a register, constants are folded in double precision, and every
operation is as early as it can be: before any point is known, when the points are bound, or when fields arrive.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import sympy
import torch
from torch import Tensor

from kanpde.problems.language import functions as words
from kanpde.problems.language.calculus import Jet, is_jet, jet_of
from kanpde.problems.language.functions import ExpressionError
from kanpde.problems.language.remotes import Remote

CONSTANT, POINTS, FIELDS = 0, 1, 2  # when the value of a register is known


@dataclass(frozen=True)
class Instruction:
    """`register[target] = function(*register[arguments])`."""

    function: Callable[..., Tensor]
    arguments: tuple[int, ...]
    target: int


@dataclass(frozen=True)
class Formula:
    """A function of points, jets of the fields and parameters, evaluated by walking a list of torch operations.

    Made by `compile_expression`. Differentiable by autograd in points, jets and parameters.

    Attributes:
        coordinates: Names of the columns of `points`.
        jets: The derivatives of fields it needs, sorted.
        parameters: The free parameters it needs, sorted.
    """

    coordinates: tuple[str, ...]
    jets: tuple[Jet, ...]
    parameters: tuple[str, ...]
    _start: tuple[float | None, ...]
    _inputs: Mapping[tuple, int]
    _at_points: tuple[Instruction, ...]
    _at_fields: tuple[Instruction, ...]
    _kept: tuple[int, ...]  # registers known once the points are, and used later
    _result: int

    def __call__(
        self,
        points: Tensor,  # [n, d]
        jets: Mapping[Jet, Tensor] | None = None,  # each [n]
        parameters: Mapping[str, Tensor | float] | None = None,  # each a scalar
    ) -> Tensor:  # [n]
        """Evaluate at physical points; shape [n], dtype and device of `points`."""
        return self.bind(points)(jets, parameters)

    def bind(self, points: Tensor) -> BoundFormula:  # [n, d]
        """Evaluate what depends on the points alone, so that many calls at the same points do it once."""
        if points.ndim != 2 or points.shape[1] != len(self.coordinates):
            raise ValueError(
                f"points need the shape [n, {len(self.coordinates)}] for {', '.join(self.coordinates)}; "
                f"they have {list(points.shape)}."
            )
        registers: list = list(self._start)
        for axis, column in enumerate(points.T.contiguous()):
            if (target := self._inputs.get(("point", axis))) is not None:
                registers[target] = column
        _run(self._at_points, registers)
        kept = list(self._start)
        for register in self._kept:
            kept[register] = registers[register]
        return BoundFormula(self, points, kept)

    def undefined(self, points: Tensor) -> Tensor:  # [n, d] -> bool [n]
        """Where a part that depends on the points alone is not a finite number, as log(x) at x < 0."""
        bound = self.bind(points)
        bad = torch.zeros(len(points), dtype=torch.bool, device=points.device)
        for register in self._kept:
            if isinstance(bound.registers[register], Tensor):
                bad = bad | ~torch.isfinite(bound.registers[register])
        return bad


@dataclass(frozen=True, eq=False)
class BoundFormula:
    """A formula at fixed points: call it with jets and parameters."""

    formula: Formula
    points: Tensor  # [n, d]
    registers: list

    def __call__(
        self, jets: Mapping[Jet, Tensor] | None = None, parameters: Mapping[str, Tensor | float] | None = None
    ) -> Tensor:  # [n]
        formula, registers = self.formula, self.registers.copy()
        for jet in formula.jets:
            registers[formula._inputs[jet]] = _given(jets, jet, "jets")
        for name in formula.parameters:
            value = _given(parameters, name, "parameters")
            value = value if isinstance(value, Tensor) else self.points.new_tensor(value)
            registers[formula._inputs["parameter", name]] = value
        _run(formula._at_fields, registers)
        return self._full(registers[formula._result])

    def _full(self, value: Tensor | float) -> Tensor:
        if not isinstance(value, Tensor):
            return self.points.new_full((len(self.points),), value)
        return value if value.ndim else value.expand(len(self.points))


def compile_expression(expr: sympy.Expr, coordinates: tuple[str, ...], fields: tuple[str, ...] = ()) -> Formula:
    """Compile an expression in coordinates, fields and their derivatives, and parameters (every other symbol).

    >>> from kanpde.problems.language import Scope, parse_expression
    >>> residual = parse_expression("u_x + x**2*u", Scope(coordinates=("x",), fields=("u",)), "example")
    >>> formula = compile_expression(residual, ("x",), ("u",))
    >>> formula.jets
    (('u', (0,)), ('u', (1,)))
    >>> x, ones = torch.tensor([[2.0], [3.0]]), torch.ones(2)
    >>> formula(x, {("u", (0,)): ones, ("u", (1,)): ones})
    tensor([ 5., 10.])

    Raises:
        ExpressionError: a constant part is not a finite real number, or a function has no torch counterpart.
    """
    return _Compilation(coordinates, fields).formula(expr)


def constant_value(expr: sympy.Expr) -> float:
    """The value of an expression without coordinates, fields and parameters, in double precision."""
    compilation = _Compilation((), ())
    return compilation.constant(compilation.register(expr))


def _given(values: Mapping | None, key: Jet | str, kind: str) -> Tensor | float:
    if values is None or key not in values:
        raise ValueError(f"the formula needs {kind}[{key!r}]; it is missing: pass all of Formula.{kind}.")
    return values[key]


def _run(program: tuple[Instruction, ...], registers: list) -> None:
    for step in program:
        registers[step.target] = step.function(*[registers[i] for i in step.arguments])


class _Compilation:
    """Value numbering: one register for each distinct operation on distinct registers."""

    def __init__(self, coordinates: tuple[str, ...], fields: tuple[str, ...]):
        self.coordinates, self.fields = coordinates, fields
        self.start: list[float | None] = []
        self.level: list[int] = []
        self.instructions: list[Instruction] = []
        self.numbers: dict[tuple, int] = {}  # operation and arguments -> register
        self.registers: dict[sympy.Basic, int] = {}
        self.levels: dict[sympy.Basic, int] = {}
        self.inputs: dict[tuple, int] = {}

    def formula(self, expr: sympy.Expr) -> Formula:
        result = self.register(expr)
        at_points = tuple(step for step in self.instructions if self.level[step.target] == POINTS)
        at_fields = tuple(step for step in self.instructions if self.level[step.target] == FIELDS)
        used = {register for step in at_fields for register in step.arguments} | {result}
        parameters = [key[1] for key in self.inputs if key[0] == "parameter"]
        return Formula(
            coordinates=self.coordinates,
            jets=tuple(sorted(key for key in self.inputs if key[0] not in ("parameter", "point"))),
            parameters=tuple(sorted(parameters)),
            _start=tuple(self.start),
            _inputs=self.inputs,
            _at_points=at_points,
            _at_fields=at_fields,
            _kept=tuple(sorted(register for register in used if self.level[register] == POINTS)),
            _result=result,
        )

    # registers

    def new(self, level: int, value: float | None = None) -> int:
        self.start.append(value)
        self.level.append(level)
        return len(self.start) - 1

    def number(self, value: float) -> int:
        if not math.isfinite(value):
            raise ExpressionError(
                f"needs finite real numbers; a constant part of it is {value}. "
                "Look for a division by zero, a logarithm or root of a negative number, or a very large power."
            )
        key = ("number", value)
        if key not in self.numbers:
            self.numbers[key] = self.new(CONSTANT, value)
        return self.numbers[key]

    def constant(self, register: int) -> float:
        return self.start[register]

    def input(self, key: tuple, level: int) -> int:
        if key not in self.inputs:
            self.inputs[key] = self.new(level)
        return self.inputs[key]

    def apply(self, function: Callable, *arguments: int, key: tuple | None = None) -> int:
        """The register of `function(*arguments)`; constants are folded at once."""
        level = max(self.level[i] for i in arguments)
        if level == CONSTANT:
            return self.number(_folded(function, [self.constant(i) for i in arguments]))
        key = (key or function, *arguments)
        if key not in self.numbers:
            self.numbers[key] = self.new(level)
            self.instructions.append(Instruction(function, arguments, self.numbers[key]))
        return self.numbers[key]

    # expressions

    def register(self, expr: sympy.Basic) -> int:
        if expr not in self.registers:
            self.registers[expr] = self._lowered(expr)
        return self.registers[expr]

    def _lowered(self, expr: sympy.Basic) -> int:
        if expr.is_Number or expr.is_NumberSymbol:
            return self.number(float(expr))
        if expr.is_Symbol:
            return self._symbol(expr.name)
        if is_jet(expr):
            return self.input(self._jet(expr), FIELDS)
        if expr.is_Add:
            return self._sum(expr)
        if expr.is_Mul:
            return self._product(expr.args)
        if expr.is_Pow:
            return self._whole_power(self.register(expr.base), int(expr.exp))
        return self._call(expr)

    def _symbol(self, name: str) -> int:
        if name in self.coordinates:
            return self.input(("point", self.coordinates.index(name)), POINTS)
        return self.input(("parameter", name), FIELDS)

    def _jet(self, expr: sympy.Expr) -> Jet:
        jet = jet_of(expr)
        known = isinstance(jet[0], Remote) or (jet[0] in self.fields and len(jet[1]) <= len(self.coordinates))
        if not known:  # variables of integration come on top of the coordinates
            raise ValueError(f"the field {jet[0]} is not one of {self.fields} over {self.coordinates}.")
        return jet

    def _sum(self, expr: sympy.Expr) -> int:
        """Add what is known early first; the fields join one by one, each with its constant factor."""
        total: int | None = None
        terms = sorted((self._term(term) for term in expr.args), key=lambda term: self.level[term[1]])
        for coefficient, register in terms:
            total = self._added(total, coefficient, register)
        return total

    def _term(self, term: sympy.Expr) -> tuple[float, int]:
        """A constant factor and the rest, unless the rest holds something that can take the factor in earlier."""
        coefficient, rest = term.as_coeff_Mul()
        levels = {self._level(factor) for factor in sympy.Mul.make_args(rest)}
        if coefficient == 1 or len(levels) > 1 or CONSTANT in levels:
            return 1.0, self.register(term)
        return float(coefficient), self.register(rest)

    def _level(self, expr: sympy.Basic) -> int:
        if expr not in self.levels:
            self.levels[expr] = self._own_level(expr)
        return self.levels[expr]

    def _own_level(self, expr: sympy.Basic) -> int:
        if is_jet(expr) or (expr.is_Symbol and expr.name not in self.coordinates):
            return FIELDS
        return POINTS if expr.is_Symbol else max(map(self._level, expr.args), default=CONSTANT)

    def _added(self, total: int | None, coefficient: float, register: int) -> int:
        if total is None:
            return self._scaled(coefficient, register)
        if coefficient == 1:
            return self.apply(operator.add, total, register)
        if coefficient == -1:
            return self.apply(operator.sub, total, register)
        if self.level[total] == CONSTANT:
            return self.apply(operator.add, total, self._scaled(coefficient, register))
        function = partial(torch.add, alpha=coefficient)
        return self.apply(function, total, register, key=("add scaled", coefficient))

    def _scaled(self, coefficient: float, register: int) -> int:
        return register if coefficient == 1 else self.apply(operator.mul, self.number(coefficient), register)

    def _product(self, factors: tuple[sympy.Expr, ...]) -> int:
        """Multiply constants with constants, then with what the points decide, then with the fields."""
        over: list[int] = []
        under: list[int] = []
        for factor in factors:
            inverted = factor.is_Pow and factor.exp.is_Number and factor.exp.is_negative
            (under if inverted else over).append(self.register(1 / factor if inverted else factor))
        total: int | None = None
        for level in (CONSTANT, POINTS, FIELDS):
            total = self._times(total, [i for i in over if self.level[i] == level])
            if divisor := [i for i in under if self.level[i] == level]:
                total = self.apply(operator.truediv, self.number(1.0) if total is None else total,
                                   self._times(None, divisor))  # fmt: skip
        return total

    def _times(self, total: int | None, registers: list[int]) -> int | None:
        for register in registers:
            one = total is None or (self.level[total] == CONSTANT and self.constant(total) == 1)
            total = register if one else self.apply(operator.mul, total, register)
        return total

    def _whole_power(self, base: int, exponent: int) -> int:
        """Products of squares; bases to equal powers share them."""
        if exponent < 0:
            return self.apply(operator.truediv, self.number(1.0), self._whole_power(base, -exponent))
        if exponent == 1:
            return base
        half = self._whole_power(base, exponent // 2)
        square = self.apply(operator.mul, half, half)
        return square if exponent % 2 == 0 else self.apply(operator.mul, square, base)

    def _call(self, expr: sympy.Expr) -> int:
        if isinstance(expr, words.choice):
            return self._choice(*map(self.register, expr.args))
        if not isinstance(expr, words.Elementary):
            name = expr.func.__name__
            raise ExpressionError(f"needs functions that can be evaluated; it has {name}. Write it in another way.")
        function, arguments, key = expr.operation()
        return self.apply(function, *map(self.register, arguments), key=key)

    def _choice(self, distance: int, below: int, above: int) -> int:
        if self.level[distance] == CONSTANT:
            return below if self.constant(distance) < 0 else above
        return self.apply(words.choice.values, distance, below, above)


def _folded(function: Callable, values: list[float]) -> float:
    value = function(*[torch.tensor(value, dtype=torch.float64) for value in values])
    return float(value)
