"""Optimizers by the names that configurations use; one is whatever module of this folder has one."""

from kanpde.files.discovery import leaves
from kanpde.solving.optimizers.adam import Adam
from kanpde.solving.optimizers.auto import Auto
from kanpde.solving.optimizers.interface import Ended, Iterate, Loss, Observer, Optimizer, Stop, StopReason
from kanpde.solving.optimizers.lbfgs import LBFGS
from kanpde.solving.optimizers.least_squares import LeastSquares
from kanpde.solving.optimizers.levenberg_marquardt import LevenbergMarquardt

OPTIMIZERS: dict[str, type[Optimizer]] = leaves(__name__, __path__, Optimizer, "kind", first=LevenbergMarquardt)

TRAINERS = tuple(name for name, method in OPTIMIZERS.items() if not method.chooses_model)
"""Those that train the model they are given; the others may choose one of their own."""

__all__ = [
    "LBFGS",
    "OPTIMIZERS",
    "Adam",
    "Auto",
    "Ended",
    "Iterate",
    "LeastSquares",
    "LevenbergMarquardt",
    "Loss",
    "Observer",
    "Optimizer",
    "Stop",
    "StopReason",
    "TRAINERS",
]
