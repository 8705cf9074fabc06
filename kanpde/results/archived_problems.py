"""The problem of a run, out of its archive alone: what files held travels in it, and no name in it is followed."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from kanpde.problems.catalog import Problem, load_problem, read_problem_text
from kanpde.results.archive.record import RunData

UNNAMED = "unnamed"
"""What a problem is called whose archive does not say it."""


def archived_problem(data: RunData, label: str) -> Problem:
    """The problem that a run solved; its samples are those of the archive.

    Archives of versions before samples traveled have coefficients from files on the grid of the fields only; these
    stand in for the samples then.

    Raises:
        InputError: The problem cannot be read, or a file's samples are missing.
    """
    source = read_problem_text(str(data.attributes.get("problem_yaml", "")), label)
    samples = {**_on_the_grid(data, source), **data.samples}
    return load_problem(source, name=str(data.attributes.get("problem", UNNAMED)), samples=samples)


def _on_the_grid(data: RunData, source: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Coefficients that came from files, along the space axes of the archive's grid."""
    entries = source.get("coefficients")
    entries = entries if isinstance(entries, dict) else {}
    families = [name for name, value in _mapping(source, "parameters").items() if isinstance(value, dict)]
    index = tuple(0 if name == "t" or name in families else slice(None) for name in data.axes)
    found = {}
    for name, entry in entries.items():
        old = isinstance(entry, dict) and "file" in entry and "sha256" not in entry
        if old and name in data.coefficients:
            values = data.coefficients[name][index]
            found[f"coefficients.{name}.values"] = values
    return found


def _mapping(source: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = source.get(key)
    return value if isinstance(value, dict) else {}
