"""The paper, toy sets of its sections on supervised and unsupervised learning of formulas.

Supervised: the formula of y = f(x) from a table. Unsupervised: which of six columns are tied, where
x3 = exp(sin πx1 + x2²) and x5 = x4³ and x6 stands alone, without saying which depends on which.
"""

from functools import partial
from typing import Any

import numpy as np

from kanpde.studies.claims.interface import Claim, Judged, Judgment, Parts
from kanpde.studies.claims.targets import TARGETS, found_exactly
from kanpde.symbolic.relations import tied

SEEDS, ROWS = 5, 1000
TIED = {("x1", "x2", "x3"), ("x4", "x5")}


def table(seed: int) -> np.ndarray:  # -> [n, 6]
    x1, x2, x4, x6 = np.random.default_rng(seed).uniform(-1, 1, (4, ROWS))
    return np.stack([x1, x2, np.exp(np.sin(np.pi * x1) + x2**2), x4, x4**3, x6], axis=1)


def both_found(seed: int) -> dict[str, Any]:
    """Whether the two relations and no other are found in a table drawn anew, and the larger of their figures."""
    found = tied(table(seed), seeds=3)
    return {"right": {tie.names for tie in found} == TIED, "figure": max((tie.figure for tie in found), default=1.0)}


def run(parts: Parts) -> Judged:
    ties = [parts(f"relations, seed {seed}", partial(both_found, seed)) for seed in range(SEEDS)]
    rows = [parts(f"{text}, seed {seed}", partial(found_exactly, text, box, seed))
            for seed in range(SEEDS) for text, box in TARGETS]  # fmt: skip
    exact, right = sum(row["exact"] for row in rows), sum(row["right"] for row in ties)
    figures = [row["figure"] for row in ties]
    holds = right == SEEDS and exact == len(rows)
    return Judged(
        "ties", Judgment.HOLDS if holds else Judgment.OPEN, "each relation in some of many seeds; formulas by hand",
        (exact / len(rows) + right / SEEDS) / 2, min(exact / len(rows), right / SEEDS),
        max(exact / len(rows), right / SEEDS),
        f"Unsupervised: both relations and no other in {right} of {SEEDS} tables, tied to {max(figures):.1e} at most. "
        f"Supervised: {exact} of {len(rows)} formulas exactly, in at most {max(row['seconds'] for row in rows):.0f} "
        "CPU seconds each.",
        "share found, supervised and unsupervised",
    )  # fmt: skip


CLAIM = Claim(
    "ties", "KANs find formulas and which variables are tied, in supervised and unsupervised toy sets.", run, place=6
)
