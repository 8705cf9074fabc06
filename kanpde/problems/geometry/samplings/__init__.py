"""Samplings by the names that configurations use; one is whatever module of this folder has one."""

from kanpde.files.discovery import leaves
from kanpde.problems.geometry.samplings.gauss import GaussSampling
from kanpde.problems.geometry.samplings.interface import Sampling, interior_count, side_count
from kanpde.problems.geometry.samplings.sobol import SobolSampling

SAMPLINGS: dict[str, type[Sampling]] = leaves(__name__, __path__, Sampling, "kind", first=SobolSampling)

__all__ = ["SAMPLINGS", "GaussSampling", "Sampling", "SobolSampling", "interior_count", "side_count"]
