"""What a run leaves behind: errors measured, energies, learned parameters, the archive and its exports."""
