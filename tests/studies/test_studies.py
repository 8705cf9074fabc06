"""Studies: from archives, good and bad, to sentences; plans that match budgets; a small study from start to end."""

import json
import math
import time
from dataclasses import replace

import h5py
import numpy as np
import pytest
import xarray

import kanpde
from kanpde.cli.main import main
from kanpde.errors import InputError
from kanpde.models.networks import KANDesign, MLPDesign
from kanpde.problems.catalog import load_problem
from kanpde.results.archive import RunData, write_archive
from kanpde.results.classical import classical_solutions
from kanpde.runs.jobs import JobState, Result
from kanpde.studies import runner as studies
from kanpde.studies.archive import read_study_data, write_study_data
from kanpde.studies.comparisons import compare
from kanpde.studies.files import collected, csv_text, write_study
from kanpde.studies.plans import matched_widths, parameters, sized, tuning_size
from kanpde.studies.records import Record, collect
from kanpde.studies.runner import plan_of

TINY = {"stages": 1, "starts": 1, "steps": 2}


@pytest.fixture(scope="module")
def runs() -> dict[str, RunData]:
    """A real run of each model, to be varied."""
    output = {"resolution": 9}
    kan = {"kind": "kan", "width": [3], "grid": 4, "degree": 5}
    mlp = {"kind": "mlp", "width": [6, 6]}
    return {
        name: kanpde.solve("poisson_2d", model=model, training=TINY, output=output, reference=False).data
        for name, model in (("kan", kan), ("mlp", mlp))
    }


def varied(run: RunData, size: int, seed: int, error: float, **changes) -> RunData:
    """The run as one of another grid or width, seed and error would have been archived."""
    kan = run.model.kind == "kan"
    old, new = ("grid: 4", f"grid: {size}") if kan else ("- 6", f"- {size}")
    parameters = 9 * (size + 5) if kan else (size + 5) * size + 1
    config = run.attributes["config_yaml"].replace(old, new).replace("seed: 0", f"seed: {seed}")
    named = {"config_yaml": config, "config_sha256": f"{run.model.kind}-{size}-{seed}", "seed": seed}
    factor = error / run.metrics["rel_l2"]
    fields = {**run.fields, "u": run.fields["u_ref"] + factor * run.fields["u_error"]}
    measured = {"rel_l2": error, "n_parameters": parameters, "flops_per_step": 9.0 * parameters**2}
    metrics = {**run.metrics, **measured, "wall_time_s": parameters / 50}
    model = replace(run.model, parameters={"w": np.zeros(parameters)})
    attributes = {**run.attributes, **named, **changes}
    return replace(run, attributes=attributes, fields=fields, metrics=metrics, model=model)


def saved(folder, name: str, run: RunData):
    (folder / name).mkdir(parents=True)
    write_archive(folder / name / "result.h5", run)
    return folder / name / "result.h5"


def filled(folder, runs, seeds: int = 3, grids=(2, 4, 8, 16, 32), widths=(4, 6, 9, 13, 18), gain: float = 100.0):
    """A sweep: the KAN's error falls like G^-4, the MLP's like P^-1 from `gain` times as much."""
    random = np.random.default_rng(0)
    for seed in range(seeds):
        noise = np.exp(0.2 * random.standard_normal(20))
        for place, grid in enumerate(grids):
            saved(folder, f"kan-{grid}-{seed}", varied(runs["kan"], grid, seed, 1e-3 * grid**-4.0 * noise[place]))
        for place, width in enumerate(widths):
            error = gain * 1e-3 * 2.0**-4 * (width * (width + 5) / 45) ** -1.0 * noise[-1 - place]
            saved(folder, f"mlp-{width}-{seed}", varied(runs["mlp"], width, seed, error))
    return folder


# collecting


def test_a_sweep_becomes_series_laws_and_verdicts(tmp_path, runs):
    (comparison,) = compare(collect([filled(tmp_path, runs)]).records)
    names = {one.name: one for one in comparison.series}
    assert set(names) == {"KAN degree 5, width [3], finer grids", "MLP depth 2 tanh"}
    kan, mlp = names.values()
    assert kan.order.resolved and kan.order.low < 4 < kan.order.high
    assert mlp.laws["parameters"].low < 1 < mlp.laws["parameters"].high
    assert {pair.better for pair in comparison.pairs} == {"kan"}
    said = "\n".join(comparison.conclusions())
    assert "At equal parameters: the KAN has the lower error in" in said
    assert "below k + 1 = 6 of best approximation" in said


