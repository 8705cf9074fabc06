"""The exact last layer where it holds, Levenberg–Marquardt on all layers where it does not."""

from dataclasses import dataclass
from typing import ClassVar

from kanpde.errors import InputError
from kanpde.solving.optimizers.levenberg_marquardt import LevenbergMarquardt


@dataclass(frozen=True)
class Auto(LevenbergMarquardt):
    """First the exact last layer; unless its solutions agree, Levenberg–Marquardt, whose settings these are as well.

    Args:
        solver: As for optimizer=lm.
        geodesic: As for optimizer=lm.
        damping: As for optimizer=lm.
        floor: As for optimizer=lm.
        tolerance: As for optimizer=lm.
        share: Of the time limit, for the exact last layer.
    """

    kind: ClassVar[str] = "auto"
    chooses_model: ClassVar[bool] = True

    share: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.share < 1:
            raise InputError(f"optimizer.share needs a number between 0 and 1; {self.share} came. Write 0.5, say.")
