"""Sparse shapes that a formula may have, from small to large, and networks of random splines on them.

For variables x, y: f(x) + g(y); g(a + b); A(x)·B(y); a + b + A·B; g(a + b + A·B); the same for log f, f², 1/f,
log f/(1 - f); two sums. With three variables also g(x, s(y, z)), x·g(s(y, z)) and nested products. A template's mask is
fixed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import torch

from kanpde.models.networks.edges import EdgeNetwork, Key, edge_network, named_edge, random_splines
from kanpde.symbolic.samples import Samples
from kanpde.symbolic.structure import Kind, Structure

Said = tuple[Kind, tuple[int, ...], str]

Widths = tuple[int | tuple[int, int], ...]


@dataclass(frozen=True)
class Template:
    """A shape: widths, and which edges are on in the layers that the mask speaks of; all are in the others.

    Args:
        name: As reports write it.
        widths: Inputs, then sums or (sums, products) of each layer.
        mask: Keys that are on; a layer with none of them is full.
        lines: Keys that are lines 1·x from the start.
        outer: What is fitted in place of f.
        says: Relations that hold where f has this shape: kind, places of the coordinates, in place of f.
    """

    name: str
    widths: Widths
    mask: frozenset[Key] | None = None
    lines: tuple[Key, ...] = ()
    outer: str = "f"
    says: tuple[Said, ...] = ()

    def build(self, samples: Samples, grid: int, degree: int, seed: int) -> EdgeNetwork:
        """Random splines on the edges that are on; hidden grids around the activations."""
        edges = random_splines(self.widths, grid, degree, torch.Generator().manual_seed(seed))
        if self.mask is not None:
            spoken = {key[0] for key in self.mask}
            edges = {key: edge for key, edge in edges.items() if key in self.mask or key[0] not in spoken}
        edges |= {key: named_edge("x") for key in self.lines}
        network = edge_network(self.widths, edges, grid, degree, samples.lower, samples.upper)
        network.extend(grid, samples.x)
        return network


def _product(left: Sequence[int], right: Sequence[int], first: int = 0, layer: int = 0) -> set[Key]:
    return {(layer, i, first) for i in left} | {(layer, i, first + 1) for i in right}


def _sum(inputs: Sequence[int], o: int = 0, layer: int = 0) -> set[Key]:
    return {(layer, i, o) for i in inputs}


def _parts(count: int) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Ways to share variables out between two factors."""
    found = []
    for size in range(1, count // 2 + 1):
        for left in combinations(range(count), size):
            if 2 * size < count or 0 in left:
                found.append((left, tuple(i for i in range(count) if i not in left)))
    return found


def _named(names: Sequence[int]) -> str:
    return ",".join("xyzuvw"[i] if i < 6 else f"x{i}" for i in names)


def _pairs(kind: Kind, left: Sequence[int], right: Sequence[int], outer: str = "f") -> tuple[Said, ...]:
    return tuple((kind, (min(i, j), max(i, j)), outer) for i in left for j in right)


def _all_pairs(kind: Kind, inputs: Sequence[int]) -> tuple[Said, ...]:
    return tuple((kind, pair, "f") for pair in combinations(inputs, 2))


def _inners(count: int) -> tuple[Said, ...]:
    """Every two of the variables enter by one function, whatever the others are."""
    pairs = combinations(range(count), 2)
    return tuple((Kind.INNER, (*pair, k), "f") for pair in pairs for k in range(count) if k not in pair)


def suggested(ladder: Sequence[Template], structure: Structure) -> list[Template]:
    """The ladder in the order of what a structure confirms, what it leaves open, what it speaks against."""

    def rank(template: Template) -> tuple[bool, bool]:
        known = [structure.holds(*said) for said in template.says]
        return False in known, not known or None in known

    return sorted(ladder, key=rank)


def templates(count: int, outer: Sequence[str]) -> list[Template]:
    """The ladder for `count` variables; `outer` says what else than f may be fitted."""
    if count == 1:
        return [Template("f(x)", (1, 1)), Template("g(f(x))", (1, 1, 1))]
    ladder = [
        Template("sum", (count, 1), says=_all_pairs(Kind.ADDITIVE, range(count))),
        Template("g(sum)", (count, 1, 1), says=_all_pairs(Kind.FUNCTION_OF_SUM, range(count)) + _inners(count)),
    ]
    ladder += [_products(part, count) for part in _parts(count)]
    if count == 3:
        ladder += list(_threefold())
    ladder += [_sum_and_product(part, count, own) for own in ("f", *outer) for part in _parts(count)]
    if count == 3:
        ladder += [_sum_and_inner(i, own) for own in ("f", *outer) for i in range(3)]
    ladder += [_outer_sum_and_product(part, count) for part in _parts(count)]
    if count == 2:
        ladder += list(_twofold())
    if count == 3:
        ladder += [_outer_sum_and_inner(i) for i in range(3)]
    if count > 3:
        ladder.append(Template("two sums", (count, 2, 1)))
    return ladder


def _products(part: tuple[tuple[int, ...], tuple[int, ...]], count: int) -> Template:
    left, right = part
    mask = frozenset(_product(left, right))
    own = [(*pair, k) for a, b in ((left, right), (right, left)) for pair in combinations(a, 2) for k in b]
    says = (*((Kind.INNER, places, "f") for places in own), *_pairs(Kind.FUNCTION_OF_SUM, left, right))
    return Template(f"A({_named(left)})·B({_named(right)})", (count, (0, 1), 1), mask, says=says)


def _sum_and_product(part: tuple[tuple[int, ...], tuple[int, ...]], count: int, outer: str) -> Template:
    left, right = part
    mask = frozenset(_sum(range(count)) | _product(left, right, 1))
    name = f"sum + A({_named(left)})·B({_named(right)})"
    says = _pairs(Kind.SUM_AND_PRODUCT, left, right, outer)
    name = name if outer == "f" else f"{outer}: {name}"
    return Template(name, (count, (1, 1), 1), mask, ((1, 0, 0), (1, 1, 0)), outer, says)


def _outer_sum_and_product(part: tuple[tuple[int, ...], tuple[int, ...]], count: int) -> Template:
    left, right = part
    mask = frozenset(_sum(range(count)) | _product(left, right, 1))
    name = f"g(sum + A({_named(left)})·B({_named(right)}))"
    return Template(name, (count, (1, 1), 1, 1), mask, ((1, 0, 0), (1, 1, 0)))


def _twofold() -> Iterator[Template]:
    yield Template("two sums", (2, 2, 1))
    yield Template("product of sums", (2, (0, 1), 1))
    yield Template("two products", (2, (0, 2), 1), frozenset(_product((0,), (1,)) | _product((0,), (1,), 2)))
    yield Template("product of functions of sums", (2, 2, (0, 1), 1))


def _rest(i: int) -> tuple[int, int]:
    j, k = (q for q in range(3) if q != i)
    return j, k


def _inner(i: int, *more: Said) -> tuple[Said, ...]:
    """The two others enter by one function of a sum."""
    rest = _rest(i)
    return ((Kind.INNER, (*rest, i), "f"), (Kind.FUNCTION_OF_SUM, rest, "f"), *more)


def _threefold() -> Iterator[Template]:
    for i in range(3):
        rest = _rest(i)
        inner = _sum((i,)) | _sum(rest, 1)
        says = _inner(i, *_pairs(Kind.ADDITIVE, (i,), rest))
        yield Template(f"g({_named((i,))}, s({_named(rest)}))", (3, 2, 1), frozenset(inner), says=says)
    for i in range(3):
        rest = _rest(i)
        mask = frozenset(_sum((i,)) | _sum(rest, 1) | {(1, 0, 0), (1, 1, 1)})
        says = _inner(i, *_pairs(Kind.FUNCTION_OF_SUM, (i,), rest))
        yield Template(f"A({_named((i,))})·g(s({_named(rest)}))", (3, 2, (0, 1), 1), mask, says=says)
    for i in range(3):
        says = ((Kind.INNER, (*_rest(i), i), "f"), *_pairs(Kind.ADDITIVE, (i,), _rest(i)))
        yield Template(f"a({_named((i,))}) + h(B·C)", (3, (1, 1), 1), frozenset(_nested(i)), says=says)
    for i in range(3):
        mask = frozenset(_nested(i) | {(1, 0, 0), (1, 1, 1)})
        says = ((Kind.INNER, (*_rest(i), i), "f"), *_pairs(Kind.PRODUCT, (i,), _rest(i)))
        yield Template(f"A({_named((i,))})·(1 + B·C)", (3, (1, 1), (0, 1), 1), mask, _LINES, says=says)
    for i in range(3):
        mask = frozenset(_nested(i) | {(1, 0, 0), (1, 1, 1)})
        says = _inner(i, *_pairs(Kind.FUNCTION_OF_SUM, (i,), _rest(i)))
        yield Template(f"A({_named((i,))})·h(B·C)", (3, (1, 1), (0, 1), 1), mask, says=says)


_LINES = ((1, 0, 0), (1, 1, 1), (2, 0, 0))
"""A product of a function and a line in a product."""


def _nested(i: int) -> set[Key]:
    j, k = _rest(i)
    return {(0, i, 0), (0, j, 1), (0, k, 2)}


def _sum_and_inner(i: int, outer: str) -> Template:
    """a(x) + b(s) + A(x)·g(s) for s of y and z."""
    rest = _rest(i)
    mask = frozenset(_sum((i,)) | _sum(rest, 1) | {(1, 0, 0), (1, 1, 0), (1, 0, 1), (1, 1, 2)})
    name = f"a + s + A({_named((i,))})·g(s({_named(rest)}))"
    name = name if outer == "f" else f"{outer}: {name}"
    says = _inner(i, *_pairs(Kind.SUM_AND_PRODUCT, (i,), rest, outer))
    return Template(name, (3, 2, (1, 1), 1), mask, outer=outer, says=says)


def _outer_sum_and_inner(i: int) -> Template:
    inner = _sum_and_inner(i, "f")
    return Template(f"g({inner.name})", (3, 2, (1, 1), 1, 1), inner.mask, says=_inner(i))