def test_equal_models_are_not_told_apart(tmp_path, runs):
    (comparison,) = compare(collect([filled(tmp_path, runs, grids=(4, 5), widths=(6, 7), gain=0.1)]).records)
    assert "not resolved, the intervals overlap" in comparison.conclusions()[0]


def test_one_size_or_one_seed_says_what_cannot_be_concluded(tmp_path, runs):
    (single,) = compare(collect([filled(tmp_path / "a", runs, seeds=1)]).records)
    said = "\n".join(single.conclusions())
    assert "one seed a size" in said and "no difference can be called real" in said and "α =" not in said
    assert {pair.better for pair in single.pairs} == {""}
    (alone,) = compare(collect([filled(tmp_path / "b", runs, grids=(4,), widths=())]).records)
    said = "\n".join(alone.conclusions())
    assert "how the error falls with size cannot be concluded" in said
    assert "no model but the KAN among these runs" in said


def test_failed_runs_stay_in_the_medians(tmp_path, runs):
    filled(tmp_path, runs, grids=(2, 4, 8), widths=())
    for seed in (0, 1):
        bad = varied(runs["kan"], 8, seed, 1e-9, status="failed", stop_reason="The run diverged.")
        write_archive(tmp_path / f"kan-8-{seed}" / "result.h5", bad)
    (comparison,) = compare(collect([tmp_path]).records)
    size = comparison.sizes[-1]
    assert size.failed == 2 and len(size.records) == 3 and sorted(size.errors)[1] == 1.0
    assert "2 of 9 runs failed; they count" in "\n".join(comparison.conclusions())


def test_other_settings_are_another_comparison(tmp_path, runs):
    saved(tmp_path, "a", varied(runs["kan"], 2, 0, 1e-3))
    other = varied(runs["kan"], 4, 0, 1e-3)
    config = other.attributes["config_yaml"].replace("clustering: 1.0", "clustering: 0.5")
    saved(tmp_path, "b", replace(other, attributes={**other.attributes, "config_yaml": config}))
    assert len(compare(collect([tmp_path]).records)) == 2


BAD = {
    "cut off": lambda path, run: path.write_bytes(path.read_bytes()[:2000]),
    "no HDF5": lambda path, run: path.write_text("not an archive"),
    "foreign": lambda path, run: h5py.File(path, "w").close(),
    "schema": lambda path, run: _set(path, kanpde_schema="0.1"),
    "error is not that of its fields": lambda path, run: write_archive(
        path, replace(run, metrics={**run.metrics, "rel_l2": run.metrics["rel_l2"] / 100})
    ),
    "parameters and holds": lambda path, run: write_archive(
        path, replace(run, metrics={**run.metrics, "n_parameters": 7})
    ),
    "status is 'perfect'": lambda path, run: _set(path, status="perfect"),
    "did not measure it": lambda path, run: write_archive(path, replace(run, metrics={"n_parameters": 81})),
    "config_yaml": lambda path, run: _set(path, config_yaml="- 1"),
    "'model') is amiss": lambda path, run: _set(path, config_yaml="seed: 0"),
}


def _set(path, **attributes):
    """As a stranger could write it, who leaves out the hash of its texts."""
    with h5py.File(path, "r+") as file:
        if "content_sha256" in file.attrs:
            del file.attrs["content_sha256"]
        for name, value in attributes.items():
            file.attrs[name] = value


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_archive_is_named_and_skipped(tmp_path, runs, fault):
    run = varied(runs["kan"], 4, 0, 1e-3)
    bad, good = saved(tmp_path, "bad", run), saved(tmp_path, "good", varied(runs["kan"], 4, 1, 1e-3))
    BAD[fault](bad, run)
    found = collect([tmp_path])
    assert [record.path for record in found.records] == [str(good)]
    (skipped,) = found.skipped
    words = {"cut off": "", "no HDF5": "no HDF5 file", "foreign": "kanpde_schema", "schema": "schema 0.1"}
    assert skipped.path == str(bad) and words.get(fault, fault) in skipped.reason


