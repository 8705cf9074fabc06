"""One service: its state folder, queue, children and limits, and what is done with them; paths are elsewhere."""

import asyncio
import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from kanpde.files.atomic import replace_file
from kanpde.service.bodies import CheckBody, Refused, ScalingBody, SolveBody
from kanpde.service.children import Children, Unanswered
from kanpde.service.engines import Engine
from kanpde.service.folders import JobFolder
from kanpde.service.limits import Limits
from kanpde.service.supervisor import Supervisor
from kanpde.service.table import ENDED, JobTable, Row, new_id, now

ARCHIVE = "result.h5"
LEAST_FREE = 64 * 2**20
PART = re.compile(r"[^\W.][\w. +-]{0,99}")
PATIENCE = 120.0  # seconds for a sweep's jobs to be composed


@dataclass(frozen=True)
class ServiceFolders:
    """Where a service keeps what: `root` holds the runs, `state` all else."""

    root: Path
    state: Path

    @property
    def jobs(self) -> Path:
        return self.state / "jobs"

    def job(self, id: str) -> JobFolder:
        return JobFolder(self.jobs / id)

    def token(self) -> str:
        """Made once, readable by its owner only."""
        path = self.state / "token"
        with contextlib.suppress(FileExistsError):
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(secrets.token_urlsafe(24))
        return path.read_text().strip()


T = TypeVar("T")


