"""The settings of the group `training`."""

import math
from dataclasses import dataclass
from typing import Literal

from kanpde.errors import InputError

MOST_WINDOWS = 10_000
"""Into which time is cut; each has a network of its own."""


@dataclass(frozen=True)
class Training:
    """How a run is staged and when it ends.

    Args:
        conditions: "exact" builds Dirichlet, initial and periodic conditions into the ansatz where it can; "penalty"
            leaves all but periodicity to the loss.
        boundary_weight: Weight of a condition in the loss; an equation has 1.
        data_weight: Weight of the data in the loss.
        stages: Grids, each twice as fine as the last; for models without a grid, rounds of new points.
        starts: Short trainings from different random networks on the coarse grid, the best of which goes on.
        start_steps: Steps of each of them.
        steps: Steps per stage at most.
        resample: Steps after which the points are drawn anew within a stage; null keeps them for the stage.
        target: Held-out residual at which to stop; null goes on, and so do energies.
        time_limit: Seconds of training after which to stop; reference, measuring and drawing have half as many beside.
        adapt: From the second stage on, the knots of a KAN's first layer and the points follow the solution's bends.
        windows: Times between which time is cut, or a number of equal windows, each with a network of its own; null
            trains all of time at once.
    """

    conditions: Literal["exact", "penalty"] = "exact"
    boundary_weight: float = 10.0
    data_weight: float = 1.0
    stages: int = 4
    starts: int = 4
    start_steps: int = 15
    steps: int = 60
    resample: int | None = None
    target: float | None = None
    time_limit: float = 120.0
    adapt: bool = False
    windows: int | tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        counts = {name: getattr(self, name) for name in ("stages", "starts", "steps", "resample")}
        for name, value in counts.items():
            if value is not None and not value >= 1:
                raise InputError(f"training.{name} must be 1 or more; {value} came. Set it so.")
        if isinstance(self.windows, int) and not 1 <= self.windows <= MOST_WINDOWS:
            raise InputError(
                f"training.windows must be 1 to {MOST_WINDOWS}, or times; {self.windows} came. Set it so."
            )
        if self.start_steps < 0:
            raise InputError(f"training.start_steps must not be negative; {self.start_steps} came. Set it so.")
        for name in ("time_limit", "boundary_weight", "data_weight", "target"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise InputError(f"training.{name} must be positive and finite; {value} came. Set it so.")

    @property
    def window_count(self) -> int:
        """Into how many windows time is cut; 1 where it is not."""
        return self.windows if isinstance(self.windows, int) else len(self.windows or ()) + 1
