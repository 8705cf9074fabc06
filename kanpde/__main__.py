"""`python -m kanpde …` is `kanpde …`."""

import sys

from kanpde.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
