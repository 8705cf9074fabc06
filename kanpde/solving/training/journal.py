"""A journal of a training, from which one that was stopped goes on where it was, to the same result.

    minimize(θ₀) → θ₁ θ₂ … θ_k            recorded: every iterate, with its time, and what the method goes on with
    minimize(θ₀) → θ₁ θ₂ … θ_k θ_{k+1} …  gone on with: the first k are shown again, the rest computed

Training depends on nothing but its settings and what its optimizer returns. So a journal holds what the calls of the
optimizer came to, and no networks: played back, it leads every training loop to the state in which it was, in the time
that measuring takes. The clock is played back with it.
"""

import copy
import hashlib
import io
import json
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

from kanpde.solving.optimizers import Ended, Iterate, Loss, Observer, Optimizer, Stop, StopReason

MOST_NUMBERS = 16_000_000
"""Entries of iterates that a journal holds, 128 MB; what comes after is computed again."""


@dataclass(frozen=True)
class Entry:
    """One accepted iterate, with the seconds of training at which it came."""

    theta: Tensor
    loss: float
    note: dict[str, float]
    seconds: float
    has_residual: bool


@dataclass
class Call:
    """What one minimization came to.

    `state` is what the method goes on with after the last entry, None where it cannot. The latest iterate is no entry
    before the next one shows that the method went on from it.
    """

    start: str  # of what it was asked, as a digest
    entries: list[Entry] = field(default_factory=list)
    state: dict[str, Any] | None = None
    ended: Ended | None = None
    seconds: float = 0.0
    latest: tuple[Entry, dict[str, Any] | None] | None = None

    def commit(self) -> None:
        if self.latest is not None:
            entry, self.state = self.latest
            self.entries.append(entry)
            self.latest = None


class Journal:
    """The calls of one training, in their order; played back first, where there are some.

    Args:
        calls: Those of a training before.
        kept: Called after every step, to keep the journal now and then.
    """

    def __init__(self, calls: list[Call] | None = None, kept: Callable[["Journal"], None] = lambda journal: None):
        self.calls = calls or []
        self.kept = kept
        self.seconds = 0.0
        self.live_since: float | None = None if self.calls else time.perf_counter()
        self.numbers = sum(entry.theta.numel() for call in self.calls for entry in call.entries)
        self.place = 0
        self.closed = self.full = False

    def clock(self) -> float:
        """Seconds of training: those recorded while it is played back, then those that pass."""
        return self.seconds + (0.0 if self.live_since is None else time.perf_counter() - self.live_since)

    @property
    def begun(self) -> bool:
        """Whether there is a step to go back to."""
        return any(call.entries or call.latest for call in self.calls)

    @property
    def steps(self) -> int:
        return sum(len(call.entries) for call in self.calls)

    def replayed(self) -> "Journal":
        """The same to be played back once more, and no further: it ends as by an interrupt."""
        for call in self.calls:
            call.commit()
        again = Journal(self.calls)
        again.live_since, again.closed = None, True
        return again

    def call(self, asked: str) -> Call:
        """The next call: as it is recorded if it was asked the same, else a new one, and what follows is forgotten."""
        if self.place >= len(self.calls) or self.calls[self.place].start != asked:
            del self.calls[self.place :]
            self.calls.append(Call(asked))
        self.place += 1
        return self.calls[self.place - 1]

    def shown(self, seconds: float) -> None:
        """The clock while it is played back."""
        if self.live_since is None:
            self.seconds = max(self.seconds, seconds)

    def go_live(self) -> None:
        """What follows is computed."""
        if self.closed:
            raise KeyboardInterrupt
        if self.live_since is None:
            self.live_since = time.perf_counter()

    def add(self, call: Call, iterate: Iterate) -> None:
        """Record an iterate, which makes the one before an entry."""
        if self.full:
            return
        call.commit()
        theta = iterate.theta.detach().cpu().clone()
        entry = Entry(theta, iterate.loss, dict(iterate.note), self.clock(), iterate.residual is not None)
        call.latest = entry, iterate.state() if iterate.state else None
        self.numbers += theta.numel()
        self.full = self.numbers >= MOST_NUMBERS
        self.kept(self)


@dataclass(frozen=True)
class Recorded(Optimizer):
    """An optimizer whose calls are in a journal."""

    optimizer: Optimizer
    journal: Journal

    def minimize(
        self, objective: Loss, theta: Tensor, steps: int, observe: Observer, state: dict[str, Any] | None = None
    ) -> Ended:
        journal = self.journal
        call = journal.call(_digest(theta, steps, state))
        for entry in call.entries:
            shown = entry.theta.to(theta)
            residual = objective.residual(shown) if entry.has_residual else None  # type: ignore[attr-defined]
            journal.shown(entry.seconds)
            try:
                observe(Iterate(shown, entry.loss, residual, entry.note))
            except Stop:
                return Ended(shown, entry.loss, StopReason.OBSERVER, call.state or {})
        if call.ended is not None:
            journal.shown(call.seconds)
            return _like(call.ended, theta)
        journal.go_live()
        begin, state = (call.entries[-1].theta.to(theta), copy.deepcopy(call.state)) if call.entries else (theta, state)

        def watch(iterate: Iterate) -> None:
            journal.add(call, iterate)
            observe(iterate)

        ended = self.optimizer.minimize(objective, begin, steps - len(call.entries), watch, state)
        if not journal.full:
            call.commit()
            call.ended, call.seconds = _like(ended, theta), journal.clock()
        return ended

