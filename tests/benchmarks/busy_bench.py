"""`kanpde bench` on a machine that others use as well: limits and times are seconds of the processor, on one thread.

    python tests/benchmarks/busy_bench.py [PROBLEM …] [--routes auto,lm] [--limit 120] [--folder outputs/bench] …

All words are those of `kanpde bench`. The problems of `asked/` are those of the table of figures that do not ship.
"""

import importlib
import os
import sys
import time

import torch

if __name__ == "__main__":
    time.perf_counter = time.process_time  # before whatever takes it as its clock is imported
    torch.set_num_threads(1)
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")  # of jaxKAN
    sys.exit(importlib.import_module("kanpde.cli.main").main(["bench", *sys.argv[1:]]))
