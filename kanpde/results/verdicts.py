"""Is a run to be trusted? A word, an estimate of the relative error, and the reason in a sentence.

With a reference, or an exact solution, the estimate is the measured error, that of the worst field relative to how it
varies, or the reference's own bar, whichever is largest. Without, it is the largest of what needs no truth:

    the error that the held-out residual stands for, by the linearized error equation (`error_equation`),
    what conditions and data are missed by, relative to the size of what they say,
    the residual relative to the largest term of its equation, where the error equation explains too little of it and
    the rest could be more than 1e-3,
    how much the solution still moved over the last half of its training.

    solved     the estimate is at most 1 %
    unsolved   it is 10 % or more where measured, 5 % or more where it is not
    unsure     between the two, or nothing could be estimated

A problem that has no solution, or of which several are as good, is no better called than its `Doubt`, however small
the estimate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

SOLVED_BELOW = 1e-2
UNSOLVED_FROM = 0.1
ESTIMATED_UNSOLVED_FROM = 0.05
"""An estimate may be short by some factor, so less of it is enough to say no."""

FACTOR = 10.0
"""What an estimate is believed within, up or down."""

TELLING = 3.0
"""How much more the worst field's error has to be than that of all together for it to be said."""

USELESS_BAR = 0.1
"""Error bar of a reference from which it measures nothing."""


class Word(StrEnum):
    """What a run is called."""

    SOLVED = "solved"
    UNSURE = "unsure"
    UNSOLVED = "unsolved"


@dataclass(frozen=True)
class Verdict:
    """A word on a run.

    Attributes:
        word: solved, unsure or unsolved.
        estimate: Of the relative L2 error; NaN where there is none.
        factor: The true error is believed to lie between estimate / factor and estimate · factor; 1 if measured.
        reason: A sentence.
    """

    word: Word
    estimate: float
    factor: float
    reason: str

    def line(self) -> str:
        """As a terminal shows it.

        >>> Verdict(Word.SOLVED, 2e-7, 1.0, "The measured error is 2.0e-07.").line()
        'solved: The measured error is 2.0e-07.'
        """
        return f"{self.word.value}: {self.reason}"


@dataclass(frozen=True)
class Sign:
    """One thing that speaks about the error: how large it says it is, and in which words."""

    estimate: float
    reason: str


@dataclass(frozen=True)
class Doubt:
    """What is wrong with a problem rather than with its solution: no verdict is better than the word."""

    word: Word
    reason: str


def is_measured(metrics: Mapping[str, float]) -> bool:
    """Whether the error was measured against something better than a guess."""
    return not math.isnan(metrics.get("rel_l2", math.nan)) and metrics.get("reference_error", 0.0) <= USELESS_BAR


def verdict_of(
    metrics: Mapping[str, float], signs: Sequence[Sign] = (), ended_badly: str = "", doubts: Sequence[Doubt] = ()
) -> Verdict:
    """Judge a run by its measured error, or by signs where none was measured, and by what is wrong with its problem.

    Args:
        metrics: Of the run: `rel_l2`, `varying_error` and `reference_error` where there is a reference.
        signs: What speaks about the error without one.
        ended_badly: The sentence on a run that failed.
        doubts: About the problem.

    >>> verdict_of({"rel_l2": 3e-4, "reference_error": 1e-8}).word.value
    'solved'
    >>> verdict_of({}, [Sign(0.2, "The error equation says 2.0e-01.")]).word.value
    'unsolved'
    >>> verdict_of({"rel_l2": 3e-4}, doubts=[Doubt(Word.UNSURE, "There may be others.")]).line()
    'unsure: There may be others. The measured error is 3.0e-04.'
    """
    if ended_badly:
        return Verdict(Word.UNSOLVED, math.nan, 1.0, ended_badly)
    found = _estimated(metrics, signs)
    worst = max(doubts, key=lambda doubt: _BADNESS[doubt.word], default=None)
    if worst is None or _BADNESS[worst.word] < _BADNESS[found.word]:
        return found
    return replace(found, word=worst.word, reason=f"{worst.reason} {found.reason}")


_BADNESS = {Word.SOLVED: 0, Word.UNSURE: 1, Word.UNSOLVED: 2}


def _estimated(metrics: Mapping[str, float], signs: Sequence[Sign]) -> Verdict:
    if is_measured(metrics):
        error = metrics["rel_l2"]
        return _measured(error, metrics.get("varying_error", error), metrics.get("reference_error", 0.0))
    if not signs:
        return Verdict(Word.UNSURE, math.nan, 1.0, "Nothing was measured and nothing could be estimated.")
    if any(math.isnan(sign.estimate) for sign in signs):
        return Verdict(Word.UNSOLVED, math.nan, 1.0, "The solution has values that are not numbers.")
    worst = max(signs, key=lambda sign: sign.estimate)
    return Verdict(_word(worst.estimate, ESTIMATED_UNSOLVED_FROM), worst.estimate, FACTOR, worst.reason)


def _measured(error: float, varying: float, bar: float) -> Verdict:
    estimate = max(error, varying, bar)
    if error <= bar and bar > SOLVED_BELOW:
        reason = f"The error, {error:.1e}, is within that of the reference, {bar:.1e}, which is not small."
    else:
        reason = f"The measured error is {error:.1e}" + (f", the reference's own {bar:.1e}." if bar > 1e-15 else ".")
        if varying > TELLING * error:
            reason += f" A field that is small, or varies little about its mean, is off by {varying:.1e} of that."
    return Verdict(_word(estimate, UNSOLVED_FROM), estimate, 1.0, reason)


def _word(estimate: float, unsolved_from: float) -> Word:
    if not estimate < unsolved_from:
        return Word.UNSOLVED
    return Word.SOLVED if estimate <= SOLVED_BELOW else Word.UNSURE


# in archives


def attributes_of(verdict: Verdict) -> dict[str, str | float]:
    """A verdict as attributes of an archive."""
    return {
        "verdict": verdict.word.value,
        "verdict_reason": verdict.reason,
        "error_estimate": verdict.estimate,
        "error_estimate_factor": verdict.factor,
    }


def verdict_in(attributes: Mapping[str, object], metrics: Mapping[str, float]) -> Verdict:
    """The verdict that an archive holds; one from before there were verdicts is judged by its metrics."""
    word = str(attributes.get("verdict"))
    if word not in list(Word):
        failed = str(attributes.get("stop_reason")) if attributes.get("status") == "failed" else ""
        return verdict_of(metrics, (), failed)
    estimate, factor = (_number(attributes.get(name)) for name in ("error_estimate", "error_estimate_factor"))
    return Verdict(Word(word), estimate, factor, str(attributes.get("verdict_reason", "")))


def _number(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return math.nan
