"""Critics: whether a KAN shows its formula depends on the hidden width; at width 6 none was found.

exp(sin πx + y²) from full [2,5,1] and [2,6,1] networks, no template, ten seeds each: L1 and entropy, pruning, names.
"""

from functools import partial

from kanpde.studies.claims.interface import Claim, Judged, Judgment, Parts
from kanpde.studies.claims.targets import TARGETS, found_exactly

WIDTHS, SEEDS, ENOUGH = (5, 6), 10, 9


def run(parts: Parts) -> Judged:
    counts = []
    for width in WIDTHS:
        exact = [parts(f"width {width}, seed {seed}", partial(found_exactly, *TARGETS[0], seed, width))
                 for seed in range(SEEDS)]  # fmt: skip
        counts.append(sum(row["exact"] for row in exact))
    holds = min(counts) >= ENOUGH
    text = ", ".join(f"{count} of {SEEDS} at width {width}" for width, count in zip(WIDTHS, counts, strict=True))
    return Judged(
        "widths", Judgment.FAILS if holds else Judgment.HOLDS if min(counts) == 0 else Judgment.OPEN,
        "found at width 5, in no run at width 6 (critics)", min(counts) / SEEDS, min(counts) / SEEDS,
        max(counts) / SEEDS,
        f"{TARGETS[0][0]} is found exactly in {text}.",
        "share of runs, by width",
    )  # fmt: skip


CLAIM = Claim("widths", "Critics: the formula is found at one hidden width and not at the next.", run, place=9)
