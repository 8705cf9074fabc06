"""Partial differential equations from a short YAML file, solved with Kolmogorov-Arnold networks."""

import pkgutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kanpde.models import networks
    from kanpde.problems.catalog import load_problem
    from kanpde.runs.run import open_run, solve
    from kanpde.symbolic.tables import FormulaClassifier, FormulaRegressor, fit

__version__ = "0.1.0"

__all__ = [
    "FormulaClassifier", "FormulaRegressor", "__version__", "fit", "load_problem", "networks", "open_run", "solve"
]  # fmt: skip

_PLACES = {
    "FormulaClassifier": "kanpde.symbolic.tables:FormulaClassifier",
    "FormulaRegressor": "kanpde.symbolic.tables:FormulaRegressor",
    "fit": "kanpde.symbolic.tables:fit",
    "load_problem": "kanpde.problems.catalog:load_problem",
    "networks": "kanpde.models.networks",
    "open_run": "kanpde.runs.run:open_run",
    "solve": "kanpde.runs.run:solve",
}


def __getattr__(name: str) -> object:
    """A public name, imported when it is first asked for: the package alone loads neither PyTorch nor SymPy.

    Source: PEP 562.
    """
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    globals()[name] = found = pkgutil.resolve_name(_PLACES[name])
    return found


def __dir__() -> list[str]:
    return __all__
