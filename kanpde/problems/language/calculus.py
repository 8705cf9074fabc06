"""Fields, their derivatives, and symbolic differentiation that cannot run away.

A field u over the coordinates (x, y) is `Function("u")(x, y)`; a jet ("u", (2, 0)) stands for ∂²u/∂x².
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import sympy
from sympy.core.function import AppliedUndef

from kanpde.problems.language.functions import absolute, choice, delta, jump_refused
from kanpde.problems.language.refusals import ExpressionError
from kanpde.problems.language.remotes import Integrated, Placed, Remote, Span

Jet = tuple[str, tuple[int, ...]]

AUTO = sympy.Symbol("auto", real=True)  # stands for whatever makes the exact solution hold
MAX_ORDER = 8
MAX_SIZE = 10_000  # nodes of one expression's tree; derivatives of what fits in a line have hundreds


def coordinate_symbols(coordinates: tuple[str, ...]) -> tuple[sympy.Symbol, ...]:
    """The SymPy symbols of coordinates (or parameters): real numbers."""
    return tuple(sympy.Symbol(name, real=True) for name in coordinates)


def jet_expression(jet: Jet, coordinates: tuple[str, ...]) -> sympy.Expr:
    """SymPy's form of one derivative of a field.

    >>> jet_expression(("u", (2, 0)), ("x", "t"))
    Derivative(u(x, t), (x, 2))
    """
    field, index = jet
    symbols = coordinate_symbols(coordinates)
    value = sympy.Function(field)(*symbols)
    counts = [(symbol, count) for symbol, count in zip(symbols, index, strict=True) if count]
    return sympy.Derivative(value, *counts) if counts else value


def jet_of(node: sympy.Expr) -> Jet:
    """The field and multi-index of `u(x, t)` or of a derivative of it."""
    if isinstance(node, AppliedUndef):
        return node.func.__name__, (0,) * len(node.args)
    counts = dict(node.variable_count)
    return node.expr.func.__name__, tuple(int(counts.get(symbol, 0)) for symbol in node.expr.args)


def is_jet(node: sympy.Basic) -> bool:
    return isinstance(node, (AppliedUndef, sympy.Derivative))


def jets_of(expr: sympy.Expr) -> tuple[Jet, ...]:
    """All derivatives of fields that occur, sorted."""
    return tuple(sorted({jet_of(node) for node in distinct_nodes(expr) if is_jet(node)}))


def all_jets_of(expr: sympy.Expr) -> tuple[Jet, ...]:
    """All derivatives of fields that occur, here or elsewhere, sorted."""
    found: set[Jet] = set()
    for name, index in jets_of(expr):
        if isinstance(name, Integrated):
            found |= {*all_jets_of(name.density)}
        else:
            found.add(name.jet if isinstance(name, Placed) else (name, index))
    return tuple(sorted(found))


def fields_of(expr: sympy.Expr) -> tuple[str, ...]:
    """All fields that occur, here or elsewhere, sorted."""
    return tuple(sorted({field for field, _ in all_jets_of(expr)}))


def remotes_of(expr: sympy.Expr) -> tuple[Remote, ...]:
    """What is asked for from elsewhere, sorted."""
    return tuple(name for name, _ in jets_of(expr) if isinstance(name, Remote))


def placed(jet: Jet, place: tuple[sympy.Expr, ...], coordinates: tuple[str, ...]) -> sympy.Expr:
    """A derivative of a field at a place; the local one where that is here.

    >>> x, = coordinate_symbols(("x",))
    >>> derivative(placed(("u", (0,)), (2 * x + 1,), ("x",)), x) == 2 * placed(("u", (1,)), (2 * x + 1,), ("x",))
    True
    """
    if place == coordinate_symbols(coordinates):
        return jet_expression(jet, coordinates)
    return jet_expression((Placed(jet, place), (0,) * len(coordinates)), coordinates)


def integral(density: sympy.Expr, spans: tuple[Span, ...], coordinates: tuple[str, ...]) -> sympy.Expr:
    """∫ density over spans."""
    return jet_expression((Integrated(density, spans), (0,) * len(coordinates)), coordinates)


def moved(expr: sympy.Expr, to: Mapping[sympy.Symbol, sympy.Expr], coordinates: tuple[str, ...]) -> sympy.Expr:
    """The expression with other places for coordinates (or variables of integration), in fields as well."""
    symbols = coordinate_symbols(coordinates)
    inward = {jet_expression(jet, coordinates): _moved_jet(jet, to, symbols) for jet in jets_of(expr)}
    return expr.xreplace({**inward, **to})


def _moved_jet(jet: Jet, to: Mapping[sympy.Symbol, sympy.Expr], symbols: tuple[sympy.Symbol, ...]) -> sympy.Expr:
    (name, index), coordinates = jet, tuple(symbol.name for symbol in symbols)
    if isinstance(name, Integrated):
        spans = tuple(replace(s, lower=s.lower.xreplace(to), upper=s.upper.xreplace(to)) for s in name.spans)
        return integral(moved(name.density, to, coordinates), spans, coordinates)
    place = name.place if isinstance(name, Placed) else symbols
    own = name.jet if isinstance(name, Placed) else (name, index)
    return placed(own, tuple(part.xreplace(to) for part in place), coordinates)


def depends_on(expr: sympy.Expr) -> set[str]:
    """The names of the coordinates, variables and parameters that an expression depends on, through fields too."""
    found: set[str] = set()
    for node in distinct_nodes(expr):
        if not is_jet(node):
            found |= {node.name} if isinstance(node, sympy.Symbol) else set()
            continue
        name = jet_of(node)[0]
        if isinstance(name, Placed):
            found |= {symbol.name for part in name.place for symbol in part.free_symbols}
        elif isinstance(name, Integrated):
            limits = {symbol.name for s in name.spans for end in (s.lower, s.upper) for symbol in end.free_symbols}
            found |= depends_on(name.density) - {s.variable.name for s in name.spans} | limits
        else:
            found |= {symbol.name for symbol in node.free_symbols}
    return found


def tree_size(expr: sympy.Basic, known: dict[sympy.Basic, int] | None = None) -> int:
    """Number of nodes, a derivative of a field counting as one."""
    known = {} if known is None else known
    if expr not in known:
        inner = () if is_jet(expr) else expr.args
        known[expr] = 1 + sum(tree_size(part, known) for part in inner)
    return known[expr]


def checked_size(expr: sympy.Expr) -> sympy.Expr:
    """The expression itself, if it is not too large to work with."""
    if (size := tree_size(expr)) > MAX_SIZE:
        raise too_large(size)
    return expr


def derivative(expr: sympy.Expr, symbol: sympy.Symbol, order: int = 1) -> sympy.Expr:
    """∂ⁿ expr / ∂ symbolⁿ, fields included; refused when it grows beyond MAX_SIZE.

    >>> x, = coordinate_symbols(("x",))
    >>> derivative(x**2 * sympy.Function("u")(x), x)
    x**2*Derivative(u(x), x) + 2*x*u(x)
    """
    for _ in range(order):
        expr = checked_size(_Differentiation(symbol)(expr))
    return expr


def jet_slopes(expr: sympy.Expr, coordinates: tuple[str, ...]) -> dict[Jet, sympy.Expr]:
    """∂ expr / ∂ jet for every jet that occurs, the jets taken as independent."""
    names = {jet: sympy.Dummy(real=True) for jet in jets_of(expr)}
    inward = {jet_expression(jet, coordinates): name for jet, name in names.items()}
    outward = {name: node for node, name in inward.items()}
    plain = expr.xreplace(inward)
    return {jet: derivative(plain, name).xreplace(outward) for jet, name in names.items()}


def renamed(expr: sympy.Expr, old: str, new: str, coordinates: tuple[str, ...]) -> sympy.Expr:
    """The expression with another field in the place of one, derivatives and all."""
    jets = [jet for jet in jets_of(expr) if jet[0] == old]
    return expr.xreplace({jet_expression(jet, coordinates): jet_expression((new, jet[1]), coordinates) for jet in jets})


def euler_lagrange(density: sympy.Expr, field: str, coordinates: tuple[str, ...]) -> sympy.Expr:
    """Σ_α (-1)^|α| ∂_α (∂e/∂(∂_α u)), zero where ∫ e dx is stationary in u."""
    found = sympy.S.Zero
    for (name, index), slope in jet_slopes(density, coordinates).items():
        if name == field:
            for symbol, order in zip(coordinate_symbols(coordinates), index, strict=True):
                slope = derivative(slope, symbol, order)
            found += (-1) ** sum(index) * slope
    if found.has(delta):
        raise jump_refused()
    return found


def size_of_terms(expr: sympy.Expr) -> sympy.Expr:
    """The expression with the sizes of its terms added, nothing cancelled: |a| + |b|·|c| for a - b·c.

    It tells how large a residual can be that is nothing but rounding.
    """
    if expr.is_Add or expr.is_Mul:
        return expr.func(*map(size_of_terms, expr.args))
    if expr.is_Pow and expr.exp.is_Integer and expr.exp > 0:
        return size_of_terms(expr.base) ** expr.exp
    return absolute(expr)


def too_large(size: int) -> ExpressionError:
    return ExpressionError(
        f"may have at most {MAX_SIZE} terms and factors once it is differentiated; it has {size} or more. "
        "Write it shorter or with fewer nested derivatives."
    )


def distinct_nodes(expr: sympy.Basic) -> Iterator[sympy.Basic]:
    seen, stack = set(), [expr]
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            yield node
            stack.extend(() if is_jet(node) else node.args)


def derivative_index(subscript: str, coordinates: tuple[str, ...]) -> tuple[int, ...] | None:
    """The multi-index that `xxt` in `u_xxt` spells, or None; underscores may set names apart.

    >>> derivative_index("xxt", ("x", "t"))
    (2, 1)

    Raises:
        ExpressionError: it can be read in two ways (coordinates x and xx), or the order is too high.
    """
    indices = readings(subscript, coordinates)
    if len(indices) > 1:
        raise ExpressionError(
            f'needs derivatives that can be read in one way; "_{subscript}" can be split into the coordinates '
            f"{', '.join(coordinates)} in several. Write D(…) or set the names apart: {'_'.join(coordinates)}."
        )
    if not indices:
        return None
    (index,) = indices
    if sum(index) > MAX_ORDER:
        raise order_refused(sum(index))
    return index


def readings(subscript: str, coordinates: tuple[str, ...]) -> set[tuple[int, ...]]:
    """All multi-indices that a subscript of at most 100 characters can spell (few, whatever its length)."""
    ends: list[set[tuple[int, ...]]] = [set() for _ in range(len(subscript) + 1)]
    ends[0].add((0,) * len(coordinates))
    for start in range(len(subscript)):
        ends[start] = set(sorted(ends[start])[:20])
        if not ends[start]:
            continue
        if subscript[start] == "_" and 0 < start < len(subscript) - 1:
            ends[start + 1] |= ends[start]
        for axis, name in enumerate(coordinates):
            if subscript.startswith(name, start):
                step = {tuple(n + (i == axis) for i, n in enumerate(index)) for index in ends[start]}
                ends[start + len(name)] |= step
    return ends[-1] if len(subscript) <= 100 else set()


class _Differentiation:
    """Rules of differentiation along one symbol. SymPy's `diff` has no limit on what it builds; this one has."""

    def __init__(self, symbol: sympy.Symbol):
        self.symbol = symbol
        self.known: dict[sympy.Expr, sympy.Expr] = {symbol: sympy.S.One}
        self.built = 0

    def __call__(self, expr: sympy.Expr) -> sympy.Expr:
        if expr not in self.known:
            self.known[expr] = self._rule(expr)
        return self.known[expr]

    def _rule(self, expr: sympy.Expr) -> sympy.Expr:
        if is_jet(expr):
            return self._of_field(expr)
        if expr == AUTO:
            raise ExpressionError(
                'may have "auto" as a term by itself on the right-hand side; it stands in a derivative. Write … + auto.'
            )
        if not expr.args:
            return sympy.S.Zero
        if expr.is_Mul:
            return self._of_product(expr)
        parts = [self(part) for part in expr.args]
        self._build(len(parts))
        if expr.is_Add:
            return sympy.Add(*parts)
        if all(part == 0 for part in parts):
            return sympy.S.Zero
        if expr.is_Pow:
            return expr.exp * expr.base ** (expr.exp - 1) * parts[0]
        if isinstance(expr, choice):
            return expr.derivative(*parts)
        return sympy.Add(*(expr.fdiff(i) * part for i, part in enumerate(parts, 1) if part != 0))

    def _of_field(self, node: sympy.Expr) -> sympy.Expr:
        field, index = jet_of(node)
        if isinstance(field, Remote):
            return self._of_remote(node, field)
        names = tuple(symbol.name for symbol in (node.args if isinstance(node, AppliedUndef) else node.expr.args))
        if self.symbol.name not in names:
            return sympy.S.Zero
        axis = names.index(self.symbol.name)
        index = tuple(count + (i == axis) for i, count in enumerate(index))
        if sum(index) > MAX_ORDER:
            raise order_refused(sum(index))
        return jet_expression((field, index), names)

    def _of_remote(self, node: sympy.Expr, name: Remote) -> sympy.Expr:
        """The chain rule for places, Leibniz's for integrals: ∂∫_a^b f ds = f(b) ∂b - f(a) ∂a + ∫_a^b ∂f ds."""
        coordinates = tuple(symbol.name for symbol in node.args)
        if isinstance(name, Placed):
            field, index = name.jet
            if sum(index) >= MAX_ORDER:
                raise order_refused(sum(index) + 1)
            slopes = zip(map(self, name.place), range(len(index)), strict=True)
            raised = ((slope, tuple(n + (i == axis) for i, n in enumerate(index))) for slope, axis in slopes)
            return sympy.Add(*(slope * placed((field, up), name.place, coordinates) for slope, up in raised
                               if slope != 0))  # fmt: skip
        if not isinstance(name, Integrated):
            raise TypeError(f"{type(name).__name__} has no rule of differentiation")
        inner = self(name.density)
        found = [integral(inner, name.spans, coordinates)] if inner != 0 else []
        for place, span in enumerate(name.spans):
            others = name.spans[:place] + name.spans[place + 1 :]
            for sign, end in ((1, span.upper), (-1, span.lower)):
                if (slope := self(end)) != 0:
                    edge = moved(name.density, {span.variable: end}, coordinates)
                    found.append(sign * slope * (integral(edge, others, coordinates) if others else edge))
        return sympy.Add(*found)

    def _of_product(self, expr: sympy.Expr) -> sympy.Expr:
        parts = [self(factor) for factor in expr.args]
        moving = [i for i, part in enumerate(parts) if part != 0]
        self._build(len(moving) * len(parts))
        return sympy.Add(*(sympy.Mul(*expr.args[:i], parts[i], *expr.args[i + 1 :]) for i in moving))

    def _build(self, nodes: int) -> None:
        self.built += nodes
        if self.built > MAX_SIZE:
            raise too_large(self.built)


def order_refused(order: int) -> ExpressionError:
    return ExpressionError(
        f"may take derivatives up to order {MAX_ORDER}; it takes one of order {order}. "
        "Introduce a second field for the lower derivatives."
    )
