"""Claims of the KAN paper and of its critics, each re-run by one command and judged; a claim is one module here.

Source: Liu and others, KAN: Kolmogorov–Arnold Networks, arXiv:2404.19756.
"""

from kanpde.studies.claims import bumps, conversion, feynman, poisson, special, speed, ties, toys, widths
from kanpde.studies.claims.interface import Claim, Judged, Verdict, judged, stored

_LEAVES = (toys, poisson, special, feynman, bumps, ties, conversion, speed, widths)

CLAIMS = {leaf.CLAIM.name: leaf.CLAIM for leaf in _LEAVES}

__all__ = ["CLAIMS", "Claim", "Judged", "Verdict", "judged", "stored"]
