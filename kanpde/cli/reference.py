"""`kanpde reference`."""

import sys
from collections.abc import Sequence

from kanpde.cli.parsing import say
from kanpde.cli.settings import settings_parser
from kanpde.errors import InputError
from kanpde.problems.problem import Problem
from kanpde.references import FILE, METHODS, NotSolved, Reference, method_for, reference_of
from kanpde.runs.hydra_composition import compose_mapping
from kanpde.runs.jobs import JobState
from kanpde.runs.settings import config_of


def reference_command(words: Sequence[str]) -> int:
    """solve a problem by a classical method alone, at several resolutions"""
    options = settings_parser(reference_command).parse_intermixed_args(words)
    problem = config_of(compose_mapping(options.settings)).problem
    method = method_for(problem)
    if method is None:
        raise InputError(
            f"{problem.name} needs a reference to be found, by one of {', '.join(METHODS)}; "
            f"{'it has an exact solution' if problem.exact else 'no one of them takes it'}. "
            "Write reference: {method: …} in the problem file to choose one, or {method: file, file: …}."
        )
    try:
        found = reference_of(problem, method)
    except NotSolved as reason:
        say(f"failed: {method} {reason}", stream=sys.stderr)
        return JobState.FAILED.exit_code
    say(*reference_lines(problem, found))
    return 0


def reference_lines(problem: Problem, found: Reference) -> list[str]:
    """A classical solution in a few lines."""
    how = "read from a file" if found.method == FILE else f"solved by {found.method}"
    lines = [f"{problem.title}: {how}", f"  {'unknowns':22} {found.unknowns}"]
    lines += [f"  {'relative error':22} {found.error:.2e}", f"  {'seconds':22} {found.seconds:.2f}"]
    energies = zip(found.energies, found.energy_errors, strict=True)
    return lines + [f"  {f'energy {n}':22} {energy:.10g} ± {gap:.1e}" for n, (energy, gap) in enumerate(energies, 1)]
