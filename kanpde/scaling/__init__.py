"""How the error falls with size, and which model wins at equal budget.

From the bottom up:

    power_laws     error ~ C N^-α: the fit, its interval, the plateau left out
    records        what a study knows of a run, and what it skips
    comparisons    records -> series of sizes, laws, pairs at equal budget, sentences
"""
