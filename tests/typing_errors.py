"""Types: none wrong in the strict modules of pyproject.toml, and in no room more than are recorded here.

    python tests/typing_errors.py            # exit code 1 where there are more
    python tests/typing_errors.py --record   # after some have been mended: writes tests/typing_errors.json anew
"""

import json
import re
import subprocess
import sys
import tomllib
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[1]
RECORD = ROOT / "tests" / "typing_errors.json"


def strict_modules() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return project["tool"]["mypy"]["overrides"][0]["module"]


def errors() -> list[tuple[str, str]]:
    """The module and the line of every error that mypy finds."""
    found = subprocess.run([sys.executable, "-m", "mypy"], cwd=ROOT, capture_output=True, text=True)
    if found.returncode > 1:
        sys.exit(found.stdout + found.stderr)
    lines = [line for line in found.stdout.splitlines() if ": error:" in line]
    return [(re.sub(r"(/__init__)?\.py$", "", line.partition(":")[0]).replace("/", "."), line) for line in lines]


def main(words: list[str]) -> int:
    found, strict = errors(), strict_modules()
    wrong = [line for module, line in found if any(fnmatch(module, pattern) for pattern in strict)]
    rooms = Counter(module.split(".")[1] for module, _ in found)
    if "--record" in words:
        RECORD.write_text(json.dumps(dict(sorted(rooms.items())), indent=2) + "\n", encoding="utf-8")
    allowed = json.loads(RECORD.read_text(encoding="utf-8"))
    more = [room for room in sorted(rooms) if rooms[room] > allowed.get(room, 0)]
    for room in more:
        print(f"{room}: {rooms[room]} errors, {allowed.get(room, 0)} are recorded")
        print(*(line for module, line in found if module.split(".")[1] == room), sep="\n")
    print(*wrong, sep="\n")
    print(f"{len(wrong)} errors in strict modules, {len(found)} in all")
    return 1 if wrong or more else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
