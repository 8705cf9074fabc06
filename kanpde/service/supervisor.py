"""From the queue to processes, and from processes that ended to statuses.

    accepted → running → successful | failed | dismissed

A row says `running` before its process starts, so that no crash of the server can start a job twice unseen. Whether a
job lives is asked of its engine: here, of its lock.
"""

import asyncio
import contextlib
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from kanpde.errors import InputError
from kanpde.service.engines import Engine
from kanpde.service.folders import JobFolder
from kanpde.service.table import JobTable, Row, now

TICK = 0.1
ATTEMPTS = 2
KILL_AFTER = 60.0
KILLED = "Its process was killed."


class Supervisor:
    """Keeps `workers` jobs running as long as there are any."""

    def __init__(self, table: JobTable, folder_of: Callable[[str], JobFolder], engine: Engine, workers: int):
        self.table, self.folder_of, self.engine, self.workers = table, folder_of, engine, workers
        self.woken, self.running = asyncio.Event(), 0
        self.asked: dict[str, float] = {}
        self.threads = ThreadPoolExecutor(1)  # starts one process after the other

    async def run(self) -> None:
        """Until cancelled."""
        await self.adopt()
        while True:
            self.running = await self.settle()
            while self._has_room() and (row := self.table.next_waiting()) is not None and await self._start(row):
                self.running += 1
            self.woken.clear()
            try:
                await asyncio.wait_for(self.woken.wait(), TICK if self.running else 5.0)
            except TimeoutError:
                continue

    def wake(self) -> None:
        """Look for jobs at once; with no room for another, when the next look comes."""
        if self._has_room():
            self.woken.set()

    def _has_room(self) -> bool:
        return self.running < self.workers

    async def adopt(self) -> None:
        """After a restart: what runs on is kept; what died with the server is accepted again, at most twice."""
        for row in self.table.with_status("running"):
            folder = self.folder_of(row.id)
            if await self._alive(row, folder) or folder.end() is not None:
                continue
            if row.attempts < ATTEMPTS:
                self.table.update(row.id, status="accepted", message="taken up again after an interruption")
            else:
                self._close(row, "failed", f"{KILLED} It was tried {row.attempts} times.")

    async def settle(self) -> int:
        """Write down what has ended; returns how many run on."""
        return sum([await self._runs(row) for row in self.table.with_status("running")])

    async def _alive(self, row: Row, folder: JobFolder) -> bool:
        """Asked in a thread: a cluster may take its time."""
        return await asyncio.get_running_loop().run_in_executor(self.threads, self.engine.alive, folder, row.handle)

    async def _runs(self, row: Row) -> bool:
        folder = self.folder_of(row.id)
        alive = await self._alive(row, folder)
        end = folder.end()  # asked last: what is not alive any more has written it by now
        if end is None and not alive:
            self._close(row, "dismissed" if folder.stop.exists() else "failed", KILLED)
        elif end is not None:
            self._close(row, end["status"], end["sentence"])
        return end is None and alive

    def _close(self, row: Row, status: str, message: str) -> None:
        folder, finished = self.folder_of(row.id), now()
        if folder.end() is None:  # what was killed or withdrawn wrote none, and may not begin again from it
            with contextlib.suppress(InputError, OSError):  # on a full disk the table alone knows
                folder.finish({"status": status, "sentence": message, "finished": finished})
        self.table.update(row.id, status=status, message=message, finished=finished)
        self.asked.pop(row.id, None)

    async def _start(self, row: Row) -> bool:
        """Hand a job to the engine; where that fails it waits on, and its lock sees to it that it runs once at most."""
        self.table.update(row.id, status="running", started=now(), attempts=row.attempts + 1, message="")
        folder = self.folder_of(row.id)
        try:
            handle = await asyncio.get_running_loop().run_in_executor(self.threads, self.engine.submit, folder)
        except Exception:  # whatever a cluster's package raises while the cluster cannot be reached
            traceback.print_exc()
            self.table.update(row.id, status="accepted", started="", attempts=row.attempts)
            return False
        if handle:
            self.table.update(row.id, handle=handle)
        return True

    def dismiss(self, row: Row) -> None:
        """accepted → dismissed; running → asked to stop, and killed when asked again a minute later."""
        if row.status == "accepted":
            self._close(row, "dismissed", "It was withdrawn before it began.")
            return
        folder, time = self.folder_of(row.id), asyncio.get_running_loop().time()
        first = self.asked.setdefault(row.id, time)
        if not folder.stop.exists():
            folder.stop.touch()
            self.table.update(row.id, message="asked to stop; the best state so far is archived")
            self.engine.stop(folder, row.handle, kill=False)
        elif time - first >= KILL_AFTER:
            self.engine.stop(folder, row.handle, kill=True)

    async def stop_all(self) -> None:
        """Stop what runs, and wait until it has archived its best state."""
        for row in self.table.with_status("running"):
            self.dismiss(row)
        while await self.settle():
            await asyncio.sleep(TICK)

    def status_of(self, row: Row) -> str:
        """What to say of a job besides its status."""
        if row.status == "accepted":
            return f"number {self.table.place(row)} in the queue"
        return row.message


def progress_of(row: Row, folder: JobFolder) -> int:
    """Per cent, of the steps or the time allowed, whichever is further."""
    if row.status == "running":
        return int(folder.last_event("step").get("progress") or 0)
    return 100 if row.status == "successful" else 0
