"""Power laws from a few sizes and seeds, with intervals that keep their promise.

    error ≈ C N^-α,    log e_ij = c - α log N_i + noise_ij    (size i, seed j)

The unit of evidence is a size, not a run: each size gives the median of its seeds, and the scatter of the n medians
about the line, with its n - 2 degrees of freedom, sets the width of the interval. So it covers what seeds do not
show, such as a size that suits the optimizer badly. Resampling seeds within sizes sets its shape.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[np.float64]

FEWEST_SIZES = 3
FEWEST_SEEDS = 2
NARROWEST_SPAN = 1.5
"""Largest size over smallest below which no exponent is sought."""

PLATEAU_RULE = (
    "A size and all larger ones are a plateau if each lies above the power law through the sizes before by more than a "
    "factor 2, by more than half of the fall it predicts, and by more than 2 standard errors of the seeds, and if the "
    "error falls over them (over the last two, if it is one) by no more than a factor 2 and 2 standard errors; sizes "
    "within a factor 3 of the plateau are left out with it."
)
INTERVAL_RULE = (
    "Intervals are at 95%: the scatter of the sizes' medians about the line with Student's factor for n - 2 degrees "
    "of freedom, in the shape of 2000 bootstrap resamples of the seeds within each size."
)
NORMAL = 1.959964  # the 97.5% quantile of a normal number
STANDARD_ERRORS = 2.0
LEAST_SHARE = 0.249  # of the whole span that the sizes before a plateau must cover: neighbors predict nothing
NEAR_THE_FLOOR = 3.0
MEDIAN_OVER_MEAN = math.sqrt(math.pi / 2)
"""Standard error of a median over that of a mean, of many normal numbers; of three to five it is 1.16 to 1.2."""


@dataclass(frozen=True, eq=False)
class PowerLaw:
    """error ≈ constant · N^-exponent over the sizes kept.

    Attributes:
        exponent: α; NaN where nothing can be fitted.
        low, high: Its 95% interval; NaN where there is none.
        constant: C.
        kept: Of each size, whether it entered the fit.
        floor: Error of the plateau, None if there is none.
        reason: Why the exponent is not resolved; empty if it is.
    """

    exponent: float
    low: float
    high: float
    constant: float
    kept: tuple[bool, ...]
    floor: float | None = None
    reason: str = ""

    @property
    def resolved(self) -> bool:
        return not self.reason

    def error(self, sizes: Array) -> Array:
        """The law at other sizes."""
        return self.constant * np.asarray(sizes, dtype=float) ** -self.exponent


def fit_power_law(sizes: Sequence[float], errors: Sequence[Sequence[float]], seed: int = 0) -> PowerLaw:
    """Fit error ≈ C N^-α and say whether the data resolve α.

    Args:
        sizes: N of each size, increasing; parameters, operations or seconds.
        errors: Of each size, the errors of its seeds, positive and finite.
        seed: Of the bootstrap.

    >>> sizes = [10, 20, 40, 80]
    >>> law = fit_power_law(sizes, [[n**-3.0 * f for f in (0.9, 1.0, 1.1)] for n in sizes])
    >>> round(law.exponent, 6), law.resolved
    (3.0, True)
    """
    x, y = np.log(np.asarray(sizes, dtype=float)), [np.log(np.asarray(values, dtype=float)) for values in errors]
    medians = np.array([np.median(values) for values in y])
    kept, floor = without_plateau(x, medians, seed_scatter(y) / math.sqrt(min(map(len, y), default=1)))
    number = int(kept.sum())
    if number < 2 or np.ptp(x[kept]) == 0:
        return PowerLaw(math.nan, math.nan, math.nan, math.nan, tuple(kept.tolist()), floor, _why_not(x, y, kept))
    slope, error, start = _line(x[kept], medians[kept])
    reason = _why_not(x, y, kept)
    low, high = math.nan, math.nan
    if number >= FEWEST_SIZES and _usual_seeds(y, kept) >= FEWEST_SEEDS:
        shape = _bootstrap_shape(x[kept], [y[i] for i in np.flatnonzero(kept).tolist()], seed)
        low, high = (-slope - q * error * student(number - 2) for q in shape)
        reason = reason or ("" if low > 0 else f"the interval from {low:.2g} to {high:.2g} does not lie above 0")
    with np.errstate(over="ignore"):  # sizes almost equal, as measured times can be: the line is almost vertical
        constant = float(np.exp(start))
    return PowerLaw(-slope, low, high, constant, tuple(kept.tolist()), floor, reason)


def without_plateau(x: Array, y: Array, standard_error: float) -> tuple[NDArray[np.bool_], float | None]:
    """Which sizes to keep, by PLATEAU_RULE, and the plateau's error.

    Args:
        x, y: Logarithms of sizes (increasing) and of their median errors, [n].
        standard_error: Of each y, from the scatter of seeds.
    """
    for first in range(2, len(x)):
        far, last = x[first - 1] - x[0] >= LEAST_SHARE * np.ptp(x), min(first, len(x) - 2)
        if far and _all_above(x, y, first, standard_error) and _flat(x[last:], y[last:], standard_error):
            floor = math.exp(np.median(y[first:]))
            return (np.arange(len(x)) < first) & (y > math.log(NEAR_THE_FLOOR * floor)), floor
    return np.ones(len(x), dtype=bool), None


def _all_above(x: Array, y: Array, first: int, standard_error: float) -> bool:
    """Whether every size from `first` on lies above the line through those before it."""
    slope, _, start = _line(x[:first], y[:first])
    predicted, fall = start + slope * x[first:], -slope * (x[first:] - x[first - 1])
    centered = x[:first] - x[:first].mean()
    spread = 1 + 1 / first + (x[first:] - x[:first].mean()) ** 2 / (centered @ centered)
    enough = np.maximum(np.maximum(math.log(2), fall / 2), STANDARD_ERRORS * standard_error * np.sqrt(spread))
    return slope < 0 and bool((y[first:] - predicted > enough).all())


def _flat(x: Array, y: Array, standard_error: float) -> bool:
    """Whether the line through these sizes falls by no more than a factor 2 and what chance does to its ends."""
    slope, _, _ = _line(x, y)
    return -slope * float(np.ptp(x)) <= math.log(2) + STANDARD_ERRORS * math.sqrt(2) * standard_error


def seed_scatter(y: Sequence[Array]) -> float:
    """Standard deviation of the log errors of one size; the median over sizes, so that a bad size does not decide.

    From the range, which for s normal numbers is on average d(s) standard deviations.
    """
    ranges = [np.ptp(values) / _mean_range(len(values)) for values in y if len(values) > 1]
    return MEDIAN_OVER_MEAN * float(np.median(ranges)) if ranges else 0.0


def _mean_range(count: int) -> float:
    """Expected range of `count` normal numbers; tabulated up to 10, and nearly so beyond."""
    table = (1.128, 1.693, 2.059, 2.326, 2.534, 2.704, 2.847, 2.970, 3.078)
    return table[count - 2] if count <= 10 else 2 * float(stats.norm.ppf(1 - 0.5264 / count))


@lru_cache
def student(degrees: float) -> float:
    """Student's 97.5% quantile over the normal one: how much wider an interval must be for so few degrees."""
    return float(stats.t.ppf(0.975, degrees)) / NORMAL


