"""Freed memory is kept where the C library is glibc, and nothing happens elsewhere."""

import os
import platform
import subprocess
import sys

import pytest

import kanpde
from kanpde.runs import jobs
from kanpde.solving.training.allocation import keep_freed_memory

FAULTS = """
import resource, sys, torch
from kanpde.solving.training.allocation import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
torch.set_num_threads(1)
def use():
    return [torch.ones(2**20) for _ in range(4)]  # four megabytes each
for _ in range(5):  # until the heap is as large as it gets
    use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    use()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_it_says_whether_there_was_a_glibc():
    assert keep_freed_memory() == (platform.libc_ver()[0] == "glibc")


def test_it_is_told_by_commands_and_not_by_python(monkeypatch, tmp_path):
    told = []
    monkeypatch.setattr(jobs, "keep_freed_memory", lambda: told.append(True))
    kanpde.solve("poisson_1d", model={"width": [3]}, training={"stages": 1, "starts": 1, "start_steps": 0, "steps": 1})
    assert not told
    words = ["model.width=[3]", "training.stages=1", "training.starts=1", "training.steps=1", "output.plot=false"]
    jobs.solve_one(["problem=poisson_1d", *words, f"output.folder={tmp_path}"])
    assert told


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_freed_blocks_are_used_again_without_page_faults():
    # glibc moves its thresholds while a program runs, unless one is given: the 128 kB it begins with.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": str(2**17)}
    options = {"capture_output": True, "text": True, "check": True, "env": environment}
    keep, leave = (
        int(subprocess.run([sys.executable, "-c", FAULTS, word], **options).stdout) for word in ("keep", "leave")
    )
    assert keep < leave / 10, f"{keep} page faults with it, {leave} without"
