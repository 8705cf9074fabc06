"""Classes of a table by formulas: logistic for two of them, softmax for more.

    log p_k/p_0 = f_k(X),   p_k = exp f_k / Σ_j exp f_j,   f_0 = 0

Each f_k is found on the rows of its own class and of the first by `classification`: the estimates are consistent, and a
little wider than those of all at once.

Source: Begg and Gray, Calculation of polychotomous logistic regression parameters using individualized regressions,
Biometrika 71 (1984).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import sympy
import torch

from kanpde.errors import InputError
from kanpde.models.networks.edges import EdgeNetwork
from kanpde.symbolic.classification import ClassifierShape, Labeled, is_named, named, pruned_network
from kanpde.symbolic.columns import Encoding
from kanpde.symbolic.formulas import Formula, symbols_of
from kanpde.symbolic.trees import expression, numbers, tree_of

MOST_ROWS = 6000
MOST_CLASSES = 20
FEWEST = 10
"""Rows of a class."""
GRID, DEGREE, STARTS = 4, 3, 2
MOST_WITH_PRODUCT = 5
"""Columns up to which a product is looked for: each pair of them is tried."""
DIGITS = 4
"""Of coefficients: data say no more."""
PARTS = ("train", "test")


@dataclass(frozen=True, eq=False)
class ClassFit:
    """What was found of the classes of a table.

    encoding: How columns became numbers.
    classes: Sorted; log-odds are against the first.
    networks: Of every other class its log-odds.
    errors: Share of wrong classes, and mean of -log p of the right one, by part: "train", "test", "train loss", ….
    notes: What was done about words and missing values.
    """

    encoding: Encoding
    classes: np.ndarray
    networks: tuple[EdgeNetwork, ...]
    errors: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @cached_property
    def formulas(self) -> dict[Any, Formula | None]:
        """Class -> its log-odds against the first; None where a spline is left."""
        return {label: _formula(network, self.encoding.names)
                for label, network in zip(self.classes[1:].tolist(), self.networks, strict=True)}  # fmt: skip

    @property
    def formula(self) -> Formula | None:
        """Of two classes the log-odds of the second; of more those of the last."""
        return self.formulas[self.classes[-1].item()]

    def probabilities(self, X: Any) -> np.ndarray:  # -> [n, classes]
        return self._probabilities(self.encoding.points_of(X))

    def __call__(self, X: Any) -> np.ndarray:  # -> [n]
        """The likeliest class of each row."""
        return self.classes[self.probabilities(X).argmax(1)]

    def lines(self) -> list[str]:
        """For people."""
        first = self.classes[0]
        said = [f"log p({label})/p({first}) = {formula.text if formula else 'no formula: a spline is left'}"
                for label, formula in self.formulas.items()]  # fmt: skip
        wrong = ", ".join(f"{part} {100 * self.errors[part]:.1f} %" for part in PARTS if part in self.errors)
        return [*said, f"wrong classes: {wrong}.", *self.notes]

    def _probabilities(self, points: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            x = torch.from_numpy(points)
            logits = torch.cat([torch.zeros(len(x), 1), *(network(x) for network in self.networks)], dim=1)
            return torch.softmax(logits, dim=1).numpy()


def fit_classes(
    encoding: Encoding,
    points: np.ndarray,
    labels: np.ndarray,
    test_points: np.ndarray,
    test_labels: np.ndarray,
    seed: int,
    notes: Sequence[str],
) -> ClassFit:
    """The log-odds of each class against the first, fitted and chosen by the rows given first.

    Raises:
        InputError: There are not at least two classes, too many, or one has too few rows.
    """
    classes, counts = np.unique(labels, return_counts=True)
    if not 2 <= len(classes) <= MOST_CLASSES or counts.min() < FEWEST:
        raise InputError(
            f"Classes need to be 2 to {MOST_CLASSES}, of at least {FEWEST} rows each; {len(classes)} came, the "
            f"smallest of {counts.min()}. Give more rows, or a number y with task='regression'."
        )
    own = [_log_odds(points[rows], labels[rows] == label, seed)
           for label in classes[1:] for rows in [np.isin(labels, [classes[0], label])]]  # fmt: skip
    found = ClassFit(encoding, classes, tuple(own), {}, tuple(notes))
    for part, x, y in zip(PARTS, (points, test_points), (labels, test_labels), strict=True):
        known = np.isin(y, classes)
        if known.any():
            p = found._probabilities(x[known])
            places = np.searchsorted(classes, y[known])
            found.errors[part] = float(np.mean(p.argmax(1) != places))
            found.errors[f"{part} loss"] = float(-np.log(p[np.arange(len(p)), places].clip(1e-300)).mean())
    return found


def _log_odds(points: np.ndarray, second: np.ndarray, seed: int) -> EdgeNetwork:
    """Sums and a product of as few and as simple functions as the rows ask for."""
    chosen = np.random.default_rng(seed).permutation(len(points))[:MOST_ROWS]
    data = Labeled(torch.from_numpy(points[chosen]), torch.from_numpy(second[chosen].astype(float)))
    shape = ClassifierShape(GRID, DEGREE, points.shape[1] <= MOST_WITH_PRODUCT, {})
    return named(pruned_network(data, shape, seed, STARTS), data)


def _formula(network: EdgeNetwork, names: Sequence[str]) -> Formula | None:
    if not is_named(network):
        return None
    tree, symbols = tree_of(network), symbols_of(names)
    own = [_number(value) for value in numbers(tree)]
    return Formula(sympy.expand(expression(tree, own, symbols)), symbols, len(own))


def _number(value: float) -> sympy.Expr:
    """Of few digits; whole where it is."""
    rounded = float(f"{value:.{DIGITS}g}")
    return sympy.Integer(int(rounded)) if rounded.is_integer() else sympy.Float(rounded, DIGITS)
