"""What people write from habit: signs that mean the same are read, other spellings are answered with the language's.

x², π·x, −u     read as x**2, pi*x, -u
du/dt, ∂²u/∂x², diff(u, t), np.sin(x), ut, 1j     answered: u_t, u_xx, D(u, t), sin(x), u_t, two fields
"""

from __future__ import annotations

import re
from collections.abc import Iterable

SIGNS = {
    "π": "pi", "·": "*", "⋅": "*", "×": "*", "∗": "*", "−": "-", "–": "-", "÷": "/", "∕": "/", "≤": "<=", "≥": ">=",
    "≠": "!=", "\u00a0": " ", "\u2009": " ", "\u202f": " ",
}  # fmt: skip
_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+", strict=True))
_RAISED = re.compile(f"[{''.join(_SUPERSCRIPTS)}]+")
_WRITTEN_DERIVATIVE = re.compile(
    r"(?<![^\W_])[d∂](?:\*\*|\^)?(?P<order>[2-8²-³⁴-⁸]?)\s*(?P<field>[A-Za-z]\w*?)\s*/\s*"
    r"(?P<below>(?:[d∂]\s*[A-Za-z]\w*(?:(?:\*\*|\^)?[2-8²³⁴-⁸])?\s*)+)"
)
_BELOW = re.compile(r"[d∂]\s*(?P<name>[A-Za-z][A-Za-z_]*?)(?:\*\*|\^)?(?P<order>[2-8²³⁴-⁸]?)(?![A-Za-z])")
_MODULES = re.compile(r"\b(?P<module>np|numpy|math|torch|sympy|sp|scipy|jnp|tf)\.(?P<name>[A-Za-z]\w*)")
_DOTTED = re.compile(r"\b(?P<field>[A-Za-z]\w*)\.(?P<name>[A-Za-z]\w*)")
_BRACED = re.compile(r"\b(?P<field>[A-Za-z]\w*)_\{(?P<name>[A-Za-z]+)\}")
_BARS = re.compile(r"\|(?P<inside>[^|]+)\|")
_PRIMED = re.compile(r"\b(?P<field>[A-Za-z]\w*)\s*(?P<primes>['′’]+)")

WORDS_MEANT = {
    "ln": "log(…), the natural logarithm", "log10": "log(…)/log(10)", "log2": "log(…)/log(2)",
    "arcsin": "asin(…)", "arccos": "acos(…)", "arctan": "atan(…)", "arctan2": "atan2(y, x)", "tg": "tan(…)",
    "arcsinh": "asinh(…)", "arccosh": "acosh(…)", "arctanh": "atanh(…)", "sh": "sinh(…)", "ch": "cosh(…)",
    "th": "tanh(…)", "cot": "1/tan(…)", "sec": "1/cos(…)", "csc": "1/sin(…)", "fabs": "abs(…)", "sgn": "sign(…)",
    "step": "heaviside(…)", "theta": "heaviside(…)", "laplacian": "lap(…)", "laplace": "lap(…)", "delta": "lap(…)",
    "nabla": "grad(…) or div(…)", "gradient": "grad(…)", "divergence": "div(…)", "diff": "D(u, x), or u_x",
    "derivative": "D(u, x), or u_x", "dt": "u_t", "dx": "u_x", "dxx": "u_xx", "pow": "a**b",
    "piecewise": "where(x < 0, a, b)", "if": "where(x < 0, a, b)", "ifelse": "where(x < 0, a, b)",
    "sech": "1/cosh(…)", "csch": "1/sinh(…)", "coth": "1/tanh(…)", "expm1": "exp(…) - 1", "log1p": "log(1 + …)",
    "maximum": "max(a, b)", "minimum": "min(a, b)",
    "j0": "besselj(0, x)", "j1": "besselj(1, x)", "jv": "besselj(n, x)", "jn": "besselj(n, x)",
}  # fmt: skip
"""Functions by other names."""

COMPLEX = (
    " Declare complex fields, as fields: {psi: complex}: i, conj, re, im and abs are known then; or write a complex "
    "field as two."
)
_INTEGRAL = " Write integral(u, x) over all of x, integral(u, x, a, b), or integral(K*u(s), s, a, b)."


def plain_signs(text: str) -> str:
    """The text with signs that mean the same put into the language's.

    >>> plain_signs("u_t = −π·x² + 10⁻³")
    'u_t = -pi*x**2 + 10**-3'
    """
    text = _RAISED.sub(lambda match: "**" + "".join(_SUPERSCRIPTS[sign] for sign in match[0]), text)
    for sign, plain in SIGNS.items():
        if sign in text:
            text = text.replace(sign, plain)
    return text


