"""From the text of an equation to a torch function: text → checked syntax tree → SymPy → list of torch operations."""

from kanpde.files.texts import shortened, suggestion
from kanpde.problems.language.calculus import (
    AUTO,
    MAX_ORDER,
    Jet,
    coordinate_symbols,
    derivative,
    derivative_index,
    euler_lagrange,
    jet_expression,
    jet_of,
    jet_slopes,
    jets_of,
    renamed,
    size_of_terms,
    substituted,
)
from kanpde.problems.language.formulas import BoundFormula, Formula, compile_expression, constant_value
from kanpde.problems.language.functions import DRAWS, RESERVED, ROUGH, TEXT_NAMES, WORDS, ExpressionError
from kanpde.problems.language.grammar import Metric, Scope, parse_components, parse_equation, parse_expression
from kanpde.problems.language.printing import latex_of, subscript_of, text_of
from kanpde.problems.language.tokens import check_name

__all__ = [
    "AUTO", "DRAWS", "MAX_ORDER", "RESERVED", "ROUGH", "TEXT_NAMES", "WORDS", "BoundFormula", "ExpressionError",
    "Formula", "Jet", "Metric", "Scope", "check_name", "compile_expression", "constant_value", "coordinate_symbols",
    "derivative", "derivative_index", "euler_lagrange", "jet_expression", "jet_of", "jet_slopes", "jets_of", "latex_of",
    "parse_components", "parse_equation", "parse_expression", "renamed", "shortened", "size_of_terms",
    "subscript_of", "substituted", "suggestion", "text_of",
]  # fmt: skip
