"""A journal of a training, from which one that was stopped goes on where it was, to the same result.

    minimize(θ₀) → θ₁ θ₂ … θ_k            recorded: every iterate, with its time, and what the method goes on with
    minimize(θ₀) → θ₁ θ₂ … θ_k θ_{k+1} …  gone on with: the first k are shown again, the rest computed

Training depends on nothing but its settings, what its optimizer returns, and the clock. So a journal holds what the
calls of the optimizer came to, and no networks: played back, it leads every training loop to the state in which it was,
in the time that measuring takes. Whatever is decided by the clock, as which rung comes next or how long a window may
take, is decided by readings of `Journal.clock`, which are recorded where they are taken and given again in their order,
and so is what is decided by the memory that is free:

    before the first call,  while an iterate is shown,  after a call,

and a call that the clock ended between two evaluations is ended again by the reading that ended it. So what was decided
before a stop stays decided, however fast the machine is that goes on.
"""

import copy
import hashlib
import io
import json
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

from kanpde.solving.optimizers import Ended, Iterate, Loss, Observer, Optimizer, Stop, StopReason
from kanpde.solving.optimizers.interface import squares
from kanpde.solving.processes import clock, handed

BEGIN = "begin"
"""What the entry of a journal is asked that stands for the time before the first call."""

MOST_NUMBERS = 16_000_000
"""Entries of iterates that a journal holds, 128 MB; what comes after is computed again."""


@dataclass(frozen=True)
class Entry:
    """One accepted iterate, with the seconds of training at which it came, and those read while it was shown."""

    theta: Tensor
    loss: float
    note: dict[str, float]
    seconds: float
    has_residual: bool
    readings: list[float] = field(default_factory=list)


@dataclass
class RecordedCall:
    """What one minimization came to.

    `state` is what the method goes on with after the last entry, None where it cannot. The latest iterate is no entry
    before the next one, or an end, shows that it was done with. `cut` is when an exception ended it, as where the time
    was over; `readings` are those of the clock between its end and the next call.
    """

    start: str  # of what it was asked, as a digest
    entries: list[Entry] = field(default_factory=list)
    state: dict[str, Any] | None = None
    ended: Ended | None = None
    seconds: float = 0.0
    latest: tuple[Entry, dict[str, Any] | None] | None = None
    cut: float | None = None
    readings: list[float] = field(default_factory=list)

    def commit(self) -> None:
        if self.latest is not None:
            entry, self.state = self.latest
            self.entries.append(entry)
            self.latest = None


