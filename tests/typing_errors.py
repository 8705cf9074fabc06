"""Types: mypy finds nothing wrong in any room, by the strict rules in the modules that pyproject.toml lists.

    python tests/typing_errors.py            # exit code 1 where it finds something
"""

import subprocess
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.exit(subprocess.run([sys.executable, "-m", "mypy"], cwd=Path(__file__).parents[1]).returncode)
