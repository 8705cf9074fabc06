"""What problem files can ask for, by their keys: one task is one module beside this file.

Their other half, what is lowered and measured, is in `kanpde/solving/tasks`.
"""

from kanpde.errors import InputError
from kanpde.files.discovery import leaves
from kanpde.problems.problem import Task
from kanpde.problems.reading.entries import Source
from kanpde.problems.tasks.equations import Equations

TASKS: dict[str, type[Task]] = leaves(__name__, __path__, Task, "key", first=Equations)


def task_of(source: Source) -> type[Task]:
    """The task that a problem file states: equations, where it has no other's key.

    Raises:
        InputError: It has the keys of two, or one that has no place beside its task.
    """
    stated = [key for key in source.data if key in TASKS and key != Equations.key]
    task = TASKS[stated[0]] if stated else Equations
    apart = [key for key in (*TASKS, *task.replaces) if key != task.key and source.data.get(key)]
    if apart:
        raise InputError(f"{source.where(task.key)} takes the place of {apart[0]}; both are there. Remove one of them.")
    return task
