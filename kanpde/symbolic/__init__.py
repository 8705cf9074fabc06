"""Formulas out of trained networks, and what a network can tell about itself. README.md has the data flow."""
