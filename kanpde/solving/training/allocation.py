"""Memory that is freed stays with the process, where the C library would hand it back and fetch it anew."""

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of mallopt(3), glibc


def keep_freed_memory() -> bool:
    """Tell glibc to reuse freed blocks of up to 32 MiB; returns whether there was a glibc to tell.

    Training allocates and frees tensors of a few megabytes thousands of times a second. By default each comes as
    fresh pages from the kernel, and touching them costs more than the arithmetic: a KAN layer's backward pass at 10⁴
    points took three times as long (tests/benchmarks/layer_speed.py). The price is that a process's resident size
    falls back less readily after a peak.
    """
    if sys.platform != "linux":
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    return bool(library.mallopt(M_MMAP_THRESHOLD, 2**25) and library.mallopt(M_TRIM_THRESHOLD, 2**31 - 1))