def test_drafts_killed_runs_and_repeats_are_named(tmp_path, runs):
    good = saved(tmp_path, "good", varied(runs["kan"], 4, 0, 1e-3, created="2026-01-02"))
    saved(tmp_path, "again", varied(runs["kan"], 4, 0, 2e-3, created="2026-01-01"))
    (tmp_path / "killed").mkdir()
    (tmp_path / "killed" / "history.jsonl").write_text('{"step": 1}\n{"ste')
    (tmp_path / "fault").mkdir()
    (tmp_path / "fault" / "history.jsonl").write_text('{"step": 1}\n{"status": "failed", "reason": "no memory"}\n')
    (tmp_path / "good" / ".result.h5.12ab.part").write_bytes(b"\x89HDF")
    found = collect([tmp_path])
    assert [record.path for record in found.records] == [str(good)]
    reasons = "\n".join(one.reason for one in found.skipped)
    assert len(found.skipped) == 4
    assert "left no archive (failed): no memory" in reasons
    assert "contradicts (error 2.00e-03 against 1.00e-03)" in reasons
    assert "killed or still runs" in reasons and "writing was cut off" in reasons


def test_collect_writes_what_can_be_read_again(tmp_path, runs, capsys):
    filled(tmp_path, runs, seeds=2, grids=(2, 4, 8), widths=(4, 6))
    (tmp_path / "junk.h5").write_text("junk")
    assert main(["collect", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "10 runs, 1 left out" in said and "junk.h5" in said
    target = tmp_path / "collected"
    assert {path.name for path in target.iterdir()} == {"scaling.h5", "scaling.csv", "scaling.png", "report.html"}
    assert len((target / "scaling.csv").read_text().splitlines()) == 11
    assert len(collect([tmp_path]).skipped) == 1, "its own output is no run"


def test_nothing_to_collect_is_bad_input(tmp_path, capsys):
    assert main(["collect", str(tmp_path)]) == 2
    assert main(["collect", str(tmp_path / "none")]) == 2
    assert "there is none" in capsys.readouterr().err


def test_collecting_is_quick(tmp_path, runs):
    """200 runs in 10 s: what grows with their number, and what does not, with as much again for a busy machine."""
    filled(tmp_path, runs)
    begun = time.process_time()
    found = collected([tmp_path])
    read = time.process_time()
    write_study(tmp_path, found)
    assert (read - begun) * 200 / 30 + time.process_time() - read < 2 * 10


# the file of a study


@pytest.fixture(scope="module")
def outcome(tmp_path_factory, runs):
    found = collected([filled(tmp_path_factory.mktemp("sweep"), runs)])
    return replace(found, classical=tuple(classical_solutions(load_problem("poisson_2d"))))


@pytest.mark.parametrize("engine", ["h5netcdf", "netcdf4"])
def test_a_study_opens_in_xarray(tmp_path, outcome, engine):
    path = tmp_path / "scaling.h5"
    write_study_data(path, outcome)
    with xarray.open_dataset(path, group="scaling", engine=engine) as data:
        assert dict(data.sizes) == {"run": 30}
        assert data.rel_l2.values.tolist() == [record.error for record in outcome.records]
        assert data.status.attrs["flag_meanings"] == "done"
    with xarray.open_dataset(path, engine=engine) as root:
        assert root.attrs["kanpde_schema"] == "1.0" and root.attrs["kind"] == "scaling"
    with xarray.open_dataset(path, group="laws", engine=engine) as laws:
        assert np.isfinite(laws.exponent).all() and laws.sizes["law"] == 7


def test_a_study_comes_back_as_it_was(tmp_path, outcome):
    write_study_data(tmp_path / "scaling.h5", outcome)
    again = read_study_data(tmp_path / "scaling.h5")
    assert csv_text(again) == csv_text(outcome)
    assert again.classical == outcome.classical and again.skipped == outcome.skipped
    assert [one.conclusions() for one in again.comparisons()] == [one.conclusions() for one in outcome.comparisons()]


SPOILED = [("records_json", "[{}]"), ("records_json", "{"), ("kind", "run"), ("own_json", "3")]


@pytest.mark.parametrize("name, text", SPOILED)
def test_a_spoiled_study_is_refused(tmp_path, outcome, name, text):
    write_study_data(tmp_path / "scaling.h5", outcome)
    _set(tmp_path / "scaling.h5", **{name: text})
    with pytest.raises(InputError, match="is needed"):
        read_study_data(tmp_path / "scaling.h5")


def test_the_classical_solver_converges_on_its_ladder():
    found = classical_solutions(load_problem("poisson_2d"))
    assert found[-1].error < 1e-13 < 1e-4 < found[0].error
    assert [one.unknowns for one in found] == sorted({one.unknowns for one in found})


# plans


def test_mlps_are_sized_by_their_parameters():
    problem = load_problem("poisson_2d")
    for one in (KANDesign((5,), 4, 5), MLPDesign((9, 9, 9)), MLPDesign((1,), "sin")):
        design = {"kind": one.kind} | one.description()
        run = kanpde.solve("poisson_2d", model=design, training=TINY, output={"resolution": 5})
        assert parameters(one, problem) == run.metrics["n_parameters"]
    for depth in (1, 2, 3):
        found = sized(MLPDesign((1,) * depth), 300, problem)
        assert abs(parameters(found, problem) - 300) < 40


def test_candidates_of_the_tuning_have_as_many_parameters(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = plan_of(["problem=poisson_2d"])
    study, problem = plan.study, plan.config.problem
    size = tuning_size(study, problem)
    kans, mlps = map(study.candidates, study.models)
    counts = [parameters(sized(one, size, problem), problem) for one in (*kans, *mlps)]
    assert len(kans) == len(mlps)
    assert all(abs(math.log(count / size)) < 0.15 for count in counts), counts


def test_budgets_are_matched_by_interpolation():
    """FLOPs ∝ width⁴ known at three widths: the width between them that has a KAN's is found."""
    sizes = compare([_record("mlp", (width,), 0, flops=width**4) for width in (8, 16, 32)])[0].sizes
    kans = compare([_record("kan", (3,), 4, flops=11.0**4), _record("kan", (3,), 8, flops=16.2**4)])[0].sizes
    assert matched_widths("flops", kans, sizes) == {"[3] grid 4": 11}
    far = compare([_record("kan", (3,), 4, flops=64.0**4)])[0].sizes
    assert matched_widths("flops", far, sizes) == {"[3] grid 4": 64}


def _record(model: str, width: tuple[int, ...], grid: int, flops: float) -> Record:
    texts = {"created": "", "sha256": "", "hardware": "{}", "versions": "{}", "commit": "", "stop_reason": ""}
    numbers = {"seed": 0, "parameters": 10, "points": 1, "steps": 1, "degree": 3 if grid else 0}
    floats = {"error": 1.0, "heldout": 1.0, "reference_error": 1e-16, "seconds": 1.0}
    named = {"path": f"{width}{grid}", "title": "", "name": model.upper(), "model": model, "settings": "{}"}
    return Record(width=width, grid=grid, flops=float(flops), status="done", **named, **numbers, **floats, **texts)


@pytest.mark.parametrize(
    "word, why",
    [
        ("model=mlp", "the study itself sets model"),
        ("model.width=[3]", "the study itself sets model"),
        ("seed=3", "study.seeds"),
        ("training.steps=3", "study.steps"),
        ("preset=quik", "Did you mean quick?"),
        ("study.sed=3", "there is no such setting"),
        ("study.seeds=none", "study.seeds needs a whole number"),
        ("study.steps=13", "a multiple of 12"),
        ("study.grids=[0]", "1 or more"),
        ("study.kan_degrees=[1]", "order 2 needs that derivative"),
        ("hydra/launcher=joblib", "follow one another"),
        ("problem=aubry", "aubry"),
    ],
)
def test_a_study_that_cannot_be_made_is_refused_before_it_begins(tmp_path, monkeypatch, capsys, word, why):
    monkeypatch.chdir(tmp_path)
    assert main(["scaling", word]) == 2
    assert why in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


SMALL = [
    "scaling", "problem=poisson_1d", "study.grids=[2,4]", "study.widths=[2]", "study.seeds=2", "study.points=40",
    "study.steps=2", "study.stages=2", "study.starts=1", "study.kan_widths=[3]", "study.kan_degrees=[3]",
    "study.mlp_depths=[1]", "study.mlp_activations=[tanh]", "study.tuning_seeds=1", "output.resolution=101",
]  # fmt: skip


def test_a_study_from_start_to_end_and_again(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([*SMALL, "study.match=[parameters,flops]"]) == 0
    first = capsys.readouterr().out
    (folder,) = tmp_path.glob("outputs/poisson_1d/scaling/*")
    assert {path.name for path in folder.iterdir()} == {
        "scaling.h5", "scaling.csv", "scaling.png", "report.html", "study.log",
    }  # fmt: skip
    archives = {path: path.stat().st_mtime_ns for path in tmp_path.glob("outputs/*/*/*/result.h5")}
    outcome = read_study_data(folder / "scaling.h5")
    used = {record.path for record in (*outcome.records, *outcome.tuning)}
    assert len(used) == len(archives) and len(outcome.tuning) == 2
    assert {record.seed for record in outcome.records} == {0, 1}
    assert len({record.settings for record in outcome.records}) == 1, "equal settings for both models"
    (comparison,) = outcome.comparisons()
    assert all(len(size.records) == 2 for size in comparison.sizes)
    assert any(pair.budget == "parameters" for pair in comparison.pairs)
    # again: nothing is run, the same is found
    lost = next(iter(archives))
    lost.unlink()
    assert main([*SMALL, "study.match=[parameters,flops]"]) == 0
    second = capsys.readouterr().out
    assert second.count(": done,") == 1 and second.count(": skipped,") == first.count(": done,") - 1
    kept = {path: path.stat().st_mtime_ns for path in archives if path != lost}
    assert kept == {path: when for path, when in archives.items() if path != lost}
    assert json.loads(read_study_data(folder / "scaling.h5").attributes["chosen_json"]) == json.loads(
        outcome.attributes["chosen_json"]
    )


def test_the_published_study_is_written_from_the_archives_of_its_studies(tmp_path, monkeypatch, benchmark_script):
    monkeypatch.chdir(tmp_path)
    published = benchmark_script("studies")
    monkeypatch.setattr(published, "STUDIES", {"small": [*SMALL[1:], "study.match=[parameters]"]})
    outcomes = {"small": published.studied("small", tmp_path / "runs")}
    published.write(outcomes, tmp_path / "reference")
    found = json.loads((tmp_path / "reference" / "small.json").read_text())
    assert found["pairs"] and found["conclusions"] and found["hardware"]["cores"]
    lines = (tmp_path / "reference" / "small.csv").read_text().splitlines()
    assert len(lines) == 1 + len(outcomes["small"].records) + len(outcomes["small"].tuning)
    assert not any("result.h5" in line for line in lines), "no path of this machine"
    assert (tmp_path / "reference" / "studies.png").stat().st_size > 0
    last = published.table(outcomes).splitlines()[-1]
    assert last.startswith("| `small` | degree 3, width 3 | depth 1, tanh |")


def test_each_model_with_its_own_optimizer_is_shown_apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    few = ["study.widths=[]", "study.seeds=1", "study.match=[parameters]", "study.steps=6"]
    own = ["study.own_optimizer=true", "study.optimizers=[lm,adam]"]
    assert main([*SMALL, *few, *own]) == 0
    (file,) = tmp_path.glob("outputs/poisson_1d/scaling/*/scaling.h5")
    outcome = read_study_data(file)
    assert json.loads(outcome.attributes["own_optimizers_json"]) == {"kan": "lm", "mlp": "lm"}
    assert {record.model for record in outcome.own} == {"kan", "mlp"}
    assert "own best optimizer" in (file.parent / "report.html").read_text()


def test_ctrl_c_ends_a_study_and_a_run_without_an_archive_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    ended = iter([Result(JobState.FAILED, "nowhere", "no memory"), Result(JobState.INTERRUPTED, "nowhere", "stopped")])
    monkeypatch.setattr(studies, "solve_one", lambda words: next(ended))
    plan = plan_of(SMALL[1:])
    plan.folder.mkdir(parents=True)
    runner = studies.Runner(plan, lambda line: None)
    assert runner.run([KANDesign((3,), 2, 3)], [0]).records == ()
    assert runner.lost[0].reason == "left no archive (failed): no memory"
    with pytest.raises(KeyboardInterrupt):
        runner.run([KANDesign((3,), 2, 3)], [1])
    monkeypatch.setattr(studies, "solve_one", lambda words: Result(JobState.INTERRUPTED, "nowhere", "stopped"))
    assert main(SMALL) == 130
    assert "stopped by Ctrl-C" in capsys.readouterr().err
