"""What `check` and `solve` say of each problem of a folder, a row each; what is asked of it stands beside.

    python tests/benchmarks/cases.py CASES [FOLDER] [--only NAME …] [--limit 60] [--report]

CASES holds problem files, and a README.md with a table of | file | now | right | where there is one: several files may
share a row. They are copied first, and nothing is written there. Rows of FOLDER/cases.csv are kept, none is made again.
"""

import argparse
import math
import re
import shutil
import time
from pathlib import Path

import torch
from kept_rows import kept_rows

import kanpde
from kanpde.cli.main import main as command
from kanpde.errors import InputError
from kanpde.results.archive.folders import runs_below

COLUMNS = ("problem", "word", "error", "bar", "check_s", "seconds", "said", "warned", "right")


def row(name: str, folder: Path, limit: float, right: str) -> dict:
    """One case: checked, then solved by the command line."""
    path, begun = folder / "cases" / f"{name}.yaml", time.process_time()
    found = {"problem": name, **dict.fromkeys(COLUMNS[1:], math.nan), "warned": "", "right": right}
    try:
        problem = kanpde.load_problem(path)
    except InputError as refusal:
        return found | {"word": "refused", "said": str(refusal), "check_s": time.process_time() - begun}
    found |= {"warned": " ".join(problem.warnings), "check_s": time.process_time() - begun}
    begun = time.perf_counter()
    code = command(["solve", f"problem={path}", f"output.folder={folder}", f"training.time_limit={limit}",
                    "device=cpu", "output.plot=false"])  # fmt: skip
    found["seconds"] = time.perf_counter() - begun
    runs = runs_below(folder / name)[0] if (folder / name).is_dir() else ()
    if not runs:
        return found | {"word": "failed", "said": f"exit code {code}"}
    run = kanpde.open_run(folder / name / runs[0][0])
    learned = [f"{key.removeprefix('parameter_')} = {value:.6g}" for key, value in run.metrics.items()
               if key.startswith("parameter_") and not key.endswith("95")]  # fmt: skip
    return found | {
        "word": run.data.attributes["verdict"], "error": run.metrics.get("rel_l2", math.nan),
        "bar": run.metrics.get("reference_error", math.nan),
        "said": " ".join([run.data.attributes.get("verdict_reason", ""), *learned]),
    }  # fmt: skip


def asked(cases: Path) -> dict[str, str]:
    """The last column of the table, by file."""
    readme = cases / "README.md"
    lines = [line.strip().strip("|").split("|") for line in readme.read_text().splitlines() if line.startswith("|")] \
        if readme.is_file() else []  # fmt: skip
    return {name: cells[-1].strip() for cells in lines for name in re.findall(r"\w+", cells[0])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", type=Path)
    parser.add_argument("folder", nargs="?", default="outputs/cases", type=Path)
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--limit", type=float, default=60.0)
    parser.add_argument("--report", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    names = options.only or sorted(path.stem for path in options.cases.glob("*.yaml"))
    copied, right = options.folder / "cases", asked(options.cases)
    if not options.report:
        shutil.copytree(options.cases, copied, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.py"))
    rest = [] if options.report else [(name, options.folder, options.limit, right.get(name, "")) for name in names]
    for found in kept_rows(options.folder / "cases.csv", COLUMNS, 1, rest, row):
        errors = f"{float(found['error']):9.1e} {float(found['bar']):9.1e}"
        print(f"{found['problem']:24} {found['word']:9}{errors} {found['said'][:100]}\n{'':25}asked: {found['right']}")


if __name__ == "__main__":
    main()
