"""Runs of lattices side by side: one row a run, and medians with 5 to 95 % bands over seeds."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from kanpde.errors import InputError
from kanpde.files.atomic import replace_file
from kanpde.results.archive import RunData, read_archive

TABLE = "lattices.csv"
SHOWN = (
    "gap_ratio", "dimension_median", "gamma_median", "d2", "accuracy_learned", "accuracy_formula", "accuracy_theory",
)  # fmt: skip


def lattice_runs(folders: Iterable[Path]) -> list[tuple[Path, RunData]]:
    """The archives of lattices at any depth; those that cannot be read are for the study to name."""
    found = []
    for path in sorted({path for folder in folders for path in _archives(folder)}):
        try:
            data = read_archive(path)
        except InputError:
            continue
        if "realization" in data.spectrum:
            found.append((path, data))
    return found


def _archives(folder: Path) -> list[Path]:
    return [folder] if folder.is_file() else list(folder.rglob("result.h5"))


def write_lattice_table(path: Path, runs: Sequence[tuple[Path, RunData]]) -> None:
    """A row a run: title, status, seed, fixed parameters' means, every metric, the formula."""
    rows = [_row(archive, data) for archive, data in runs]
    names = list(dict.fromkeys(name for row in rows for name in row))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    replace_file(path, buffer.getvalue().encode())


def _row(path: Path, data: RunData) -> dict[str, object]:
    about = data.attributes
    alike = {name: float(np.mean(data.spectrum[name])) for name, axes in data.spectrum_axes.items()
             if axes == ("realization",) and name != "gap_ratio" and np.ptp(data.spectrum[name]) == 0}  # fmt: skip
    said = {name: about.get(name, "") for name in ("title", "status", "verdict", "seed", "formula", "formula_errors")}
    return {**said, **alike, **data.metrics, "path": str(path)}


def lattice_lines(runs: Sequence[tuple[Path, RunData]]) -> list[str]:
    """For each title the median and the 5 to 95 % band of what was measured, over its runs."""
    lines = []
    for title in dict.fromkeys(str(data.attributes.get("title")) for _, data in runs):
        own = [data for _, data in runs if str(data.attributes.get("title")) == title]
        lines.append(f"{title}: {len(own)} run{'s' * (len(own) != 1)}")
        for name in SHOWN:
            values = [data.metrics[name] for data in own if np.isfinite(data.metrics.get(name, np.nan))]
            if values:
                low, middle, high = np.percentile(values, [5, 50, 95])
                lines.append(f"  {name:22} {middle:.4g} ({low:.4g} to {high:.4g})")
        lines += [f"  {data.attributes['formula']}" for data in own if data.attributes.get("formula")]
    return lines
