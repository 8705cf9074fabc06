"""The goal of `fit`: what is fitted to an expression or to data is a residual as any other."""

from dataclasses import dataclass
from typing import ClassVar

from kanpde.solving.tasks.equations import LeastResiduals


@dataclass(frozen=True)
class LeastMisfit(LeastResiduals):
    """‖u - f‖² → min."""

    key: ClassVar[str] = "fit"
