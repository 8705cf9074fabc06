"""Archives -> what a study knows of each run, and what it had to leave out, with the reason.

Files are data from strangers: one that cannot be read, is no run, or contradicts itself is named and skipped.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from kanpde.errors import InputError
from kanpde.files.yaml import read_yaml
from kanpde.models.networks import MODELS
from kanpde.results.archive import RunData, read_archive
from kanpde.results.held_out import HELDOUT_RMS
from kanpde.results.verdicts import verdict_in
from kanpde.runs.checked_values import settings_from
from kanpde.runs.progress import last_record

STATUSES = ("done", "interrupted", "failed")
OWN_FILES = ("scaling.h5",)
HISTORY = "history.jsonl"
NEEDED = ("n_parameters", "wall_time_s", "rel_l2")
UNEQUAL = ("title", "settings")  # of a problem, what does not change its solution
FAILURE_RULE = (
    "A failed run counts with the error of its best state, or with 1, the error of answering zero, if that is larger; "
    "it stays in the medians."
)


@dataclass(frozen=True)
class Record:
    """One run, as far as a study needs it.

    Attributes:
        path: Of the archive.
        title: Of the problem.
        name: What was trained, up to its size: `KAN degree 5`, `MLP depth 2 tanh`.
        model: The kind, as `model.kind` says.
        width: Hidden layers.
        grid: Cells of the last grid, 0 where there is none.
        degree: Of the splines, 0 where there are none.
        settings: All that must be equal in a fair comparison, as canonical JSON.
        error: rel_l2, by FAILURE_RULE.
        flops: Operations per step at the end; NaN for runs that failed.
        seconds: Of training.
    """

    path: str
    title: str
    name: str
    model: str
    width: tuple[int, ...]
    grid: int
    degree: int
    seed: int
    status: str
    stop_reason: str
    settings: str
    parameters: int
    points: int
    steps: int
    error: float
    heldout: float
    reference_error: float
    flops: float
    seconds: float
    created: str
    sha256: str
    hardware: str
    versions: str
    commit: str
    reference: str = "none"
    reference_seconds: float = math.nan
    reference_unknowns: float = math.nan
    verdict: str = ""  # solved, unsure or unsolved; empty in studies from before there were verdicts

    def facts(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    @property
    def timed_out(self) -> bool:
        return self.stop_reason.startswith("The time limit")

    @property
    def size(self) -> str:
        """`[5] grid 8`: what distinguishes sizes of one name."""
        width = "[" + ", ".join(map(str, self.width)) + "]"
        return f"{width} grid {self.grid}" if self.grid else width


@dataclass(frozen=True)
class Skipped:
    """A file that is no part of the study, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class Collection:
    """What was found."""

    records: tuple[Record, ...]
    skipped: tuple[Skipped, ...]


def collect(folders: Sequence[str | Path]) -> Collection:
    """Read every archive below the folders given.

    Raises:
        InputError: A folder is missing.
    """
    return read_all(path for folder in folders for path in _archives(Path(folder)))


def read_all(paths: Iterable[Path]) -> Collection:
    """Read archives; those that cannot serve are named."""
    records, skipped = [], []
    for path in dict.fromkeys(paths):
        try:
            records.append(record_of(path))
        except InputError as error:
            skipped.append(Skipped(str(path), _without_path(str(error), path)))
    records, contradictions = _settled(records)
    return Collection(tuple(records), (*skipped, *contradictions))


def _archives(folder: Path) -> list[Path]:
    if not folder.exists():
        raise InputError(f"{folder}: a folder with runs is needed; there is none. Check the path.")
    if folder.is_file():
        return [folder]
    found = [path for path in folder.rglob("*.h5*") if path.name not in OWN_FILES]
    lost = [path for path in folder.rglob(HISTORY) if not any(path.parent.glob("*.h5*"))]
    return sorted({*found, *lost})


def record_of(path: Path) -> Record:
    """What one archive says.

    Raises:
        InputError: It cannot be read, is incomplete, or contradicts itself.
    """
    if path.name == HISTORY:
        raise InputError(f"{path}: {_lost(path)}")
    if path.name.endswith(".part"):
        raise InputError(f"{path}: a whole archive is needed; writing was cut off. Remove it.")
    data = read_archive(path)
    try:
        return _checked(_record(path, data), data)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path}: an archive of a whole run is needed; {error!r} is amiss in it. Run again."
        ) from error


def _lost(path: Path) -> str:
    """Why a run left a history and no archive, as far as the history's last line tells."""
    last = last_record(path)
    if "status" in last:
        return f"left no archive ({last['status']}): {last.get('reason')}"
    return "a run that came to an end is needed; it was killed or still runs. Start it again."


