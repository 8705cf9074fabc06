"""Networks, and the kinds that configurations name; a kind is whatever module of this folder has one."""

from typing import TYPE_CHECKING, Literal

from kanpde.files.discovery import leaves
from kanpde.models.networks.chains import Chain, Layer
from kanpde.models.networks.interface import Design, Rows, Smoothness
from kanpde.models.networks.kan import KAN, KANDesign
from kanpde.models.networks.mlp import MLP, MLPDesign

MODELS: dict[str, type[Design]] = leaves(__name__, __path__, Design, "kind", first=KANDesign)

if TYPE_CHECKING:
    ModelKind = str
else:
    ModelKind = Literal[*MODELS]

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
    "ModelKind",
    "Rows",
    "Smoothness",
    "title_of",
]


def title_of(kind: str) -> str:
    """What reports call a kind; one from elsewhere by its name in capitals.

    >>> title_of("kan"), title_of("spiking")
    ('KAN', 'SPIKING')
    """
    return MODELS[kind].title if kind in MODELS else kind.upper()
