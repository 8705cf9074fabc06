"""What can go wrong, by who can mend it: the author of the input (exit code 2) or nobody but the run itself (1)."""


class InputError(ValueError):
    """Something that came from the user cannot be used.

    The message has three parts: what is needed, what came, what to do. The command line prints it without a
    traceback and exits with code 2.
    """


class RunError(RuntimeError):
    """A run that was set up properly could not be brought to an end; exit code 1."""
