"""The seconds of a whole run: training has its limit T, all beside it half as much, and a grace of 5 s twice.

    reference ≤ T/2,   training ≤ T,   reference + training + measuring + drawing ≤ 3T/2 + 10 s

What training leaves of its limit goes to what comes after it. There is one clock, and nothing that training decides
depends on it: limits in seconds of training stay what they are, and a run that goes on from its checkpoint stays the
same.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

BESIDE = 0.5
"""Share of the limit of training that the rest of the run has beside it."""

GRACE = 5.0
"""Seconds that measuring, and then drawing, may take, however late it is."""


@dataclass(frozen=True)
class Budget:
    """The clock of one run, begun when it is made.

    Attributes:
        limit: T, the seconds of training.
        now: The seconds that pass.
    """

    limit: float
    now: Callable[[], float] = time.monotonic
    begun: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "begun", self.now())

    @property
    def reference(self) -> float:
        """Seconds of the reference."""
        return BESIDE * self.limit

    def left(self) -> float:
        """Seconds of the run that are left, at least the grace."""
        return max((1 + BESIDE) * self.limit - (self.now() - self.begun), 0.0) + GRACE

    def measuring(self) -> float:
        """Seconds of measuring: half of what is left, the rest is for drawing."""
        return max(self.left() / 2, GRACE)
