"""Networks, and the kinds that configurations name; a kind is whatever module of this folder has one."""

from kanpde.models.discovery import leaves
from kanpde.models.networks.chains import Chain, Layer
from kanpde.models.networks.interface import Design, Rows, Smoothness
from kanpde.models.networks.kan import KAN, KANDesign
from kanpde.models.networks.mlp import MLP, MLPDesign

MODELS: dict[str, type[Design]] = leaves(__name__, __path__, Design, "kind", first=KANDesign)

SMOOTH = MLPDesign.kind
"""The kind whose settings stand in for those of a module of one's own, which the checks take to be smooth."""

__all__ = [
    "KAN",
    "MLP",
    "MODELS",
    "SMOOTH",
    "Chain",
    "Design",
    "KANDesign",
    "Layer",
    "MLPDesign",
    "Rows",
    "Smoothness",
]
