"""`kanpde bench` on a machine that others use as well: limits and times are seconds of the processor, on one thread.

    python tests/benchmarks/busy_bench.py [PROBLEM …] [--routes auto,lm] [--limit 120] [--folder outputs/bench] …

All words are those of `kanpde bench`.
"""

import importlib
import sys
import time

import torch

if __name__ == "__main__":
    time.perf_counter = time.process_time  # before whatever takes it as its clock is imported
    torch.set_num_threads(1)
    sys.exit(importlib.import_module("kanpde.cli.main").main(["bench", *sys.argv[1:]]))
