"""What histories call the figures that a network is judged by, at points that no training has seen."""

HELDOUT_RESIDUAL, HELDOUT_ENERGY = "heldout_residual", "heldout_energy"
