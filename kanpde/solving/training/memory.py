"""What memory a run may take and has taken, and the sentence for one that is too large."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import torch

from kanpde.files.memory import bytes_told, free_memory

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
    free, taken = free_memory(), bytes_told("/proc/self/status", "VmData")
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


def want_of_memory(error: Exception) -> str | None:
    """The sentence for an error that means too little memory, None for any other."""
    # PyTorch's allocator for the CPU raises a plain RuntimeError.
    short = isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "can't allocate memory" in str(error)
    return OUT_OF_MEMORY if short else None


def peak_memory_mb() -> float:
    """The largest resident size of this process since `forget_peak`; NaN where the system does not tell."""
    if (found := bytes_told("/proc/self/status", "VmHWM")) is not None:
        return found / 2**20
    if sys.platform == "win32":
        return float("nan")
    unit = 2**20 if sys.platform == "darwin" else 2**10  # bytes there, kilobytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def forget_peak() -> None:
    """Let the largest size be counted from here on, where the system can: Linux."""
    with suppress(OSError), open("/proc/self/clear_refs", "w") as file:  # 5 is the peak's, man 5 proc
        file.write("5")
