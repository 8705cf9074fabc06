"""Freed memory is kept where the C library is glibc, and nothing happens elsewhere."""

import platform
import subprocess
import sys

import pytest

from kanpde.solving.training.allocation import keep_freed_memory

FAULTS = """
import resource, sys, torch
if sys.argv[1] == "keep":
    import kanpde
torch.set_num_threads(1)
def use():
    return [torch.ones(2**20) for _ in range(4)]  # four megabytes each
use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    use()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_it_says_whether_there_was_a_glibc():
    assert keep_freed_memory() == (platform.libc_ver()[0] == "glibc")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_freed_blocks_are_used_again_without_page_faults():
    keep, leave = (
        int(subprocess.run([sys.executable, "-c", FAULTS, word], capture_output=True, text=True, check=True).stdout)
        for word in ("keep", "leave")
    )
    assert keep < leave / 2, f"{keep} page faults after importing kanpde, {leave} without"