UNREADABLE = (
    KeyError, TypeError, IndexError, AttributeError, OSError, EOFError, BadZipFile, zlib.error, NotImplementedError,
    RuntimeError,
)  # fmt: skip
"""What damaged bytes of a ZIP file end in; the last two where a flag claims a patch or a password."""


def _digest(theta: Tensor, steps: int, state: dict[str, Any] | None) -> str:
    arrays: list[np.ndarray] = []
    told = json.dumps([steps, _plain(state, arrays)])
    parts = [told.encode(), *(array.tobytes() for array in (theta.detach().cpu().numpy(), *arrays))]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def _like(ended: Ended, theta: Tensor) -> Ended:
    """A copy: methods go on in the tensors that they are given."""
    return Ended(ended.theta.to(theta), ended.loss, ended.reason, copy.deepcopy(ended.state))


# Bytes


def journal_bytes(journal: Journal, identity: str) -> bytes:
    """A journal as a NumPy archive without pickles; `identity` says which run it belongs to."""
    arrays: list[np.ndarray] = []
    told = {"identity": identity, "calls": [_told(call, arrays) for call in journal.calls]}
    file = io.BytesIO()
    named = {"told": np.frombuffer(json.dumps(told).encode(), dtype=np.uint8), **_numbered(arrays)}
    np.savez(file, **named)  # type: ignore[arg-type]
    return file.getvalue()


def calls_in(content: bytes, identity: str) -> list[Call] | None:
    """The calls of a journal; None where it is another run's.

    Raises:
        ValueError: These are no bytes of a journal.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            told = json.loads(file["told"].tobytes())
            if told["identity"] != identity:
                return None
            arrays = [file[f"a{place}"] for place in range(len(file.files) - 1)]
        return [_call(one, arrays) for one in told["calls"]]
    except UNREADABLE as error:
        raise ValueError(f"no journal: {error}") from error


def _numbered(arrays: list[np.ndarray]) -> dict[str, np.ndarray]:
    return {f"a{place}": array for place, array in enumerate(arrays)}


def _told(call: Call, arrays: list[np.ndarray]) -> dict[str, Any]:
    """A call in words, its iterates as one array; one that cannot be gone on with from its middle starts anew."""
    entries = call.entries if call.ended is not None or call.state is not None else []
    arrays.append(np.stack([entry.theta.numpy() for entry in entries]) if entries else np.zeros((0, 0)))
    return {
        "start": call.start,
        "entries": [[one.loss, one.note, one.seconds, one.has_residual] for one in entries],
        "thetas": len(arrays) - 1,
        "state": _plain(call.state, arrays),
        "ended": None if call.ended is None else _ended(call.ended, arrays),
        "seconds": call.seconds,
    }


def _ended(ended: Ended, arrays: list[np.ndarray]) -> list[Any]:
    return [_plain(ended.theta, arrays), ended.loss, ended.reason.name, _plain(ended.state, arrays)]


def _call(told: dict[str, Any], arrays: list[np.ndarray]) -> Call:
    thetas = torch.from_numpy(arrays[told["thetas"]])
    entries = [Entry(theta, *rest) for theta, rest in zip(thetas, told["entries"], strict=True)]
    call = Call(told["start"], entries, _rich(told["state"], arrays), seconds=told["seconds"])
    if told["ended"] is not None:
        theta, loss, reason, state = told["ended"]
        call.ended = Ended(_rich(theta, arrays), loss, StopReason[reason], _rich(state, arrays))
    return call


def _plain(value: Any, arrays: list[np.ndarray]) -> Any:
    """What a method remembers, for JSON: tensors by their place among the arrays, mappings as pairs."""
    if isinstance(value, Tensor):
        arrays.append(value.detach().cpu().numpy())
        return {"array": len(arrays) - 1}
    if isinstance(value, dict):
        return {"pairs": [[key, _plain(entry, arrays)] for key, entry in value.items()]}
    if isinstance(value, (list, tuple)):
        return [_plain(entry, arrays) for entry in value]
    return value


def _rich(value: Any, arrays: list[np.ndarray]) -> Any:
    if isinstance(value, dict):
        if "array" in value:
            return torch.from_numpy(arrays[value["array"]].copy())
        return {key: _rich(entry, arrays) for key, entry in value["pairs"]}
    return [_rich(entry, arrays) for entry in value] if isinstance(value, list) else value

