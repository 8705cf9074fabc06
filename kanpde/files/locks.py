"""One process at a time in a run's folder: a lock that the system lets go when its process ends, however it ends."""

import errno
import os
import socket
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows has none: runs are not guarded there
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"
HELD = (errno.EAGAIN, errno.EACCES)
UNKNOWN = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)  # of file systems without locks


class Held(Exception):
    """Another process holds the lock; the text says which."""


class FolderLock(AbstractContextManager["FolderLock"]):
    """The file `.lock` in a folder, locked from `take` until the context ends and removed then.

    A process that is killed leaves the file, without its lock: whoever comes next may take it. Works between machines
    that share a file system whose `flock` does, as NFS and Lustre can.
    """

    def __init__(self, folder: Path):
        self.path = folder / LOCK
        self.file: IO[str] | None = None

    def take(self) -> None:
        """Lock the folder, which exists; does nothing where it is locked by this object already.

        Raises:
            Held: Another process is in the folder.
            OSError: The folder cannot be written to.
        """
        while self.file is None and fcntl is not None:
            file = open(self.path, "a+", encoding="utf-8")  # noqa: SIM115
            try:
                _lock(file)
            except BaseException:
                file.close()
                raise
            if _is_at(file, self.path):
                _sign(file)
                self.file = file
            else:  # whoever held it removed it between the opening and the locking
                file.close()

    def __exit__(self, *error: object) -> None:
        if self.file is not None:
            self.path.unlink(missing_ok=True)  # still locked: nobody can have taken it yet
            self.file.close()
            self.file = None


def _lock(file: IO[str]) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in HELD:
            raise Held(_signature(file)) from error
        if error.errno not in UNKNOWN:
            raise
        print(f"warning: {file.name} cannot be locked; start no second sweep over the same runs.", file=sys.stderr)


def _is_at(file: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


def _sign(file: IO[str]) -> None:
    file.truncate(0)
    file.write(f"process {os.getpid()} on {socket.gethostname()}")
    file.flush()


def _signature(file: IO[str]) -> str:
    """Who holds the lock; the text may not be there yet."""
    file.seek(0)
    return file.read(200) or "another process"
