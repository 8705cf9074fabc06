"""What a child process can be asked for, by name.

The server must not load what solves: PyTorch and SymPy are 300 MB. So it names the work, and the fork server, which has
loaded `kanpde.service.work`, finds it under its name.
"""

from collections.abc import Callable

WORK: dict[str, Callable[..., None]] = {}


def work(function: Callable[..., None]) -> Callable[..., None]:
    """Let a function be asked for; a decorator."""
    WORK[function.__name__] = function
    return function


def enter(name: str, *arguments: object) -> None:
    """Begin in a child process."""
    if name not in WORK:  # the fork server keeps quiet about what it could not load
        raise RuntimeError("kanpde.service.work did not load; python -c 'import kanpde.service.work' says why")
    WORK[name](*arguments)