def _record(path: Path, data: RunData) -> Record:
    about, metrics = data.attributes, data.metrics
    config = _config(str(about["config_yaml"]))
    missing = [name for name in NEEDED if name not in metrics]
    if missing:
        raise InputError(
            f"{path}: {', '.join(missing)} is needed; the run did not measure it. Give the problem an exact solution "
            "or a reference."
        )
    design, status = config["model"], str(about["status"])
    error = float(metrics["rel_l2"])
    if status == "failed":
        error = max(error, 1.0) if math.isfinite(error) else 1.0
    return Record(
        path=str(path),
        title=str(about.get("title", "")),
        **_architecture(_solved_by(data, design)),
        seed=int(about["seed"]),
        status=status,
        stop_reason=str(about["stop_reason"]),
        settings=_settings(config),
        parameters=int(metrics["n_parameters"]),
        points=int(metrics.get("n_points", 0)),
        steps=int(metrics.get("steps", 0)),
        error=error,
        heldout=float(metrics.get(HELDOUT_RMS, math.nan)),
        reference_error=float(metrics.get("reference_error", math.nan)),
        flops=float(metrics.get("flops_per_step", math.nan)),
        seconds=float(metrics["wall_time_s"]),
        created=str(about.get("created", "")),
        sha256=str(about.get("config_sha256", "")),
        hardware=str(about.get("hardware_json", "{}")),
        versions=str(about.get("versions_json", "{}")),
        commit=str(about.get("git_commit", "")),
        reference=str(about.get("reference", "none")),
        reference_seconds=float(metrics.get("reference_time_s", math.nan)),
        reference_unknowns=float(metrics.get("reference_unknowns", math.nan)),
        verdict=verdict_in(about, metrics).word.value,
    )


def _config(text: str) -> dict[str, Any]:
    """The settings, part by part: most parts are the same in all runs of a sweep, and are read once."""
    return {key: value for part in re.split(r"\n(?=\S)", text) for key, value in _part(part).items()}


@lru_cache(maxsize=1000)
def _part(text: str) -> dict[str, Any]:
    found = read_yaml(text, "config_yaml")
    if not isinstance(found, dict):
        raise ValueError("config_yaml")
    return found


def _solved_by(data: RunData, asked: Mapping[str, Any]) -> Mapping[str, Any]:
    """The settings of the model in the archive; they are those asked for, unless an exact last layer took its place."""
    if data.model.kind == asked["kind"] or data.model.kind not in MODELS:
        return asked
    return {"kind": data.model.kind, **json.loads(data.model.config_json)["design"]}


def _architecture(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What a kind says of itself; one that is not known here cannot be placed."""
    kind = str(settings["kind"])
    if kind not in MODELS:
        raise InputError(f"a model of a kind among {', '.join(MODELS)} is needed; {kind!r} came. Leave the run out.")
    design = settings_from(MODELS[kind], {key: value for key, value in settings.items() if key != "kind"}, "model")
    size = {"width": design.width, "grid": design.cells, "degree": design.order_degree}
    return {"name": design.label, "model": kind, **size}


def _settings(config: Mapping[str, Any]) -> str:
    """All that must be equal between models; of the steps, how many there may be however stages divide them."""
    problem = {key: value for key, value in config["problem"].items() if key not in UNEQUAL}
    training = config["training"]
    equal = {name: value for name, value in training.items() if name not in ("stages", "steps")}
    equal["steps"] = training["steps"] * training["stages"]
    parts = {name: config[name] for name in ("optimizer", "sampling", "dtype")}
    return json.dumps({"problem": problem, **parts, "training": equal}, sort_keys=True)


def _checked(record: Record, data: RunData) -> Record:
    """Refuse an archive whose parts do not agree with each other."""
    held = sum(np.size(values) for values in data.model.parameters.values())
    faults = {
        f"its status is {record.status!r}": record.status not in STATUSES,
        f"it says {record.parameters} parameters and holds {held}": record.parameters not in (0, held),
        f"it says {data.model.kind} and was set up as {record.model}": data.model.kind != record.model,
        f"it is done with an error of {record.error}": not (0 < record.error < math.inf),
        f"its training took {record.seconds} seconds": not (0 <= record.seconds < math.inf),
        "its error is not that of its fields": not _same_error(record, data),
    }
    wrong = [fault for fault, holds in faults.items() if holds]
    if wrong:
        raise InputError(f"{record.path}: an archive that agrees with itself is needed; {wrong[0]}. Run it again.")
    return replace(record, parameters=held)


def _same_error(record: Record, data: RunData) -> bool:
    """Whether the error it states is that of the solution it holds, up to three dimensions, where both are one grid."""
    names = data.solved_fields
    if len(data.axes) > 3 or record.status != "done" or any(f"{name}_ref" not in data.fields for name in names):
        return True
    with np.errstate(over="ignore", invalid="ignore"):  # an archive may hold any numbers
        error = sum(np.nansum((data.fields[name] - data.fields[f"{name}_ref"]) ** 2) for name in names)
        size = sum(np.nansum(data.fields[f"{name}_ref"] ** 2) for name in names)
        return bool(np.isclose(np.sqrt(error / (size or 1.0)), record.error, rtol=0.01, atol=1e-14))


def _settled(records: Sequence[Record]) -> tuple[list[Record], list[Skipped]]:
    """One record a job: of archives of the same job the newest finished one."""
    best: dict[str, Record] = {}
    skipped = []
    for record in sorted(records, key=lambda one: (one.status == "done", one.created)):
        before = best.get(record.sha256) if record.sha256 else None
        if before is not None:
            same = math.isclose(before.error, record.error, rel_tol=1e-6)
            skipped.append(Skipped(before.path, _repeated(before, record, same)))
        best[record.sha256 or record.path] = record
    kept = set(map(id, best.values()))
    return [record for record in records if id(record) in kept], skipped


def _repeated(before: Record, after: Record, same: bool) -> str:
    if before.status != "done":
        return f"an earlier attempt ({before.status}) at the job of {after.path}"
    what = "repeats" if same else f"contradicts (error {before.error:.2e} against {after.error:.2e})"
    return f"{what} {after.path}, the same job and newer"


def _without_path(message: str, path: Path) -> str:
    return message.removeprefix(f"{path}: ")
