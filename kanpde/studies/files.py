"""What a report is made of and where it goes: results found in a folder, files written beside them."""

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from kanpde.errors import InputError
from kanpde.files.atomic import replace_file
from kanpde.reports.index import index_page
from kanpde.reports.plots import png_bytes
from kanpde.reports.run_report import run_report
from kanpde.results.archive import RunData, read_archive
from kanpde.results.archive.folders import runs_below
from kanpde.results.held_out import HELDOUT_RMS
from kanpde.studies.archive import StudyData, read_study_data, write_study_data
from kanpde.studies.comparisons import Comparison
from kanpde.studies.figures import scaling_figure
from kanpde.studies.records import Record, collect
from kanpde.studies.report import study_report

RUN, STUDY, PAGE = "result.h5", "scaling.h5", "report.html"
COLUMNS = {
    "role": "role", "model": "model", "name": "name", "size": "size", "seed": "seed", "status": "status",
    "verdict": "verdict",
    "parameters": "n_parameters", "points": "n_points", "steps": "steps", "flops": "flops_per_step",
    "seconds": "seconds", "error": "rel_l2", "heldout": HELDOUT_RMS, "reference_error": "reference_error",
    "path": "path",
}  # fmt: skip


def collected(folders: Sequence[Path]) -> StudyData:
    """The runs below folders as a study of what there is.

    Raises:
        InputError: A folder is missing.
    """
    found = collect(folders)
    titles = sorted({record.title for record in found.records})
    attributes = {
        "title": titles[0] if len(titles) == 1 else f"{len(titles)} problems",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        **_common(found.records),
    }
    return StudyData(attributes, found.records, skipped=found.skipped)


def _common(records: Sequence[Record]) -> dict[str, str]:
    """Versions, hardware and commits of the runs, where they are all the same."""
    names = {"versions_json": "versions", "hardware_json": "hardware", "git_commit": "commit"}
    values = {key: {getattr(record, name) for record in records} for key, name in names.items()}
    return {key: next(iter(found)) for key, found in values.items() if len(found) == 1}


def write_study(folder: Path, outcome: StudyData) -> list[Path]:
    """scaling.h5, scaling.csv, scaling.png and report.html.

    Raises:
        InputError: The folder cannot be written to.
    """
    paths = [folder / name for name in (STUDY, "scaling.csv", "scaling.png", PAGE)]
    comparisons = outcome.comparisons()
    write_study_data(paths[0], outcome)
    replace_file(paths[1], csv_text(outcome).encode())
    if comparisons:
        replace_file(paths[2], png_bytes(scaling_figure(comparisons[0], outcome.classical)))
    replace_file(paths[3], study_report(outcome).encode())
    return [path for path in paths if path.is_file()]


def csv_text(outcome: StudyData) -> str:
    """One row a run, tuning included."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS.values())
    for role, records in (("study", outcome.records), ("tuning", outcome.tuning), ("own optimizer", outcome.own)):
        for record in records:
            writer.writerow([role, *(getattr(record, name) for name in COLUMNS if name != "role")])
    return buffer.getvalue()


def _mixed(runs: Sequence[tuple[str, RunData]]) -> bool:
    """Whether they are of several problems, which no study compares."""
    return len({data.attributes.get("title") for _, data in runs}) > 1


def write_report(path: Path) -> tuple[Path, list[Comparison]]:
    """The report of whatever is at a path: a run, a study, runs of one problem as a study, of several as an index.

    Raises:
        InputError: There is nothing to report on, or it cannot be read.
    """
    archive = next((path / name for name in (STUDY, RUN) if (path / name).is_file()), path)
    if not archive.is_file():
        return _folder_report(path)
    if archive.name == STUDY:
        return _study_report(archive.parent, read_study_data(archive))
    target = archive.parent / PAGE
    replace_file(target, run_report(read_archive(archive)).encode())
    return target, []


def _folder_report(folder: Path) -> tuple[Path, list[Comparison]]:
    runs, reasons = runs_below(folder)
    if not runs:
        why = f"; {reasons[0]}" if reasons else ""
        raise InputError(f"{folder}: runs to report on are needed; none there can be read{why}. Run `kanpde solve`.")
    if not _mixed(runs) and (outcome := collected([folder])).records:
        return _study_report(folder, outcome)
    replace_file(folder / PAGE, index_page(str(folder), runs, reasons).encode())
    return folder / PAGE, []


def _study_report(folder: Path, outcome: StudyData) -> tuple[Path, list[Comparison]]:
    replace_file(folder / PAGE, study_report(outcome).encode())
    return folder / PAGE, outcome.comparisons()
