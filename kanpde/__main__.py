"""`python -m kanpde …` is `kanpde …`."""

import importlib
import sys


def run() -> int:
    """The command; Ctrl-C while it is still being imported is as quiet as later."""
    try:
        return importlib.import_module("kanpde.cli.main").main()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(run())
