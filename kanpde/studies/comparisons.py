"""Records -> series of sizes, their power laws, pairs at equal budget, and what can be said of them."""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import combinations, product
from typing import Any

import numpy as np

from kanpde.models.networks import title_of
from kanpde.results.verdicts import Word
from kanpde.studies.power_laws import Center, PowerLaw, centers, fit_power_law
from kanpde.studies.records import Record

BUDGETS = {"parameters": "parameters", "flops": "FLOPs per step", "seconds": "seconds"}
TOLERANCES = {"parameters": 1.15, "flops": 1.15, "seconds": 1.3}
"""Ratio of two budgets up to which they count as equal; seconds are measured, and differ from run to run."""

VERDICT_RULE = (
    "One of a pair is better only where the two 95% intervals of the median error do not overlap; they come from the "
    "scatter of the size's seeds, or from that usual in its series if it is larger. Budgets are equal up to a factor "
    f"{TOLERANCES['parameters']}, seconds up to {TOLERANCES['seconds']}."
)


@dataclass(frozen=True)
class Size:
    """The runs of one architecture, seeds apart."""

    records: tuple[Record, ...]

    @property
    def first(self) -> Record:
        return self.records[0]

    @property
    def errors(self) -> list[float]:
        return [record.error for record in self.records]

    @property
    def failed(self) -> int:
        return sum(record.status == "failed" for record in self.records)

    def budget(self, name: str) -> float:
        """The median over seeds; NaN where it was not measured."""
        values = [getattr(record, name) for record in self.records]
        known = [value for value in values if math.isfinite(value)]
        return float(np.median(known)) if known else math.nan


@dataclass(frozen=True)
class Series:
    """One model growing in one way.

    name: `KAN degree 5, width 5, finer grids`.
    growth: `grid`, `width`, or `` for a single size.
    """

    name: str
    growth: str
    sizes: tuple[Size, ...]

    @property
    def model(self) -> str:
        return self.sizes[0].first.model

    @property
    def degree(self) -> int:
        return self.sizes[0].first.degree

    @property
    def seeds(self) -> float:
        """Of most sizes."""
        return float(np.median([len(size.records) for size in self.sizes]))

    @cached_property
    def centers(self) -> list[Center]:
        return centers([size.errors for size in self.sizes])

    @cached_property
    def laws(self) -> dict[str, PowerLaw]:
        """The exponent against each budget."""
        return {name: self._law(partial(Size.budget, name=name)) for name in BUDGETS}

    @cached_property
    def order(self) -> PowerLaw | None:
        """error ~ h^p on grids of spacing h: p, for splines whose grid is refined."""
        if self.growth != "grid" or not self.degree:
            return None
        return self._law(lambda size: float(size.first.grid))

    @property
    def every_law(self) -> dict[str, PowerLaw]:
        """The exponents against budgets, and `grid`, the order in its spacing, where there is one."""
        return self.laws | ({"grid": self.order} if self.order else {})

    def _law(self, place: Callable[[Size], float]) -> PowerLaw:
        known = sorted((size for size in self.sizes if place(size) > 0), key=place)
        return fit_power_law([place(size) for size in known], [size.errors for size in known])


@dataclass(frozen=True)
class Pair:
    """Two kinds of model at equal budget; `better` is that with the lower error, or empty where intervals overlap."""

    budget: str
    first: Size
    second: Size
    first_center: Center
    second_center: Center

    @property
    def kinds(self) -> tuple[str, str]:
        return self.first.first.model, self.second.first.model

    @property
    def better(self) -> str:
        if self.first_center.high < self.second_center.low:
            return self.kinds[0]
        return self.kinds[1] if self.second_center.high < self.first_center.low else ""

    @property
    def advantage(self) -> float:
        """The second's error over the first's."""
        return self.second_center.median / self.first_center.median


@dataclass(frozen=True)
class Comparison:
    """Runs under equal settings."""

    settings: dict[str, Any]
    series: tuple[Series, ...]
    pairs: tuple[Pair, ...]
    unfinished: tuple[Record, ...] = ()

    @property
    def sizes(self) -> tuple[Size, ...]:
        """Every architecture once."""
        return tuple({size.first.name + size.first.size: size for one in self.series for size in one.sizes}.values())

    @property
    def kinds(self) -> list[str]:
        """Of its models, in the order of their names."""
        return kinds_of(size.first for size in self.sizes)

    @property
    def records(self) -> tuple[Record, ...]:
        return tuple(record for size in self.sizes for record in size.records)

    def conclusions(self) -> list[str]:
        """What the figures say, and what they do not, a sentence each."""
        return [*_pair_sentences(self), *_law_sentences(self), *_shortcomings(self)]


