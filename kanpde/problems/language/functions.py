"""The functions that a problem may use, as SymPy classes that stay as they are written.

SymPy's own functions try to simplify themselves when they are built: they expand powers, decide inequalities and
evaluate constants, which takes minutes on a hostile expression. These do nothing but hold their arguments and know
their derivatives. For the same reason powers that are not whole are functions, `sqrt` and `power`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import sympy
import torch
from sympy.core.function import AppliedUndef
from sympy.printing.latex import LatexPrinter
from sympy.printing.precedence import PRECEDENCE
from sympy.printing.str import StrPrinter
from torch import Tensor

from kanpde.problems.language import tensor_functions as tensors
from kanpde.problems.language.refusals import ExpressionError

Evaluation = tuple[Callable[..., Tensor], tuple[sympy.Expr, ...], tuple[object, ...] | None]


class Elementary(sympy.Function):
    """A real function; each class below is its row: meaning (the docstring), derivatives, torch and how it is written.

    Values at 0, and those of sin and cos at multiples of π/2, are all that is simplified, so that boundary data can
    vanish exactly.

    Attributes:
        signature: Names of its arguments, where a problem may call it; "…" for any number more, two by two.
        word: Its name in problems, where that is not the class's.
        slopes: Its partial derivatives, away from kinks.
        at_zero: Its value at 0, if a whole one.
        values: What computes it, of tensors and numbers.
        latex: Its LaTeX, {0} and {1} for the arguments; None leaves it to SymPy.
        rough: Whether it has kinks or jumps.
        steps: Whether it is 0 or 1 everywhere, with derivatives that are δ functions.
        drawn: Whether it is a random number; the last argument tells draws apart.
    """

    signature: tuple[str, ...] = ()
    word: str | None = None
    slopes: tuple[Callable[..., sympy.Expr], ...] = ()
    at_zero: int | None = None
    values: Callable[..., Tensor] | None = None
    latex: str | None = None
    rough = False
    steps = False
    drawn = False

    @classmethod
    def eval(cls, *arguments: sympy.Expr) -> sympy.Expr | None:
        return sympy.Integer(cls.at_zero) if arguments == (0,) and cls.at_zero is not None else None

    @classmethod
    def _should_evalf(cls, arg: sympy.Expr) -> int:
        return -1  # never by itself: exp(exp(exp(9.0))) would take all memory

    @classmethod
    def check(cls, arguments: Sequence[sympy.Expr]) -> None:
        """Refuse arguments that it is not defined for."""

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        return self.slopes[argindex - 1](*self.args)

    def operation(self) -> Evaluation:
        """What computes it, of which expressions, and what it is known by where the first is made anew."""
        values = type(self).values
        if values is None:
            name = type(self).__name__
            raise ExpressionError(f"needs functions that can be evaluated; it has {name}. Write it in another way.")
        return values, self.args, None

    def _sympystr(self, printer: StrPrinter) -> str:
        arguments = self.args[:-1] if self.drawn else self.args
        return f"{word_of(type(self))}({', '.join(map(printer._print, arguments))})"

    def _latex(self, printer: LatexPrinter, exp: str | None = None) -> str:
        if self.latex is None:
            return str(printer._print_Function(self, exp))
        return raised(self.latex.format(*map(printer._print, self.args)), exp)


def word_of(row: type[Elementary]) -> str:
    """What it is called in problems."""
    return row.word or row.__name__


def raised(latex: str, exponent: str | None) -> str:
    """To the power of an exponent, if there is one.

    >>> raised("u", None), raised("u", "2")
    ('u', '{u}^{2}')
    """
    return latex if exponent is None else f"{{{latex}}}^{{{exponent}}}"


def _quarter_turns(x: sympy.Expr) -> int | None:
    """k for x = kπ/2."""
    coefficient, rest = x.as_coeff_Mul()
    if rest == sympy.pi and (2 * coefficient).is_Integer:
        return int(2 * coefficient)
    return 0 if x == 0 else None


def _jump(name: str) -> Callable[..., sympy.Expr]:
    def refused(*arguments: sympy.Expr) -> sympy.Expr:
        raise ExpressionError(
            f"needs functions that can be differentiated; it takes the derivative of {name}, which jumps. "
            "Smooth the jump with tanh or erf, or write the pieces with where(…)."
        )

    return refused


class sin(Elementary):
    """Sine."""

    signature = ("x",)
    slopes = (lambda x: cos(x),)
    values = torch.sin

    @classmethod
    def eval(cls, x: sympy.Expr) -> sympy.Expr | None:
        turns = _quarter_turns(x)
        return None if turns is None else sympy.Integer((0, 1, 0, -1)[turns % 4])


class cos(Elementary):
    """Cosine."""

    signature = ("x",)
    slopes = (lambda x: -sin(x),)
    values = torch.cos

    @classmethod
    def eval(cls, x: sympy.Expr) -> sympy.Expr | None:
        turns = _quarter_turns(x)
        return None if turns is None else sympy.Integer((1, 0, -1, 0)[turns % 4])


class tan(Elementary):
    """Tangent."""

    signature = ("x",)
    at_zero = 0
    slopes = (lambda x: 1 + tan(x) ** 2,)
    values = torch.tan


class asin(Elementary):
    """Inverse sine."""

    signature = ("x",)
    at_zero = 0
    slopes = (lambda x: 1 / sqrt(1 - x**2),)
    values = torch.asin


class acos(Elementary):
    """Inverse cosine."""

    signature = ("x",)
    slopes = (lambda x: -1 / sqrt(1 - x**2),)
    values = torch.acos


class atan(Elementary):
    """Inverse tangent."""

    signature = ("x",)
    at_zero = 0
    slopes = (lambda x: 1 / (1 + x**2),)
    values = torch.atan


class atan2(Elementary):
    """The angle of the point (x, y)."""

    signature = ("y", "x")
    slopes = (lambda y, x: x / (x**2 + y**2), lambda y, x: -y / (x**2 + y**2))
    values = tensors.angle


class sinh(Elementary):
    """Hyperbolic sine."""

    signature = ("x",)
    at_zero = 0
    slopes = (lambda x: cosh(x),)
    values = torch.sinh


class cosh(Elementary):
    """Hyperbolic cosine."""

    signature = ("x",)
    at_zero = 1
    slopes = (lambda x: sinh(x),)
    values = torch.cosh


class tanh(Elementary):
    """Hyperbolic tangent."""

    signature = ("x",)
    at_zero = 0
    slopes = (lambda x: 1 - tanh(x) ** 2,)
    values = torch.tanh


class asinh(Elementary):
    """Inverse hyperbolic sine."""

    signature = ("x",)
    at_zero = 0
    slopes = (lambda x: 1 / sqrt(1 + x**2),)
    values = torch.asinh


class acosh(Elementary):
    """Inverse hyperbolic cosine, for x ≥ 1."""

    signature = ("x",)
    slopes = (lambda x: 1 / sqrt(x**2 - 1),)
    values = torch.acosh


class atanh(Elementary):
    """Inverse hyperbolic tangent."""

    signature = ("x",)
    at_zero = 0
    slopes = (lambda x: 1 / (1 - x**2),)
    values = torch.atanh


class exp(Elementary):
    """The exponential function."""

    signature = ("x",)
    at_zero = 1
    slopes = (lambda x: exp(x),)
    values = torch.exp
    latex = r"e^{{{0}}}"


class log(Elementary):
    """The natural logarithm."""

    signature = ("x",)
    slopes = (lambda x: 1 / x,)
    values = torch.log


class erf(Elementary):
    """The error function, 2/√π ∫ exp(-s²) ds from 0 to x."""

    signature = ("x",)
    at_zero = 0
    slopes = (lambda x: 2 * exp(-(x**2)) / sympy.Float(1.7724538509055159),)  # √π
    values = torch.erf


class sqrt(Elementary):
    """Square root."""

    signature = ("x",)
    at_zero = 0
    slopes = (lambda x: 1 / (2 * sqrt(x)),)
    values = torch.sqrt
    latex = r"\sqrt{{{0}}}"


class power(Elementary):
    """a**b where b is not a whole number."""

    slopes = (lambda a, b: b * power(a, b - 1), lambda a, b: log(a) * power(a, b))
    values = tensors.power_values

    def _sympystr(self, printer: StrPrinter) -> str:
        return "{}**{}".format(*(printer.parenthesize(part, PRECEDENCE["Pow"]) for part in self.args))

    def _latex(self, printer: LatexPrinter, exp: str | None = None) -> str:
        base, exponent = self.args
        return raised(f"{printer.parenthesize(base, PRECEDENCE['Pow'])}^{{{printer._print(exponent)}}}", exp)


class besselj(Elementary):
    """The Bessel function J_n(x) of whole order n."""

    signature = ("n", "x")
    slopes = (
        _jump("besselj in its order"),
        lambda n, x: (besselj(n - 1, x) - besselj(n + 1, x)) / 2 if n != 0 else -besselj(1, x),
    )
    latex = r"J_{{{0}}}\left({1}\right)"

    @classmethod
    def check(cls, arguments: Sequence[sympy.Expr]) -> None:
        order = arguments[0]
        if not (order.is_Integer and 0 <= order <= 20):
            raise ExpressionError(
                f'needs an order from 0 to 20 in besselj(order, x); it has "{str(order)[:60]}". Write a whole number.'
            )

    def operation(self) -> Evaluation:
        order = int(self.args[0])
        return partial(tensors.bessel, order), self.args[1:], ("besselj", order)


class absolute(Elementary):
    """The absolute value."""

    signature = ("x",)
    word = "abs"
    at_zero = 0
    slopes = (lambda x: sign(x),)
    values = torch.abs
    latex = r"\left|{0}\right|"
    rough = True


class sign(Elementary):
    """-1, 0 or 1."""

    signature = ("x",)
    at_zero = 0
    slopes = (_jump("sign"),)
    values = torch.sign
    latex = r"\operatorname{{sign}}\left({0}\right)"
    rough = True


class heaviside(Elementary):
    """0 for x < 0, 1/2 at 0, 1 for x > 0."""

    signature = ("x",)
    slopes = (_jump("heaviside"),)
    values = tensors.heaviside
    latex = r"\theta\left({0}\right)"
    rough = True


class larger(Elementary):
    """The largest."""

    signature = ("a", "b", "…")
    word = "max"
    slopes = (lambda a, b: heaviside(a - b), lambda a, b: heaviside(b - a))
    values = tensors.larger
    latex = r"\max\left({0}, {1}\right)"
    rough = True


class smaller(Elementary):
    """The smallest."""

    signature = ("a", "b", "…")
    word = "min"
    slopes = (lambda a, b: heaviside(b - a), lambda a, b: heaviside(a - b))
    values = tensors.smaller
    latex = r"\min\left({0}, {1}\right)"
    rough = True


class remainder(Elementary):
    """a % b, of the sign of b; it jumps where a passes a multiple of b, which goes unseen in derivatives by a."""

    slopes = (lambda a, b: sympy.S.One, _jump("% in its divisor"))
    values = tensors.remainder
    latex = r"\left({0} \bmod {1}\right)"
    rough = True

    def _sympystr(self, printer: StrPrinter) -> str:
        return "({} % {})".format(*(printer.parenthesize(part, PRECEDENCE["Pow"]) for part in self.args))


class uniform(Elementary):
    """A random number between low and high, drawn anew for each site and realization."""

    signature = ("low", "high")
    slopes = (_jump("uniform(…)"),) * 3
    latex = r"\mathcal{{U}}\left({0}, {1}\right)"
    drawn = True


class normal(Elementary):
    """A normally distributed random number, drawn anew for each site and realization."""

    signature = ("mean", "deviation")
    slopes = (_jump("normal(…)"),) * 3
    latex = r"\mathcal{{N}}\left({0}, {1}\right)"
    drawn = True


def jump_refused() -> ExpressionError:
    """Of a derivative whose jump nothing takes care of."""
    return ExpressionError(
        "needs functions that can be differentiated; it takes the derivative of a where(…) between two "
        "constants, which jumps. State the problem as an energy (energy: a*u_x**2/2), which takes factors that "
        "jump, give each piece a field of its own, joined by u and a*u_x, or smooth the jump with tanh or erf."
    )


class delta(Elementary):
    """Dirac's δ(x - w), zero at all points but w: what the derivative of a jump at x = w has beside its branches.

    Nothing evaluates it; equations turn it into a condition on the flux across w.
    """

    slopes = (_jump("a jump"), _jump("a jump"))
    values = tensors.nothing
    rough = True


class choice(Elementary):
    """where(d < 0, a, b): differentiated branch by branch, with the δ of a jump where d is a coordinate's distance."""

    word = "where"
    slopes = (lambda d, a, b: sympy.S.Zero, lambda d, a, b: choice(d, 1, 0), lambda d, a, b: choice(d, 0, 1))
    values = tensors.chosen
    rough = True

    @classmethod
    def eval(cls, *arguments: sympy.Expr) -> sympy.Expr | None:
        distance, below, above = arguments
        return (below if distance < 0 else above) if distance.is_Number else None

    def derivative(self, d_slope: sympy.Expr, a_slope: sympy.Expr, b_slope: sympy.Expr) -> sympy.Expr:
        """The derivative, given those of d, a and b; refused for a step between two constants."""
        distance, a, b = self.args
        branches = choice(distance, a_slope, b_slope) if (a_slope, b_slope) != (0, 0) else sympy.S.Zero
        if d_slope != 0 and (factor := self._step()) is not None:
            return branches + (b - a) * d_slope / abs(factor)
        wall = self._wall() if d_slope.is_number and d_slope != 0 else None
        if wall is not None:
            x, place = wall
            jump = b - a  # counts at the wall alone
            if not jump.has(AppliedUndef) and jump.xreplace({x: place}) == 0:
                return branches
            return branches + (1 if d_slope > 0 else -1) * jump * delta(x, place)
        if d_slope != 0 and a_slope == 0 and b_slope == 0 and a != b:
            raise jump_refused()
        return branches

    def _step(self) -> sympy.Expr | None:
        """The factor c of d = c (m - s), where m is 0 or 1 and 0 < s < 1; None for any other distance."""
        steps = [node for node in self.args[0].atoms(Elementary) if node.steps]
        if len(steps) != 1:
            return None
        ends = [self.args[0].xreplace({steps[0]: sympy.Integer(end)}) for end in (0, 1)]
        return ends[1] - ends[0] if all(end.is_Number for end in ends) and ends[0] * ends[1] < 0 else None

    def _wall(self) -> tuple[sympy.Symbol, sympy.Expr] | None:
        """The coordinate x and place w of d = c (x - w); None for any other distance."""
        distance = self.args[0]
        if len(distance.free_symbols) != 1 or not (distance.is_Add or distance.is_Symbol):
            return None
        (x,) = distance.free_symbols
        factor, rest = distance.coeff(x), distance.xreplace({x: sympy.S.Zero})
        affine = factor.is_number and factor != 0 and rest.is_number and distance == factor * x + rest
        return (x, -rest / factor) if affine else None

    def compared(self) -> tuple[sympy.Expr, str, sympy.Expr, sympy.Expr]:
        """What is compared with 0, by which sign, what then and what else; -|x| < 0 is how x != 0 is held."""
        distance, below, above = self.args
        if isinstance(-distance, absolute):
            return (-distance).args[0], "=", above, below
        return distance, "<", below, above

    def _sympystr(self, printer: StrPrinter) -> str:
        one, sign, then, otherwise = self.compared()
        one, then, otherwise = map(printer._print, (one, then, otherwise))
        return f"where({one} {'==' if sign == '=' else sign} 0, {then}, {otherwise})"

    def _latex(self, printer: LatexPrinter, exp: str | None = None) -> str:
        one, sign, then, otherwise = self.compared()
        one, then, otherwise = map(printer._print, (one, then, otherwise))
        cases = rf"\begin{{cases}} {then} & {one} {sign} 0 \\ {otherwise} & \text{{otherwise}} \end{{cases}}"
        return raised(cases, exp)


def _rows() -> list[type[Elementary]]:
    return [row for row in Elementary.__subclasses__() if row.__module__ == __name__]


WORDS: dict[str, type[Elementary]] = {word_of(row): row for row in _rows() if row.signature and not row.drawn}
"""The functions of the problem language."""
DRAWS: dict[str, type[Elementary]] = {word_of(row): row for row in _rows() if row.drawn}
"""Random numbers, where a scope has them."""
OPERATORS = ("D", "lap", "grad", "div", "dot", "dn", "where")
INTEGRALS = ("integral", "mean", "int")
"""Read as functions where they are called; as names they stay free."""
CALLED = {"D": ("parameter", "coefficient", "coordinate")}
"""Operators whose names stay free for what is never called: a diffusivity is a D."""
RESERVED = frozenset((*WORDS, *OPERATORS, "pi", "auto"))
"""Words no name may take; those of `DRAWS` stay free where nothing is drawn."""
ROUGH = tuple(row for row in _rows() if row.rough)
"""Functions with kinks or jumps."""
TEXT_NAMES = {row: name for name, row in (WORDS | DRAWS).items()}
