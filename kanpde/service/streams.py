"""Events of a job as they come: one look at its file serves all who listen, and a file position is all they have.

    status    accepted, running, …, the queue place, whenever it changes
    note step started stage    lines of events.jsonl; the id is the position after the line
    end       the last; the stream closes
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from typing import Any

from kanpde.service.bodies import Refused
from kanpde.service.services import Service
from kanpde.service.table import ENDED, Row

LOOK, PING = 0.1, 15.0
MOST = 2**18


class Streams:
    """The listeners of all jobs."""

    def __init__(self, service: Service):
        self.service = service
        self.tails: dict[str, Tail] = {}
        self.count = 0

    async def listen(self, id: str, offset: int) -> AsyncIterator[bytes]:
        """Frames of server-sent events from a position on."""
        if self.count >= self.service.limits.listeners:
            raise Refused(503, "Too many listen already. Ask for /jobs/… now and then.", {"Retry-After": "30"})
        self.count += 1
        tail = self.tails.setdefault(id, Tail(self.service, id))
        tail.listeners += 1
        try:
            async for frames in tail.frames(offset):
                yield frames
        finally:
            self.count -= 1
            tail.listeners -= 1
            if not tail.listeners:
                tail.close()
                self.tails.pop(id, None)


class Tail:
    """Looks at one job while anybody listens, and wakes them when there is more."""

    def __init__(self, service: Service, id: str):
        self.service, self.folder, self.id = service, service.place.job(id), id
        self.listeners = 0
        self.row, self.size = service.table.get(id), self._size()
        self.status = self._status()
        self.changed = asyncio.Event()
        self.chunk: tuple[int, bytes, int] = (-1, b"", 0)  # the last one read: all who listen want the same
        self.task = asyncio.create_task(self._look())

    def close(self) -> None:
        self.task.cancel()

    async def _look(self) -> None:
        quiet = 0.0
        while True:
            await asyncio.sleep(LOOK)
            quiet += LOOK
            row, size = self.service.table.get(self.id), self._size()
            if (row, size) != (self.row, self.size):
                self.row, self.size, quiet = row, size, 0.0
                self.status = self._status()
            if quiet == 0.0 or quiet >= PING:  # all are woken at once; those who find nothing new send a ping
                quiet = 0.0
                changed, self.changed = self.changed, asyncio.Event()
                changed.set()

    def _size(self) -> int:
        try:
            return os.stat(self.folder.events).st_size
        except FileNotFoundError:
            return 0

    def _status(self) -> bytes:
        return b"event: status\ndata: " + json.dumps(status_of(self.service, self.row)).encode() + b"\n\n"

    async def frames(self, offset: int) -> AsyncIterator[bytes]:
        told, silent = b"", False
        yield b"retry: 1000\n\n"
        while True:
            changed, row = self.changed, self.row
            if told != self.status:
                told, silent = self.status, False
                yield told
            frames, offset = self._read(offset)
            if frames:
                silent = False
                yield frames
                continue
            if row is None or row.status in ENDED:
                yield told.replace(b"event: status", b"event: end", 1)
                return
            if silent:
                yield b": ping\n\n"
            await changed.wait()
            silent = True

    def _read(self, offset: int) -> tuple[bytes, int]:
        if self.chunk[0] == offset and self.chunk[1]:
            return self.chunk[1:]
        if offset >= self.size:
            return b"", offset
        try:
            with self.folder.events.open("rb") as file:
                file.seek(offset)
                data = file.read(MOST)
        except FileNotFoundError:
            return b"", offset
        end, frames = offset, []
        for line in data.splitlines(keepends=True):
            if line.endswith(b"\n"):
                end += len(line)
                frames.append(b"id: %d\nevent: %s\ndata: %s\n\n" % (end, _name(line), line[:-1]))
        self.chunk = offset, b"".join(frames), end
        return self.chunk[1:]


def _name(line: bytes) -> bytes:
    """`{"event": "step", …` → step."""
    return line[11 : line.index(b'"', 11)] if line.startswith(b'{"event": "') else b"note"


def status_of(service: Service, row: Row | None) -> dict[str, Any]:
    """A job's status as OGC API – Processes has it."""
    if row is None:
        return {"status": "dismissed", "message": "It was taken off the list."}
    about = {
        "jobID": row.id,
        "processID": row.process,
        "type": "process",
        "status": row.status,
        "message": service.supervisor.status_of(row),
        "title": row.title,
        "created": row.created,
        "started": row.started or None,
        "finished": row.finished or None,
        "updated": row.updated or row.created,
        "group": row.grp or None,
        "run": row.folder,
    }
    links = [("self", f"/jobs/{row.id}"), ("monitor", f"/jobs/{row.id}/events"), ("results", f"/jobs/{row.id}/results")]
    return {**about, "links": [{"rel": name, "href": path} for name, path in links]}