class Service:
    """What the paths call; used from one event loop."""

    stop_jobs = False
    """Whether jobs end with the service."""

    def __init__(
        self,
        place: ServiceFolders,
        table: JobTable,
        children: Children,
        engine: Engine,
        workers: int,
        limits: Limits,
    ):
        self.place, self.table, self.children, self.limits = place, table, children, limits
        self.supervisor = Supervisor(table, place.job, engine, workers)
        self.asking = asyncio.Semaphore(limits.questions)
        self.submitting = asyncio.Lock()
        self.threads = ThreadPoolExecutor(limits.questions + 4)
        self.waiting = 0
        self.answers: dict[str, dict[str, Any]] = {}
        self.rows: dict[str, tuple[list[int], dict[str, Any]]] = _read_rows(place.state / "runs.json")

    # Questions

    async def ask(self, name: str, seconds: float = 20.0, /, **payload: Any) -> dict[str, Any]:
        """The answer of a child process.

        Raises:
            Refused: The input cannot be used, too much is asked at once, or the child was stopped.
        """
        if self.waiting >= self.limits.waiting:
            raise Refused(429, "Too many checks at once. Ask again in a moment.", {"Retry-After": "5"})
        self.waiting += 1
        try:
            async with self.asking:
                answer = await self._in_thread(self.children.ask, name, seconds, root=str(self.place.root), **payload)
        except Unanswered as reason:
            raise Refused(422, str(reason)) from reason
        finally:
            self.waiting -= 1
        return _usable(answer)

    async def remembered(self, name: str, /, **payload: str) -> dict[str, Any]:
        """The answer to a question that is always the same."""
        key = " ".join((name, *payload.values()))
        if key not in self.answers:
            self.answers[key] = await self.ask(name, **payload)
        return self.answers[key]

    async def evaluate(self, archive: Path, request: dict[str, Any], points: bytes) -> tuple[dict[str, Any], bytes]:
        version = "-".join(map(str, _version(archive)))
        try:
            answer, values = await self._in_thread(self.children.evaluate, archive, version, request, points)
        except Unanswered as reason:
            raise Refused(422, str(reason)) from reason
        return _usable(answer), values

    async def _in_thread(self, function: Callable[..., T], *arguments: Any, **named: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(
            self.threads, lambda: function(*arguments, **named)
        )

    # Jobs

    async def check(self, body: CheckBody) -> dict[str, Any]:
        files = await self._stored(body)
        return await self.ask("check", **body.asked(), files=files, settings=body.settings, limits=asdict(self.limits))

    async def submit(self, process: str, body: SolveBody | ScalingBody, key: str | None) -> list[Row]:
        """The jobs of a submission, which are those of an equal one that waits or runs, or had the same key."""
        sha = body.sha(process)
        if found := self._before(key, sha):
            return found
        self._check_room()
        files = await self._stored(body)
        asked = {**body.asked(), "files": files, "settings": body.settings, "limits": asdict(self.limits)}
        if isinstance(body, SolveBody):
            answer = await self.ask("prepare", PATIENCE, **asked, sweep=body.sweep)
        else:
            answer = await self.ask("prepare_study", PATIENCE, **asked, preset=body.preset, study=body.study)
        common = {"process": process, "key": key, "spec_sha": sha, "name": answer["name"], "files": files}
        async with self.submitting:
            if found := self._before(key, sha):
                return found
            self._check_queue(len(answer["jobs"]))
            rows = await self._in_thread(self._written, common, asked["text"], answer["jobs"])
            self.table.add(rows)
        self.supervisor.wake()
        return rows

    def _before(self, key: str | None, sha: str) -> list[Row]:
        found = self.table.with_key(key) if key else self.table.waiting_like(sha)
        if found is None:
            return []
        return self.table.page(group=found.grp, limit=self.limits.jobs)[::-1] if found.grp else [found]

    def _check_room(self) -> None:
        self._check_queue(1)
        if shutil.disk_usage(self.place.state).free < LEAST_FREE:
            raise Refused(507, "The disk of the service is full. Free space there, or ask its operator.")

    def _check_queue(self, more: int) -> None:
        if self.table.count("accepted") + more > self.limits.queued:
            detail = f"The queue holds {self.limits.queued} jobs and is full. Submit again later."
            raise Refused(429, detail, {"Retry-After": "60"})

    def _written(self, common: dict[str, Any], text: str | None, jobs: list[dict[str, Any]]) -> list[Row]:
        """Write the folder of every job; the table comes after, so that what it lists can be done."""
        group = new_id() if len(jobs) > 1 else ""
        rows = []
        for place, job in enumerate(jobs):
            row = Row(
                id=new_id(), process=common["process"], status="accepted", created=now(), title=job["title"],
                key=common["key"] if place == 0 else None, spec_sha=common["spec_sha"], grp=group, folder=job["folder"],
            )  # fmt: skip
            about = {name: getattr(row, name) for name in ("created", "title", "key", "spec_sha", "grp", "folder")}
            spec = {**about, "process": row.process, "name": common["name"], "text": text is not None}
            self.place.job(row.id).create({**spec, "files": common["files"], "words": job["words"]}, text)
            rows.append(row)
        return rows

    async def _stored(self, body: CheckBody) -> str | None:
        """The folder of a submission's files, named after what they hold, so that equal ones share it."""
        contents = body.contents()
        if not contents:
            return None
        stated = b"".join(hashlib.sha256(name.encode() + b"\0" + data).digest() for name, data in contents.items())
        folder = self.place.state / "files" / hashlib.sha256(stated).hexdigest()[:24]
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in contents.items():
            await self._in_thread(replace_file, folder / name, data)
        return str(folder)

    def job(self, id: str) -> Row:
        """One job.

        Raises:
            Refused: There is none of this id.
        """
        row = self.table.get(id)
        if row is None:
            raise Refused(404, "There is no job of this id. See /jobs.")
        return row

    def dismiss(self, row: Row) -> None:
        """Withdraw, stop, or take off the list."""
        if row.status in ENDED:
            self.table.remove(row.id)
            shutil.rmtree(self.place.job(row.id).path, ignore_errors=True)
        else:
            self.supervisor.dismiss(row)

    # Runs

    def archive(self, *parts: str) -> Path:
        """The archive of a run, `problem/model/key`.

        Raises:
            Refused: There is none.
        """
        path = self.place.root.joinpath(*parts, ARCHIVE)
        if not all(PART.fullmatch(part) for part in parts) or not path.is_file():
            raise Refused(404, "There is no such run. See /runs.")
        return path

    async def runs(self) -> list[dict[str, Any]]:
        """All runs below the folder, those of commands as well, the newest first."""
        found = {str(path.parent.relative_to(self.place.root)): _version(path)
                 for path in await self._in_thread(_archives, self.place.root)}  # fmt: skip
        stale = [name for name, version in found.items() if self.rows.get(name, ([], {}))[0] != version]
        for start in range(0, len(stale), 200):
            paths = {str(self.place.root / name / ARCHIVE): name for name in stale[start : start + 200]}
            answer = await self.ask("rows", archives=list(paths))
            self.rows |= {paths[path]: (found[paths[path]], row) for path, row in answer["rows"].items()}
        self.rows = {name: self.rows[name] for name in found}
        if stale:
            replace_file(self.place.state / "runs.json", json.dumps(self.rows).encode())
        listed = [{"run": name, **row} for name, (_, row) in self.rows.items()]
        return sorted(listed, key=lambda row: row.get("created", ""), reverse=True)

    async def report(self, archive: Path) -> Path:
        """The report of a run, made again where the archive is newer."""
        target = self.place.state / "reports" / f"{'-'.join(archive.parent.parts[-3:])}.html"
        if not target.is_file() or target.stat().st_mtime_ns < archive.stat().st_mtime_ns:
            answer = await self.ask("report", archive=str(archive))
            target.parent.mkdir(exist_ok=True)
            replace_file(target, answer["html"].encode())
        return target


def _usable(answer: dict[str, Any]) -> dict[str, Any]:
    if "refused" in answer:
        raise Refused(422, answer["refused"], line=answer.get("line"))
    if "fault" in answer:
        raise Refused(500, answer["fault"])
    return answer


def _archives(root: Path) -> list[Path]:
    return [path for path in root.glob(f"*/*/*/{ARCHIVE}") if PART.fullmatch(path.parts[-4]) and path.is_file()]


def _version(path: Path) -> list[int]:
    found = path.stat()
    return [found.st_mtime_ns, found.st_size]


def _read_rows(path: Path) -> dict[str, tuple[list[int], dict[str, Any]]]:
    try:
        return {name: (version, row) for name, (version, row) in json.loads(path.read_text()).items()}
    except (OSError, ValueError, TypeError):  # none yet, or another version's: it is made again
        return {}
