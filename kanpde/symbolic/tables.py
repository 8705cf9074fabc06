"""Formulas of tables: `kanpde.fit(X, y)`, and estimators with `fit`, `predict`, `score` and `formula_`.

A number y is fitted by least squares, y = f(X). Words, or truth values, are classes: their log-odds are fitted by
cross-entropy (`classes`). Rows are divided at random: formulas are fitted to some (train), chosen by others
(validation), and judged on the rest (test), which nothing else sees.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import torch

from kanpde.errors import InputError
from kanpde.files.tables import Columns
from kanpde.symbolic.classes import ClassFit, fit_classes
from kanpde.symbolic.columns import Encoding, columns_of, labels_of, missing_rows
from kanpde.symbolic.discovery import DEFAULT, Found, Search, discover, discover_in
from kanpde.symbolic.formulas import Formula
from kanpde.symbolic.hypotheses import hypothesis
from kanpde.symbolic.samples import FEWEST, Samples, split

NOISY = replace(DEFAULT, good=0.3)
"""Data from outside have noise: templates are named at errors that a function's samples would not have."""

Task = Literal["auto", "regression", "classification"]


@dataclass(frozen=True, eq=False)
class TableFit:
    """What was found in a table.

    found: The search.
    samples: The rows it saw, standardization included in the formula.
    encoding: How columns became numbers.
    errors: rms over the spread of y in the rows of train, validation and test, of what predictions are made of.
    notes: What was done about words and missing values.
    """

    found: Found
    samples: Samples
    encoding: Encoding
    errors: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def formula(self) -> Formula | None:
        return self.found.formula

    def __call__(self, X: Any) -> np.ndarray:  # -> [n]
        """The formula's values; those of the best network where there is no formula.

        Raises:
            InputError: Neither was found, or the table has other columns.
        """
        return _values(self.found, self.encoding.points_of(X))

    def lines(self) -> list[str]:
        """For people."""
        said = ", ".join(f"{part} {error:.2e}" for part, error in self.errors.items())
        return [self.found.sentence, f"rms error over the spread of y: {said}.", *self.notes]


def _values(found: Found, points: np.ndarray) -> np.ndarray:
    if found.formula is not None:
        return found.formula(points)
    network, own = found.network, found.samples
    if network is None or own is None or own.outer != "f":
        raise InputError(f"A prediction needs a formula or a network; there is none. {found.sentence}")
    with torch.no_grad():
        return (own.shift + own.scale * network(torch.from_numpy(points))[:, 0]).numpy()


def fit(
    X: Any,
    y: Any,
    names: Sequence[str] | None = None,
    assume: str | None = None,
    seed: int = 0,
    search: Search = NOISY,
    task: Task = "auto",
    test: float = 0.15,
    missing: Literal["refuse", "drop"] = "refuse",
) -> TableFit | ClassFit:
    """Look for a formula y = f(X), or for the formulas of the classes that y names.

    Args:
        X: The file of a table (CSV, NPY, NPZ, HDF5, Parquet), columns by name, a table of pandas, polars or pyarrow,
            or an array [n, d]; numbers in any units, or words, up to a million rows.
        y: Shape [n], or the name of a column of X, which X is then left without.
        names: Of the columns; x, y, z or x1, x2, … unless given or known.
        assume: A form to test, as "exp(a(x) + b(y))".
        seed: Of the division of rows, and of the networks.
        task: "auto" takes words and truth values of y for classes, and numbers for numbers.
        test: Share of the rows that nothing is fitted to or chosen by.
        missing: "drop" leaves out the rows that lack a value.

    Raises:
        InputError: Shapes disagree, values are missing, or a name cannot be used.

    >>> t = np.linspace(-1, 1, 400)
    >>> print(fit(t[:, None], 3 * t**2, names=["t"]).formula)
    3*t**2
    """
    table, target, classes = _divided_columns(X, y, names, task)
    encoding = Encoding.of(table)
    rows, said = _usable({**table, "y": target}, missing)
    points, target = encoding.points(table)[rows], target[rows]
    notes = (*encoding.notes, *said)
    order = np.random.default_rng(seed).permutation(len(points))
    left = max(min(round(test * len(points)), len(points) - FEWEST), 0)
    own, other = order[left:], order[:left]
    if classes:
        if assume is not None:
            raise InputError("A form to test needs numbers y; classes came. Leave assume out.")
        return fit_classes(encoding, points[own], target[own], points[other], target[other], seed, notes)
    samples = split(torch.from_numpy(points[own]), torch.from_numpy(target[own]), seed)
    if float(samples.y.std()) == 0:
        raise InputError("A fit needs y to vary; all its values are the same. Give another column.")
    if assume is None:
        found = discover(samples, encoding.names, search, seed)
    else:
        found = discover_in([hypothesis(assume, encoding.names)], samples, encoding.names, search, seed)
    parts = {"train": (samples.x.numpy(), samples.y.numpy()), "validation": (samples.held_x.numpy(),
             samples.held_y.numpy()), "test": (points[other], target[other])}  # fmt: skip
    return TableFit(found, samples, encoding, _errors(found, parts, float(target.std())), notes)


