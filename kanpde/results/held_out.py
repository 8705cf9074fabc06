"""What histories and archives call the figures at held-out points; the one place where readers have them from."""

from kanpde.solving.held_out import HELDOUT_ENERGY, HELDOUT_RESIDUAL

__all__ = ["HELDOUT_ENERGY", "HELDOUT_RESIDUAL", "HELDOUT_RMS"]

HELDOUT_RMS = "heldout_residual_rms"
"""The metric; the column of a history is `HELDOUT_RESIDUAL`."""
