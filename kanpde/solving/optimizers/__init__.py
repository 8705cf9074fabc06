"""Optimizers by the names that configurations use."""

from kanpde.solving.optimizers.adam import Adam
from kanpde.solving.optimizers.auto import Auto
from kanpde.solving.optimizers.interface import Ended, Iterate, Objective, Observer, Optimizer, Stop, StopReason
from kanpde.solving.optimizers.lbfgs import LBFGS
from kanpde.solving.optimizers.least_squares import LeastSquares
from kanpde.solving.optimizers.levenberg_marquardt import LevenbergMarquardt

OPTIMIZERS = {"lm": LevenbergMarquardt, "lbfgs": LBFGS, "adam": Adam, "least_squares": LeastSquares, "auto": Auto}

TRAINERS = tuple(name for name, method in OPTIMIZERS.items() if not issubclass(method, (Auto, LeastSquares)))
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
    "Objective",
    "Observer",
    "Optimizer",
    "Stop",
    "StopReason",
    "TRAINERS",
]
