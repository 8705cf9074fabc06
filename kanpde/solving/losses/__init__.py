"""What training lowers: residuals of equations, conditions and data, energies."""
