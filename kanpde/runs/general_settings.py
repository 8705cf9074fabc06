"""The settings above the groups: seed, device, what is written and where; their defaults are in `conf/config.yaml`."""

from dataclasses import dataclass
from typing import Literal

from kanpde.errors import InputError

MOST_PER_AXIS, MOST_THREADS = 10_000, 1024


@dataclass(frozen=True)
class Output:
    """What is written, and where.

    Args:
        folder: Where run folders are made: `<folder>/<problem>/<model>/<key>`.
        plot: Draw a picture beside the archive.
        resolution: Points an axis of the archived grid; null chooses by dimension.
    """

    folder: str = "outputs"
    plot: bool = True
    resolution: int | None = None

    def __post_init__(self) -> None:
        if not self.folder.strip():
            raise InputError(
                "output.folder needs a path; it is empty. Write output.folder=. for the folder you are in."
            )
        if self.resolution is not None and not 2 <= self.resolution <= MOST_PER_AXIS:
            raise InputError(
                f"output.resolution needs 2 to {MOST_PER_AXIS} points an axis, or null; {self.resolution} came. "
                "Write for example output.resolution=101."
            )


@dataclass(frozen=True)
class Settings:
    """The settings above the groups.

    Args:
        seed: Of all that is random: networks, points, noise of data.
        device: Where tensors live; auto takes a GPU where PyTorch sees one.
        dtype: Precision of all that is computed.
        threads: Of PyTorch; null leaves its own choice.
        reference: Solve by a classical method as well, where one can, to measure errors against.
        rerun: true solves again what is finished or failed; failed only what failed.
        tracker: Follows the run beside `history.jsonl`.
    """

    seed: int
    device: Literal["auto", "cpu", "cuda"]
    dtype: Literal["float64", "float32"]
    threads: int | None
    reference: bool
    rerun: bool | Literal["failed"]
    tracker: Literal["none", "tensorboard", "mlflow"]

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**63:
            raise InputError(f"seed needs a whole number from 0 to 2^63-1; {self.seed} came. Write for example seed=1.")
        if self.threads is not None and not 1 <= self.threads <= MOST_THREADS:
            raise InputError(
                f"threads needs 1 to {MOST_THREADS}, or null; {self.threads} came. Write for example threads=2."
            )
