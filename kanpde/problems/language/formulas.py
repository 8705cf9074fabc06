"""SymPy expressions turned into short lists of torch operations.

A formula is compiled once. Equal subexpressions share a register, constants are folded in double precision, and every
operation is as early as it can be: before any point is known, when the points are bound, or when fields arrive.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import sympy
import torch
from torch import Tensor

from kanpde.problems.language import functions as words
from kanpde.problems.language.calculus import Jet, is_jet, jet_of
from kanpde.problems.language.refusals import ExpressionError
from kanpde.problems.language.remotes import Remote

K = TypeVar("K")
V = TypeVar("V")
CONSTANT, POINTS, FIELDS = 0, 1, 2  # when the value of a register is known
Operation = Callable[..., Tensor]
"""Of tensors and numbers."""


@dataclass(frozen=True)
class Instruction:
    """`register[target] = function(*register[arguments])`."""

    function: Operation
    arguments: tuple[int, ...]
    target: int


@dataclass(frozen=True)
class Slots:
    """The registers of what comes from outside: coordinates by their axis, jets, parameters."""

    axes: dict[int, int] = field(default_factory=dict)
    jets: dict[Jet, int] = field(default_factory=dict)
    parameters: dict[str, int] = field(default_factory=dict)


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
    _start: tuple[float, ...]  # nan where no constant is
    _inputs: Slots
    _at_points: tuple[Instruction, ...]
    _at_fields: tuple[Instruction, ...]
    _kept: tuple[int, ...]  # registers known once the points are, and used later
    _result: int

    @property
    def is_constant(self) -> bool:
        """Whether it depends on nothing."""
        return not (self._inputs.axes or self._inputs.jets or self._inputs.parameters)

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
        registers: list[Tensor | float] = list(self._start)
        for axis, column in enumerate(points.T.contiguous()):
            if (target := self._inputs.axes.get(axis)) is not None:
                registers[target] = column
        _run(self._at_points, registers)
        kept: list[Tensor | float] = list(self._start)
        for register in self._kept:
            kept[register] = registers[register]
        return BoundFormula(self, points, kept)

    def undefined(self, points: Tensor) -> Tensor:  # [n, d] -> bool [n]
        """Where a part that depends on the points alone is not a finite number, as log(x) at x < 0."""
        bound = self.bind(points)
        bad = torch.zeros(len(points), dtype=torch.bool, device=points.device)
        for register in self._kept:
            value = bound.registers[register]
            if isinstance(value, Tensor):
                bad = bad | ~torch.isfinite(value)
        return bad


@dataclass(frozen=True, eq=False)
class BoundFormula:
    """A formula at fixed points: call it with jets and parameters."""

    formula: Formula
    points: Tensor  # [n, d]
    registers: list[Tensor | float]

    def __call__(
        self, jets: Mapping[Jet, Tensor] | None = None, parameters: Mapping[str, Tensor | float] | None = None
    ) -> Tensor:  # [n]
        formula, registers = self.formula, self.registers.copy()
        for jet in formula.jets:
            registers[formula._inputs.jets[jet]] = _given(jets, jet, "jets")
        for name in formula.parameters:
            value = _given(parameters, name, "parameters")
            value = value if isinstance(value, Tensor) else self.points.new_tensor(value)
            registers[formula._inputs.parameters[name]] = value
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


def _given(values: Mapping[K, V] | None, key: K, kind: str) -> V:
    if values is None or key not in values:
        raise ValueError(f"the formula needs {kind}[{key!r}]; it is missing: pass all of Formula.{kind}.")
    return values[key]


def _run(program: tuple[Instruction, ...], registers: list[Tensor | float]) -> None:
    for step in program:
        registers[step.target] = step.function(*[registers[i] for i in step.arguments])


class _Compilation:
    """Value numbering: one register for each distinct operation on distinct registers."""

    def __init__(self, coordinates: tuple[str, ...], fields: tuple[str, ...]):
        self.coordinates, self.fields = coordinates, fields
        self.start: list[float] = []
        self.level: list[int] = []
        self.instructions: list[Instruction] = []
        self.numbers: dict[tuple[object, ...], int] = {}  # operation and arguments -> register
        self.registers: dict[sympy.Basic, int] = {}
        self.levels: dict[sympy.Basic, int] = {}
        self.inputs = Slots()

    def formula(self, expr: sympy.Expr) -> Formula:
        result = self.register(expr)
        at_points = tuple(step for step in self.instructions if self.level[step.target] == POINTS)
        at_fields = tuple(step for step in self.instructions if self.level[step.target] == FIELDS)
        used = {register for step in at_fields for register in step.arguments} | {result}
        return Formula(
            coordinates=self.coordinates,
            jets=tuple(sorted(self.inputs.jets)),
            parameters=tuple(sorted(self.inputs.parameters)),
            _start=tuple(self.start),
            _inputs=self.inputs,
            _at_points=at_points,
            _at_fields=at_fields,
            _kept=tuple(sorted(register for register in used if self.level[register] == POINTS)),
            _result=result,
        )

    # registers

    def new(self, level: int, value: float = math.nan) -> int:
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

    def input(self, known: dict[K, int], key: K, level: int) -> int:
        if key not in known:
            known[key] = self.new(level)
        return known[key]

    def apply(self, function: Operation, *arguments: int, key: tuple[object, ...] | None = None) -> int:
        """The register of `function(*arguments)`; constants are folded at once."""
        level = max(self.level[i] for i in arguments)
        if level == CONSTANT:
            return self.number(_folded(function, [self.constant(i) for i in arguments]))
        own = (key or function, *arguments)
        if own not in self.numbers:
            self.numbers[own] = self.new(level)
            self.instructions.append(Instruction(function, arguments, self.numbers[own]))
        return self.numbers[own]

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
            return self.input(self.inputs.jets, self._jet(expr), FIELDS)
        if expr.is_Add:
            return self._sum(expr)
        if expr.is_Mul:
            return self._product(expr.args)
        if expr.is_Pow:
            return self._whole_power(self.register(expr.base), int(expr.exp))
        return self._call(expr)

    def _symbol(self, name: str) -> int:
        if name in self.coordinates:
            return self.input(self.inputs.axes, self.coordinates.index(name), POINTS)
        return self.input(self.inputs.parameters, name, FIELDS)

    def _jet(self, expr: sympy.Expr) -> Jet:
        jet = jet_of(expr)
        known = isinstance(jet[0], Remote) or (jet[0] in self.fields and len(jet[1]) <= len(self.coordinates))
        if not known:  # variables of integration come on top of the coordinates
            raise ValueError(f"the field {jet[0]} is not one of {self.fields} over {self.coordinates}.")
        return jet

    def _sum(self, expr: sympy.Expr) -> int:
        """Add what is known early first; the fields join one by one, each with its constant factor."""
        terms = sorted((self._term(term) for term in expr.args), key=lambda term: self.level[term[1]])
        total = self._scaled(*terms[0])
        for coefficient, register in terms[1:]:
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

    def _added(self, total: int, coefficient: float, register: int) -> int:
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
        total = one = self.number(1.0)
        for level in (CONSTANT, POINTS, FIELDS):
            total = self._times(total, [i for i in over if self.level[i] == level])
            if divisor := [i for i in under if self.level[i] == level]:
                total = self.apply(operator.truediv, total, self._times(one, divisor))
        return total

    def _times(self, total: int, registers: list[int]) -> int:
        for register in registers:
            one = self.level[total] == CONSTANT and self.constant(total) == 1
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


def _folded(function: Operation, values: list[float]) -> float:
    value = function(*[torch.tensor(value, dtype=torch.float64) for value in values])
    return float(value)
