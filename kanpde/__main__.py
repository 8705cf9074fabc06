"""`python -m kanpde …` is `kanpde …`."""

import importlib
import os
import sys


def run() -> int:
    """The command; Ctrl-C while it is still being imported is as quiet as later.

    Threads that wait sleep, unless you say otherwise: where another process has one of the cores, those that spin keep
    the last one from the thread they wait for, and steps take ten times as long (tests/benchmarks/lm_step.py).
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read as PyTorch is loaded
    try:
        return importlib.import_module("kanpde.cli.main").main()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(run())
