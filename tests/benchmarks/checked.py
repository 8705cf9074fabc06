"""What `check` says of every case, and the CPU seconds it takes beyond a start.

    python tests/benchmarks/checked.py [FOLDER …]

Without folders: those of `tests/problems/cases` and of the requests. Each problem is read, checked and echoed in one
process; its line has the seconds, the reference, what is free and what is warned of, or the refusal.
"""

import sys
import time
from pathlib import Path

from kanpde.errors import InputError
from kanpde.problems.catalog import load_problem
from kanpde.problems.check_report import findings, statement_lines
from kanpde.problems.freedoms import freedom_sentences
from kanpde.references import reference_sentence

ASKED = 1.0
"""CPU seconds that one may take."""
TESTS = Path(__file__).parent.parent
FOLDERS = (TESTS / "problems" / "cases", TESTS / "benchmarks" / "requests", TESTS / "benchmarks" / "unseen")


def said_of(path: Path) -> list[str]:
    """The reference and each warning, or the refusal."""
    try:
        problem = load_problem(path)
        lines = [*statement_lines(problem), *findings(problem)]
        free = [f"free: {sentence}" for sentence in freedom_sentences(problem)]
        warned = [f"warning: {sentence}" for sentence in problem.warnings]
        return [f"{len(lines)} lines; {reference_sentence(problem)}", *free, *warned]
    except InputError as refusal:
        return [f"refused: {refusal}"]


def main() -> None:
    folders = [Path(name) for name in sys.argv[1:]] or FOLDERS
    seconds = {}
    load_problem("burgers")  # what is loaded once
    for path in (path for folder in folders for path in sorted(folder.glob("*.yaml"))):
        begun = time.process_time()
        said = said_of(path)
        seconds[path.stem] = time.process_time() - begun
        print(f"{path.stem:24}{seconds[path.stem]:6.2f} s  ", "\n      ".join(said), sep="")
    slow = {name: taken for name, taken in seconds.items() if taken > ASKED}
    most = max(seconds.values())
    print(f"{len(seconds)} problems, {len(slow)} above {ASKED:g} s of CPU: {slow}; the slowest {most:.2f} s")


if __name__ == "__main__":
    main()