class Journal:
    """The calls of one training, in their order; played back first, where there are some.

    Args:
        calls: Those of a training before; the first stands for what came before there was any.
        kept: Called after every step, to keep the journal now and then.
        now: The seconds that pass.
    """

    def __init__(
        self,
        calls: list[RecordedCall] | None = None,
        kept: Callable[["Journal"], None] = lambda journal: None,
        now: Callable[[], float] = time.perf_counter,
    ):
        self.calls = calls or []
        if not self.begun:
            self.calls = [RecordedCall(BEGIN)]
        self.kept, self.now = kept, now
        self.seconds = 0.0
        self.live_since: float | None = None if self.begun else now()
        self.numbers = sum(entry.theta.numel() for call in self.calls for entry in call.entries)
        self.place = 1
        self.tape: list[float] | None = self.calls[0].readings
        self.read = 0
        self.closed = self.full = False

    def clock(self) -> float:
        """Seconds of training: those recorded while it is played back, then those that pass."""
        if self.tape is None or self.closed and self.read == len(self.tape):
            return self._passed()
        reading = self.settled(self._passed())
        self._shown(reading)
        return reading

    def settled(self, number: float) -> float:
        """A number of the machine that something is decided by, as the memory that is free: as it was recorded."""
        if self.tape is None:
            return number
        if self.read == len(self.tape):
            self.tape.append(number)
        self.read += 1
        return self.tape[self.read - 1]

    def _passed(self) -> float:
        return self.seconds + (0.0 if self.live_since is None else self.now() - self.live_since)

    @contextmanager
    def taped(self, tape: list[float] | None) -> Iterator[None]:
        """Readings inside are those of `tape`, in their order, and further ones are added to it; None records none."""
        before = self.tape, self.read
        self.tape, self.read = tape, 0
        try:
            yield
        finally:
            self.tape, self.read = before

    @property
    def begun(self) -> bool:
        """Whether there is a step to go back to."""
        return any(call.entries or call.latest for call in self.calls)

    @property
    def steps(self) -> int:
        return sum(len(call.entries) for call in self.calls)

    def together(self) -> None:
        """Go on with the first process's calls and clock, as all that train one network do."""
        self.calls = calls_in(handed(journal_bytes(self, "")), "") or [RecordedCall(BEGIN)]
        self.tape, self.now = self.calls[0].readings, clock
        self.live_since = None if self.begun else clock()

    def replayed(self) -> "Journal":
        """The same to be played back once more, and no further: it ends as by an interrupt."""
        for call in self.calls:
            call.commit()
        again = Journal(self.calls)
        again.live_since, again.closed = None, True
        return again

    def call(self, asked: str) -> RecordedCall:
        """The next call: as it is recorded if it was asked the same, else a new one, and what follows is forgotten."""
        if self.place >= len(self.calls) or self.calls[self.place].start != asked:
            del self.calls[self.place :]
            self.calls.append(RecordedCall(asked))
        self.place += 1
        return self.calls[self.place - 1]

    def ended(self, call: RecordedCall) -> None:
        """A call is over: what is read from here on comes after it."""
        self.tape, self.read = call.readings, 0

    def _shown(self, seconds: float) -> None:
        """The clock while it is played back."""
        if self.live_since is None:
            self.seconds = max(self.seconds, seconds)

    def show(self, entry: Entry, iterate: Iterate, observe: Observer) -> None:
        """An iterate that was recorded."""
        self._shown(entry.seconds)
        with self.taped(entry.readings):
            observe(iterate)

    def end_again(self, seconds: float) -> None:
        """The clock when a recorded call ended."""
        self._shown(seconds)

    def go_live(self, call: RecordedCall) -> None:
        """What follows in this call is computed, and nothing is known of what comes after it."""
        if self.closed:
            raise KeyboardInterrupt
        del self.calls[self.place :]
        call.cut = None
        call.readings.clear()
        if self.live_since is None:
            self.live_since = self.now()

    def add(self, call: RecordedCall, iterate: Iterate) -> list[float]:
        """Record an iterate, which makes the one before an entry; where its readings go."""
        if self.full:
            return []
        call.commit()
        theta = iterate.theta.detach().cpu().clone()
        entry = Entry(theta, iterate.loss, dict(iterate.note), self._passed(), iterate.residual is not None)
        call.latest = entry, iterate.state() if iterate.state else None
        self.numbers += theta.numel()
        self.full = self.numbers >= MOST_NUMBERS
        self.kept(self)
        return entry.readings


