"""Solve every shipped problem, and that of README.md; write the gallery of problems/README.md from the archives.

    python tests/benchmarks/gallery.py [--folder outputs/gallery] [--only NAME …] [--write-only]

All with the defaults. Runs that are in the folder already are read, not made again; with --write-only nothing is
solved. What has no run keeps its entry, so that the gallery can be made in parts, as by --only NAME …. Training may
take --seconds; an entry that it ended says so. The pictures of whole runs in README.md come from these archives.
"""

import argparse
import io
import subprocess
import sys
from pathlib import Path

from PIL import Image

from kanpde.problems.listing import problem_data, problem_title
from kanpde.reports.plots import panel_figures, solution_figure
from kanpde.results.archive import RunData, read_archive
from kanpde.solving.training.events import Outcome

ROOT = Path(__file__).parents[2]
PROBLEMS = ROOT / "problems"
PICTURES = PROBLEMS / "gallery"
START, END = "<!-- gallery -->", "<!-- end of gallery -->"
DOTS, COLORS, SHOWN = 90, 256, 220
"""Dots an inch and colors of a picture, which keep it at some 10 kB; its width on the page."""
LONGEST = 110
"""Characters of an equation that are shown."""


WHOLE = ("helmholtz_2d", "rod")
"""Problems whose runs README.md shows in one picture."""


def own_problem(folder: Path) -> Path:
    """The problem that README.md states, as a file."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    path = folder / "rod.yaml"
    path.write_text(text.partition("```yaml\n")[2].partition("```")[0], encoding="utf-8")
    return path


def statement_of(data: dict) -> list[str]:
    """What is solved, in the words of the file."""
    if "eigen" in data:
        return [f"{key}: {data['eigen'][key]}" for key in ("energy", "norm") if key in data["eigen"]]
    if "lattice" in data:
        return [f"{key}: {data['lattice'][key]}" for key in ("sites", "onsite", "hopping") if key in data["lattice"]]
    for key in ("energy", "fit"):
        if key in data:
            return [f"{key}: {data[key]}"]
    equations = data.get("equations", [])
    return [equations] if isinstance(equations, str) else [*map(str, equations.values())]


def archive_of(folder: Path, name: str) -> RunData | None:
    """The latest finished run of a problem, if there is one."""
    paths = sorted((folder / name).glob("*/*/result.h5"), key=lambda path: path.stat().st_mtime)
    found = [data for data in map(read_archive, paths) if data.attributes["status"] == "done"]
    return found[-1] if found else None


def error_of(data: RunData) -> str:
    metrics = data.metrics
    if "rel_l2" not in metrics:
        return "no reference to compare with"
    against = {"exact": "the exact solution", "file": "a file"}.get(str(data.attributes.get("reference")))
    bar = "" if against == "the exact solution" else f", whose error bar is {metrics['reference_error']:.0e}"
    method = against or f"the classical solver `{data.attributes['reference']}`"
    limited = data.attributes["stop_reason"] == Outcome.TIME
    ended = f", after {metrics['wall_time_s']:.0f} s of training" if limited else ""
    return f"relative L2 error {metrics['rel_l2']:.1e} against {method}{bar}{ended}"


def draw(data: RunData, path: Path) -> None:
    """The first panel of the run's report, small and in few colors."""
    stream = io.BytesIO()
    panel_figures(data)[0][1].savefig(stream, format="png", dpi=DOTS, bbox_inches="tight")
    Image.open(stream).convert("RGB").quantize(COLORS).save(path, optimize=True)


def draw_whole(data: RunData, path: Path) -> None:
    """A run in one picture, for README.md."""
    stream = io.BytesIO()
    solution_figure(data).savefig(stream, format="png", dpi=DOTS, bbox_inches="tight")
    Image.open(stream).convert("RGB").quantize(COLORS).save(path, optimize=True)


def heading(path: Path) -> tuple[str, str]:
    """The title of a problem, and its equations as an entry shows them."""
    written = problem_data(path)
    shown = (text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…" for text in statement_of(written))
    return problem_title(written, path.stem, path.name), "<br>".join(f"`{text}`".replace("|", "\\|") for text in shown)


def entry(path: Path, data: RunData | None, before: str) -> str:
    """A row of the table; what has no run keeps the row that it had before."""
    title, equations = heading(path)
    command = f"`kanpde solve problem={path.stem}"
    earlier = [row for row in before.splitlines() if f"{command}`" in row or f"{command} " in row]
    if data is None and (rows := [row for row in earlier if equations in row]):
        return rows[0]
    error = "not run here" if data is None else error_of(data)
    picture = "" if data is None else f'<img src="gallery/{path.stem}.png" width="{SHOWN}" alt="{title}">'
    return f"| {picture} | **{title}**<br>{equations}<br>{error}<br>{command}` |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=ROOT / "outputs" / "gallery")
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--only", nargs="+", help="these, and rod for the problem of README.md")
    parser.add_argument("--write-only", action="store_true")
    options = parser.parse_args()
    paths, entries = sorted(PROBLEMS.glob("*.yaml")), []
    options.folder.mkdir(parents=True, exist_ok=True)
    if not options.write_only:
        named = {"rod": str(own_problem(options.folder)), **{path.stem: path.stem for path in paths}}
        for name in options.only or named:
            line = [sys.executable, "-m", "kanpde", "solve", f"problem={named[name]}", "threads=1", "output.plot=false"]
            line += [f"training.time_limit={options.seconds}", f"output.folder={options.folder}"]
            subprocess.run(line, check=False, stdout=subprocess.DEVNULL)
    PICTURES.mkdir(exist_ok=True)
    readme = PROBLEMS / "README.md"
    before, _, rest = readme.read_text(encoding="utf-8").partition(START)
    earlier, _, after = rest.partition(END)
    for path in paths:
        data = archive_of(options.folder, path.stem)
        if data is not None:
            draw(data, PICTURES / f"{path.stem}.png")
        entries.append(entry(path, data, earlier))
    for name in WHOLE:
        if (data := archive_of(options.folder, name)) is not None:
            draw_whole(data, PICTURES / f"{name}_run.png")
    table = "\n".join(["|  |  |", "| --- | --- |", *entries])
    readme.write_text(f"{before}{START}\n{table}\n{END}{after}", encoding="utf-8")
    print(f"{sum('<img' in line for line in entries)} of {len(paths)} problems have a run in {readme}")


if __name__ == "__main__":
    main()
