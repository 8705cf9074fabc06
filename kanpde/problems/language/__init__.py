"""From the text of an equation to a torch function: text → checked syntax tree → SymPy → list of torch operations."""

from kanpde.files.texts import shortened, suggestion
from kanpde.problems.language.calculus import (
    AUTO,
    MAX_ORDER,
    Jet,
    all_jets_of,
    coordinate_symbols,
    depends_on,
    derivative,
    derivative_index,
    euler_lagrange,
    fields_of,
    integral,
    jet_expression,
    jet_of,
    jet_slopes,
    jets_of,
    moved,
    placed,
    remotes_of,
    renamed,
    size_of_terms,
)
from kanpde.problems.language.formulas import BoundFormula, Formula, compile_expression, constant_value
from kanpde.problems.language.functions import DRAWS, RESERVED, ROUGH, TEXT_NAMES, WORDS
from kanpde.problems.language.grammar import (
    LineElement,
    Scope,
    parse_complex,
    parse_components,
    parse_equation,
    parse_expression,
)
from kanpde.problems.language.printing import latex_of, subscript_of, text_of
from kanpde.problems.language.quadratures import Rule, summed
from kanpde.problems.language.refusals import ExpressionError
from kanpde.problems.language.remotes import Filling, Integrated, Placed, Remote, Span, variable_of
from kanpde.problems.language.solutions import substituted
from kanpde.problems.language.tokens import check_name

__all__ = [
    "AUTO", "DRAWS", "MAX_ORDER", "RESERVED", "ROUGH", "TEXT_NAMES", "WORDS", "BoundFormula", "ExpressionError",
    "Filling", "Formula", "Integrated", "Jet", "LineElement", "Placed", "Remote", "Rule", "Scope", "Span",
    "all_jets_of", "check_name", "compile_expression", "constant_value", "coordinate_symbols", "depends_on",
    "derivative", "derivative_index", "euler_lagrange", "fields_of", "integral", "jet_expression", "jet_of",
    "jet_slopes", "jets_of", "latex_of", "moved", "parse_complex", "parse_components", "parse_equation",
    "parse_expression", "placed", "remotes_of", "renamed", "shortened", "size_of_terms", "subscript_of",
    "substituted", "suggestion", "summed", "text_of", "variable_of",
]  # fmt: skip
