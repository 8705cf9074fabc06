"""Sums, products and powers of numbers and vectors, with numbers kept to what a double holds.

SymPy computes with whole numbers of any length; (((9**99)**99)**99)**99 would take all memory. So every number that
exceeds 2⁵³ becomes a double at once, and infinities, complex values and large exponents are refused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import sympy

from kanpde.problems.language.calculus import checked_size
from kanpde.problems.language.formulas import constant_value
from kanpde.problems.language.functions import power, sqrt
from kanpde.problems.language.refusals import ExpressionError

MAX_EXPONENT = 100
MOST_FACTORS = 8
MAX_INTEGER = 2**53  # beyond it a number is a double


@dataclass(frozen=True)
class Vector:
    """One expression for each space coordinate."""

    parts: tuple[sympy.Expr, ...]


@dataclass(frozen=True)
class Complex:
    """a + i b with real a and b; b is not zero all over."""

    re: sympy.Expr
    im: sympy.Expr

    @property
    def parts(self) -> tuple[sympy.Expr, sympy.Expr]:
        return self.re, self.im


def complex_of(re: sympy.Expr, im: sympy.Expr) -> sympy.Expr | Complex:
    """a + i b, real where b is zero."""
    return re if im == 0 else Complex(re, im)


def pair_of(value: sympy.Expr | Complex) -> tuple[sympy.Expr, sympy.Expr]:
    """The real and the imaginary part."""
    return value.parts if isinstance(value, Complex) else (value, sympy.S.Zero)


def size_squared(value: sympy.Expr | Complex) -> sympy.Expr:
    """|z|²."""
    return _evaluated(sympy.Add(*(part**2 for part in pair_of(value))))


def complex_sum(parts: list[tuple[bool, sympy.Expr | Complex]]) -> sympy.Expr | Complex:
    """a - b + c from [(True, a), (False, b), (True, c)], real and complex ones."""
    pairs = [(keep, pair_of(value)) for keep, value in parts]
    return complex_of(*(sum_of([(keep, pair[place]) for keep, pair in pairs]) for place in (0, 1)))


def complex_product(parts: list[tuple[bool, sympy.Expr | Complex]]) -> sympy.Expr | Complex:
    """a/b*c from [(True, a), (False, b), (True, c)], real and complex ones: 1/z = conj(z)/|z|²."""
    found: sympy.Expr | Complex = sympy.S.One
    for keep, value in parts:
        a, b = pair_of(value)
        if not keep:
            size = size_squared(value)
            a, b = product_of([(True, a), (False, size)]), product_of([(True, -b), (False, size)])
        (c, d), one = pair_of(found), sympy.S.One
        found = complex_of(_evaluated(one * (c * a - d * b)), _evaluated(one * (c * b + d * a)))
    return found


def complex_power(base: Complex, exponent: sympy.Expr) -> sympy.Expr | Complex:
    """Whole powers up to 8."""
    if not (exponent.is_Integer and 0 < abs(exponent) <= MOST_FACTORS):
        raise ExpressionError(
            f"may raise complex values to whole powers up to {MOST_FACTORS}; it has another exponent. Write "
            "abs(z)**p, or exp(…)."
        )
    return complex_product([(exponent > 0, base)] * abs(int(exponent)))


def sum_of(parts: list[tuple[bool, sympy.Expr | Vector]]) -> sympy.Expr | Vector:
    """a - b + c from [(True, a), (False, b), (True, c)]."""
    values = [value if keep else product_of([(True, value), (True, sympy.S.NegativeOne)]) for keep, value in parts]
    vectors = [isinstance(value, Vector) for value in values]
    if all(vectors):
        return Vector(tuple(_evaluated(sympy.Add(*terms)) for terms in zip(*(v.parts for v in values), strict=True)))
    if any(vectors):
        raise ExpressionError("may add vectors to vectors, numbers to numbers; it mixes them. Take div(…) or dot(…).")
    return _evaluated(sympy.Add(*values))


def product_of(parts: list[tuple[bool, sympy.Expr | Vector]]) -> sympy.Expr | Vector:
    """a/b*c from [(True, a), (False, b), (True, c)]; one of the factors may be a vector."""
    vectors = [value for _, value in parts if isinstance(value, Vector)]
    factors = [(keep, value) for keep, value in parts if not isinstance(value, Vector)]
    if len(vectors) > 1 or any(isinstance(value, Vector) for keep, value in parts if not keep):
        raise ExpressionError("may multiply or divide a vector by numbers only; it has two. Write dot(…, …).")
    if any(not keep and value == 0 for keep, value in factors):
        raise ExpressionError("needs finite numbers; it divides by zero. Correct the divisor.")
    value = _evaluated(sympy.Mul(*(value if keep else 1 / value for keep, value in factors)))
    return Vector(tuple(_evaluated(value * part) for part in vectors[0].parts)) if vectors else value


def power_of(base: sympy.Expr, exponent: sympy.Expr) -> sympy.Expr:
    """Whole powers are SymPy's, halves are those of a root, others functions."""
    if not exponent.is_number:
        return power(base, exponent)
    value = constant_value(exponent)
    if abs(value) > MAX_EXPONENT:
        raise _exponent_refused(value)
    if base == 0 and value < 0:
        raise ExpressionError("needs finite numbers; it divides by zero. Correct the divisor.")
    if value.is_integer():
        return _bounded_power(_evaluated(base ** int(value)))
    if base.is_number:
        return number_of(constant_value(power(base, exponent)))
    if (2 * value).is_integer():
        return _evaluated(sqrt(base) ** int(2 * value))
    return power(base, exponent)


