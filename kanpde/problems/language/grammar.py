"""Text → tokens → Python's syntax tree, every node on an allow-list → SymPy.

Nothing is ever evaluated as code: a tree is walked, node types that are not listed are refused, and sizes are bounded
before anything is built from them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import ClassVar

import sympy

from kanpde.errors import InputError
from kanpde.files.texts import shortened, suggestion
from kanpde.problems.language.arithmetic import (
    Complex,
    Vector,
    checked_numbers,
    complex_of,
    complex_power,
    complex_product,
    complex_sum,
    folded,
    number_of,
    pair_of,
    power_of,
    product_of,
    size_squared,
    sum_of,
)
from kanpde.problems.language.calculus import (
    AUTO,
    MAX_ORDER,
    checked_size,
    coordinate_symbols,
    depends_on,
    derivative,
    derivative_index,
    integral,
    jet_expression,
    jet_of,
    jets_of,
    moved,
    order_refused,
    placed,
    remotes_of,
)
from kanpde.problems.language.formulas import constant_value
from kanpde.problems.language.functions import (
    DRAWS,
    INTEGRALS,
    OPERATORS,
    RESERVED,
    WORDS,
    absolute,
    choice,
    cos,
    cosh,
    delta,
    exp,
    jump_refused,
    larger,
    remainder,
    sin,
    sinh,
    sqrt,
)
from kanpde.problems.language.refusals import ExpressionError
from kanpde.problems.language.remotes import Filling, Integrated, Span, variable_of
from kanpde.problems.language.spellings import function_meant, name_meant
from kanpde.problems.language.tokens import Token, python_token, sides_of, tokens_of, unreadable

MAX_DEPTH = 50  # parentheses and functions within each other


@dataclass(frozen=True)
class LineElement:
    """Scale factors h_i of the space coordinates, and the volume J of a unit cell of theirs."""

    factors: tuple[sympy.Expr, ...]
    volume: sympy.Expr


@dataclass(frozen=True)
class Scope:
    """The names that an expression may use.

    Attributes:
        coordinates: In the order of the problem.
        fields: The unknown functions of the coordinates.
        parameters: Names of constants; those without a definition stay symbols.
        time: The coordinate that `lap`, `grad` and `div` leave out.
        family: Coordinates that are parameters of a family of problems; `lap`, `grad` and `div` leave them out too.
        vectors: The components of vector fields.
        complexes: Real and imaginary part of complex fields; where there are some, `i`, conj, re and im may occur.
        normal: The outward normal, one expression a coordinate, where `dn` makes sense.
        definitions: What names stand for, e.g. the values of parameters.
        auto: Whether the word `auto` (the symbol AUTO) may occur.
        discrete: Whether it is read on the sites of a lattice: a % b, == and != in where, and random numbers,
            `uniform(a, b)` and `normal(m, s)`, may occur.
        metric: What makes `lap`, `grad`, `div` and `dn` right in coordinates that are not Cartesian.
        place: Coordinates that have one value wherever it holds, as on a side: u(0, t) is u there.
        ranges: From where to where the coordinates go; integrals without limits need them.
        history: What fields were before time began, for delays.
        walls: Whether what jumps may be differentiated, its δ being left for whoever reads the expression.
        shapes: inside(…) of each shape: 1 in it, 0 elsewhere.
        slopes: Where coordinates are mapped, ∂/∂x of each place and of time, by weights of ∂/∂(each coordinate).
        narrow: Axes along which fields do not vary.
        regions: Names of shapes over which may be integrated.
        fill: What fills one of them, or the domain (no name); nothing where limits do, or a sentence's end.
        filled: Whether shapes make up the domain, so that limits do not.
    """

    coordinates: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    time: str | None = None
    family: tuple[str, ...] = ()
    vectors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    complexes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    normal: tuple[sympy.Expr, ...] | None = None
    definitions: Mapping[str, sympy.Expr] = field(default_factory=dict)
    auto: bool = False
    discrete: bool = False
    metric: LineElement | None = None
    place: Mapping[str, float] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    history: Mapping[str, sympy.Expr] = field(default_factory=dict)
    walls: bool = False
    shapes: Mapping[str, sympy.Expr] = field(default_factory=dict)
    slopes: Mapping[str, tuple[sympy.Expr, ...]] = field(default_factory=dict)
    narrow: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    regions: tuple[str, ...] = ()
    fill: Callable[[str], Filling | None] | None = None
    filled: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        unknowns = *self.fields, *self.vectors, *self.complexes
        return tuple(dict.fromkeys((*self.coordinates, *unknowns, *self.parameters, *self.definitions)))


def parse_expression(text: object, scope: Scope, where: str) -> sympy.Expr:
    """Read one expression of the problem language.

    >>> parse_expression("x^2 + 1e-3*u_xx", Scope(coordinates=("x",), fields=("u",)), "example")
    x**2 + 0.001*Derivative(u(x), (x, 2))

    Args:
        text: The expression; a number stands for itself.
        scope: The names it may use.
        where: File and key, with which an error message begins.

    Raises:
        InputError: in three parts, for whatever is not an expression in these names.
    """
    try:
        return _parsed(tokens_of(text), scope)
    except ExpressionError as error:
        raise InputError(f"{where} {error}") from None


def parse_equation(text: str, scope: Scope, where: str) -> sympy.Expr:
    """Read `left = right` as left - right.

    >>> parse_equation("u_x = 2*u", Scope(coordinates=("x",), fields=("u",)), "example")
    -2*u(x) + Derivative(u(x), x)
    """
    try:
        left, right = sides_of(tokens_of(text), text)
        return checked_size(_parsed(left, replace(scope, auto=False)) - _parsed(right, scope))
    except ExpressionError as error:
        raise InputError(f"{where} {error}") from None


def parse_components(text: str, scope: Scope, where: str) -> tuple[sympy.Expr, ...]:
    """Read `left = right` as left - right, one for each component of vectors; 0 and auto stand for any vector.

    >>> scope = Scope(("x", "y"), ("a", "b"), vectors={"v": ("a", "b")})
    >>> parse_components("v = 0", scope, "example")
    (a(x, y), b(x, y))
    """
    try:
        left, right = sides_of(tokens_of(text), text)
        sides = _value(left, replace(scope, auto=False)), _value(right, scope)
        if any(isinstance(side, Complex) for side in sides):
            return _complex_components(*sides)
        count = max(len(side.parts) if isinstance(side, Vector) else 1 for side in sides)
        parts = (_components(side, count, any(isinstance(s, Vector) for s in sides)) for side in sides)
        return tuple(checked_size(a - b) for a, b in zip(*parts, strict=True))
    except ExpressionError as error:
        raise InputError(f"{where} {error}") from None


def _complex_components(
    left: sympy.Expr | Vector | Complex, right: sympy.Expr | Vector | Complex
) -> tuple[sympy.Expr, ...]:
    if isinstance(left, Vector) or isinstance(right, Vector):
        raise ExpressionError("needs numbers on both sides of a complex equation; one is a vector. Take a part.")
    given = (AUTO, AUTO) if right == AUTO else pair_of(right)
    pairs = zip(pair_of(left), given, strict=True)
    return tuple(checked_size(checked_numbers(a) - checked_numbers(b)) for a, b in pairs)


# tokens → syntax tree


def _value(tokens: list[Token], scope: Scope) -> sympy.Expr | Vector:
    source = " ".join(map(python_token, tokens))
    try:
        tree = ast.parse(source, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ExpressionError(unreadable(tokens)) from None
    value = _Reader(scope).read(tree, 0)
    for part in () if scope.walls else value.parts if isinstance(value, Vector) else pair_of(value):
        if part.has(delta):
            raise jump_refused()
    return value


def _components(value: sympy.Expr | Vector | Complex, count: int, vectors: bool) -> tuple[sympy.Expr, ...]:
    if isinstance(value, Vector):
        return tuple(map(checked_numbers, value.parts))
    if vectors and value not in (0, AUTO):
        raise ExpressionError("needs vectors on both sides, or 0; one side is a number. Write e.g. v = 0.")
    return (checked_numbers(value),) * count


def parse_complex(text: object, scope: Scope, where: str) -> tuple[sympy.Expr, sympy.Expr]:
    """The real and the imaginary part of an expression.

    >>> parse_complex("(2 + i)*i", Scope(complexes={"psi": ("a", "b")}), "example")
    (-1, 2)
    """
    try:
        value = _value(tokens_of(text), scope)
        if isinstance(value, Vector):
            raise ExpressionError("needs a number at each point; it is a vector. Take a part.")
        re, im = map(checked_numbers, pair_of(value))
        return re, im
    except ExpressionError as error:
        raise InputError(f"{where} {error}") from None


def _parsed(tokens: list[Token], scope: Scope) -> sympy.Expr:
    value = _value(tokens, scope)
    if isinstance(value, Vector):
        raise ExpressionError("needs a number at each point; it is a vector. Take div(…), dot(…) or a part D(…).")
    if isinstance(value, Complex):
        raise _not_real()
    return checked_numbers(value)


# syntax tree → SymPy


class _Reader:
    """Reads one expression; knows the scope, nothing else."""

    def __init__(self, scope: Scope):
        self.scope = scope
        self.symbols = coordinate_symbols(scope.coordinates)
        self.drawn = 0

    def read(self, node: ast.AST, depth: int) -> sympy.Expr | Vector:
        if depth > MAX_DEPTH:
            raise ExpressionError(
                f"may nest parentheses, powers and functions {MAX_DEPTH} deep; it goes deeper. "
                "Write it flatter, e.g. with parameters."
            )
        reader = self.READERS.get(type(node))
        if reader is None:
            raise ExpressionError(
                f"needs sums, products, powers and functions; it has {_described(node)}. Write it in these."
            )
        return reader(self, node, depth + 1)

    def scalar(self, node: ast.AST, depth: int) -> sympy.Expr:
        value = self.read(node, depth)
        if isinstance(value, Vector):
            raise ExpressionError(
                "needs a number in a function or power; it has a vector, grad(…). Take dot(…), div(…) or a part D(…)."
            )
        if isinstance(value, Complex):
            raise _not_real()
        return value

    def number(self, node: ast.AST, depth: int) -> sympy.Expr | Complex:
        """A real or complex value."""
        value = self.read(node, depth)
        return value if isinstance(value, Complex) else self.scalar(node, depth)

    # leaves

    def _constant(self, node: ast.Constant, depth: int) -> sympy.Expr:
        return _numeral(node)

    def _name(self, node: ast.Name, depth: int) -> sympy.Expr:
        name, scope = node.id.removeprefix("n_"), self.scope
        if name in scope.coordinates:
            return self.symbols[scope.coordinates.index(name)]
        if name in scope.fields:
            return jet_expression((name, (0,) * len(scope.coordinates)), scope.coordinates)
        if name in scope.vectors:
            return Vector(tuple(self._name(ast.Name(part), depth) for part in scope.vectors[name]))
        if name in scope.complexes:
            return Complex(*(self._name(ast.Name(part), depth) for part in scope.complexes[name]))
        if name in scope.definitions:
            return scope.definitions[name]
        if name in scope.parameters:
            return sympy.Symbol(name, real=True)
        if name == "pi":
            return sympy.pi
        if name == "auto":
            return self._auto()
        if name == "i" and scope.complexes:
            return Complex(sympy.S.Zero, sympy.S.One)
        return self._derivative_name(name)

    def _auto(self) -> sympy.Expr:
        if not self.scope.auto:
            raise ExpressionError(
                'may use "auto" as a term of the right-hand side of an equation or condition of a problem with exact; '
                "it stands elsewhere. Give exact: {field: …}, or write the term out."
            )
        return AUTO

    def _derivative_name(self, name: str) -> sympy.Expr | Vector:
        for place in reversed([match.start() for match in re.finditer("_", name)]):  # the longest field's name first
            if name[:place] in self.scope.vectors:
                parts = self.scope.vectors[name[:place]]
                return Vector(tuple(self._derivative_name(part + name[place:]) for part in parts))
            if name[:place] in self.scope.complexes:
                return Complex(*(self._derivative_name(part + name[place:])
                                 for part in self.scope.complexes[name[:place]]))  # fmt: skip
            if name[:place] in self.scope.fields:
                if (mapped := self._mapped_derivative(name[:place], name[place + 1 :])) is not None:
                    return mapped
                index = derivative_index(name[place + 1 :], self.scope.coordinates)
                if index is None:
                    raise ExpressionError(
                        f"uses {shortened(name)}, but {shortened(name[place + 1 :])} is not made of coordinates "
                        f"({', '.join(self.scope.coordinates)}). Correct it, or write D({name[:place]}, …)."
                    )
                return jet_expression((name[:place], index), self.scope.coordinates)
        raise _unknown(name, self.scope)

    def _mapped_derivative(self, field: str, subscript: str) -> sympy.Expr | None:
        """u_xt in places and time, where coordinates are mapped; None for derivatives along the coordinates."""
        names = tuple(self.scope.slopes)
        index = derivative_index(subscript, names) if names else None
        if index is None:
            return None
        value = jet_expression((field, (0,) * len(self.symbols)), self.scope.coordinates)
        for name, count in zip(names, index, strict=True):
            value = self._along(value, sympy.Symbol(name, real=True), count)
        return value

    def _along(self, value: sympy.Expr, symbol: sympy.Symbol, order: int = 1) -> sympy.Expr:
        """A derivative: by a coordinate, or by a place, Σ_j ∂ξ_j/∂x ∂/∂ξ_j."""
        if symbol.name not in self.scope.slopes:
            return derivative(value, symbol, order)
        for _ in range(order):
            weights = zip(self.scope.slopes[symbol.name], self.symbols, strict=True)
            parts = (weight * derivative(value, one) for weight, one in weights if weight != 0)
            value = self._narrowed(checked_size(sympy.Add(*parts)))
        return value

    def _narrowed(self, value: sympy.Expr) -> sympy.Expr:
        """Without derivatives of fields along what they do not depend on."""
        still = [(name, index) for name, index in jets_of(value)
                 if any(index[axis] for axis in self.scope.narrow.get(name, ()))]  # fmt: skip
        return value.xreplace({jet_expression(jet, self.scope.coordinates): sympy.S.Zero for jet in still})

    # arithmetic

    def _operation(self, node: ast.BinOp, depth: int) -> sympy.Expr | Vector:
        if isinstance(node.op, ast.Pow) and self.scope.complexes:
            return self._complex_power(node, depth)
        if isinstance(node.op, ast.Pow):
            return power_of(self.scalar(node.left, depth), self.scalar(node.right, depth))
        if isinstance(node.op, ast.Mod) and self.scope.discrete:
            return self._remainder(self.scalar(node.left, depth), self.scalar(node.right, depth))
        for signs, fold, complex_fold in (
            (_ADDITIVE, sum_of, complex_sum), (_MULTIPLICATIVE, product_of, complex_product)
        ):  # fmt: skip
            if type(node.op) in signs:
                parts = [(keep, self.read(part, depth)) for keep, part in _chain(node, signs)]
                return (complex_fold if _some_complex(value for _, value in parts) else fold)(parts)
        raise ExpressionError(f"needs + - * / **; it has {_described(node.op)}. Write it in these.")

    def _signed(self, node: ast.UnaryOp, depth: int) -> sympy.Expr | Vector:
        if not isinstance(node.op, (ast.UAdd, ast.USub)):
            raise ExpressionError(f"needs + - * / **; it has {_described(node.op)}. Write it in these.")
        value = self.read(node.operand, depth)
        fold = complex_sum if isinstance(value, Complex) else sum_of
        return fold([(isinstance(node.op, ast.UAdd), value)])

    def _complex_power(self, node: ast.BinOp, depth: int) -> sympy.Expr | Complex:
        """Powers of real and complex values; |z|**2 without a root, so that it is smooth at 0."""
        exponent = self.scalar(node.right, depth)
        call = node.left if isinstance(node.left, ast.Call) else None
        if call and isinstance(call.func, ast.Name) and call.func.id == "n_abs" and len(call.args) == 1:
            inner = self.number(call.args[0], depth)
            if isinstance(inner, Complex) and exponent.is_Integer and exponent % 2 == 0:
                return power_of(size_squared(inner), exponent / 2)
        base = self.number(node.left, depth)
        return complex_power(base, exponent) if isinstance(base, Complex) else power_of(base, exponent)

    def _remainder(self, value: sympy.Expr, divisor: sympy.Expr) -> sympy.Expr:
        if divisor == 0:
            raise ExpressionError("needs a divisor after % that is not zero; it has 0. Correct it.")
        return folded(remainder(value, divisor))

    # functions

    def _call(self, node: ast.Call, depth: int) -> sympy.Expr | Vector:
        name = node.func.id.removeprefix("n_") if isinstance(node.func, ast.Name) else None
        if name is None or node.keywords or any(isinstance(argument, ast.Starred) for argument in node.args):
            raise ExpressionError(
                f"needs functions written like sin(x) or D(u, x, 2); it has {_described(node)}. Write it so."
            )
        if self.scope.complexes and name in COMPLEX_WORDS and name not in self.scope.names:
            return self._of_complex(name, node.args, depth)
        if name in INTEGRALS and name not in self.scope.names:
            return self._integral(name, node.args, depth)
        if name == "inside" and self.scope.shapes:
            return self._inside(node.args)
        if name in OPERATORS:
            return getattr(self, f"_{name}")(node.args, depth)
        if self.scope.discrete and name in DRAWS:
            _check_count(name, node.args, 2, 2)
            self.drawn += 1
            return DRAWS[name](*(self.scalar(argument, depth) for argument in node.args), sympy.Integer(self.drawn))
        if name not in WORDS and self._is_unknown_function(name):
            return self._at(name, node.args, depth)
        if name in WORDS:
            return self._word(name, [self.scalar(argument, depth) for argument in node.args])
        raise self._not_a_function(name)

    def _of_complex(self, name: str, nodes: Sequence[ast.AST], depth: int) -> sympy.Expr | Complex:
        """The functions of complex values: parts, size, and those that are whole."""
        _check_count(name, nodes, 1, 1)
        value = self.number(nodes[0], depth)
        if not isinstance(value, Complex) and name in WORDS:
            return self._word(name, [value])
        return COMPLEX_WORDS[name](*pair_of(value))

    def _not_a_function(self, name: str) -> ExpressionError:
        if name in self.scope.names or name == "pi":
            return ExpressionError(f'needs a function before "("; {name} is none. Write {name} alone or {name}*(…).')
        known = (*WORDS, *OPERATORS, *(DRAWS if self.scope.discrete else ()))
        hint = function_meant(name) or suggestion(name, known) or f" Use one of {', '.join(known)}."
        return ExpressionError(f"needs functions it knows; {shortened(name)} is none.{hint}")

    def _is_unknown_function(self, name: str) -> bool:
        """Whether it is a field, or a derivative of one, which mathematicians write with what it depends on."""
        known = (*self.scope.fields, *self.scope.vectors, *self.scope.complexes)
        return any(name == field or name.startswith(f"{field}_") for field in known)

    def _at(self, name: str, nodes: Sequence[ast.AST], depth: int) -> sympy.Expr | Vector:
        """u(x, t) here, u(0, t) in a condition that holds where x = 0, or elsewhere: u(x + w, t), u(t - tau)."""
        value, place = self._name(ast.Name(name), depth), self._place(name, nodes, depth)
        return _by_part(lambda part: self._elsewhere(part, place), value)

    def _place(self, name: str, nodes: Sequence[ast.AST], depth: int) -> tuple[sympy.Expr, ...]:
        """An expression for each coordinate; one alone stands for the coordinate that occurs in it."""
        given, names = [self.scalar(node, depth) for node in nodes], self.scope.coordinates
        unknown = {symbol for part in given for symbol in depends_on(part) if jets_of(part)}
        unknown |= {symbol.name for part in given for symbol in part.free_symbols} & set(self.scope.parameters)
        meant = [symbol for symbol in self.symbols if len(given) == 1 and symbol in given[0].free_symbols]
        if unknown or len(given) not in (1, len(names)) or (len(given) < len(names) and len(meant) != 1):
            example = ", ".join(names)
            raise ExpressionError(
                f"needs a known place for each coordinate in {name}(…), as in {name}({example}); it has "
                f"{len(given)} entries{', with fields or learned parameters among them' if unknown else ''}. Write "
                f"{name} alone for its value where the equation holds, or the one coordinate that differs."
            )
        if len(given) < len(names):
            return tuple(given[0] if symbol in meant else symbol for symbol in self.symbols)
        pairs = zip(self.symbols, given, strict=True)
        return tuple(symbol if self._holds(symbol.name, part) else part for symbol, part in pairs)

    def _elsewhere(self, local: sympy.Expr, place: tuple[sympy.Expr, ...]) -> sympy.Expr:
        """The value there; before time began, that of the history."""
        scope, coordinates = self.scope, self.scope.coordinates
        if scope.time is None or not scope.history:
            return placed(jet_of(local), place, coordinates)
        axis, begin = coordinates.index(scope.time), sympy.Float(scope.ranges[scope.time][0])
        time = place[axis]
        if time == self.symbols[axis] or time.is_number:
            return placed(jet_of(local), place, coordinates)
        then = folded(larger(time, begin))
        later = placed(jet_of(local), (*place[:axis], then, *place[axis + 1 :]), coordinates)
        field, index = jet_of(local)
        known = scope.history[field]
        for symbol, count in zip(self.symbols, index, strict=True):
            known = derivative(known, symbol, count)
        return choice(time - begin, known.xreplace(dict(zip(self.symbols, place, strict=True))), later)

    def _integral(self, word: str, nodes: Sequence[ast.AST], depth: int) -> sympy.Expr:
        """integral(u), integral(u, x), integral(u, shape), integral(u, x, a, b), integral(K*u(s), s, a, b), mean(u)."""
        if not nodes:
            raise ExpressionError(f"needs what is integrated in {word}(…); it has nothing. Write e.g. {word}(u, x).")
        shape = self._shape(nodes[1:])
        whole = self._whole_axes(() if shape else nodes[1:])
        if whole is None and len(nodes) == 2 and isinstance(nodes[1], ast.Name):
            raise self._unknown_region(word, nodes[1])
        if whole is None and (word == "mean" or len(nodes) % 3 != 1):
            raise ExpressionError(
                f"needs coordinates in {word}(…){'' if word == 'mean' else ', or a variable with two limits'}; it has "
                f"others. Write {word}(u, {(self.scope.coordinates or ('x',))[0]})"
                f"{'' if word == 'mean' else ' or integral(u(s), s, 0, 1)'}."
            )
        if missing := [name for name in whole or () if name not in self.scope.ranges]:
            raise ExpressionError(
                f"needs limits in {word}(…), since the range of {missing[0]} is not known here; it has none. Write "
                f"integral(u, {missing[0]}, 0, 1)."
            )
        spans, names = self._spans(whole, nodes[1:], depth)
        if whole is not None:
            spans = self._filled(word, spans, whole, shape)
        bound = {name: variable_of(name) for name in names}
        inner = replace(self.scope, definitions={**self.scope.definitions, **bound}, place={})
        reader = _Reader(inner)
        coordinates = self.scope.coordinates
        density = moved(
            reader.scalar(nodes[0], depth),
            {symbol: bound[symbol.name] for symbol in self.symbols if symbol.name in bound}, coordinates,
        )  # fmt: skip
        if any(isinstance(name, Integrated) for name in remotes_of(density)):
            raise ExpressionError(
                f"may have no integral within an integral; it has one in {word}(…). Integrate over several variables "
                "at once: integral(u, x, y)."
            )
        return integral(density, spans, coordinates) / (_volume(spans) if word == "mean" else sympy.S.One)

    def _shape(self, nodes: Sequence[ast.AST]) -> str:
        """The name of the shape that is integrated over, if there is one."""
        name = nodes[0].id.removeprefix("n_") if len(nodes) == 1 and isinstance(nodes[0], ast.Name) else ""
        return name if name in self.scope.regions and name not in self.scope.coordinates else ""

    def _filled(self, word: str, spans: tuple[Span, ...], names: tuple[str, ...], shape: str) -> tuple[Span, ...]:
        """Spans of all of space with what fills the domain, or a shape, in place of limits."""
        space = [name for name in self.scope.coordinates if name not in (self.scope.time, *self.scope.family)]
        if self.scope.fill is None or not set(space) & set(names):
            return spans
        if missing := [name for name in space if name not in names]:
            if not self.scope.filled:
                return spans
            raise ExpressionError(
                f"needs all of space in {word}(…), or limits, on a domain of shapes, whose slices change from place to "
                f"place; {', '.join(missing)} is missing. Write {word}(u, {', '.join(space)}), or take a box."
            )
        filling = self.scope.fill(shape)
        own = {variable_of(name) for name in space}
        return tuple(replace(span, filling=filling) if span.variable in own else span for span in spans)

    def _unknown_region(self, word: str, node: ast.Name) -> ExpressionError:
        name, known = node.id.removeprefix("n_"), ", ".join(self.scope.coordinates)
        parts = f", {word}(u, {self.scope.regions[0]}) over a shape" if self.scope.regions else ""
        shapes = f", a shape ({', '.join(self.scope.regions)})" if self.scope.regions else ""
        return ExpressionError(
            f"needs coordinates ({known}){shapes} in {word}(…), or a variable with two limits; {shortened(name)} is "
            f"none. Write {word}(u, {(self.scope.coordinates or ('x',))[0]}), {word}(u) over all of space{parts}."
        )

    def _whole_axes(self, nodes: Sequence[ast.AST]) -> tuple[str, ...] | None:
        """The coordinates over all of which is integrated; None where there are limits."""
        if not nodes:
            return tuple(symbol.name for symbol in self._space("integral"))
        names = [node.id.removeprefix("n_") if isinstance(node, ast.Name) else "" for node in nodes]
        known = all(name in self.scope.coordinates for name in names) and len(set(names)) == len(names)
        return tuple(names) if known else None

    def _spans(
        self, whole: tuple[str, ...] | None, nodes: Sequence[ast.AST], depth: int
    ) -> tuple[tuple[Span, ...], tuple[str, ...]]:
        """Variables with their limits, and their names."""
        if whole is not None:
            ends = [tuple(map(number_of, self.scope.ranges[name])) for name in whole]
            return tuple(Span(variable_of(name), *end) for name, end in zip(whole, ends, strict=True)), whole
        found: list[tuple[str, list[sympy.Expr]]] = []
        for variable, low, high in zip(nodes[::3], nodes[1::3], nodes[2::3], strict=True):
            if not isinstance(variable, ast.Name):
                raise ExpressionError(
                    f"needs the name of a variable before the limits of an integral; it has {_described(variable)}. "
                    "Write e.g. integral(u(s), s, 0, 1)."
                )
            found.append((variable.id.removeprefix("n_"), [self.scalar(low, depth), self.scalar(high, depth)]))
        for name, limits in found:
            free = {symbol for limit in limits for symbol in limit.free_symbols} - set(self.symbols)
            if any(jets_of(limit) for limit in limits) or free or name in (*self.scope.fields, *self.scope.vectors):
                raise ExpressionError(
                    f"needs known limits and a variable of its own in integral(…, {name}, …); it has fields or learned "
                    "parameters. Use numbers and coordinates."
                )
        return tuple(Span(variable_of(name), *limits) for name, limits in found), tuple(name for name, _ in found)

    def _holds(self, coordinate: str, given: sympy.Expr) -> bool:
        """Whether a coordinate has that value all over the side of a condition."""
        if coordinate not in self.scope.place or not given.is_number:
            return False
        wanted = self.scope.place[coordinate]
        return abs(constant_value(given) - wanted) <= 1e-9 * max(abs(wanted), 1)

    def _inside(self, nodes: Sequence[ast.AST]) -> sympy.Expr:
        """inside(wire), 1 in the shape of that name and 0 elsewhere."""
        _check_count("inside", nodes, 1, 1)
        name = nodes[0].id.removeprefix("n_") if isinstance(nodes[0], ast.Name) else ""
        if name not in self.scope.shapes:
            raise ExpressionError(
                f"needs the name of a shape ({', '.join(self.scope.shapes)}) in inside(…); it has "
                f"{_described(nodes[0])}. Correct it."
            )
        return self.scope.shapes[name]

    def _word(self, name: str, arguments: list[sympy.Expr]) -> sympy.Expr:
        row = WORDS[name]
        if row.signature[-1] == "…":
            _check_count(name, arguments, len(row.signature) - 1, None)
            return folded(reduce(row, arguments))
        _check_count(name, arguments, len(row.signature), len(row.signature))
        row.check(arguments)
        return folded(row(*arguments))

    def _where(self, nodes: Sequence[ast.AST], depth: int) -> sympy.Expr:
        _check_count("where", nodes, 3, 3)
        chosen, otherwise = (self.scalar(node, depth) for node in nodes[1:])
        return self._branch(nodes[0], chosen, otherwise, depth)

    def _branch(self, test: ast.AST, chosen: sympy.Expr, otherwise: sympy.Expr, depth: int) -> sympy.Expr:
        """One value where a comparison, or several joined by and, or, not, holds; the other elsewhere."""
        if depth > MAX_DEPTH:
            raise ExpressionError(f"may nest comparisons {MAX_DEPTH} deep; it goes deeper. Write it flatter.")
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            return self._branch(test.operand, otherwise, chosen, depth + 1)
        if isinstance(test, ast.BoolOp):
            for part in reversed(test.values):
                if isinstance(test.op, ast.And):
                    chosen = self._branch(part, chosen, otherwise, depth + 1)
                else:
                    otherwise = self._branch(part, chosen, otherwise, depth + 1)
            return chosen if isinstance(test.op, ast.And) else otherwise
        if not isinstance(test, ast.Compare):
            raise ExpressionError(
                "needs a comparison first in where(x < 0.5, a, b); it has none. Write one with < or >."
            )
        parts = [self.scalar(node, depth) for node in (test.left, *test.comparators)]
        for sign, left, right in reversed(list(zip(test.ops, parts, parts[1:], strict=False))):
            chosen = _choice(type(sign), left, right, chosen, otherwise, self.scope.discrete)
        return chosen

    # derivatives

    def _D(self, nodes: Sequence[ast.AST], depth: int) -> sympy.Expr | Vector:
        if len(nodes) < 2:
            raise ExpressionError("needs D(expression, coordinate, order); it has fewer. Write e.g. D(u, x, 2).")
        value = self.read(nodes[0], depth)
        steps = self._steps(nodes[1:])
        if (order := sum(count for _, count in steps)) > MAX_ORDER:
            raise order_refused(order)
        return _by_part(lambda part: reduce(lambda found, step: self._along(found, *step), steps, part), value)

    def _steps(self, nodes: Sequence[ast.AST]) -> list[tuple[sympy.Symbol, int]]:
        """[(x, 2), (y, 1)] from the arguments x, 2, y."""
        steps: list[tuple[sympy.Symbol, int]] = []
        for node in nodes:
            name = node.id.removeprefix("n_") if isinstance(node, ast.Name) else None
            if name in self.scope.coordinates or name in self.scope.slopes:
                steps.append((sympy.Symbol(name, real=True), 1))
            elif steps and steps[-1][1] == 1 and (order := self._order(node)) is not None:
                steps[-1] = (steps[-1][0], order)
            else:
                raise ExpressionError(
                    f"needs coordinates ({', '.join(self.scope.coordinates) or 'none here'}) and whole orders in "
                    f"D(expression, coordinate, order); it has {_described(node)}. Write e.g. D(u, x, 2)."
                )
        return steps

    def _order(self, node: ast.AST) -> int | None:
        """A whole number, as 2, 2.0 or a parameter with that value."""
        value = None
        if isinstance(node, ast.Constant):
            value = _numeral(node)
        elif isinstance(node, ast.Name):
            value = self.scope.definitions.get(node.id.removeprefix("n_"))
        return int(value) if value is not None and value.is_Integer and value > 0 else None

    def _space(self, word: str) -> list[sympy.Symbol]:
        space = [s for s in self.symbols if s.name != self.scope.time and s.name not in self.scope.family]
        space = [sympy.Symbol(name, real=True) for name in self.scope.slopes if name != self.scope.time] or space
        if not space:
            raise ExpressionError(f"needs coordinates other than time for {word}(…); it has none. Write D(…, t).")
        return space

    def _lap(self, nodes: Sequence[ast.AST], depth: int) -> sympy.Expr | Vector:
        _check_count("lap", nodes, 1, 1)
        space = self._space("lap")
        if (metric := self.scope.metric) is not None:
            value = self._only("lap", nodes, depth)
            slopes = (derivative(value, x) / h for x, h in zip(space, metric.factors, strict=True))
            return _divergence(tuple(slopes), space, metric)
        return _by_part(
            lambda part: checked_size(sympy.Add(*(self._along(part, symbol, 2) for symbol in space))),
            self.read(nodes[0], depth),
        )

    def _grad(self, nodes: Sequence[ast.AST], depth: int) -> Vector:
        value = self._only("grad", nodes, depth)
        slopes = tuple(self._along(value, symbol) for symbol in self._space("grad"))
        if self.scope.metric is None:
            return Vector(slopes)
        return Vector(tuple(slope / h for slope, h in zip(slopes, self.scope.metric.factors, strict=True)))

    def _div(self, nodes: Sequence[ast.AST], depth: int) -> sympy.Expr:
        _check_count("div", nodes, 1, 1)
        parts = self._vector("div", nodes[0], depth).parts
        if self.scope.metric is not None:
            return _divergence(parts, self._space("div"), self.scope.metric)
        terms = (self._along(part, symbol) for part, symbol in zip(parts, self._space("div"), strict=True))
        return checked_size(sympy.Add(*terms))

    def _dot(self, nodes: Sequence[ast.AST], depth: int) -> sympy.Expr:
        _check_count("dot", nodes, 2, 2)
        left, right = (self._vector("dot", node, depth).parts for node in nodes)
        return checked_size(sympy.Add(*(a * b for a, b in zip(left, right, strict=True))))

    def _dn(self, nodes: Sequence[ast.AST], depth: int) -> sympy.Expr:
        _check_count("dn", nodes, 1, 1)
        value = self.number(nodes[0], depth)
        if self.scope.normal is None:
            raise ExpressionError(
                "may use dn(…), the outward normal derivative, in conditions on the boundary; it stands elsewhere. "
                "Write the derivative along a coordinate, e.g. u_x."
            )
        directions, metric = self._outward(), self.scope.metric
        factors = {} if metric is None else dict(zip(self._space("dn"), metric.factors, strict=True))
        along = [(part, x) for part, x in directions if part != 0]

        def outward(own: sympy.Expr) -> sympy.Expr:
            return checked_size(sympy.Add(*(part * self._along(own, x) / factors.get(x, 1) for part, x in along)))

        return _by_part(outward, value)

    def _outward(self) -> list[tuple[sympy.Expr, sympy.Symbol]]:
        """The parts of the normal; where coordinates are mapped, of n_k ∝ Σ_j ∂ξ_j/∂x_k n_j, along the places."""
        normal = self.scope.normal or ()
        if not self.scope.slopes:
            return list(zip(normal, self.symbols, strict=True))
        space = self._space("dn")
        parts = [sympy.Add(*(w * n for w, n in zip(self.scope.slopes[x.name], normal, strict=True))) for x in space]
        if len(space) == 1:  # mappings keep the orientation
            return [(sympy.Add(*normal), space[0])]
        length = sqrt(sympy.Add(*(part**2 for part in parts)))
        return [(part / length, x) for part, x in zip(parts, space, strict=True)]

    def _only(self, word: str, nodes: Sequence[ast.AST], depth: int) -> sympy.Expr:
        _check_count(word, nodes, 1, 1)
        return self.scalar(nodes[0], depth)

    def _vector(self, word: str, node: ast.AST, depth: int) -> Vector:
        value = self.read(node, depth)
        if not isinstance(value, Vector):
            raise ExpressionError(f"needs a vector in {word}(…), such as grad(u); it has a number. Write e.g. lap(u).")
        return value

    READERS: ClassVar[Mapping[type[ast.AST], Callable[..., sympy.Expr | Vector]]] = {
        ast.Constant: _constant,
        ast.Name: _name,
        ast.BinOp: _operation,
        ast.UnaryOp: _signed,
        ast.Call: _call,
    }


def _divergence(parts: tuple[sympy.Expr, ...], space: list[sympy.Symbol], metric: LineElement) -> sympy.Expr:
    """Σ_i ∂_i(J v_i/h_i) / J, by the product rule."""
    terms = []
    for part, x, h in zip(parts, space, metric.factors, strict=True):
        terms += [derivative(part, x) / h, derivative(metric.volume / h, x) * part / metric.volume]
    return checked_size(sympy.Add(*terms))


def _by_part(
    function: Callable[[sympy.Expr], sympy.Expr], value: sympy.Expr | Vector | Complex
) -> sympy.Expr | Vector | Complex:
    if isinstance(value, Complex):
        return complex_of(*map(function, value.parts))
    return Vector(tuple(map(function, value.parts))) if isinstance(value, Vector) else function(value)


_ADDITIVE = {ast.Add: True, ast.Sub: False}
_MULTIPLICATIVE = {ast.Mult: True, ast.Div: False}


def _chain(node: ast.AST, signs: Mapping[type[ast.operator], bool]) -> list[tuple[bool, ast.AST]]:
    """[(True, a), (False, b), (True, c)] for a - b + c: long sums and products are flat, not deep."""
    parts = []
    while isinstance(node, ast.BinOp) and type(node.op) in signs:
        parts.append((signs[type(node.op)], node.right))
        node = node.left
    return [(True, node), *reversed(parts)]


def _choice(sign: type, left: sympy.Expr, right: sympy.Expr, chosen: sympy.Expr, otherwise: sympy.Expr,
            discrete: bool) -> sympy.Expr:  # fmt: skip
    if sign is ast.Lt:
        return choice(left - right, chosen, otherwise)
    if sign is ast.Gt:
        return choice(right - left, chosen, otherwise)
    if sign is ast.LtE:  # not right < left
        return choice(right - left, otherwise, chosen)
    if sign is ast.GtE:
        return choice(left - right, otherwise, chosen)
    if discrete and sign in (ast.Eq, ast.NotEq):  # apart: -|left - right| < 0
        same, apart = (chosen, otherwise) if sign is ast.Eq else (otherwise, chosen)
        return choice(-absolute(left - right), apart, same)
    raise ExpressionError(f"needs < <= > >= in where(…); it has {_described(sign())}. Use one of these.")


def _volume(spans: Sequence[Span]) -> sympy.Expr:
    """What spans enclose."""
    fillings = [span.filling for span in spans if span.filling is not None]
    limited = [span.upper - span.lower for span in spans if span.filling is None]
    return sympy.Mul(*limited, *(number_of(filling.volume) for filling in fillings[:1]))


def _check_count(name: str, arguments: Sequence[object], least: int, most: int | None) -> None:
    if len(arguments) < least or (most is not None and len(arguments) > most):
        wanted = f"{least} argument{'s' * (least != 1)}" if least == most else f"at least {least} arguments"
        raise ExpressionError(f"needs {wanted} in {name}(…); it has {len(arguments)}. Correct the call.")


def _some_complex(values: Iterable[object]) -> bool:
    return any(isinstance(value, Complex) for value in values)


def _not_real() -> ExpressionError:
    return ExpressionError(
        "needs a real value; it has a complex one. Take re(…), im(…) or abs(…), or write an equation of complex fields."
    )


COMPLEX_WORDS: Mapping[str, Callable[[sympy.Expr, sympy.Expr], sympy.Expr | Complex]] = {
    "re": lambda a, b: a,
    "im": lambda a, b: b,
    "conj": lambda a, b: complex_of(a, -b),
    "abs": lambda a, b: folded(sqrt(size_squared(complex_of(a, b)))),
    "exp": lambda a, b: complex_of(exp(a) * cos(b), exp(a) * sin(b)),
    "sin": lambda a, b: complex_of(sin(a) * cosh(b), cos(a) * sinh(b)),
    "cos": lambda a, b: complex_of(cos(a) * cosh(b), -sin(a) * sinh(b)),
    "sinh": lambda a, b: complex_of(sinh(a) * cos(b), cosh(a) * sin(b)),
    "cosh": lambda a, b: complex_of(cosh(a) * cos(b), sinh(a) * sin(b)),
}
"""Functions of a + i b, where a problem has complex fields."""


def _numeral(node: ast.Constant) -> sympy.Expr:
    """What a number in an expression stands for; tokens let no other constants through."""
    if not isinstance(node.value, (int, float)):
        raise TypeError(f"an expression has numbers, not {node.value!r}")
    return number_of(node.value)


def _described(node: ast.AST) -> str:
    """A syntax node in the words of someone who does not know Python."""
    if isinstance(node, ast.Constant):
        return shortened(str(node.value))
    if isinstance(node, ast.Name):
        return shortened(node.id.removeprefix("n_"))
    return {
        ast.Compare: "a comparison outside where(…)", ast.Tuple: "a comma outside a function", ast.Eq: '"=="',
        ast.NotEq: '"!="', ast.Mod: '"%"', ast.FloorDiv: '"//"',
        ast.Call: "a call of something that is not a function name",
    }.get(type(node), "something else")  # fmt: skip


def _unknown(name: str, scope: Scope) -> ExpressionError:
    if name in RESERVED:
        return ExpressionError(f'needs {name}(…) with what it applies to; it has "{name}" alone. Add the parentheses.')
    kinds = (("coordinate", scope.coordinates), ("field", scope.fields), ("parameter", scope.parameters))
    listed = [f"{kind} ({', '.join(names) or 'none'})" for kind, names in kinds]
    hint = name_meant(name, scope.fields, scope.coordinates) or suggestion(name, (*scope.names, "pi"))
    hint = hint or f" Add parameters: {{{name[:40]}: …}}."
    return ExpressionError(f"uses {shortened(name)}, which is not a {listed[0]}, {listed[1]} or {listed[2]}.{hint}")
