"""Every preset in conf/experiment/ runs, as the command in its first comment would, for a few steps."""

import pytest

from kanpde.cli.main import main
from kanpde.runs.choices import config_folder
from kanpde.runs.hydra_composition import sweep_jobs
from kanpde.runs.settings import compose
from kanpde.runs.sweeps import checked_jobs

PATHS = sorted((config_folder() / "experiment").glob("*.yaml"))
FEW = ["model.width=[3]", "sampling.points=60", "reference=false", "output.plot=false", "output.resolution=5"]
FEW += ["training.stages=1", "training.starts=1", "training.steps=1", "seed=0", "threads=1"]
LATTICES = {
    "anderson_disorder": "[55]", "anderson_3d": "[3,3,3]", "aubry_andre_transition": "[55]", "mobility_edges": "[55]",
}  # fmt: skip
SMALL = ["problem.measure.realizations=40", "problem.measure.lyapunov=300"]
ENDED = (0, 3)  # one step comes to its end; few problems are solved by it


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_every_experiment_runs_a_few_steps(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    jobs = sweep_jobs([f"experiment={path.stem}"])
    lattice = LATTICES.get(path.stem)
    small = [f"problem.lattice.sites={lattice}", *SMALL] if lattice else []
    assert main(["solve", *jobs[-1], *FEW, *(small if lattice != "[3,3,3]" else small[:2])]) in ENDED
    assert list(tmp_path.glob("outputs/*/*/*/result.h5"))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_every_job_of_an_experiment_can_be_used_and_differs_from_the_defaults(path):
    jobs = checked_jobs([f"experiment={path.stem}", "seed=1"])
    assert len(jobs) == len(sweep_jobs([f"experiment={path.stem}", "seed=1"]))
    assert any(job.config.key != compose(["seed=1"]).key for job in jobs)


def test_what_the_command_line_says_takes_the_place_of_an_experiment_s_values():
    jobs = sweep_jobs(["experiment=degrees", "seed=7", "model.degree=4,5"])
    assert jobs == [["experiment=degrees", "seed=7", f"model.degree={degree}"] for degree in (4, 5)]
    assert len(sweep_jobs(["experiment=degrees"])) == 12


def test_one_run_of_an_experiment_that_sweeps_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["solve", "experiment=degrees", *FEW]) in ENDED
    assert "this experiment sweeps over model.degree, seed; one run is made" in capsys.readouterr().err


def test_the_experiments_of_the_readme_make_the_runs_of_its_tables(benchmark_script):
    asked = benchmark_script("figures").ASKED
    runs = [[f"problem={problem}", f"seed={seed}"] for problem in asked for seed in range(3)]
    assert [job[1:] for job in sweep_jobs(["experiment=accuracy"])] == runs
    runs = [[f"problem={problem}"] for problem in benchmark_script("localization").ASKED]
    assert [job[1:] for job in sweep_jobs(["experiment=localization"])] == runs
