"""Commands in the documents: each is run, in an empty folder, as small as its settings allow; links lead somewhere."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from kanpde.cli.main import command_lines, main
from kanpde.runs.hydra_composition import config_folder
from kanpde.studies.runner import plan_of

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted({ROOT / "README.md", *ROOT.glob("*/README.md"), *ROOT.glob("kanpde/**/README.md")})
pytestmark = pytest.mark.skipif(not (ROOT / "problems" / "README.md").is_file(), reason="only a checkout has them")

TINY = ["training.stages=1", "training.starts=1", "training.steps=1", "training.windows=null", "reference=false",
        "output.plot=false", "output.resolution=5", "sampling.points=30"]  # fmt: skip
ENDED = {0, 3}
"""Exit codes of runs that were made, and of formulas looked for in them: so short ones solve nothing, and say so."""
SUBSTITUTES = {"path/to/file.yaml": "rod.yaml", "FOLDER…": "outputs", "seed=range(0,5)": "seed=range(0,2)",
               "b(y)": "b(t)"}  # fmt: skip
"""What a placeholder stands for, fewer seeds, and the coordinates of the problem that has been solved."""
QUICKER = {"problem=burgers": "problem=fitzhugh_nagumo"}
"""Where a classical solver would work for ten seconds."""


def text_of(path: Path) -> str:
    """A document without its gallery, whose commands `benchmarks/gallery.py` runs."""
    return re.sub(r"<!-- gallery -->.*<!-- end of gallery -->", "", path.read_text(encoding="utf-8"), flags=re.S)


def commands() -> list[str]:
    """Every command of the program in the documents, each once, without prompt and comment."""
    known = "|".join(command_lines())
    found = {}
    for path in DOCUMENTS:
        text = text_of(path)
        lines = re.findall(rf"^(?:    |\$ )(?:.*&& )?(kanpde (?:{known})\b.*)$", text, re.M)
        lines += re.findall(rf"`(kanpde (?:{known})\b[^`]*)`", text)
        found |= {re.split(r"\s+#|, ", line)[0].strip(): path.name for line in lines}
    return list(found)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with the problem of README.md, one run of it, and one whose error is known."""
    place = tmp_path_factory.mktemp("documents")
    problem = text_of(ROOT / "README.md").partition("```yaml\n")[2].partition("```")[0]
    (place / "rod.yaml").write_text(problem, encoding="utf-8")
    for name in (place / "rod.yaml", "poisson_1d"):  # the second has an exact solution, for what compares errors
        assert main(["solve", f"problem={name}", *TINY, f"output.folder={place / 'outputs'}"]) in ENDED
    return place


@pytest.mark.parametrize("line", commands())
def test_a_command_runs(line, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    (archive,) = folder.glob("outputs/rod/kan/*/result.h5")
    for placeholder, value in {**SUBSTITUTES, "RUN": str(archive.parent)}.items():
        line = line.replace(placeholder, value)
    name, *words = shlex.split(line)[1:]
    assert run(name, words) in (ENDED if name in ("solve", "symbolic") else {0}), capsys.readouterr().err


def run(name: str, words: list[str]) -> int:
    if name == "scaling":
        presets = [word for word in words if "|" in word] or [""]
        for preset in presets[0].removeprefix("preset=").split("|"):
            plan_of([word for word in words if "|" not in word] + ([f"preset={preset}"] if preset else []))
        return 0
    if name in ("serve", "submit", "claims", "bench"):  # they last; tests of their own run them
        return help_of(name)
    if any(word.startswith("experiment=") for word in words):  # tests/runs/test_experiments.py runs each
        names = [word.partition("=")[2] for word in words if word.startswith("experiment=")]
        return int(not all((config_folder() / "experiment" / f"{name}.yaml").is_file() for name in names))
    if name == "reference":
        words = [QUICKER.get(word, word) for word in words]
    return main([name, *words, *{"solve": TINY, "symbolic": ["--budget", "3"]}.get(name, [])])


def help_of(name: str) -> int:
    with pytest.raises(SystemExit) as end:
        main([name, "--help"])
    return end.value.code


def test_the_documents_are_looked_through():
    found = commands()
    assert len(found) > 20 and {"kanpde solve", "kanpde check problem=rod.yaml", "kanpde show RUN"} <= set(found)
    assert not [line for line in found if "#" in line]


PRELUDE = """
import functools, kanpde, torch
torch.set_default_dtype(torch.float64)
tiny = {"stages": 1, "starts": 1, "steps": 1, "windows": None}
few = {"training": tiny, "sampling": {"points": 30}, "output": {"resolution": 5}, "reference": False}
kanpde.solve = functools.partial(kanpde.solve, **few)
"""


def test_the_python_of_the_readme_runs(tmp_path):
    blocks = re.findall(r"^```python\n(.*?)^```", text_of(ROOT / "README.md"), re.M | re.S)
    assert len(blocks) >= 2
    line = [sys.executable, "-c", PRELUDE + "\n".join(blocks)]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_archive_opens_as_the_document_says(folder):
    (archive,) = folder.glob("outputs/rod/kan/*/result.h5")
    (block,) = re.findall(r"^```python\n(.*?)^```", text_of(ROOT / "outputs" / "README.md"), re.M | re.S)
    done = subprocess.run([sys.executable, "-c", block], cwd=archive.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path):
    text = path.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'<img src="([^"]+)"', text)
    for target in targets:
        if "://" not in target:
            file, _, place = target.partition("#")
            found = path.parent / file if file else path
            assert found.exists(), f"{path}: {target}"
            if place and found.suffix == ".md":
                heads = re.findall(r"^#+ (.*)$", found.read_text(encoding="utf-8"), re.M)
                assert place in {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}, target


def test_the_readme_is_short_and_its_figures_are_those_of_the_benchmarks():
    lines = text_of(ROOT / "README.md").splitlines()
    assert len(lines) <= 150
    figures = [line for line in lines if line.startswith("| `")]
    assert len(figures) > 5 and set(figures) <= set(text_of(ROOT / "tests" / "README.md").splitlines())


SCRIPTS = sorted((ROOT / "tests" / "benchmarks").glob("*.py"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_benchmark_imports(path, benchmark_script, monkeypatch):
    monkeypatch.syspath_prepend(str(path.parent))
    assert benchmark_script(path.stem).__doc__


def test_the_gallery_has_every_problem_as_it_is_now(benchmark_script):
    """`benchmarks/gallery.py` writes it."""
    gallery = benchmark_script("gallery")
    text = (ROOT / "problems" / "README.md").read_text(encoding="utf-8")
    section = text.partition(gallery.START)[2].partition(gallery.END)[0]
    entries = [line for line in section.splitlines() if "kanpde solve" in line]
    paths = sorted((ROOT / "problems").glob("*.yaml"))
    assert len(entries) == len(paths)
    for path, entry in zip(paths, entries, strict=True):
        assert f"`kanpde solve problem={path.stem}`" in entry or f"`kanpde solve problem={path.stem} " in entry
        title, equations = gallery.heading(path)
        assert title in entry and equations in entry, path.stem
