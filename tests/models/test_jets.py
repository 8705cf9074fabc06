"""Multi-index sets, Faà di Bruno and Leibniz."""

import sympy
import torch

from kanpde.models.jets import chain_matrix, closure, composed, partitions, product_matrix


def test_closure_is_closed_downwards_and_starts_with_zero():
    indices = closure([(2, 1), (0, 3)], 2)
    assert indices[0] == (0, 0)
    for index in indices:
        for axis, order in enumerate(index):
            if order:
                assert tuple(o - (a == axis) for a, o in enumerate(index)) in indices


def test_partitions_count_like_bell_numbers():
    assert [sum(partitions((order,)).values()) for order in range(1, 6)] == [1, 2, 5, 15, 52]
    assert sum(partitions((2, 1, 1)).values()) == 15


def derivatives_at(expr, symbols, indices, point):
    values = dict(zip(symbols, point, strict=True))
    found = []
    for index in indices:
        slope = expr
        for symbol, order in zip(symbols, index, strict=True):
            slope = slope.diff(symbol, order)
        found.append(float(slope.subs(values)))
    return torch.tensor(found)


def test_chain_rule_against_sympy():
    x, y, g = sympy.symbols("x y g")
    inner, outer = sympy.sin(x) * y + x**2, sympy.exp(g) * g
    indices = closure([(4, 0), (2, 2), (1, 3)], 2)
    point = (0.3, -0.7)
    jet = derivatives_at(inner, (x, y), indices, point)
    matrix = chain_matrix(jet[None, :, None], indices)[0, :, 0]
    at = float(inner.subs({x: 0.3, y: -0.7}))
    slopes = torch.tensor([float(outer.diff(g, r).subs(g, at)) for r in range(matrix.shape[1])])
    expected = derivatives_at(outer.subs(g, inner), (x, y), indices, point)
    assert torch.allclose(matrix @ slopes, expected, rtol=1e-12)
    assert torch.allclose(composed(jet[None, :, None], slopes[:, None, None], indices)[0, :, 0], expected, rtol=1e-12)


def test_product_rule_against_sympy():
    x, y = sympy.symbols("x y")
    factor, other = sympy.cos(x * y), sympy.exp(x) * y**3
    indices = closure([(3, 0), (2, 2)], 2)
    point = (0.4, 0.9)
    matrix = product_matrix(derivatives_at(factor, (x, y), indices, point)[None], indices)[0]
    expected = derivatives_at(factor * other, (x, y), indices, point)
    assert torch.allclose(matrix @ derivatives_at(other, (x, y), indices, point), expected, rtol=1e-12)
