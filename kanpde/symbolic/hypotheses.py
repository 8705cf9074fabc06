"""A person's hypothesis on the form of a function, as a template: `exp(a(x) + b(y))`, `x*g(y - z)`, `a(x)*b(y) + c`.

Names that are not known stand for unknown functions of one argument; what stands between is fixed. The text is parsed
by an allow-list over Python's syntax tree and never run.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch

from kanpde.errors import InputError
from kanpde.models.networks.edges import Edge, EdgeNetwork, Key, edge_network, random_splines
from kanpde.models.univariate import LIBRARY
from kanpde.symbolic.samples import Samples
from kanpde.symbolic.templates import Template

LONGEST, DEEPEST = 500, 8
LINE = (1.0, 1.0, 0.0, 0.0)
POWERS = {2: "x^2", 3: "x^3", 4: "x^4", -1: "1/x", -2: "1/x^2", 0.5: "sqrt", -0.5: "1/sqrt"}


@dataclass(frozen=True)
class Term:
    """A univariate step: an unknown spline, or a·f(bx) + d with a and d as written."""

    source: Node
    name: str | None  # None: unknown
    a: float = 1.0
    b: float = 1.0
    c: float = 0.0


@dataclass(frozen=True)
class Node:
    """A coordinate, a sum of steps, or a product of two sums."""

    input: int | None = None
    terms: tuple[Term, ...] = ()
    constant: float = 0.0
    factors: tuple[Node, ...] = ()

    @property
    def depth(self) -> int:
        """Layers below."""
        if self.input is not None:
            return 0
        inner = [step.source for step in self.terms]
        for factor in self.factors:
            inner += [step.source for step in factor.terms]
        return 1 + max((node.depth for node in inner), default=0)


@dataclass(frozen=True)
class Hypothesis(Template):
    """The template of a hypothesis; edges that were written are fixed."""

    written: dict[Key, Edge] = field(default_factory=dict)

    def build(self, samples: Samples, grid: int, degree: int, seed: int) -> EdgeNetwork:
        edges = random_splines(self.widths, grid, degree, torch.Generator().manual_seed(seed))
        on = edges if self.mask is None else self.mask
        edges = {key: self.written.get(key, edge) for key, edge in edges.items() if key in on}
        # what was written holds for f, what is fitted is standardized
        edges[len(self.widths) - 1, 0, 0] = _fixed((1 / samples.scale, 1.0, 0.0, -samples.shift / samples.scale), "x")
        network = edge_network((*self.widths, 1), edges, grid, degree, samples.lower, samples.upper)
        network.extend(grid, samples.x)
        return network


def hypothesis(text: str, names: Sequence[str]) -> Hypothesis:
    """The template of a formula with unknown functions.

    >>> hypothesis("exp(a(x) + b(y))", ["x", "y"]).widths
    (2, (1, 0), (1, 0))

    Raises:
        InputError: The text is not such a formula.
    """
    try:
        tree = ast.parse(text.replace("^", "**"), mode="eval").body if len(text) <= LONGEST else None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        tree = None
    if tree is None:
        raise _refused(text, "that cannot be read")
    root = _Reader(text, tuple(names)).node(tree, 0)
    if root.depth == 0:
        root = Node(terms=(Term(root, "x"),))
    return _laid_out(text, root, len(names))


def _refused(text: str, why: str) -> InputError:
    return InputError(
        f'A hypothesis needs +, -, *, /, powers, known functions and unknown ones of one argument, as "exp(a(x) + '
        f'b(y))"; {text[:80]!r} came, {why}. Write it so.'
    )


class _Reader:
    """From a syntax tree to nodes."""

    def __init__(self, text: str, names: tuple[str, ...]):
        self.text, self.names = text, names

    def node(self, tree: ast.expr, level: int) -> Node:
        """Whatever the tree says, as one node."""
        if level > DEEPEST:
            raise _refused(self.text, "which is nested too deeply")
        if isinstance(tree, ast.Name):
            if tree.id not in self.names:
                raise _refused(self.text, f"where {tree.id!r} is none of {', '.join(self.names)}")
            return Node(input=self.names.index(tree.id))
        return self.sum(tree, level)

    def sum(self, tree: ast.expr, level: int) -> Node:
        """A node that is a sum or a product, or a sum of one step."""
        match tree:
            case ast.Constant(value=int() | float() as value):
                return Node(constant=self._number(value))
            case ast.BinOp(left, ast.Add() | ast.Sub() as sign, right):
                u, v = self.sum(left, level + 1), self.sum(right, level + 1)
                return _added(u, _scaled(v, -1.0 if isinstance(sign, ast.Sub) else 1.0))
            case ast.UnaryOp(ast.USub(), operand):
                return _scaled(self.sum(operand, level + 1), -1.0)
            case ast.BinOp(left, ast.Mult(), right):
                return self._product(left, right, level)
            case ast.BinOp(left, ast.Div(), right):
                return self._quotient(left, right, level)
            case ast.BinOp(base, ast.Pow(), exponent):
                return self._power(base, exponent, level)
            case ast.Call(ast.Name(name), [argument], []):
                return Node(terms=(self._call(name, argument, level),))
            case ast.Name():
                return Node(terms=(Term(self.node(tree, level), "x"),))
        raise _refused(self.text, "which has something else")

    def _number(self, value: float) -> float:
        if not math.isfinite(value):
            raise _refused(self.text, "with a number that is not finite")
        return float(value)

    def _call(self, name: str, argument: ast.expr, level: int) -> Term:
        inner = self.node(argument, level + 1)
        if name == "cos":
            return Term(inner, "sin", c=math.pi / 2)
        if name in self.names:
            raise _refused(self.text, f"which calls the coordinate {name!r}")
        return Term(inner, name if name in LIBRARY else None)

    def _product(self, left: ast.expr, right: ast.expr, level: int) -> Node:
        u, v = self.sum(left, level + 1), self.sum(right, level + 1)
        for a, b in ((u, v), (v, u)):
            if not a.terms and not a.factors:
                return _scaled(b, a.constant)
        return Node(factors=(_plain(u), _plain(v)))

    def _quotient(self, left: ast.expr, right: ast.expr, level: int) -> Node:
        u, v = self.sum(left, level + 1), self.sum(right, level + 1)
        if not v.terms and not v.factors:
            return _scaled(u, 1 / self._divisor(v.constant))
        inverse = Node(terms=(Term(self.node(right, level + 1), "1/x"),))
        if not u.terms and not u.factors:
            return _scaled(inverse, u.constant)
        return Node(factors=(_plain(u), inverse))

    def _divisor(self, value: float) -> float:
        if not value:
            raise _refused(self.text, "which divides by zero")
        return value

    def _power(self, base: ast.expr, exponent: ast.expr, level: int) -> Node:
        power = self.sum(exponent, level + 1)
        if power.terms or power.factors or power.constant not in POWERS:
            raise _refused(self.text, f"with a power that is none of {', '.join(map(str, POWERS))}")
        return Node(terms=(Term(self.node(base, level + 1), POWERS[power.constant]),))


def _plain(node: Node) -> Node:
    """A sum of steps, of a product too."""
    return Node(terms=(Term(node, "x"),)) if node.factors else node


def _scaled(node: Node, factor: float) -> Node:
    node = _plain(node)
    terms = tuple(Term(s.source, s.name, s.a * factor, s.b, s.c) for s in node.terms)
    return Node(terms=terms, constant=factor * node.constant)


def _added(u: Node, v: Node) -> Node:
    u, v = _plain(u), _plain(v)
    return Node(terms=u.terms + v.terms, constant=u.constant + v.constant)


def _laid_out(text: str, root: Node, count: int) -> Hypothesis:
    """Nodes in layers; what is needed further up than the next layer is handed on by lines."""
    depth = root.depth
    layers: list[list[tuple[str, Node]]] = [[("sum", Node(input=i)) for i in range(count)]] + [[] for _ in range(depth)]
    pending: list[tuple[int, Node]] = [(depth, root)]
    wanted: dict[tuple[int, int], Node] = {}
    while pending:
        level, node = pending.pop()
        if (level, id(node)) in wanted or (level == 0 and node.input is not None):
            continue
        wanted[level, id(node)] = node
        layers[level].append(("product" if node.factors and node.depth == level else "sum", node))
        if node.depth < level:
            pending.append((level - 1, node))
            continue
        sums = node.factors or (node,)
        pending += [(level - 1, step.source) for part in sums for step in part.terms]
    return _network_of(text, layers)


def _network_of(text: str, layers: list[list[tuple[str, Node]]]) -> Hypothesis:
    ordered = [[node for kind, node in layer if kind == "sum"] + [node for kind, node in layer if kind == "product"]
               for layer in layers]  # fmt: skip
    widths: list[int | tuple[int, int]] = [len(ordered[0])]
    mask, written = set(), {}
    for level, layer in enumerate(layers[1:]):
        sums = sum(kind == "sum" for kind, _ in layer)
        widths.append((sums, len(layer) - sums))
        for place, node in enumerate(ordered[level + 1]):
            for o, part in _received(node, place, sums, level + 1):
                for key, edge in _edges(part, ordered[level], level, o, node.depth < level + 1, node):
                    if key in mask:
                        raise _refused(text, "where one function is added to another of the same argument")
                    mask.add(key)
                    if edge is not None:
                        written[key] = edge
    return Hypothesis(text, tuple(widths), frozenset(mask), written=written)


def _received(node: Node, place: int, sums: int, level: int) -> list[tuple[int, Node]]:
    if node.factors and node.depth == level:
        first = sums + 2 * (place - sums)
        return [(first, node.factors[0]), (first + 1, node.factors[1])]
    return [(place, node)]


def _edges(
    part: Node, below: list[Node], level: int, o: int, handed_on: bool, node: Node
) -> Iterator[tuple[Key, Edge | None]]:
    """The edges into one received sum: None for an unknown function."""
    if handed_on:
        yield (level, _place(below, node), o), _fixed(LINE, "x")
        return
    for k, step in enumerate(part.terms):
        i = _place(below, step.source)
        if step.name is None:
            yield (level, i, o), None
        else:
            constant = part.constant if k == 0 else 0.0
            yield (level, i, o), _fixed((step.a, step.b, step.c, constant), step.name)


def _place(below: list[Node], node: Node) -> int:
    for i, other in enumerate(below):
        if other is node or (node.input is not None and other.input == node.input):
            return i
    raise AssertionError("every source has been handed on")


def _fixed(constants: Sequence[float], name: str) -> Edge:
    return Edge(torch.tensor(list(constants), dtype=torch.float64), name, (0, 1, 2, 3))
