"""The index of jobs, in SQLite: what waits, in which order, and what became of it. The server is its only writer.

Everything here follows from the folders of the jobs, and can be made again from them.
"""

import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from kanpde.service.folders import JobFolder

Status = Literal["accepted", "running", "successful", "failed", "dismissed"]
ENDED = ("successful", "failed", "dismissed")


@dataclass(frozen=True)
class Row:
    """One job; times are ISO 8601 in UTC, empty where they have not come. `folder` is that of the run."""

    id: str
    process: str
    status: Status
    created: str
    title: str = ""
    key: str | None = None
    spec_sha: str = ""
    grp: str = ""
    message: str = ""
    folder: str = ""
    handle: str = ""
    priority: int = 0
    attempts: int = 0
    started: str = ""
    finished: str = ""
    updated: str = ""


COLUMNS = tuple(field.name for field in fields(Row))
SCHEMA = f"""
create table if not exists jobs ({", ".join(COLUMNS)}, primary key (id));
create unique index if not exists by_key on jobs (key) where key is not null;
create index if not exists by_status on jobs (status, priority, created);
create index if not exists by_created on jobs (created);
create index if not exists by_sha on jobs (spec_sha, status);
create index if not exists by_group on jobs (grp, created);
"""


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


class JobTable:
    """The jobs; one connection, used from one thread at a time."""

    def __init__(self, path: Path):
        self.connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
        self.connection.execute("pragma journal_mode=wal")
        self.connection.execute("pragma synchronous=full")
        self.connection.executescript(SCHEMA)

    def close(self) -> None:
        self.connection.close()

    def add(self, rows: Sequence[Row]) -> None:
        """All of them or, if anything fails, none."""
        marks = ", ".join("?" * len(COLUMNS))
        values = [tuple(getattr(row, name) for name in COLUMNS) for row in rows]
        self.connection.execute("begin immediate")
        try:
            self.connection.executemany(f"insert or ignore into jobs values ({marks})", values)
        except BaseException:
            self.connection.execute("rollback")
            raise
        self.connection.execute("commit")

    def update(self, id: str, **values: Any) -> None:
        values = {"updated": now(), **values}
        named = ", ".join(f"{name} = ?" for name in values if name in COLUMNS)
        self.connection.execute(f"update jobs set {named} where id = ?", (*values.values(), id))

    def remove(self, id: str) -> None:
        self.connection.execute("delete from jobs where id = ?", (id,))

    def get(self, id: str) -> Row | None:
        return next(self._rows("where id = ?", id), None)

    def with_key(self, key: str) -> Row | None:
        return next(self._rows("where key = ?", key), None)

    def waiting_like(self, spec_sha: str) -> Row | None:
        return next(self._rows("where spec_sha = ? and status in ('accepted', 'running')", spec_sha), None)

    def with_status(self, status: Status) -> list[Row]:
        return list(self._rows("where status = ? order by priority desc, created", status))

    def next_waiting(self) -> Row | None:
        return next(self._rows("where status = 'accepted' order by priority desc, created limit 1"), None)

    def count(self, status: Status) -> int:
        return self.connection.execute("select count(*) from jobs where status = ?", (status,)).fetchone()[0]

    def place(self, row: Row) -> int:
        """How many wait before a job that waits, itself included."""
        question = """select count(*) from jobs where status = 'accepted'
                      and (priority > ? or (priority = ? and created <= ?))"""
        return self.connection.execute(question, (row.priority, row.priority, row.created)).fetchone()[0]

    def page(self, status: str = "", group: str = "", limit: int = 100, offset: int = 0) -> list[Row]:
        """The newest first."""
        wanted = {"status": status, "grp": group}
        given = {name: value for name, value in wanted.items() if value}
        where = f"where {' and '.join(f'{name} = ?' for name in given)}" if given else ""
        return list(self._rows(f"{where} order by created desc limit ? offset ?", *given.values(), limit, offset))

    def _rows(self, clause: str, *values: Any) -> Iterator[Row]:
        for found in self.connection.execute(f"select {', '.join(COLUMNS)} from jobs {clause}", values):
            yield Row(*found)


def new_id() -> str:
    return str(uuid.uuid4())


def rebuild(table: JobTable, jobs: Path) -> int:
    """Make the table again from the folders of jobs; returns how many there are."""
    rows = [_row_of(JobFolder(path)) for path in sorted(jobs.iterdir()) if (path / "spec.json").is_file()]
    table.add(rows)
    return len(rows)


def _row_of(folder: JobFolder) -> Row:
    spec, end = folder.spec(), folder.end()
    about = {name: spec[name] for name in ("process", "created", "title", "key", "spec_sha", "grp", "folder")}
    if end is not None:
        ended = {"status": end["status"], "message": end["sentence"], "finished": end["finished"]}
        return Row(id=folder.path.name, **about, **ended)
    # what had begun has a lock file; adoption decides what became of it
    begun = (folder.path / "lock").is_file()
    return Row(id=folder.path.name, **about, status="running" if begun else "accepted", attempts=int(begun))
