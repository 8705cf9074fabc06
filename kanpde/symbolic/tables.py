"""Formulas of tables: `kanpde.fit(X, y)`, and an estimator with `fit`, `predict`, `score` and `formula_`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from kanpde.errors import InputError
from kanpde.symbolic.discovery import DEFAULT, Found, Search, discover, discover_in
from kanpde.symbolic.formulas import Formula
from kanpde.symbolic.hypotheses import hypothesis
from kanpde.symbolic.samples import Samples, split

NOISY = replace(DEFAULT, good=0.3)
"""Data from outside have noise: templates are named at errors that a function's samples would not have."""


@dataclass(frozen=True, eq=False)
class TableFit:
    """What was found in a table.

    found: The search.
    samples: The rows it saw, standardization included in the formula.
    """

    found: Found
    samples: Samples

    @property
    def formula(self) -> Formula | None:
        return self.found.formula

    def __call__(self, X) -> np.ndarray:  # [n, d] -> [n]
        """The formula's values; those of the best network where there is no formula.

        Raises:
            InputError: Neither was found.
        """
        if self.formula is not None:
            return self.formula(X)
        network, own = self.found.network, self.found.samples
        if network is None or own.outer != "f":
            raise InputError(f"A prediction needs a formula or a network; there is none. {self.found.sentence}")
        with torch.no_grad():
            return (own.shift + own.scale * network(torch.as_tensor(np.asarray(X, dtype=float)))[:, 0]).numpy()


def fit(
    X, y, names: Sequence[str] | None = None, assume: str | None = None, seed: int = 0, search: Search = NOISY
) -> TableFit:
    """Look for a formula y = f(X).

    Args:
        X: Numbers, shape [n, d], any units; an array, or a table with column names.
        y: Numbers, shape [n].
        names: Of the columns; x, y, z or x1, x2, … unless given or known.
        assume: A form to test, as "exp(a(x) + b(y))".
        seed: Of the split into rows that are fitted and rows that are held out, and of the networks.

    Raises:
        InputError: Shapes disagree, values are missing or are no numbers, or a name cannot be used.

    >>> t = np.linspace(-1, 1, 400)
    >>> print(fit(t[:, None], 3 * t**2, names=["t"]).formula)
    3*t**2
    """
    columns = list(getattr(X, "columns", [])) or None
    names = _checked_names(names or columns, X)
    points, targets = _numbers(X, "X"), _numbers(y, "y").reshape(-1)
    if points.ndim != 2 or len(points) != len(targets):
        raise InputError(
            f"A fit needs X of shape [n, d] and y of shape [n]; {list(points.shape)} and {list(targets.shape)} came. "
            "Give one row for each value."
        )
    samples = split(torch.from_numpy(points), torch.from_numpy(targets), seed)
    if float(samples.y.std()) == 0:
        raise InputError("A fit needs y to vary; all its values are the same. Give another column.")
    if assume is None:
        return TableFit(discover(samples, names, search, seed), samples)
    return TableFit(discover_in([hypothesis(assume, names)], samples, names, search, seed), samples)


def _numbers(values, what: str) -> np.ndarray:
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise InputError(
            f"{what} needs to be numbers; values of type {array.dtype} came. Turn categories into columns of 0 and 1."
        )
    return np.ascontiguousarray(array, dtype=float)


def _checked_names(names: Sequence[str] | None, X) -> list[str]:
    count = np.asarray(X).shape[1] if np.asarray(X).ndim == 2 else 1
    usual = list("xyz"[:count]) if count <= 3 else [f"x{i + 1}" for i in range(count)]
    own = usual if names is None else list(names)
    if len(own) != count or len(set(own)) != count or not all(isinstance(n, str) and n.isidentifier() for n in own):
        raise InputError(f"A fit needs {count} different names that are words; {own} came. Give names=[…].")
    return own


class FormulaRegressor:
    """The search as an estimator in the manner of scikit-learn.

    Args:
        assume: A form to test.
        seed: Of the split and the networks.
        search: How to look.

    Attributes:
        formula_: The formula, None where none was found.
        fit_: All of what came of it.
    """

    def __init__(self, assume: str | None = None, seed: int = 0, search: Search = NOISY):
        self.assume, self.seed, self.search = assume, seed, search

    def get_params(self, deep: bool = True) -> dict:
        return {"assume": self.assume, "seed": self.seed, "search": self.search}

    def set_params(self, **values) -> FormulaRegressor:
        """Set what `get_params` lists.

        Raises:
            InputError: There is no such parameter.
        """
        for name, value in values.items():
            if name not in self.get_params():
                raise InputError(f"A parameter must be one of {', '.join(self.get_params())}; {name!r} came.")
            setattr(self, name, value)
        return self

    def fit(self, X, y) -> FormulaRegressor:
        self.fit_ = fit(X, y, assume=self.assume, seed=self.seed, search=self.search)
        self.formula_ = self.fit_.formula
        return self

    def predict(self, X) -> np.ndarray:
        if not hasattr(self, "fit_"):
            raise InputError("A prediction needs a fit; there was none. Call fit(X, y) first.")
        return self.fit_(X)

    def score(self, X, y) -> float:
        """R² of the prediction."""
        y = np.asarray(y, dtype=float)
        return float(1 - np.square(self.predict(X) - y).sum() / np.square(y - y.mean()).sum())
