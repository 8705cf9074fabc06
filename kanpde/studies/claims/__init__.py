"""Claims of the KAN paper and of its critics, each re-run by one command and judged; a claim is one module here.

Source: Liu and others, KAN: Kolmogorov–Arnold Networks, arXiv:2404.19756.
"""

from kanpde.studies.claims import bumps, conversion
from kanpde.studies.claims.interface import Claim, Judged, Verdict, judged, stored

CLAIMS = {claim.name: claim for claim in (conversion.CLAIM, bumps.CLAIM)}

__all__ = ["CLAIMS", "Claim", "Judged", "Verdict", "judged", "stored"]
