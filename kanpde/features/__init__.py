"""Univariate feature maps, by the names that configurations use."""

from kanpde.features.activations import GELU, Activation, Identity, ReLU, SiLU, Sin, Tanh
from kanpde.features.bsplines import BSplines
from kanpde.features.families import Chebyshev, Fourier, Gaussian
from kanpde.features.maps import FeatureMap, Features, Joined, RangedFeatureMap, spread

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
