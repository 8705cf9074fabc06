"""Known functions put in place of the fields, here and elsewhere."""

from __future__ import annotations

from collections.abc import Mapping

import sympy

from kanpde.problems.language.calculus import (
    MAX_SIZE,
    Jet,
    derivative,
    distinct_nodes,
    is_jet,
    jet_of,
    too_large,
    tree_size,
)
from kanpde.problems.language.quadratures import summed
from kanpde.problems.language.refusals import ExpressionError
from kanpde.problems.language.remotes import Integrated, Placed


def substituted(expr: sympy.Expr, solution: Mapping[str, sympy.Expr]) -> sympy.Expr:
    """Put expressions in place of the fields, derivatives and all; refused when it grows beyond MAX_SIZE."""
    jets = {node: jet_of(node) for node in distinct_nodes(expr) if is_jet(node)}
    values = {node: _value(jet, _symbols(node), solution) for node, jet in jets.items()}
    if (size := tree_size(expr, {node: tree_size(value) for node, value in values.items()})) > MAX_SIZE:
        raise too_large(size)
    try:
        return expr.xreplace(values)
    except ArithmeticError:
        raise ExpressionError(
            "needs finite values; with the exact solution put in it divides by zero. Correct one of the two."
        ) from None


def _symbols(node: sympy.Expr) -> tuple[sympy.Symbol, ...]:
    return (*(node.expr.args if isinstance(node, sympy.Derivative) else node.args),)


def _value(jet: Jet, symbols: tuple[sympy.Symbol, ...], solution: Mapping[str, sympy.Expr]) -> sympy.Expr:
    name, index = jet
    if isinstance(name, Placed):
        return _value(name.jet, symbols, solution).xreplace(dict(zip(symbols, name.place, strict=True)))
    if isinstance(name, Integrated):
        return summed(substituted(name.density, solution), name.spans, symbols)
    value = solution[name]
    for symbol, count in zip(symbols, index, strict=True):
        value = derivative(value, symbol, count)
    return value
