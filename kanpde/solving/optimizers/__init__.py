"""Optimizers by the names that configurations use."""

from kanpde.solving.optimizers.adam import Adam
from kanpde.solving.optimizers.interface import Ended, Iterate, Objective, Observer, Optimizer, Stop, StopReason
from kanpde.solving.optimizers.lbfgs import LBFGS
from kanpde.solving.optimizers.levenberg_marquardt import LevenbergMarquardt

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
