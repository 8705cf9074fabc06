"""Times as ratios in one run: the alternatives take turns, so that a machine's drift meets them alike."""

import statistics
import time
from collections.abc import Callable, Mapping


def milliseconds(
    alternatives: Mapping[str, Callable[[], object]],
    rounds: int = 15,
    warmup: int = 3,
    clock: Callable[[], float] = time.perf_counter,
):
    """The median time of each alternative over rounds in which every one runs once; CPU time by another clock."""
    times: dict[str, list[float]] = {name: [] for name in alternatives}
    for turn in range(warmup + rounds):
        for name, call in alternatives.items():
            begun = clock()
            call()
            if turn >= warmup:
                times[name].append(1e3 * (clock() - begun))
    return {name: statistics.median(values) for name, values in times.items()}
