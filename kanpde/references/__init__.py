"""Classical solvers built from the same problem: independent of every network, with an error bar of their own."""
