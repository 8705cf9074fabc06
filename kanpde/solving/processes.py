"""Several processes that train one network together: points are shared out, sums go through all of them.

    r = (r_0, …, r_{n-1}),    JᵀJ = Σ_k J_kᵀ J_k,    Jᵀr = Σ_k J_kᵀ r_k,    R of J from the R of all J_k stacked

Every process takes the same decisions, since sums, and readings of the clock, are the same numbers everywhere. Only
inside `shared_training` are they asked for; all else is done by each alone. `torchrun -m kanpde solve …` starts them.
"""

import atexit
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

PATIENCE = timedelta(hours=1)
"""How long a process waits for the others."""


class Lost(Exception):
    """Another process is gone."""


_sharing = False


def joined() -> int:
    """Join the processes that torchrun has started, if it has; the number of this one."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and "TORCHELASTIC_RUN_ID" in os.environ and not dist.is_initialized():
        dist.init_process_group("gloo", timeout=PATIENCE)
        atexit.register(dist.destroy_process_group)
    return dist.get_rank() if dist.is_initialized() else 0


def several() -> bool:
    """Whether this process is one of several."""
    return dist.is_initialized() and dist.get_world_size() > 1


def leads() -> bool:
    """Whether this process is the first one, which writes."""
    return not several() or dist.get_rank() == 0


@contextmanager
def shared_training() -> Iterator[None]:
    """Points are shared out inside."""
    global _sharing
    _sharing = several()
    try:
        yield
    finally:
        _sharing = False


def shared() -> bool:
    """Whether points are shared out now."""
    return _sharing


def part() -> None:
    """Go on alone: what follows is computed here as a whole, and the others find this process gone."""
    global _sharing
    _sharing = False


def is_own(place: int) -> bool:
    """Whether this process takes the chunk of points at a place."""
    return not _sharing or place % dist.get_world_size() == dist.get_rank()


def chunk_of(count: int, most: int) -> int:
    """How many of so many points go together: of parts near the size given, or such that all processes have as many."""
    if several():
        return max(1, min(most, -(-count // dist.get_world_size())))
    return max(1, -(-count // max(1, round(count / most))))


def _through(call: Callable[[], object]) -> None:
    try:
        call()
    except RuntimeError as error:
        raise Lost(
            "All processes of a run are needed to its end; another one has ended, and what it said stands above. Start "
            "all of them again: they go on from the checkpoint."
        ) from error


def summed(values: Tensor) -> Tensor:
    """The sum over all processes, in place."""
    if _sharing:
        _through(lambda: dist.all_reduce(values))
    return values


def stacked(values: Tensor) -> Tensor:
    """Those of all processes, one below the other; of equal shape."""
    if not _sharing:
        return values
    parts = [torch.empty_like(values) for _ in range(dist.get_world_size())]
    _through(lambda: dist.all_gather(parts, values.contiguous()))
    return torch.cat(parts)


def told(value: float) -> float:
    """What the first process has for a number."""
    if not _sharing:
        return value
    number = torch.tensor([value], dtype=torch.float64)
    _through(lambda: dist.broadcast(number, 0))
    return float(number)


def handed(content: bytes) -> bytes:
    """The first process's bytes."""
    if not _sharing:
        return content
    length = int(told(float(len(content))))
    values = torch.zeros(length, dtype=torch.uint8)
    if dist.get_rank() == 0:
        values.copy_(torch.frombuffer(bytearray(content), dtype=torch.uint8))
    _through(lambda: dist.broadcast(values, 0))
    return values.numpy().tobytes()


def agreed(decision: bool) -> bool:
    """What the first process decides."""
    with shared_training():
        return bool(told(float(decision)))


def clock() -> float:
    """Seconds on the first process's clock."""
    return told(time.perf_counter())


@dataclass(frozen=True)
class SharedRows:
    """A Jacobian of which this process has some rows, and the others the rest.

    own: Its rows, [m, P].
    places: Where they are among all, [m].
    size: How many there are.
    """

    own: Tensor
    places: Tensor
    size: int

    def gram(self) -> Tensor:  # -> [P, P]
        """JᵀJ."""
        return summed(self.own.mT @ self.own)

    def along(self, direction: Tensor) -> Tensor:  # [P] -> [N]
        """J v."""
        found = self.own.new_zeros(self.size)
        found[self.places] = self.own @ direction
        return summed(found)

    def pulled(self, residual: Tensor) -> Tensor:  # [N] -> [P]
        """Jᵀ r."""
        return summed(self.own.mT @ residual[self.places])

    def norms(self) -> Tensor:  # -> [P]
        """Of the columns."""
        return summed(self.own.square().sum(0)).sqrt()

    def diagonal_blocks(self, places: Sequence[slice]) -> list[Tensor]:
        """Those of JᵀJ, of so many columns each."""
        return [summed(self.own[:, place].mT @ self.own[:, place]) for place in places]

    def whole(self) -> Tensor:  # -> [N, P]
        """All rows, on every process."""
        found = self.own.new_zeros(self.size, self.own.shape[1])
        found[self.places] = self.own
        return summed(found)

    def step(self, residual: Tensor, ridge: float) -> Tensor:  # [N] -> [P]
        """The d that makes ‖r + J d‖² + ε‖D d‖² least, D the column norms, by orthogonal factors of all parts."""
        norms = self.norms().clamp(min=1e-300)
        count = len(norms)
        system = torch.cat([self.own / norms, residual[self.places, None]], dim=1)
        triangle = system.new_zeros(count + 1, count + 1)
        part = torch.linalg.qr(system, mode="r").R
        triangle[: len(part)] = part
        damping = system.new_zeros(count, count + 1)
        damping[:, :count].fill_diagonal_(ridge**0.5)
        whole = torch.linalg.qr(torch.cat([stacked(triangle), damping]), mode="r").R
        scaled: Tensor = torch.linalg.solve_triangular(whole[:count, :count], whole[:count, count:], upper=True)
        return -scaled[:, 0] / norms
