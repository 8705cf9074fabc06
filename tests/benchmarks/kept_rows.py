"""Rows of a benchmark in a CSV file, each written as it is made: one that was stopped goes on where it was."""

import csv
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any


def kept_rows(
    path: Path,
    columns: Sequence[str],
    keys: int,
    cases: Iterable[tuple],
    row: Callable[..., dict[str, Any] | None],
) -> list[dict[str, str]]:
    """All rows of the file, after those that it lacks were made and added.

    Args:
        path: Made with its folder if need be.
        columns: Names; the first `keys` of them say which case a row is of, as the first values of the case do.
        keys: How many.
        cases: Arguments of `row`.
        row: The row of a case; None where there is none.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = list(csv.DictReader(path.open())) if path.is_file() else []
    known = {tuple(one[column] for column in columns[:keys]) for one in rows}
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, columns)
        if not file.tell():
            writer.writeheader()
        for case in cases:
            if tuple(map(str, case[:keys])) in known or (found := row(*case)) is None:
                continue
            writer.writerow(found)
            file.flush()
            rows.append({key: str(value) for key, value in found.items()})
    return rows
