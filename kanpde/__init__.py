"""Partial differential equations from a short YAML file, solved with Kolmogorov-Arnold networks."""

from kanpde.allocation import keep_freed_memory
from kanpde.problems import load_problem
from kanpde.runs import open_run, solve

__version__ = "0.1.0"

__all__ = ["__version__", "load_problem", "open_run", "solve"]

keep_freed_memory()
