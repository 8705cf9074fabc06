"""Partial differential equations from a short YAML file, solved with Kolmogorov-Arnold networks."""

from kanpde.problems.catalog import load_problem
from kanpde.runs.run import open_run, solve
from kanpde.solving.training.allocation import keep_freed_memory

__version__ = "0.1.0"

__all__ = ["__version__", "load_problem", "open_run", "solve"]

keep_freed_memory()
