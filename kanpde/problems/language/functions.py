"""The functions that a problem may use, as SymPy classes that stay as they are written.

SymPy's own functions try to simplify themselves when they are built: they expand powers, decide inequalities and
evaluate constants, which takes minutes on a hostile expression. These do nothing but hold their arguments and know
their derivatives. For the same reason powers that are not whole are functions, `sqrt` and `power`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sympy


class ExpressionError(ValueError):
    """An expression cannot be used; the text continues the sentence that names the place: `… uses "nu", which …`."""


class Elementary(sympy.Function):
    """A real function; `slopes` are its partial derivatives, away from kinks, `at_zero` its value at 0 if a whole one.

    Values at 0, and those of sin and cos at multiples of π/2, are all that is simplified, so that boundary data can
    vanish exactly.
    """

    slopes: tuple[Callable[..., sympy.Expr], ...] = ()
    at_zero: int | None = None

    @classmethod
    def eval(cls, *arguments):
        if arguments == (0,) and cls.at_zero is not None:
            return sympy.Integer(cls.at_zero)

    @classmethod
    def _should_evalf(cls, arg):
        return -1  # never by itself: exp(exp(exp(9.0))) would take all memory

    def fdiff(self, argindex=1):
        return self.slopes[argindex - 1](*self.args)


def _quarter_turns(x: sympy.Expr) -> int | None:
    """k for x = kπ/2."""
    coefficient, rest = x.as_coeff_Mul()
    if rest == sympy.pi and (2 * coefficient).is_Integer:
        return int(2 * coefficient)
    return 0 if x == 0 else None


def _jump(name: str) -> Callable[..., sympy.Expr]:
    def refused(*arguments):
        raise ExpressionError(
            f"needs functions that can be differentiated; it takes the derivative of {name}, which jumps. "
            "Smooth the jump with tanh or erf, or write the pieces with where(…)."
        )

    return refused


class sin(Elementary):
    slopes = (lambda x: cos(x),)

    @classmethod
    def eval(cls, x):
        turns = _quarter_turns(x)
        return None if turns is None else sympy.Integer((0, 1, 0, -1)[turns % 4])


class cos(Elementary):
    slopes = (lambda x: -sin(x),)

    @classmethod
    def eval(cls, x):
        turns = _quarter_turns(x)
        return None if turns is None else sympy.Integer((1, 0, -1, 0)[turns % 4])


class tan(Elementary):
    at_zero = 0
    slopes = (lambda x: 1 + tan(x) ** 2,)


class asin(Elementary):
    at_zero = 0
    slopes = (lambda x: 1 / sqrt(1 - x**2),)


class acos(Elementary):
    slopes = (lambda x: -1 / sqrt(1 - x**2),)


class atan(Elementary):
    at_zero = 0
    slopes = (lambda x: 1 / (1 + x**2),)


class atan2(Elementary):
    slopes = (lambda y, x: x / (x**2 + y**2), lambda y, x: -y / (x**2 + y**2))


class sinh(Elementary):
    at_zero = 0
    slopes = (lambda x: cosh(x),)


class cosh(Elementary):
    at_zero = 1
    slopes = (lambda x: sinh(x),)


class tanh(Elementary):
    at_zero = 0
    slopes = (lambda x: 1 - tanh(x) ** 2,)


class asinh(Elementary):
    at_zero = 0
    slopes = (lambda x: 1 / sqrt(1 + x**2),)


class acosh(Elementary):
    slopes = (lambda x: 1 / sqrt(x**2 - 1),)


class atanh(Elementary):
    at_zero = 0
    slopes = (lambda x: 1 / (1 - x**2),)


class exp(Elementary):
    at_zero = 1
    slopes = (lambda x: exp(x),)


class log(Elementary):
    slopes = (lambda x: 1 / x,)


class erf(Elementary):
    at_zero = 0
    slopes = (lambda x: 2 * exp(-(x**2)) / sympy.Float(1.7724538509055159),)  # √π


class sqrt(Elementary):
    at_zero = 0
    slopes = (lambda x: 1 / (2 * sqrt(x)),)


class power(Elementary):
    """a**b where b is not a whole number."""

    slopes = (lambda a, b: b * power(a, b - 1), lambda a, b: log(a) * power(a, b))


class besselj(Elementary):
    """The Bessel function J_n(x) of whole order n."""

    slopes = (
        _jump("besselj in its order"),
        lambda n, x: (besselj(n - 1, x) - besselj(n + 1, x)) / 2 if n != 0 else -besselj(1, x),
    )


class absolute(Elementary):
    at_zero = 0
    slopes = (lambda x: sign(x),)


class sign(Elementary):
    """-1, 0 or 1."""

    at_zero = 0
    slopes = (_jump("sign"),)


class heaviside(Elementary):
    """0 for x < 0, 1/2 at 0, 1 for x > 0."""

    slopes = (_jump("heaviside"),)


class larger(Elementary):
    slopes = (lambda a, b: heaviside(a - b), lambda a, b: heaviside(b - a))


class smaller(Elementary):
    slopes = (lambda a, b: heaviside(b - a), lambda a, b: heaviside(a - b))


class remainder(Elementary):
    """a % b, of the sign of b; it jumps where a passes a multiple of b, which goes unseen in derivatives by a."""

    slopes = (lambda a, b: sympy.S.One, _jump("% in its divisor"))


class uniform(Elementary):
    """uniform(low, high): a number drawn anew for each site and realization; the third argument tells draws apart."""

    slopes = (_jump("uniform(…)"),) * 3


class normal(Elementary):
    """normal(mean, deviation), drawn as `uniform` is."""

    slopes = (_jump("normal(…)"),) * 3


class choice(Elementary):
    """where(d < 0, a, b): differentiated branch by branch, so a jump from one branch to the other goes unseen."""

    slopes = (lambda d, a, b: sympy.S.Zero, lambda d, a, b: choice(d, 1, 0), lambda d, a, b: choice(d, 0, 1))

    def derivative(self, d_slope: sympy.Expr, a_slope: sympy.Expr, b_slope: sympy.Expr) -> sympy.Expr:
        """The derivative, given those of d, a and b; refused for a step between two constants."""
        distance, a, b = self.args
        if d_slope != 0 and a_slope == 0 and b_slope == 0 and a != b:
            _jump("a where(…) between two constants")()
        return choice(distance, a_slope, b_slope) if (a_slope, b_slope) != (0, 0) else sympy.S.Zero


@dataclass(frozen=True)
class Word:
    """A function of the problem language: what it becomes, and how many arguments it takes."""

    function: type[Elementary]
    arguments: int = 1
    repeated: bool = False  # min and max take any number, two by two


WORDS: dict[str, Word] = {
    **{
        function.__name__: Word(function)
        for function in (sin, cos, tan, asin, acos, atan, sinh, cosh, tanh, asinh, acosh, atanh)
    },
    **{function.__name__: Word(function) for function in (exp, log, erf, sqrt, sign, heaviside)},
    "abs": Word(absolute),
    "atan2": Word(atan2, 2),
    "besselj": Word(besselj, 2),
    "min": Word(smaller, 2, repeated=True),
    "max": Word(larger, 2, repeated=True),
}
DRAWS: dict[str, type[Elementary]] = {"uniform": uniform, "normal": normal}
"""Random numbers, where a scope has them."""
OPERATORS = ("D", "lap", "grad", "div", "dot", "dn", "where")
RESERVED = frozenset((*WORDS, *OPERATORS, "pi", "auto"))
"""Words no name may take; those of `DRAWS` stay free where nothing is drawn."""
ROUGH = (absolute, sign, heaviside, larger, smaller, choice, remainder)
"""Functions with kinks or jumps."""
TEXT_NAMES = {word.function: name for name, word in WORDS.items()} | {kind: name for name, kind in DRAWS.items()}
