"""Mobility edges, learned: from what was measured to labels, a split by realization, a classifier, a formula.

E, parameters → γ or D → label → KAN with a fixed sigmoid → pruned, named → terms → coefficients with errors
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from kanpde.errors import InputError
from kanpde.lattices.edge_formulas import EdgeFormula, edge_formula, logistic
from kanpde.lattices.measurements import Measurements
from kanpde.models.networks import Chain, Design, KANDesign, MLPDesign
from kanpde.models.networks.edges import EdgeNetwork
from kanpde.problems.language import Scope, parse_expression
from kanpde.problems.lattices import ENERGY, SiteFunction
from kanpde.problems.tasks.lattice import Lattice
from kanpde.symbolic.classification import ClassifierShape, Labeled, formula_terms, is_named, named, pruned_network
from kanpde.symbolic.classifiers import second_class, train

HELD_OUT = 0.3
CHOSEN_BY = 0.15
"""Shares of the realizations that accuracy is measured on, and that an MLP's starts and stages are chosen by."""
STARTS = 2
"""Random networks on each mask, of which the best is kept."""


@dataclass(frozen=True, eq=False)
class LabeledStates:
    """States as rows: E and the drawn parameters, localized or not, whose realization, in which part."""

    names: tuple[str, ...]
    points: np.ndarray  # [n, d]
    labels: np.ndarray  # bool [n]
    groups: np.ndarray  # [n]
    held_out: np.ndarray  # bool [n]
    chosen_by: np.ndarray  # bool [n]
    columns: dict[str, np.ndarray]  # every parameter and E, [n]


@dataclass(frozen=True, eq=False)
class MobilityEdge:
    """What was learned.

    Attributes:
        samples: The states.
        network: The classifier, pruned where it is a KAN.
        named: It again with functions as edges, as far as they have names; None for an MLP.
        formula: Of the named network's terms, or of those of the problem file where a spline has no name.
        accuracies: On held-out realizations.
    """

    samples: LabeledStates
    network: Chain
    named: EdgeNetwork | None
    formula: EdgeFormula
    accuracies: dict[str, float]

    @property
    def read(self) -> bool:
        """Whether the formula's terms come out of the network."""
        return self.named is not None and is_named(self.named)

    def learned(self) -> np.ndarray:  # bool [n]
        """What the network says of every state."""
        return second_class(self.network, self.samples.points)


def samples_of(lattice: Lattice, measured: Measurements, seed: int) -> LabeledStates:
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
    return LabeledStates(names, points, labels, groups, held, np.isin(groups, last), columns)


def learn_edge(lattice: Lattice, measured: Measurements, design: Design, seed: int) -> MobilityEdge:
    """Train the classifier, read its formula; accuracies are those on held-out realizations.

    A KAN is a sum and, where the design has a hidden layer, a product.
    """
    samples, asked, found = samples_of(lattice, measured, seed), lattice.question, None
    terms = asked.terms
    if isinstance(design, KANDesign):
        data = Labeled(torch.from_numpy(samples.points[~samples.held_out]),
                       torch.from_numpy(samples.labels[~samples.held_out].astype(float)))  # fmt: skip
        by_hand = {samples.names.index(name): own for name, own in asked.functions.items()}
        shape = ClassifierShape(design.grid, design.degree, bool(design.width), by_hand)
        pruned = pruned_network(data, shape, seed, STARTS)
        network: Chain = pruned
        found = named(pruned, data)
        terms = tuple(formula_terms(found, samples.names)) if is_named(found) else terms
    else:
        network = train(design, *_parts(samples), seed)
    formula = edge_formula(terms, _term_values(lattice, samples, terms), samples.labels, samples.groups,
                           samples.held_out)  # fmt: skip
    return MobilityEdge(samples, network, found, formula, _accuracies(lattice, samples, network, formula, seed))


def _term_values(lattice: Lattice, samples: LabeledStates, terms: tuple[str, ...]) -> np.ndarray:  # [n, terms]
    scope = Scope(coordinates=(ENERGY, *lattice.parameters), discrete=True)
    exprs = [parse_expression(term, scope, "edge.terms") for term in terms]
    return np.stack([SiteFunction(expr)({**samples.columns, "_": samples.points[:, 0]}) for expr in exprs], axis=1)


def _parts(samples: LabeledStates) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    fitted = ~samples.held_out & ~samples.chosen_by
    chosen = samples.points[samples.chosen_by], samples.labels[samples.chosen_by]
    return samples.points[fitted], samples.labels[fitted], chosen


def _accuracies(
    lattice: Lattice, samples: LabeledStates, network: Chain, formula: EdgeFormula, seed: int
) -> dict[str, float]:
    held, labels = samples.held_out, samples.labels
    fitted = ~held

    def accuracy(said: np.ndarray) -> float:
        return float(np.mean(said[held] == labels[held]))

    linear = np.column_stack([np.ones(len(labels)), samples.points])
    found = {"learned": accuracy(second_class(network, samples.points)), "formula": formula.accuracy}
    if "edge" in lattice.theory:
        theory = SiteFunction(lattice.theory["edge"])({**samples.columns, "_": samples.points[:, 0]}) > 0
        found["theory"], found["theory_all"] = accuracy(theory), float(np.mean(theory == labels))
    beside = train(MLPDesign(width=(10, 10)), *_parts(samples), seed, starts=2)
    found[MLPDesign.kind] = accuracy(second_class(beside, samples.points))
    found["logistic"] = accuracy(linear @ logistic(linear[fitted], labels[fitted]) > 0)
    found["majority"] = accuracy(np.full(len(labels), labels[fitted].mean() > 0.5))
    return found
