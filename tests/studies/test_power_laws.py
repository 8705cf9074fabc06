"""Fits of power laws: what is known comes back, and 95% intervals cover as often as they say."""

import math

import numpy as np
import pytest

from kanpde.studies.power_laws import PLATEAU_RULE, centers, fit_power_law, without_plateau

SIZES = 100 * 2.0 ** np.arange(9)


def curves(
    random, replicas, sizes, seeds, exponent=3.0, noise=0.5, floor=0.0, outliers=0.0, common=0.0, uneven=False
) -> tuple[np.ndarray, np.ndarray]:
    """Errors [replicas, sizes, seeds] of a known law: `floor` in units of the last size's error, `common` to all seeds
    of a size, `outliers` up to a thousand times too large."""
    x = SIZES[:sizes]
    law = (x / x[0]) ** -exponent
    clean = np.log(np.hypot(law, floor * law[-1]))
    scatter = noise * np.linspace(0.5, 1.5, sizes) if uneven else np.full(sizes, noise)
    y = clean[:, None] + scatter[:, None] * random.standard_normal((replicas, sizes, seeds))
    y += common * random.standard_normal((replicas, sizes, 1))
    shape = (replicas, sizes, seeds)
    y += np.where(random.random(shape) < outliers, math.log(10) * random.uniform(1, 3, shape), 0)
    return x, np.exp(y)


def test_an_exact_law_comes_back():
    law = fit_power_law(SIZES[:5], [[7 * n**-2.5] * 3 for n in SIZES[:5]])
    assert law.exponent == pytest.approx(2.5) and law.constant == pytest.approx(7) and law.resolved
    assert law.low == pytest.approx(2.5) == pytest.approx(law.high)
    assert law.error(np.array([100.0])) == pytest.approx(7 * 100**-2.5)


CASES = {
    "five sizes, three seeds": {"sizes": 5, "seeds": 3},
    "five sizes, five seeds": {"sizes": 5, "seeds": 5},
    "much noise": {"sizes": 5, "seeds": 3, "noise": 1.0},
    "outliers": {"sizes": 5, "seeds": 3, "outliers": 0.05},
    "more outliers": {"sizes": 5, "seeds": 5, "outliers": 0.1},
    "what all seeds of a size share": {"sizes": 5, "seeds": 4, "common": 0.5},
    "more noise at large sizes": {"sizes": 5, "seeds": 3, "uneven": True},
    "a plateau": {"sizes": 7, "seeds": 3, "floor": 30.0},
    "a plateau and outliers": {"sizes": 8, "seeds": 3, "floor": 100.0, "outliers": 0.05},
    "a shallow law": {"sizes": 5, "seeds": 3, "exponent": 0.5},
}


@pytest.mark.parametrize("case", CASES)
def test_intervals_cover_the_true_exponent(case, random):
    settings = CASES[case]
    x, errors = curves(random, 250, **settings)
    laws = [fit_power_law(x, one) for one in errors]
    covered = [law.low <= settings.get("exponent", 3.0) <= law.high for law in laws if math.isfinite(law.low)]
    assert len(covered) > 0.9 * len(laws)
    assert 0.90 <= np.mean(covered) <= 0.98, f"{case}: {np.mean(covered):.3f}"


def test_an_interval_that_ignores_what_sizes_share_would_not_cover(random):
    """The test can fail: seeds resampled alone, the usual bootstrap, miss the exponent in a third of these cases."""
    x, errors = curves(random, 150, sizes=5, seeds=4, common=0.5)
    y, centered = np.log(errors), np.log(x) - np.log(x).mean()
    drawn = np.take_along_axis(y[:, None], random.integers(0, 4, (150, 400, 5, 4)), axis=-1)
    slopes = -(np.median(drawn, -1) @ centered) / (centered @ centered)
    low, high = np.quantile(slopes, (0.025, 0.975), axis=1)
    assert np.mean((low <= 3) & (high >= 3)) < 0.85


