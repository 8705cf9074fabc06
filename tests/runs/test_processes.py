"""Several processes that train one network: the same result as one, one that writes, and a sentence when one dies."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

import kanpde
from kanpde.errors import InputError
from kanpde.runs.run import Run
from kanpde.runs.sweeps import sweep
from kanpde.solving import processes
from kanpde.solving.optimizers.least_squares import solved
from kanpde.solving.processes import SharedRows

TRAINED = ("problem=poisson_2d", "model.width=[4]", "model.grid=3", "training.stages=1", "training.starts=2",
           "training.start_steps=2", "training.steps=6")  # fmt: skip
EXACT = ("problem=helmholtz_2d", "optimizer=least_squares", "training.target=1")
"""A last layer alone: its first rung."""


def command(folder: Path, *words: str, count: int = 2, module: tuple[str, ...] = ("kanpde", "solve")) -> list[str]:
    start = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}", "-m"]
    own = [f"output.folder={folder}", "output.plot=false", "output.resolution=9", "threads=1", "reference=false"]
    return [sys.executable, *start, *module, *words, *own]


def run(*arguments, **options) -> subprocess.CompletedProcess:
    return subprocess.run(*arguments, capture_output=True, text=True, timeout=300, **options)


def alone_with(words: tuple[str, ...]) -> Run:
    asked = dict(word.split("=", 1) for word in words if not word.startswith("problem"))
    values = {key: [4] if value == "[4]" else int(value) if value.isdigit() else value for key, value in asked.items()}
    return kanpde.solve(words[0].removeprefix("problem="), **values, threads=1, reference=False)


def same(one: Run, other: Run) -> bool:
    x = 2 * torch.rand(100, 2, dtype=torch.float64) - 1
    return bool(abs(one.solution(x) - other.solution(x)).max() < 1e-10 * abs(other.solution(x)).max())


@pytest.mark.parametrize("words", [TRAINED, EXACT], ids=["layers", "last layer"])
def test_two_processes_come_to_what_one_comes_to(tmp_path, words):
    together = run(command(tmp_path, *words))
    (archive,) = tmp_path.rglob("result.h5")
    assert together.stdout.count("rel_l2") == 1, f"one of them reports: {together.stderr}"
    found = kanpde.open_run(archive)
    alone = alone_with(words)
    assert same(found, alone) and found.metrics["steps"] == alone.metrics["steps"]


def test_one_that_dies_ends_all_with_a_sentence_and_all_go_on(tmp_path):
    """The best state is kept, the checkpoint too; the same command comes to what an undisturbed run comes to."""
    dying = (
        "import os, sys, kanpde.cli.main as cli, kanpde.solving.losses.residuals as residuals\n"
        "own, calls = residuals.Residuals.linearize_own, []\n"
        "def dies(self, theta):\n"
        "    calls.append(1)\n"
        "    if len(calls) > 6 and os.environ['RANK'] == '1': os._exit(9)\n"
        "    return own(self, theta)\n"
        "residuals.Residuals.linearize_own = dies\n"
        "sys.exit(cli.main(['solve', *sys.argv[1:]]))\n"
    )
    (tmp_path / "dying.py").write_text(dying)
    ended = run(command(tmp_path, *TRAINED, module=("dying",)), cwd=tmp_path)
    (archive,) = tmp_path.rglob("result.h5")
    told = "another one has ended" in ended.stdout
    asked = "interrupted: The run was interrupted" in ended.stdout  # torchrun's SIGTERM may come first
    assert ended.returncode != 0 and (told or asked), ended.stdout
    stopped = kanpde.open_run(archive)
    assert stopped.status == "interrupted" and stopped.metrics["steps"] > 0 and "rel_l2" in stopped.metrics
    assert (archive.parent / "checkpoint.npz").exists()
    again = run(command(tmp_path, *TRAINED))
    assert "going on from the checkpoint" in again.stderr
    found, alone = kanpde.open_run(archive), alone_with(TRAINED)
    assert found.status == "done" and not (archive.parent / "checkpoint.npz").exists()
    assert same(found, alone) and not same(stopped, alone)


def test_many_runs_are_not_for_several_processes(tmp_path, monkeypatch):
    monkeypatch.setattr("kanpde.runs.sweeps.several", lambda: True)
    with pytest.raises(InputError, match="train one network together"):
        sweep(["problem=poisson_1d", "seed=0,1"])


def test_parts_of_a_jacobian_make_the_whole(monkeypatch):
    """Two processes, one after the other: what each adds is summed by hand."""
    matrix, residual = torch.randn(30, 6, dtype=torch.float64), torch.randn(30, dtype=torch.float64)
    parts = [SharedRows(matrix[place::2], torch.arange(place, 30, 2), 30) for place in (0, 1)]
    v = torch.randn(6, dtype=torch.float64)
    made = [(part.gram(), part.along(v), part.pulled(residual), part.whole()) for part in parts]
    total = [a + b for a, b in zip(*made, strict=True)]
    expected = (matrix.mT @ matrix, matrix @ v, matrix.mT @ residual, matrix)
    assert all(torch.allclose(a, b) for a, b in zip(total, expected, strict=True))
    monkeypatch.setattr(SharedRows, "norms", lambda self: matrix.norm(dim=0))
    triangles: list[torch.Tensor] = []
    monkeypatch.setattr(processes, "stacked", lambda values: triangles.append(values) or torch.cat(triangles))
    steps = [part.step(residual, 1e-20) for part in parts]
    assert torch.allclose(steps[1], solved(matrix, residual[:, None], 1e-20)[:, 0])
