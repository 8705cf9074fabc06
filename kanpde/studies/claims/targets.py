"""Formulas whose recovery is counted, and what counts as found: equal to the target on its domain, to the letter."""

import time
from collections.abc import Sequence
from typing import Any

import sympy
import torch

from kanpde.problems.language import Scope, coordinate_symbols, parse_expression
from kanpde.symbolic.discovery import DEFAULT, Search, discover, discover_sparse
from kanpde.symbolic.formulas import same, symbols_of
from kanpde.symbolic.samples import Samples, drawn
from kanpde.symbolic.verification import plain_functions

NAMES = ("x", "y", "z", "u", "v", "w")
HYPERBOLIC = [sympy.cosh, sympy.sinh, sympy.tanh]

Box = Sequence[tuple[float, float]]

TARGETS: tuple[tuple[str, Box], ...] = (
    ("exp(sin(pi*x) + y**2)", ((-1, 1), (-1, 1))),
    ("x*y", ((-1, 1), (-1, 1))),
    ("x/y", ((-1, 1), (0.5, 2))),
    ("sqrt(x**2 + y**2)", ((-1, 1), (-1, 1))),
    ("sin(pi*x)*sin(pi*y)", ((-1, 1), (-1, 1))),
)


def target(text: str, count: int) -> sympy.Expr:
    """The formula in SymPy's functions of real variables."""
    names = NAMES[:count]
    expr: sympy.Expr = plain_functions(parse_expression(text, Scope(names, ()), "target"))
    return expr.xreplace(dict(zip(coordinate_symbols(names), symbols_of(names), strict=True)))


def samples_of(text: str, box: Box, seed: int) -> Samples:
    """Its values on its domain."""
    count = len(box)
    compiled = sympy.lambdify(symbols_of(NAMES[:count]), target(text, count), "numpy")
    lower, upper = zip(*box, strict=True)
    return drawn(lambda x: torch.as_tensor(compiled(*x.numpy().T)), lower, upper, seed)


def blurred(samples: Samples, share: float, seed: int) -> Samples:
    """The samples with normal noise of a share of their spread."""
    generator = torch.Generator().manual_seed(seed)

    def noise(y: torch.Tensor) -> torch.Tensor:
        return y + share * samples.y.std() * torch.randn(len(y), generator=generator, dtype=y.dtype)

    return Samples(samples.x, noise(samples.y), samples.held_x, noise(samples.held_y))


def equal(found: sympy.Expr, known: sympy.Expr, box: Box) -> bool:
    """Whether both are the same on the domain: √y² is y where y is positive."""
    symbols = symbols_of(NAMES[: len(box)])
    positive = {s: sympy.Symbol(s.name, positive=True) for s, (low, _) in zip(symbols, box, strict=True) if low > 0}
    return same(*(expr.xreplace(positive).rewrite(HYPERBOLIC, sympy.exp) for expr in (found, known)))


def found_exactly(
    text: str, box: Box, seed: int, width: int | None = None, search: Search = DEFAULT, noise: float = 0.0
) -> dict[str, Any]:
    """One search: whether it came to the target, what it came to, its template, CPU seconds; by L1 at a given width."""
    samples, names, begun = samples_of(text, box, seed), NAMES[: len(box)], time.process_time()
    if noise:
        samples = blurred(samples, noise, seed)
    if width is None:
        found = discover(samples, names, search, seed)
    else:
        found = discover_sparse(samples, names, width, search, seed)
    exact = found.formula is not None and equal(found.formula.expr, target(text, len(box)), box)
    return {
        "exact": bool(exact), "found": found.formula.text if found.formula else None, "template": found.template,
        "error": found.error, "seconds": time.process_time() - begun, "edges": found.edges,
        "left": len(found.network.edges) if found.network is not None else found.edges,
    }  # fmt: skip
