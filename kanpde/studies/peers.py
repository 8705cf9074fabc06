"""Other packages on the same problems, each with the settings that its own documents recommend.

A peer that is not installed is said to be missing; `pip install kanpde[peers]` brings those that PyPI has.
"""

import importlib
import importlib.util
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from kanpde.problems.problem import Problem
from kanpde.runs.run import solve
from kanpde.solving.training.events import Event, Step


@dataclass(frozen=True)
class PeerResult:
    """What a peer came to; `word` is "missing" where it is not installed."""

    word: str
    said: str
    error: float = math.nan
    seconds: float = math.nan
    curve: tuple[tuple[float, float], ...] = field(default=())


Peer = Callable[[Problem, int, float], PeerResult]
"""Problem, seed and seconds."""


def pykan(problem: Problem, seed: int, limit: float) -> PeerResult:
    """As in its tutorial on equations: widths [d, 2, fields], grid 5, degree 3, L-BFGS, conditions as penalties.

    The network is pykan's; its derivatives are PyTorch's, and the residual is that of the problem's file.
    """
    peer = importlib.import_module("kan")
    widths = [problem.domain.dimension, 2, len(problem.fields)]
    network = peer.KAN(width=widths, grid=5, k=3, seed=seed, auto_save=False).double().speed()
    curve: list[tuple[float, float]] = []

    def listen(event: Event) -> None:
        if isinstance(event, Step) and math.isfinite(event.record["rel_l2"]):
            curve.append((event.record["time_s"], event.record["rel_l2"]))

    training = {"conditions": "penalty", "boundary_weight": 1.0, "stages": 1, "starts": 1, "steps": 100_000}
    run = solve(
        replace(problem, settings={}), network, optimizer="lbfgs", sampling={"points": 2601}, seed=seed, threads=1,
        training={**training, "time_limit": limit}, on_event=listen, progress=False,
    )  # fmt: skip
    if run.status == "interrupted":
        raise KeyboardInterrupt
    metrics = run.metrics
    return PeerResult(
        run.verdict.word.value, run.stop_reason, metrics.get("rel_l2", math.nan), metrics["wall_time_s"], tuple(curve)
    )


PACKAGES = {"pykan": "kan"}
"""The module that each peer is imported as."""


def _if_installed(name: str, peer: Peer) -> Peer:
    def tried(problem: Problem, seed: int, limit: float) -> PeerResult:
        if importlib.util.find_spec(PACKAGES[name]) is None:
            return PeerResult("missing", f"{name} is not installed: pip install kanpde[peers].")
        return peer(problem, seed, limit)

    return tried


PEERS: dict[str, Peer] = {name: _if_installed(name, peer) for name, peer in {"pykan": pykan}.items()}
