"""Is a problem well stated whose fields live in parts of the domain?"""

from __future__ import annotations

import torch

from kanpde.errors import InputError
from kanpde.problems.language import Integrated, all_jets_of, fields_of, remotes_of
from kanpde.problems.problem import Problem


def check_regions(problem: Problem, label: str) -> None:
    """Nothing is asked of a field where it does not live.

    Raises:
        InputError: in three parts, beginning with `label` and the key.
    """
    if not problem.homes:
        return
    if not problem.equations:
        raise InputError(
            f"{label}: regions.fields go with equations; the problem has {problem.task.key}. State its equations, or "
            "let fields live everywhere."
        )
    check_reach(problem, label)
    check_rows(problem, label)


def check_reach(problem: Problem, label: str) -> None:
    """Integrals, shifts and delays go over fields that live everywhere."""
    stated = {f"equations.{name}": residual for name, residual in problem.equations.items()}
    stated |= {c.name: c.residual for c in problem.conditions if c.kind != "interface"}
    for key, residual in stated.items():
        for remote in remotes_of(residual):
            inner = all_jets_of(remote.density) if isinstance(remote, Integrated) else [remote.parts[0]]
            for field in (name for name, _ in inner if name in problem.homes.own):
                raise InputError(
                    f"{label}: {key} takes integrals and values elsewhere of fields that live everywhere; {field} "
                    "lives in a part. Write inside(…)*… of one that does, or leave it out."
                )


def check_rows(problem: Problem, label: str) -> None:
    """Data are of fields where they live."""
    if problem.data is None:
        return
    lives = problem.lives(torch.from_numpy(problem.data.points))
    for expr in problem.data.measured(problem.coordinates):
        for field in fields_of(expr):
            outside = int((~lives[:, problem.fields.index(field)]).sum())
            if outside:
                raise InputError(
                    f"{label}: data of {field} need places where {field} lives; {outside} of {len(lives)} lie "
                    "elsewhere. Remove these rows."
                )
