"""What memory a run may take and has taken, and the sentence for one that is too large."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

if sys.platform != "win32":
    import resource

OUT_OF_MEMORY = (
    "Out of memory. Fewer points (sampling.points), a smaller model.width or model.grid need less, and optimizer=lbfgs "
    "or adam far less."
)
SHARE = 0.95
"""Of the memory that is free, what a run may take."""


@contextmanager
def bounded_memory() -> Iterator[None]:
    """Let allocations fail inside, once the memory that was free on entering is used up.

    Linux grants memory that it does not have, and kills whoever touches too much of it, a whole sweep included.
    Nothing is bounded on other systems, nor where CUDA is in use, which maps far more addresses than it fills.
    """
    free, taken = free_memory(), _kilobytes("/proc/self/status", "VmData")
    if sys.platform == "win32" or free is None or taken is None or torch.cuda.is_initialized():
        yield
        return
    before, most = resource.getrlimit(resource.RLIMIT_DATA)
    limit = taken + int(SHARE * free)
    bounds = [bound for bound in (limit, before, most) if bound != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min(bounds), most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (before, most))


def free_memory() -> int | None:
    """Bytes that are free, in the machine and in the control group of a container or a batch system.

    None where this cannot be told: on other systems than Linux.
    """
    found = [_kilobytes("/proc/meminfo", "MemAvailable"), free_in_group(Path("/sys/fs/cgroup"))]
    found += [_free_by_ulimit()]
    return min((value for value in found if value is not None), default=None)


def want_of_memory(error: Exception) -> str | None:
    """The sentence for an error that means too little memory, None for any other."""
    # PyTorch's allocator for the CPU raises a plain RuntimeError.
    short = isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "can't allocate memory" in str(error)
    return OUT_OF_MEMORY if short else None


def peak_memory_mb() -> float:
    """The largest resident size of this process since `forget_peak`; NaN where the system does not tell."""
    if (found := _kilobytes("/proc/self/status", "VmHWM")) is not None:
        return found / 2**20
    if sys.platform == "win32":
        return float("nan")
    unit = 2**20 if sys.platform == "darwin" else 2**10  # bytes there, kilobytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def forget_peak() -> None:
    """Let the largest size be counted from here on, where the system can: Linux."""
    with suppress(OSError), open("/proc/self/clear_refs", "w") as file:  # 5 is the peak's, man 5 proc
        file.write("5")


def _kilobytes(path: str, name: str) -> int | None:
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
    if resource is None:
        return None
    found = []
    for bound, name in ((resource.RLIMIT_AS, "VmSize"), (resource.RLIMIT_DATA, "VmData")):
        most, taken = resource.getrlimit(bound)[0], _kilobytes("/proc/self/status", name)
        if most != resource.RLIM_INFINITY and taken is not None:
            found.append(most - taken)
    return min(found, default=None)
