"""Optimizers by the names that configurations use."""

from kanpde.optimizers.adam import Adam
from kanpde.optimizers.interface import Ended, Iterate, Objective, Observer, Optimizer, Stop, StopReason
from kanpde.optimizers.levenberg_marquardt import LevenbergMarquardt
from kanpde.optimizers.quasi_newton import LBFGS

OPTIMIZERS = {"lm": LevenbergMarquardt, "lbfgs": LBFGS, "adam": Adam}

__all__ = [
    "LBFGS",
    "OPTIMIZERS",
    "Adam",
    "Ended",
    "Iterate",
    "LevenbergMarquardt",
    "Objective",
    "Observer",
    "Optimizer",
    "Stop",
    "StopReason",
]
