"""Classical solvers by the names of their modules, those that are tried first in front.

A module of this folder is a method, which problem files can ask for; it has

    PLACE                       among the others: of those that can take a problem the one with the least solves it
    applicable(problem)         whether it can
    resolutions(problem)        what to try, in its own unit (nodes an axis, cells, …), coarse to fine
    solve(problem, resolution)  the Solved, whose values are an interpolant; raises NotSolved
"""

from types import ModuleType

from kanpde.files.discovery import modules_in

METHODS: dict[str, ModuleType] = {
    module.__name__.rpartition(".")[2]: module
    for module in sorted(modules_in(__name__, __path__), key=lambda module: module.PLACE)
}