def _errors(found: Found, parts: dict[str, tuple[np.ndarray, np.ndarray]], spread: float) -> dict[str, float]:
    if found.network is None and found.formula is None:
        return {}
    return {name: float(np.sqrt(np.mean((_values(found, x) - y) ** 2)) / spread)
            for name, (x, y) in parts.items() if len(y)}  # fmt: skip


def _divided_columns(X: Any, y: Any, names: Sequence[str] | None, task: Task) -> tuple[Columns, np.ndarray, bool]:
    """The columns, what is looked for, and whether it is classes."""
    table = columns_of(X, names)
    if isinstance(y, str):
        if y not in table or len(table) < 2:
            raise InputError(f"y needs to be one of the columns {', '.join(table)}; {y!r} came. Choose one of them.")
        target, truth = table.pop(y), False
    else:
        truth = np.asarray(y).dtype.kind == "b"
        target = labels_of(np.asarray(y).reshape(-1))
    if len(target) != len(next(iter(table.values()))):
        raise InputError(
            f"A fit needs X of shape [n, d] and y of shape [n]; {[len(next(iter(table.values()))), len(table)]} and "
            f"{[len(target)]} came. Give one row for each value."
        )
    words = target.dtype.kind != "f"
    if task == "regression" and words:
        raise InputError(f"A regression needs numbers y; words came, as {target[0]}. Use task='classification'.")
    return table, target, words or task == "classification" or (task == "auto" and truth)


def _usable(table: Columns, missing: str) -> tuple[np.ndarray, list[str]]:
    """The rows that lack nothing, bool [n], and what is said about the others."""
    lacking, where = missing_rows(table)
    if not lacking.any():
        return ~lacking, []
    if missing != "drop":
        raise InputError(
            f"A formula needs finite numbers; values are missing or infinite: {where} of {len(lacking)} rows. "
            'Fill them, or leave those rows out by missing="drop".'
        )
    return ~lacking, [f"{int(lacking.sum())} of {len(lacking)} rows are left out, where values are missing: {where}."]


class Estimator:
    """What estimators in the manner of scikit-learn have in common; parameters are those of `fit`.

    Args:
        seed: Of the division of rows and of the networks.
        test: Share of the rows that nothing is fitted to or chosen by.
        missing: "drop" leaves out the rows that lack a value.
    """

    task: Task = "auto"

    def __init__(self, seed: int = 0, test: float = 0.15, missing: Literal["refuse", "drop"] = "refuse"):
        self.seed, self.test, self.missing = seed, test, missing

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {"seed": self.seed, "test": self.test, "missing": self.missing}

    def set_params(self, **values: Any) -> Estimator:
        """Set what `get_params` lists.

        Raises:
            InputError: There is no such parameter.
        """
        for name, value in values.items():
            if name not in self.get_params():
                raise InputError(f"A parameter must be one of {', '.join(self.get_params())}; {name!r} came.")
            setattr(self, name, value)
        return self

    def fit(self, X: Any, y: Any) -> Estimator:
        """Look for formulas; `fit_` is all of what came of it."""
        self.fit_ = fit(X, y, task=self.task, **self.get_params())
        self.formula_ = self.fit_.formula
        self.feature_names_in_ = np.array([column.name for column in self.fit_.encoding.columns], dtype=object)
        self.n_features_in_ = len(self.feature_names_in_)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The formula's values, or the likeliest classes."""
        return self._fitted()(X)

    def _fitted(self) -> Any:
        if not hasattr(self, "fit_"):
            raise InputError("A prediction needs a fit; there was none. Call fit(X, y) first.")
        return self.fit_


class FormulaRegressor(Estimator):
    """The search for y = f(X) as an estimator.

    Args:
        assume: A form to test.
        seed, test, missing: See `fit`.
        search: How to look.

    Attributes:
        formula_: The formula, None where none was found.
        fit_: All of what came of it.
    """

    task: Task = "regression"
    _estimator_type = "regressor"

    def __init__(
        self,
        assume: str | None = None,
        seed: int = 0,
        search: Search = NOISY,
        test: float = 0.15,
        missing: Literal["refuse", "drop"] = "refuse",
    ):
        super().__init__(seed, test, missing)
        self.assume, self.search = assume, search

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {"assume": self.assume, "search": self.search, **super().get_params(deep)}

    def score(self, X: Any, y: Any) -> float:
        """R² of the prediction."""
        y = np.asarray(y, dtype=float)
        return float(1 - np.square(self.predict(X) - y).sum() / np.square(y - y.mean()).sum())


class FormulaClassifier(Estimator):
    """The search for the log-odds of classes as an estimator.

    Attributes:
        formula_: Of two classes the log-odds of the second; of more those of the most frequent against the first.
        formulas_: Class -> its log-odds against the first; None where a spline is left in them.
        classes_: Sorted.
        fit_: All of what came of it.
    """

    task: Task = "classification"
    _estimator_type = "classifier"

    def fit(self, X: Any, y: Any) -> FormulaClassifier:
        super().fit(X, y)
        found = self._fitted()
        self.classes_, self.formulas_ = found.classes, found.formulas
        return self

    def predict_proba(self, X: Any) -> np.ndarray:  # -> [n, classes]
        return self._fitted().probabilities(X)

    def score(self, X: Any, y: Any) -> float:
        """The share of rows whose class is predicted."""
        return float(np.mean(self.predict(X) == labels_of(y)))
