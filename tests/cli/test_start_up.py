"""What a start loads, seen in `sys.modules` of a process of its own; seconds are in tests/benchmarks/start_up.py."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import kanpde
from kanpde.__main__ import run
from kanpde.cli.main import INTERRUPTED, command_lines, command_of, main
from kanpde.runs.jobs import JobState

HEAVY = ("torch", "sympy", "scipy", "matplotlib", "hydra")
TINY = ["training=quick", "model.width=[4]"]


def loaded_by(code: str, *words: str) -> set[str]:
    """Top-level packages that a piece of code has loaded, itself given `words`."""
    line = [sys.executable, "-c", f"import sys\n{code}\nimport json; print(json.dumps(sorted(sys.modules)))", *words]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


COMMAND = """
from kanpde.cli.main import main
try:
    assert main() == 0
except SystemExit as end:
    assert end.code == 0
"""


@pytest.mark.parametrize(("before", "after"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_of_commands_sleep_while_they_wait_unless_told_otherwise(monkeypatch, before, after):
    monkeypatch.setattr(importlib, "import_module", lambda name: SimpleNamespace(main=lambda: 0))
    monkeypatch.setenv("OMP_WAIT_POLICY", before or "")
    if before is None:
        monkeypatch.delenv("OMP_WAIT_POLICY")
    assert run() == 0 and os.environ["OMP_WAIT_POLICY"] == after


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    assert main(["solve", "problem=poisson_1d", *TINY, "output.plot=false", f"output.folder={folder}"]) == 0
    return next(folder.glob("*/*/*/result.h5"))


@pytest.mark.parametrize("words", [[], ["--help"], ["--version"], ["problems"], ["problems", "--help"]])
def test_light_commands_load_nothing_heavy(words):
    assert not loaded_by(COMMAND, *words) & {*HEAVY, "h5py", "numpy"}


def test_an_archive_is_shown_without_what_made_it(archive):
    loaded = loaded_by(COMMAND, "show", str(archive))
    assert "h5py" in loaded and not loaded & {*HEAVY}


def test_a_check_draws_nothing_and_fits_nothing():
    code = COMMAND.replace("main()", 'main(["check", "problem=burgers"])')
    modules = f"{code}\nassert 'torch' in sys.modules"
    refused = "\n".join(f"assert {name!r} not in sys.modules, {name!r}" for name in ("matplotlib", "scipy.stats"))
    assert "kanpde" in loaded_by(f"{modules}\n{refused}")


def test_the_package_alone_loads_nothing_and_changes_nothing():
    assert not loaded_by("import kanpde; dir(kanpde)") & {*HEAVY, "numpy", "ctypes"}


def test_public_names_are_imported_when_they_are_asked_for():
    assert loaded_by("import kanpde; kanpde.load_problem") >= {"torch", "sympy"}
    assert dir(kanpde) == sorted(kanpde.__all__)
    assert kanpde.networks is sys.modules["kanpde.models.networks"]
    with pytest.raises(AttributeError, match="solv.*load_problem, networks, open_run, solve"):
        kanpde.solv  # noqa: B018


def test_each_command_has_a_line_that_needs_no_import():
    lines = command_lines()
    assert {"solve", "check", "problems", "show"} <= set(lines) and not {"main", "parsing", "metrics"} & set(lines)
    for name, line in lines.items():
        assert line and "\n" not in line and line == command_of(name).__doc__, name


def test_a_command_that_is_stopped_ends_as_a_run_does(monkeypatch, capsys):
    def stopped(words):
        raise KeyboardInterrupt

    monkeypatch.setattr("kanpde.cli.main.command_of", lambda name: stopped)
    assert main(["problems"]) == INTERRUPTED == JobState.INTERRUPTED.exit_code
    assert "Ctrl-C" in capsys.readouterr().err
