"""What the system's files say of memory."""

import sys
from contextlib import suppress
from pathlib import Path

if sys.platform != "win32":
    import resource


def free_memory() -> int | None:
    """Bytes that are free, in the machine and in the control group of a container or a batch system.

    None where this cannot be told: on other systems than Linux.
    """
    found = [bytes_told("/proc/meminfo", "MemAvailable"), free_in_group(Path("/sys/fs/cgroup")), _free_by_ulimit()]
    return min((value for value in found if value is not None), default=None)


def bytes_told(path: str, name: str) -> int | None:
    """The bytes that a line of such a file says, None where there is none."""
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), None)


def free_in_group(root: Path, own: Path = Path("/proc/self/cgroup")) -> int | None:
    """The least that the control group of this process and those above it leave: most - taken + files cached."""
    try:
        place = root / own.read_text().splitlines()[-1].rpartition(":")[2].lstrip("/")
    except (OSError, IndexError):
        return None
    found = []
    for folder in (place, *place.parents):
        if root not in (folder, *folder.parents):
            break
        with suppress(OSError, ValueError):  # no such group, or "max": no bound
            most, taken = (int((folder / f"memory.{name}").read_text()) for name in ("max", "current"))
            found.append(most - taken + _cached(folder / "memory.stat"))
    return min(found, default=None)


def _cached(stat: Path) -> int:
    """Bytes of files that are kept in memory until somebody needs it."""
    try:
        lines = dict(line.split() for line in stat.read_text().splitlines())
        return int(lines.get("inactive_file", 0))
    except (OSError, ValueError):
        return 0


def _free_by_ulimit() -> int | None:
    """What `ulimit -v` and `ulimit -d` leave, as batch systems set them."""
    if sys.platform == "win32":
        return None
    found = []
    for bound, name in ((resource.RLIMIT_AS, "VmSize"), (resource.RLIMIT_DATA, "VmData")):
        most, taken = resource.getrlimit(bound)[0], bytes_told("/proc/self/status", name)
        if most != resource.RLIM_INFINITY and taken is not None:
            found.append(most - taken)
    return min(found, default=None)