@dataclass(frozen=True)
class Recorded(Optimizer):
    """An optimizer whose calls are in a journal."""

    optimizer: Optimizer
    journal: Journal

    def minimize(
        self, objective: Loss, theta: Tensor, steps: int, observe: Observer, state: dict[str, Any] | None = None
    ) -> Ended:
        call = self.journal.call(_digest(theta, steps, state))
        try:
            with self.journal.taped(None):
                return self._played(call, objective, theta, observe) or self._live(
                    call, objective, theta, steps, observe, state
                )
        finally:
            self.journal.ended(call)

    def _played(self, call: RecordedCall, objective: Any, theta: Tensor, observe: Observer) -> Ended | None:
        """Show what is recorded; None where the call did not come to its end."""
        journal = self.journal
        for entry in call.entries:
            shown = entry.theta.to(theta)
            residual = squares(objective).residual(shown) if entry.has_residual else None
            try:
                journal.show(entry, Iterate(shown, entry.loss, residual, entry.note), observe)
            except Stop:
                if call.ended is None:
                    return Ended(shown, entry.loss, StopReason.OBSERVER, call.state or {})
                break
        if call.ended is not None:
            journal.end_again(call.seconds)
            return _like(call.ended, theta)
        if call.cut is not None:
            journal.end_again(call.cut)
            objective.checkpoint()  # raises where it was the clock
        return None

    def _live(
        self,
        call: RecordedCall,
        objective: Any,
        theta: Tensor,
        steps: int,
        observe: Observer,
        state: dict[str, Any] | None,
    ) -> Ended:
        journal = self.journal
        journal.go_live(call)
        if call.entries:  # methods go on in the tensors that they are given
            theta, state = call.entries[-1].theta.to(theta, copy=True), copy.deepcopy(call.state)

        def watch(iterate: Iterate) -> None:
            with journal.taped(journal.add(call, iterate)):
                observe(iterate)

        try:
            ended = self.optimizer.minimize(objective, theta, steps - len(call.entries), watch, state)
        except Exception:
            if not journal.full:
                call.commit()
                call.cut = journal.clock()
            raise
        if not journal.full:
            call.commit()
            call.ended, call.seconds = _like(ended, theta), journal.clock()
        return ended

UNREADABLE = (
    KeyError, TypeError, IndexError, AttributeError, OSError, EOFError, BadZipFile, zlib.error, NotImplementedError,
    RuntimeError,
)  # fmt: skip
"""What damaged bytes of a ZIP file end in; the last two where a flag claims a patch or a password."""


def bare(optimizer: Optimizer) -> Optimizer:
    """The method itself, whether or not its calls are in a journal."""
    return optimizer.optimizer if isinstance(optimizer, Recorded) else optimizer


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


def calls_in(content: bytes, identity: str) -> list[RecordedCall] | None:
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


def _told(call: RecordedCall, arrays: list[np.ndarray]) -> dict[str, Any]:
    """A call in words, its iterates as one array; one that cannot be gone on with from its middle starts anew."""
    ended = call.ended is not None or call.cut is not None
    entries = call.entries if ended or call.state is not None else []
    arrays.append(np.stack([entry.theta.numpy() for entry in entries]) if entries else np.zeros((0, 0)))
    return {
        "start": call.start,
        "entries": [[one.loss, one.note, one.seconds, one.has_residual, one.readings] for one in entries],
        "thetas": len(arrays) - 1,
        "state": _plain(call.state, arrays),
        "ended": None if call.ended is None else _ended(call.ended, arrays),
        "seconds": call.seconds,
        "cut": call.cut,
        "readings": call.readings,
    }


def _ended(ended: Ended, arrays: list[np.ndarray]) -> list[Any]:
    return [_plain(ended.theta, arrays), ended.loss, ended.reason.name, _plain(ended.state, arrays)]


def _call(told: dict[str, Any], arrays: list[np.ndarray]) -> RecordedCall:
    thetas = torch.from_numpy(arrays[told["thetas"]])
    # Each in memory of its own, laid out as when it was computed: sums depend on that in their last bit.
    entries = [Entry(theta.clone(), *rest) for theta, rest in zip(thetas, told["entries"], strict=True)]
    call = RecordedCall(
        told["start"], entries, _rich(told["state"], arrays),
        seconds=told["seconds"], cut=told["cut"], readings=told["readings"],
    )  # fmt: skip
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
            return torch.from_numpy(arrays[value["array"]]).clone()
        return {key: _rich(entry, arrays) for key, entry in value["pairs"]}
    return [_rich(entry, arrays) for entry in value] if isinstance(value, list) else value

