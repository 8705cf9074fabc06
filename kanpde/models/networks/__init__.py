"""Networks, and the designs that configurations name."""

from kanpde.models.networks.chains import Chain, Layer
from kanpde.models.networks.kan import KAN, KANDesign
from kanpde.models.networks.mlp import MLP, MLPDesign

Design = KANDesign | MLPDesign
MODELS = {"kan": KANDesign, "mlp": MLPDesign}

__all__ = ["KAN", "MLP", "MODELS", "Chain", "Design", "KANDesign", "Layer", "MLP", "MLPDesign"]
