"""What every test gets: double precision, a fixed seed, one thread."""

import importlib.util
import itertools
import os
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

# Before PyTorch is imported, and inherited by the commands that tests start: two cores are shared by everything.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# References are solved by the tests themselves, not read from what other versions left.
os.environ["KANPDE_CACHE"] = tempfile.mkdtemp(prefix="kanpde-test-")

import numpy as np
import pytest
import torch

# A shell that starts the tests in the background, or under nohup, has these ignored, and their children too.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def double_precision_and_seed():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(before)


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def ticking(monkeypatch) -> None:
    """A clock for training that every look at it moves by 10 ms, however busy the machine is."""
    looks = itertools.count()
    monkeypatch.setattr(time, "perf_counter", lambda: 0.01 * next(looks))


@pytest.fixture
def benchmark_script() -> Callable[[str], ModuleType]:
    """A script of tests/benchmarks, by name, imported without being run."""

    def imported(name: str) -> ModuleType:
        path = Path(__file__).parent / "benchmarks" / f"{name}.py"
        if not path.is_file():
            pytest.skip("only a checkout has the benchmarks")
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return imported
