"""Mobility edges, learned: from what was measured to labels, a split by realization, a classifier, a formula.

    E, parameters → γ or D → label → KAN with a fixed sigmoid → accuracy beside theory, majority, MLP, logistic
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kanpde.errors import InputError
from kanpde.lattices.classifiers import Trained, train
from kanpde.lattices.edge_formulas import EdgeFormula, edge_formula, logistic
from kanpde.lattices.measurements import Measured
from kanpde.models.networks import MODELS
from kanpde.problems.lattices import ENERGY, SiteFunction
from kanpde.problems.tasks.lattice import Lattice

HELD_OUT = 0.3
CHOSEN_BY = 0.15
"""Shares of the realizations that accuracy is measured on, and that starts and stages are chosen by."""


@dataclass(frozen=True, eq=False)
class Samples:
    """States as rows: E and the drawn parameters, localized or not, whose realization, in which part."""

    names: tuple[str, ...]
    points: np.ndarray  # [n, d]
    labels: np.ndarray  # bool [n]
    groups: np.ndarray  # [n]
    held_out: np.ndarray  # bool [n]
    chosen_by: np.ndarray  # bool [n]
    columns: dict[str, np.ndarray]  # every parameter and E, [n]


@dataclass(frozen=True, eq=False)
class Edge:
    """What was learned."""

    samples: Samples
    trained: Trained
    formula: EdgeFormula
    accuracies: dict[str, float]

    def learned(self) -> np.ndarray:  # bool [n]
        """What the network says of every state."""
        return self.trained.localized(self.samples.points)


def samples_of(lattice: Lattice, measured: Measured, seed: int) -> Samples:
    """The states as rows, split by realization.

    Raises:
        InputError: They are all localized, or all extended.
    """
    arrays, question = measured.arrays, lattice.question
    shape = arrays["energy"].shape
    columns = {name: np.repeat(arrays[name], shape[1]) for name in lattice.parameters}
    columns[ENERGY] = arrays["energy"].ravel()
    gamma = question.label == "lyapunov"
    labels = (arrays["gamma"] > question.threshold if gamma else arrays["dimension"] < question.threshold).ravel()
    if labels.all() or not labels.any():
        raise InputError(
            f"edge needs states of both kinds; all {labels.size} are {'localized' if labels.all() else 'extended'}. "
            "Widen the ranges of the parameters, or set edge.threshold."
        )
    groups = np.repeat(np.arange(shape[0]), shape[1])
    order = np.random.default_rng([seed, 5]).permutation(shape[0])
    held = np.isin(groups, order[: max(1, round(HELD_OUT * shape[0]))])
    last = order[-max(1, round(CHOSEN_BY * shape[0])) :]
    names = (ENERGY, *lattice.axes)
    points = np.stack([columns[name] for name in names], axis=1)
    return Samples(names, points, labels, groups, held, np.isin(groups, last), columns)


def learn_edge(lattice: Lattice, measured: Measured, design, seed: int) -> Edge:
    """Train the classifier and find the formula; accuracies are those on held-out realizations."""
    samples = samples_of(lattice, measured, seed)
    trained = train(design, *_parts(samples), seed)
    asked = lattice.question
    values = [SiteFunction(term)({**samples.columns, "_": samples.points[:, 0]}) for term in asked.terms]
    formula = edge_formula(asked.names, np.stack(values, 1), samples.labels, samples.groups, samples.held_out)
    return Edge(samples, trained, formula, _accuracies(lattice, samples, trained, formula, seed))


def _parts(samples: Samples) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    fitted = ~samples.held_out & ~samples.chosen_by
    chosen = samples.points[samples.chosen_by], samples.labels[samples.chosen_by]
    return samples.points[fitted], samples.labels[fitted], chosen


def _accuracies(
    lattice: Lattice, samples: Samples, trained: Trained, formula: EdgeFormula, seed: int
) -> dict[str, float]:
    held, labels = samples.held_out, samples.labels
    fitted = ~held

    def accuracy(said: np.ndarray) -> float:
        return float(np.mean(said[held] == labels[held]))

    linear = np.column_stack([np.ones(len(labels)), samples.points])
    found = {"learned": accuracy(trained.localized(samples.points)), "formula": formula.accuracy}
    if "edge" in lattice.theory:
        theory = SiteFunction(lattice.theory["edge"])({**samples.columns, "_": samples.points[:, 0]}) > 0
        found["theory"], found["theory_all"] = accuracy(theory), float(np.mean(theory == labels))
    beside = MODELS["mlp"](width=(10, 10))
    found["mlp"] = accuracy(train(beside, *_parts(samples), seed, starts=2).localized(samples.points))
    found["logistic"] = accuracy(linear @ logistic(linear[fitted], labels[fitted]) > 0)
    found["majority"] = accuracy(np.full(len(labels), labels[fitted].mean() > 0.5))
    return found
