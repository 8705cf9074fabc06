"""Univariate feature maps, by the names that configurations use; a basis is whatever module of this folder has one."""

from typing import TYPE_CHECKING, Literal

from kanpde.files.discovery import leaves
from kanpde.models.bases.activations import GELU, Activation, Identity, ReLU, SiLU, Sin, Tanh
from kanpde.models.bases.bsplines import BSplines
from kanpde.models.bases.interface import Basis, FeatureMap, Features, Joined, spread

ACTIVATIONS = {"tanh": Tanh, "sin": Sin, "gelu": GELU, "silu": SiLU, "relu": ReLU}
BASES: dict[str, type[Basis]] = leaves(__name__, __path__, Basis, "name", first=BSplines)

if TYPE_CHECKING:
    BasisName = str
else:
    BasisName = Literal[*BASES]

__all__ = [
    "ACTIVATIONS",
    "BASES",
    "Activation",
    "BSplines",
    "Basis",
    "BasisName",
    "FeatureMap",
    "Features",
    "Identity",
    "Joined",
    "SiLU",
    "spread",
]
