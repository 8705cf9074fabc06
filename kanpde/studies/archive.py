"""A study as a file: all that its tables, figures and report are made of, in one HDF5 that netCDF readers open.

    /            attributes: kanpde_schema, kind, title, problem_yaml, study_json, versions_json, records_json, …
    /scaling     a column per number, along `run`; `model` and `status` are flags, their meanings beside them
    /sizes       medians with intervals, along `size`
    /laws        exponents with intervals, along `law`
    /classical   classical solvers, along `solution`

Texts are in the attributes, as JSON; everything else repeats them as numbers, for other programs.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

import h5py
import numpy as np

from kanpde.errors import InputError
from kanpde.files.atomic import replace_file
from kanpde.files.hdf5 import Unsafe, attribute, check_contents, check_texts
from kanpde.results.archive.writing import FILTERS, SCHEMA
from kanpde.results.classical import Classical
from kanpde.studies.comparisons import BUDGETS, Comparison, compare
from kanpde.studies.records import Record, Skipped

KIND = "scaling"
NUMBERS = ("parameters", "flops", "seconds", "error", "heldout", "reference_error", "seed", "grid", "degree", "steps",
           "points")  # fmt: skip


@dataclass(frozen=True)
class StudyData:
    """A study, or a collection of runs, as data.

    Attributes:
        attributes: title, problem_yaml, study_json, created, …: texts.
        records: The runs compared.
        tuning: Runs that only chose the architecture.
        own: Runs of each model with its own best optimizer.
        skipped: What was left out.
        classical: What classical solvers reach.
    """

    attributes: Mapping[str, str]
    records: tuple[Record, ...]
    tuning: tuple[Record, ...] = ()
    own: tuple[Record, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    classical: tuple[Classical, ...] = ()

    def comparisons(self) -> list[Comparison]:
        """Of the runs compared, one for each set of equal settings."""
        return compare(self.records)


def write_study_data(path: Path, outcome: StudyData) -> None:
    """Save a study, whole or not at all."""
    replace_file(path, _bytes(outcome))


def _bytes(outcome: StudyData) -> bytes:
    memory = {"driver": "core", "backing_store": False}
    with h5py.File("memory", "w", libver=("v110", "v110"), track_order=True, **memory) as root:
        texts = {name: _json(asdicts(getattr(outcome, name))) for name in LISTS}
        for name, text in {"kanpde_schema": SCHEMA, "kind": KIND, **outcome.attributes}.items():
            root.attrs[name] = text
        for name, text in texts.items():
            root.attrs[f"{name}_json"] = text
        _write_runs(root, outcome.records)
        comparisons = outcome.comparisons()
        _table(root, "sizes", "size", *_size_rows(comparisons))
        _table(root, "laws", "law", *_law_rows(comparisons))
        names = [one.method for one in outcome.classical]
        rows = [{"unknowns": one.unknowns, "rel_l2": one.error, "seconds": one.seconds} for one in outcome.classical]
        _table(root, "classical", "solution", rows, {"method": names})
        root.flush()
        return root.id.get_file_image()


def _write_runs(root: h5py.File, records: Sequence[Record]) -> None:
    names = {"error": "rel_l2", "flops": "flops_per_step", "parameters": "n_parameters", "points": "n_points"}
    rows = [{names.get(name, name): getattr(record, name) for name in NUMBERS} for record in records]
    texts = {name: [getattr(record, name) for record in records] for name in ("model", "status", "name")}
    _table(root, "scaling", "run", rows, texts)


def _size_rows(comparisons: Iterable[Comparison]) -> tuple[list[dict[str, Any]], dict[str, list[str]]]:
    rows, names = [], []
    for series in (one for comparison in comparisons for one in comparison.series):
        for size, center in zip(series.sizes, series.centers, strict=True):
            budgets = {name: size.budget(name) for name in BUDGETS}
            rows.append(budgets | {"median": center.median, "low": center.low, "high": center.high,
                                   "seeds": len(size.records), "failed": size.failed})  # fmt: skip
            names.append(series.name)
    return rows, {"series": names}


def _law_rows(comparisons: Iterable[Comparison]) -> tuple[list[dict[str, Any]], dict[str, list[str]]]:
    rows, names, against = [], [], []
    for series in (one for comparison in comparisons for one in comparison.series):
        for budget, law in series.every_law.items():
            rows.append({"exponent": law.exponent, "low": law.low, "high": law.high, "constant": law.constant,
                         "kept": sum(law.kept), "resolved": law.resolved, "floor": law.floor or math.nan})  # fmt: skip
            names.append(series.name)
            against.append(budget)
    return rows, {"series": names, "against": against}


def _table(
    root: h5py.File, name: str, dimension: str, rows: Sequence[Mapping[str, Any]], texts: Mapping[str, Sequence[str]]
) -> None:
    """Columns along one dimension; texts become flags, as the CF conventions have them."""
    group = root.create_group(name, track_order=True)
    scale = group.create_dataset(dimension, data=np.arange(len(rows)))
    scale.make_scale(dimension)
    for column in rows[0] if rows else ():
        _column(group, column, np.array([float(row[column]) for row in rows]), scale)
    for column, words in texts.items() if rows else ():
        meanings = list(dict.fromkeys(words))
        dataset = _column(group, column, np.array([meanings.index(word) for word in words], dtype=np.int32), scale)
        dataset.attrs["flag_values"] = np.arange(len(meanings), dtype=np.int32)
        dataset.attrs["flag_meanings"] = " ".join(word.replace(" ", "_") for word in meanings)


def _column(group: h5py.Group, name: str, values: np.ndarray, scale: h5py.Dataset) -> h5py.Dataset:
    dataset = group.create_dataset(name, data=values, **(FILTERS if values.size > 1 else {}))
    dataset.dims[0].attach_scale(scale)
    return dataset


def asdicts(items: Iterable[Any]) -> list[dict[str, Any]]:
    return [asdict(item) for item in items]


def _json(data: Any) -> str:
    """JSON proper: it knows no NaN or infinity, which become null."""
    return json.dumps(_plain(data), allow_nan=False, ensure_ascii=False)


def _plain(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _plain(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_plain(item) for item in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data


# Reading

LISTS: dict[str, type] = {"records": Record, "tuning": Record, "own": Record, "skipped": Skipped,
                          "classical": Classical}  # fmt: skip


def read_study_data(path: Path) -> StudyData:
    """Open a study that may come from a stranger.

    Raises:
        InputError: The file is missing, damaged, or no study.
    """
    try:
        check_texts(path)
        with h5py.File(path, "r", locking=False) as root:
            check_contents(root)
            texts = {name: attribute(root, name) for name in root.attrs}
        if texts.get("kind") != KIND or texts.get("kanpde_schema") != SCHEMA:
            raise InputError(
                f"{path}: a study of schema {SCHEMA} is needed; this is another file. Give a scaling.h5 that "
                "`kanpde scaling` or `kanpde collect` wrote."
            )
        lists = {name: _items(str(texts.pop(f"{name}_json")), cls) for name, cls in LISTS.items()}
    except InputError:
        raise
    except (Unsafe, OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: a whole scaling.h5 is needed; this one cannot be used: {error}. Make it again: `kanpde collect`."
        ) from error
    del texts["kind"], texts["kanpde_schema"]
    return StudyData({name: str(text) for name, text in texts.items()}, **lists)


def _items(text: str, cls: type) -> tuple[Any, ...]:
    hints = get_type_hints(cls)
    return tuple(
        cls(**{one.name: _typed(item[one.name], hints[one.name]) for one in fields(cls)}) for item in json.loads(text)
    )


def _typed(value: Any, hint: Any) -> Any:
    if hint is float:
        return math.nan if value is None else float(value)
    if hint in (int, str):
        return hint(value)
    return tuple(int(item) for item in value)
