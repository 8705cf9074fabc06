"""What a result was made with and on: versions, hardware, commit."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

PACKAGES = ("kanpde", "torch", "numpy", "scipy", "sympy", "hydra-core", "h5py", "matplotlib")


def versions() -> dict[str, str]:
    """Versions of Python and the packages that figures depend on."""
    return {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def hardware(device: torch.device) -> dict[str, str | int]:
    """Processor, cores, threads and accelerator."""
    found: dict[str, str | int] = {
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count() or 0,
        "threads": torch.get_num_threads(),
        "device": str(device),
    }
    if device.type == "cuda":
        found["gpu"] = torch.cuda.get_device_name(device)
    return found


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def git_commit() -> str:
    """Commit of the checkout that the package runs from; empty if it is installed otherwise."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return ""
    try:
        found = subprocess.run(["git", "-C", root, "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.strip()