def _line(x: Array, y: Array) -> tuple[float, float, float]:
    """Slope, its standard error and the value at 0 of the least-squares line."""
    centered = x - x.mean()
    square = centered @ centered
    slope = float(centered @ y / square)
    start = float(y.mean() - slope * x.mean())
    rest = y - start - slope * x
    return slope, math.sqrt(rest @ rest / max(len(x) - 2, 1) / square), start


def _bootstrap_shape(x: Array, y: Sequence[Array], seed: int, resamples: int = 2000) -> tuple[float, float]:
    """The 97.5% and 2.5% quantiles of the standardized slope when seeds are drawn anew within each size.

    Standardized, because few seeds resampled scatter too little and cannot show what sizes have in common; the shape
    survives.
    """
    random = np.random.default_rng(seed)
    medians = [np.median(values[random.integers(0, len(values), (resamples, len(values)))], axis=1) for values in y]
    centered = x - x.mean()
    slopes = np.stack(medians, axis=1) @ centered / (centered @ centered)
    scatter = slopes.std()
    if scatter < 1e-12:
        return NORMAL, -NORMAL
    # at least the normal quantiles: the ends of so few medians are close
    high, low = np.quantile((slopes - slopes.mean()) / scatter, (0.975, 0.025))
    return max(float(high), NORMAL), min(float(low), -NORMAL)


def _why_not(x: Array, y: Sequence[Array], kept: NDArray[np.bool_]) -> str:
    """What stands in the way of an exponent, before any figure is looked at."""
    number = int(kept.sum())
    out = len(x) - number
    if number < FEWEST_SIZES:
        left = f", {out} of {len(x)} being a plateau" if out else ""
        return f"{number} size{'s' if number != 1 else ''}{left}, where {FEWEST_SIZES} are needed"
    if _usual_seeds(y, kept) < FEWEST_SEEDS:
        return "one seed a size does not show how runs scatter"
    span = math.exp(np.ptp(x[kept]))
    return f"the sizes span a factor {span:.2g} only" if span < NARROWEST_SPAN else ""


def _usual_seeds(y: Sequence[Array], kept: NDArray[np.bool_]) -> float:
    return float(np.median([len(y[i]) for i in np.flatnonzero(kept).tolist()]))


# Comparisons at one size


@dataclass(frozen=True)
class Center:
    """The median error of one size, with its 95% interval (0 to infinity where there is none)."""

    median: float
    low: float
    high: float


def centers(errors: Sequence[Sequence[float]]) -> list[Center]:
    """Median errors of the sizes of one series, with intervals that cover at least 95%.

        log m ± t σ √(π/2) / √s,    σ the larger of the size's own scatter and the series' (`seed_scatter`)

    t is Student's, for half of the degrees of freedom of all seeds: ranges waste some, and a size may differ.
    """
    y = [np.log(np.asarray(values, dtype=float)) for values in errors]
    degrees, common = sum(len(values) - 1 for values in y) / 2, seed_scatter(y)
    if degrees < 1:
        return [Center(math.exp(np.median(values)), 0.0, math.inf) for values in y]
    factor = student(degrees) * NORMAL
    return [
        _around(float(np.median(values)), factor * max(common, seed_scatter([values])) / math.sqrt(len(values)))
        for values in y
    ]


def _around(center: float, half: float) -> Center:
    return Center(math.exp(center), math.exp(center - half), math.exp(center + half))