def meant(text: str) -> str:
    """A sentence on what a text that cannot be read was meant to say, or nothing.

    >>> meant("d²u/dx²"), meant("np.sin(x)"), meant("u''")
    (' Write u_xx for d²u/dx².', ' Write sin for np.sin.', " Write u_xx for u''.")
    """
    if match := _WRITTEN_DERIVATIVE.search(text):
        return f" Write {_subscripted(match)} for {match[0].strip()[:40]}."
    if match := _MODULES.search(text):
        return f" Write {match['name'][:40]} for {match[0][:40]}."
    if match := _BRACED.search(text):
        return f" Write {match['field'][:40]}_{match['name'][:40]} for {match[0][:80]}."
    if match := _BARS.search(text):
        return f" Write abs({match['inside'].strip()[:40]}) for {match[0][:42]}."
    if re.search(r"\bif\b.*\belse\b", text):
        return " Write where(condition, a, b) for a if condition else b."
    if match := _PRIMED.search(text):
        return f" Write {match['field'][:40]}_{'x' * len(match['primes'])} for {match[0][:40]}."
    if match := _DOTTED.search(text):
        return f" Write {match['field'][:40]}_{match['name'][:40]} for {match[0][:40]}, if a derivative is meant."
    if re.search(r"\bD\s*\[", text):
        return " Write D(u, x) with parentheses."
    if "∇²" in text or "∇**2" in text or "Δ" in text:
        return " Write lap(u) for the Laplace operator."
    if "∇" in text:
        return " Write grad(u), div(v) or dot(v, grad(u))."
    if "∫" in text:
        return _INTEGRAL
    if "√" in text:
        return " Write sqrt(…)."
    return next((f" Write {name} for {sign}." for sign, name in GREEK.items() if sign in text), "")


GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ζ": "zeta", "η": "eta", "θ": "theta",
    "κ": "kappa", "λ": "lambda", "μ": "mu", "µ": "mu", "ν": "nu", "ξ": "xi", "ρ": "rho", "σ": "sigma", "τ": "tau",
    "φ": "phi", "ϕ": "phi", "χ": "chi", "ψ": "psi", "ω": "omega", "Γ": "Gamma", "Θ": "Theta", "Λ": "Lambda",
    "Φ": "Phi", "Ψ": "Psi", "Ω": "Omega",
}  # fmt: skip


def _subscripted(derivative: re.Match[str]) -> str:
    below = [(match["name"], match["order"]) for match in _BELOW.finditer(derivative["below"])]
    return f"{derivative['field'][:40]}_{''.join(name * _count(order) for name, order in below)[:40]}"


def _count(order: str) -> int:
    return int(_SUPERSCRIPTS.get(order, order)) if order else 1


def function_meant(name: str) -> str:
    """A sentence on a function that goes by another name here, or nothing.

    >>> function_meant("ln")
    ' Write log(…), the natural logarithm.'
    """
    if name.lower() in ("int", "integral", "integrate", "quad", "average"):
        return _INTEGRAL
    word = WORDS_MEANT.get(name.lower())
    return f" Write {word}." if word else ""


def name_meant(name: str, fields: Iterable[str], coordinates: Iterable[str]) -> str:
    """A sentence on what an unknown name was meant to be, or nothing.

    >>> name_meant("uxx", ["u"], ["x", "t"]), name_meant("e", ["u"], ["x"])
    (' Did you mean "u_xx"?', ' Write exp(x) for e**x.')
    """
    coordinates = sorted(coordinates, key=len, reverse=True)
    subscript = re.compile(f"(?:{'|'.join(map(re.escape, coordinates))})+") if coordinates else None
    for field in sorted(fields, key=len, reverse=True):
        rest = name.removeprefix(field)
        if subscript is not None and name.startswith(field) and len(rest) < 9 and subscript.fullmatch(rest):
            return f' Did you mean "{field}_{rest}"?'
        below = name.removeprefix(f"d{field}d")
        if below in coordinates:
            return f" Write {field}_{below} for {name}."
    if name in ("i", "j", "I", "1j", "im"):
        return COMPLEX
    if name in ("e", "E"):
        return f" Write exp(x) for {name}**x."
    if name in ("du", "d2u", "dx", "dt", "dx2"):
        return " Write u_t for du/dt, u_xx for d²u/dx², and dn(u) for du/dn on a side."
    return " Write pi." if name in ("Pi", "PI") else ""
