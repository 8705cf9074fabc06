"""Mobility edges as formulas: g = Σ c_k term_k, of which as few terms are kept as tell localized from extended states.

    P(localized) = σ(g(E, parameters)),   backward elimination by held-out accuracy, coefficients with errors
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

RIDGE = 1e-12
STEPS = 100
TOLERATED = 0.002
"""Of the accuracy, that a term may cost and be left out."""
RESAMPLED = 20
LARGEST_LOGIT = 500.0


@dataclass(frozen=True)
class EdgeFormula:
    """0 = Σ c_k term_k, localized where positive; scaled so that the least coefficient is ±1.

    Attributes:
        terms: In the problem language.
        coefficients: One for each term.
        errors: Their standard errors, from realizations drawn again.
        accuracy: On held-out realizations.
    """

    terms: tuple[str, ...]
    coefficients: np.ndarray
    errors: np.ndarray
    accuracy: float

    def text(self) -> str:
        """The formula as people write it.

        >>> EdgeFormula(("alpha*E", "lam", "1"), np.array([1.0, 2.0, -2.0]), np.zeros(3), 1.0).text()
        '0 = alpha*E + 2*lam - 2'
        """
        parts = [_term(value, term) for value, term in zip(self.coefficients, self.terms, strict=True)]
        joined = " ".join(parts)
        return "0 = " + (joined[2:] if joined.startswith("+ ") else joined.replace("- ", "-", 1))


def _term(value: float, term: str) -> str:
    size = f"{abs(value):.4g}"
    inner = size if term == "1" else term if size == "1" else f"{size}*{term}"
    return f"{'-' if value < 0 else '+'} {inner}"


def edge_formula(
    names: Sequence[str], columns: np.ndarray, labels: np.ndarray, groups: np.ndarray, held_out: np.ndarray
) -> EdgeFormula:
    """Find the formula.

    Args:
        names: Of the terms.
        columns: Their values, shape [n, terms].
        labels: Localized or not, shape [n].
        groups: The realization of each state; errors come from realizations drawn again.
        held_out: Which states accuracy is measured on, shape [n]; the others are fitted.
    """
    fitted = ~held_out
    scales = np.sqrt(np.mean(columns[fitted] ** 2, axis=0))
    scaled = columns / scales
    kept = eliminated(scaled[fitted], labels[fitted])
    weights = _scaled_weights(scaled[:, kept], scales[kept], labels, fitted)
    gauge = int(np.argmin(np.abs(weights)))
    size = abs(weights[gauge])
    spread = _resampled(scaled[:, kept], scales[kept], labels, groups, fitted, gauge)
    right = (columns[held_out][:, kept] @ weights > 0) == labels[held_out]
    order = np.argsort(np.abs(weights / size) + 1e6 * np.array([names[k] == "1" for k in kept]))
    return EdgeFormula(
        tuple(names[kept[k]] for k in order), weights[order] / size, spread[order], float(right.mean())
    )


def eliminated(columns: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The places of the terms that are kept: at each turn the one goes whose loss costs least, while little is lost."""
    kept = np.arange(columns.shape[1])
    best = _accuracy(columns, labels, logistic(columns, labels))
    while len(kept) > 1:
        tried = []
        for place in range(len(kept)):
            rest = np.delete(kept, place)
            weights = logistic(columns[:, rest], labels)
            own = columns[:, rest]
            tried.append((_accuracy(own, labels, weights), -_loss(own, labels, weights), rest))
        accuracy, _, rest = max(tried, key=lambda one: one[:2])
        if accuracy < best - TOLERATED:
            return kept
        kept, best = rest, max(best, accuracy)
    return kept


def logistic(columns: np.ndarray, labels: np.ndarray, steps: int = STEPS) -> np.ndarray:
    """The weights of a logistic regression, by damped Newton steps with a faint ridge, shape [terms]."""
    weights, y = np.zeros(columns.shape[1]), labels.astype(float)
    loss = _loss(columns, y, weights)
    for _ in range(steps):
        p = _sigmoid(columns @ weights)
        gradient = columns.T @ (p - y) / len(y) + RIDGE * weights
        curvature = (columns * (p * (1 - p))[:, None]).T @ columns / len(y) + RIDGE * np.eye(len(weights))
        step, length = np.linalg.solve(curvature, gradient), 1.0
        while length > 1e-4 and (trial := _loss(columns, y, weights - length * step)) > loss:
            length /= 2
        if length <= 1e-4 or loss - trial < 1e-10:
            break
        weights, loss = weights - length * step, trial
    return weights


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(x, -LARGEST_LOGIT, LARGEST_LOGIT)))


def _loss(columns: np.ndarray, y: np.ndarray, weights: np.ndarray) -> float:
    logits = columns @ weights
    return float(np.mean(np.logaddexp(0, logits) - y * logits) + RIDGE / 2 * weights @ weights)


def _accuracy(columns: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> float:
    return float(np.mean((columns @ weights > 0) == labels))


def _scaled_weights(columns: np.ndarray, scales: np.ndarray, labels: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    return logistic(columns[chosen], labels[chosen]) / scales


def _resampled(
    columns: np.ndarray, scales: np.ndarray, labels: np.ndarray, groups: np.ndarray, fitted: np.ndarray, gauge: int
) -> np.ndarray:
    """The standard deviation of the coefficients over realizations drawn again with replacement."""
    rng, own = np.random.default_rng(0), np.unique(groups[fitted])
    members: Mapping[int, np.ndarray] = {group: np.flatnonzero(fitted & (groups == group)) for group in own}
    found = []
    for _ in range(RESAMPLED):
        rows = np.concatenate([members[group] for group in rng.choice(own, len(own))])
        weights = logistic(columns[rows], labels[rows]) / scales
        found.append(weights / abs(weights[gauge]))
    return np.std(found, axis=0, ddof=1)