def _bounded_power(value: sympy.Expr) -> sympy.Expr:
    for factor in sympy.Mul.make_args(value):
        if factor.is_Pow and abs(factor.exp) > MAX_EXPONENT:
            raise _exponent_refused(float(factor.exp))
    return value


def _exponent_refused(value: float) -> ExpressionError:
    return ExpressionError(
        f"may have exponents up to {MAX_EXPONENT}; it comes to {value:.6g}. Lower the powers, or write exp(…*log(…))."
    )


def _evaluated(value: sympy.Expr) -> sympy.Expr:
    """The value with numbers that no double holds exactly replaced by doubles; infinities and i are refused."""
    coefficient, rest = value.as_coeff_Mul()
    if coefficient.is_Number and coefficient.is_finite:
        return value if _is_modest(coefficient) else number_of(_double(coefficient)) * rest
    raise _not_finite()


def _is_modest(number: sympy.Number) -> bool:
    return not number.is_Rational or max(abs(number.p), number.q) <= MAX_INTEGER


def _double(number: sympy.Number) -> float:
    try:
        return float(number)
    except OverflowError:
        raise _not_finite() from None


def folded(value: sympy.Expr) -> sympy.Expr:
    """A function of constants as the double it is."""
    return number_of(constant_value(value)) if value.is_number else value


def number_of(value: int | float) -> sympy.Expr:
    """A whole number where it is one, so that powers stay whole; a double otherwise."""
    if isinstance(value, int) and abs(value) <= MAX_INTEGER:
        return sympy.Integer(value)
    if not math.isfinite(value := float(value)):
        raise _not_finite()
    return sympy.Integer(int(value)) if value.is_integer() and abs(value) <= MAX_INTEGER else sympy.Float(value)


def _not_finite() -> ExpressionError:
    return ExpressionError(
        "needs finite real numbers; a constant part of it is not one. Look for a division by zero, a logarithm or root "
        "of a negative number, or a very large power."
    )


def checked_numbers(expr: sympy.Expr) -> sympy.Expr:
    """The expression itself, if its size is bounded and all its numbers are finite and real."""
    foreign = expr.atoms(sympy.I.func, sympy.zoo.func, sympy.nan.func, sympy.oo.func, sympy.S.NegativeInfinity.func)
    if foreign or not all(math.isfinite(_double(number)) for number in expr.atoms(sympy.Number)):
        raise _not_finite()
    return checked_size(expr)
