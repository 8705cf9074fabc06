"""What a start costs: CPU seconds, of processes of their own, the least of several.

    python tests/benchmarks/start_up.py [--times 5]
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ASKED = {"--help": 0.6, "problems": 0.6, "show": 0.6, "check problem=burgers": 2.5}
"""CPU seconds each may take."""
TINY = "solve problem=poisson_1d model.width=[4] training=quick output.plot=false"


def cpu_seconds(words: list[str], folder: Path) -> float:
    """User and system time of a command, children included."""
    before = os.times()
    subprocess.run([sys.executable, "-m", "kanpde", *words], check=True, stdout=subprocess.DEVNULL, cwd=folder)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cpu_seconds(TINY.split(), folder)
        (archive,) = folder.glob("outputs/*/*/*/result.h5")
        for command, asked in ASKED.items():
            words = [*command.split(), *([str(archive)] if command == "show" else [])]
            least = min(cpu_seconds(words, folder) for _ in range(options.times))
            print(f"kanpde {command:22} {least:5.2f} s of CPU, asked {asked}", flush=True)


if __name__ == "__main__":
    main()