def test_a_plateau_is_left_out_and_a_straight_law_is_not(random):
    x, errors = curves(random, 60, sizes=8, seeds=3, floor=100.0, noise=0.3)
    laws = [fit_power_law(x, one) for one in errors]
    found = [law for law in laws if law.floor is not None]
    assert len(found) > 0.95 * len(laws) and "factor 2" in PLATEAU_RULE
    assert all(not law.kept[-1] and law.kept[0] for law in found)
    assert np.median([law.floor for law in found]) == pytest.approx(100 * (x[-1] / x[0]) ** -3.0, rel=0.3)
    x, errors = curves(random, 100, sizes=6, seeds=3)
    assert np.mean([fit_power_law(x, one).floor is not None for one in errors]) < 0.1


def test_one_bad_size_in_the_middle_is_no_plateau():
    y = np.log(SIZES[:6] ** -2.0)
    y[3] += 3
    kept, floor = without_plateau(np.log(SIZES[:6]), y, 0.1)
    assert kept.all() and floor is None


def test_a_law_that_bends_is_no_plateau_as_long_as_errors_fall():
    """Steep at first, then like N^-2: nothing is left out, and the interval says that one exponent does not fit."""
    y = np.log(SIZES[:7] ** -2.0)
    y[0] += 6
    kept, floor = without_plateau(np.log(SIZES[:7]), y, 0.1)
    assert kept.all() and floor is None
    law = fit_power_law(SIZES[:7], np.exp(y)[:, None] * [[0.9, 1.0, 1.1]])
    assert law.high - law.low > 2


@pytest.mark.parametrize(
    "sizes, errors, why",
    [
        ([10], [[1e-3] * 3], "1 size, where 3 are needed"),
        ([10, 20], [[1e-3] * 3, [1e-4] * 3], "2 sizes, where 3 are needed"),
        ([10, 20, 40], [[1e-3], [1e-4], [1e-5]], "one seed a size"),
        ([10, 11, 12], [[1e-3] * 2, [1e-4] * 2, [1e-5] * 2], "span a factor 1.2 only"),
        ([10, 20, 40, 80], [[1e-3, 2e-3], [2e-3, 1e-3], [1e-3, 3e-3], [2e-3, 1e-3]], "does not lie above 0"),
        ([10, 20, 40, 80], [[1.0, 1.2], [1e-3, 1.1e-3], [9e-4, 1e-3], [1e-3, 1.1e-3]], "3 of 4 being a plateau"),
        ([], [], "0 sizes"),
    ],
)
def test_what_cannot_be_concluded_is_said(sizes, errors, why):
    law = fit_power_law(sizes, errors)
    assert not law.resolved and why in law.reason


@pytest.mark.parametrize("sizes", [[2, 2.00001, 2.00002], [0.5, 0.500001]])
def test_sizes_almost_equal_are_not_resolved(sizes):
    """Two measured times can be; the line through them has no constant that a float holds."""
    law = fit_power_law(sizes, [[10.0**-i] * 3 for i in range(len(sizes))])
    assert not law.resolved and law.reason


def test_intervals_of_medians_cover(random):
    """At least 95%, whether all sizes scatter alike or not; and no wider than a few times the scatter."""
    hits, total, widths = 0, 0, []
    for replica in range(200):
        scatter = 0.5 * np.ones(5) if replica % 2 else 0.25 * np.exp(random.uniform(0, 2, 5))
        found = centers(np.exp(scatter[:, None] * random.standard_normal((5, 3))))
        hits += sum(center.low <= 1 <= center.high for center in found)
        total += len(found)
        widths.append(math.log(found[0].high / found[0].low))
    assert 0.94 <= hits / total <= 0.995
    assert np.median(widths) < 5


def test_one_seed_has_no_interval():
    (center,) = centers([[1e-3]])
    assert (center.median, center.low, center.high) == (pytest.approx(1e-3), 0.0, math.inf)
