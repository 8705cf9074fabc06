"""Claims of the KAN paper and of its critics, each re-run by one command and judged; a claim is one module here.

Source: Liu and others, KAN: Kolmogorov–Arnold Networks, arXiv:2404.19756.
"""

from kanpde.files.discovery import modules_in
from kanpde.studies.claims.interface import Claim, Judged, Judgment, judged, stored

_FOUND = [module.CLAIM for module in modules_in(__name__, __path__) if hasattr(module, "CLAIM")]

CLAIMS: dict[str, Claim] = {claim.name: claim for claim in sorted(_FOUND, key=lambda claim: claim.place)}

__all__ = ["CLAIMS", "Claim", "Judged", "Judgment", "judged", "stored"]