def kinds_of(records: Iterable[Record]) -> list[str]:
    """The kinds of model among runs, in the order of their names."""
    return sorted({record.model for record in records})


def compare(records: Iterable[Record]) -> list[Comparison]:
    """One comparison for each set of equal settings, the largest first."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record.settings, []).append(record)
    found = [_comparison(settings, group) for settings, group in groups.items()]
    return sorted(found, key=lambda one: -len(one.records))


def _comparison(settings: str, records: Sequence[Record]) -> Comparison:
    unfinished = tuple(record for record in records if record.status == "interrupted")
    series = tuple(series_of([record for record in records if record.status != "interrupted"]))
    return Comparison(json.loads(settings), series, tuple(pairs_of(series)), unfinished)


def series_of(records: Iterable[Record]) -> list[Series]:
    """Runs -> sizes -> series: by grid at each width, by width at each grid; without grids by width at each depth."""
    sizes = _sizes(records)
    groups: dict[tuple[Any, ...], list[Size]] = {}
    for size in sizes:
        for key in _series_keys(size.first):
            groups.setdefault(key, []).append(size)
    long = {key: group for key, group in groups.items() if len(group) > 1}
    placed = {id(size) for group in long.values() for size in group}
    alone = [Series(f"{size.first.name}, {size.first.size}", "", (size,)) for size in sizes if id(size) not in placed]
    return [
        Series(_series_name(key), key[1], tuple(sorted(group, key=_growing))) for key, group in long.items()
    ] + alone


def _sizes(records: Iterable[Record]) -> list[Size]:
    groups: dict[tuple[Any, ...], list[Record]] = {}
    for record in sorted(records, key=lambda one: (one.model, one.parameters, one.seed, one.path)):
        groups.setdefault((record.name, record.width, record.grid), []).append(record)
    return [Size(tuple(group)) for group in groups.values()]


def _series_keys(record: Record) -> list[tuple[Any, ...]]:
    depth = len(record.width)
    if not record.grid:
        return [(record.name, "width", depth, 0)]
    return [(record.name, "grid", record.width, 0), (record.name, "width", depth, record.grid)]


def _series_name(key: tuple[Any, ...]) -> str:
    name, growth, shape, grid = key
    if growth == "width" and not grid:
        return name
    return f"{name}, width {list(shape)}, finer grids" if growth == "grid" else f"{name}, grid {grid}, wider"


def _growing(size: Size) -> tuple[Any, ...]:
    return size.first.parameters, size.first.grid


def pairs_of(series: Sequence[Series]) -> list[Pair]:
    """For each size and each budget, the nearest of every series of another kind, if it is near enough."""
    found = []
    kinds = kinds_of(one.sizes[0].first for one in series)
    for (first, second), budget in product(combinations(kinds, 2), BUDGETS):
        sizes = _centered(one for one in series if one.model == first)
        for rivals in (_centered([one]) for one in series if one.model == second):
            for size, center in sizes:
                near = _nearest(size.budget(budget), rivals, budget)
                if near is not None:
                    found.append(Pair(budget, size, near[0], center, near[1]))
    return found


def _centered(series: Iterable[Series]) -> list[tuple[Size, Center]]:
    """Every architecture once; one in two series takes the interval of the first."""
    found: dict[str, tuple[Size, Center]] = {}
    for one in series:
        for size, center in zip(one.sizes, one.centers, strict=True):
            found.setdefault(size.first.name + size.first.size, (size, center))
    return list(found.values())


def _nearest(value: float, rivals: Sequence[tuple[Size, Center]], budget: str) -> tuple[Size, Center] | None:
    def distance(rival: tuple[Size, Center]) -> float:
        other = rival[0].budget(budget)
        return abs(math.log(other / value)) if other > 0 and value > 0 else math.inf

    near = min(rivals, key=distance, default=None)
    return near if near is not None and distance(near) <= math.log(TOLERANCES[budget]) else None


# Sentences


def _pair_sentences(comparison: Comparison) -> list[str]:
    lines = []
    for kinds, (budget, words) in product(combinations(comparison.kinds, 2), BUDGETS.items()):
        first, second = map(title_of, kinds)
        pairs = [pair for pair in comparison.pairs if pair.budget == budget and pair.kinds == kinds]
        if not pairs:
            lines.append(f"At equal {words}: nothing can be said, since no {first} and {second} are of equal {words}.")
            continue
        lines.append(f"At equal {words}: {_verdict(pairs)}")
    return lines


def _verdict(pairs: Sequence[Pair]) -> str:
    counts = Counter(pair.better for pair in pairs)
    a, b = pairs[0].kinds
    first, second = title_of(a), title_of(b)
    low, high = (f(pair.advantage for pair in pairs) for f in (min, max))
    spread = f"the {second}'s median error over the {first}'s is {ratio(low)} to {ratio(high)}"
    if not counts[a] and not counts[b]:
        return f"not resolved, the intervals overlap in all {len(pairs)} pairs; {spread}."
    if counts[a] and counts[b]:
        who = f"neither wins: the {first} has the lower error in {counts[a]} pairs, the {second} in {counts[b]}"
    else:
        winner, count = (first, counts[a]) if counts[a] else (second, counts[b])
        who = f"the {winner} has the lower error in {count} of {len(pairs)} pairs"
    return f"{who}{_open(counts[''])}; {spread}."


def _open(count: int) -> str:
    return f", {count} {'is' if count == 1 else 'are'} not resolved" if count else ""


def ratio(value: float) -> str:
    """Two digits, without exponents as far as people read them: 0.031, 4.2, 280.

    >>> ratio(0.0312), ratio(4.16), ratio(283.1), ratio(4.1e6)
    ('0.031', '4.2', '280', '4.1e+06')
    """
    rounded = float(f"{value:.2g}")
    return f"{rounded:.0f}" if 10 <= rounded < 1e6 else f"{rounded:.2g}"


def _law_sentences(comparison: Comparison) -> list[str]:
    lines = []
    growing = [one for one in comparison.series if one.growth]
    for one in growing or comparison.series:
        law = one.laws["parameters"]
        if law.resolved:
            lines.append(
                f"{one.name}: the error falls with the number of parameters N like N^−α, α = {law.exponent:.3g} "
                f"({law.low:.2g} to {law.high:.2g})."
            )
        else:
            lines.append(f"{one.name}: the exponent is not resolved; {law.reason}.")
        if one.order is not None and one.order.resolved:
            lines.append(_order_sentence(one, one.order))
    return lines


def _order_sentence(series: Series, order: PowerLaw) -> str:
    theory = series.degree + 1
    where = (
        f"{series.name}: the order in the grid spacing is {order.exponent:.3g} ({order.low:.2g} to {order.high:.2g})"
    )
    if order.low <= theory <= order.high:
        return f"{where}, which agrees with k + 1 = {theory} of best approximation by splines."
    return f"{where}, {'below' if order.high < theory else 'above'} k + 1 = {theory} of best approximation by splines."


def _shortcomings(comparison: Comparison) -> list[str]:
    lines = []
    if len(comparison.kinds) == 1:
        (kind,) = comparison.kinds
        lines.append(f"There is no model but the {title_of(kind)} among these runs, so none can be called better.")
    if comparison.series and all(not one.growth for one in comparison.series):
        lines.append("Every model has a single size: how the error falls with size cannot be concluded.")
    if comparison.series and max(one.seeds for one in comparison.series) < 2:
        lines.append("There is one seed a size: how runs scatter is unknown, and no difference can be called real.")
    failed = sum(size.failed for size in comparison.sizes)
    if failed:
        lines.append(f"{failed} of {len(comparison.records)} runs failed; they count, see the table.")
    unsolved = sum(record.verdict == Word.UNSOLVED for record in comparison.records)
    if unsolved:
        lines.append(f"{unsolved} of {len(comparison.records)} runs are unsolved: their errors are 10 % or more.")
    late = sum(record.timed_out for record in comparison.records)
    if late:
        lines.append(f"{late} of {len(comparison.records)} runs ended at the time limit, not by themselves.")
    full = sum("all steps were taken" in record.stop_reason for record in comparison.records)
    if full:
        lines.append(
            f"{full} of {len(comparison.records)} runs used all their steps: errors are those of equal training, and "
            "more steps might lower them."
        )
    if comparison.unfinished:
        lines.append(f"{len(comparison.unfinished)} interrupted runs are left out.")
    below = sum(record.error < record.reference_error for record in comparison.records)
    if below:
        lines.append(f"{below} runs have an error below that of the reference: they say no more than that.")
    return lines
