"""Tight-binding lattices: operators drawn from a stated lattice, what is measured on them, mobility edges learned."""
