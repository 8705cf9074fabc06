"""How the error falls with size, and which model wins at equal budget.

From the bottom up:

    power_laws     error ~ C N^-α: the fit, its interval, the plateau left out
    records        what a study knows of a run, and what it skips
    comparisons    records -> series of sizes, laws, pairs at equal budget, sentences
    classical      what classical solvers reach on the same problem
    archive        a study as a file, scaling.h5
    figures        error against parameters, operations and seconds
    plans          the settings of a study, its sizes, others matched to the first model
    runner         makes the runs
    report         a study as a page
    files          a study's files in its folder
"""
