"""Univariate feature maps, by the names that configurations use."""

from kanpde.models.bases.activations import GELU, Activation, Identity, ReLU, SiLU, Sin, Tanh
from kanpde.models.bases.bsplines import BSplines
from kanpde.models.bases.global_bases import Chebyshev, Fourier, Gaussian
from kanpde.models.bases.interface import FeatureMap, Features, Joined, RangedFeatureMap, spread

ACTIVATIONS = {"tanh": Tanh, "sin": Sin, "gelu": GELU, "silu": SiLU, "relu": ReLU}
FAMILIES = {"chebyshev": Chebyshev, "gaussian": Gaussian, "fourier": Fourier}

__all__ = [
    "ACTIVATIONS",
    "FAMILIES",
    "Activation",
    "BSplines",
    "Chebyshev",
    "FeatureMap",
    "Features",
    "Fourier",
    "Gaussian",
    "Identity",
    "Joined",
    "RangedFeatureMap",
    "spread",
]
