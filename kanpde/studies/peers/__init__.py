"""Other packages on the same problems, by the names of their modules, each with settings from its own documents.

A module of this folder is a peer; it has

    PACKAGE                        what is imported; a peer without it is said to be missing
    train(statement, seed, watch)  trains, calling watch(values) now and then until that is False
"""

import importlib.util
from types import ModuleType

from kanpde.files.discovery import modules_in
from kanpde.problems.problem import Problem
from kanpde.studies.peers.statements import PeerResult, Watch, stated

PEERS: dict[str, ModuleType] = {
    module.__name__.rpartition(".")[2]: module
    for module in modules_in(__name__, __path__) if hasattr(module, "PACKAGE")
}  # fmt: skip


def peer_result(name: str, problem: Problem, seed: int, limit: float) -> PeerResult:
    """What a peer comes to in so many seconds.

    Raises:
        InputError: The problem is none of those that are stated for peers.
    """
    peer = PEERS[name]
    if importlib.util.find_spec(peer.PACKAGE) is None:
        return PeerResult("missing", f"{name} is not installed: pip install kanpde[peers].")
    statement = stated(problem)
    watch = Watch(statement, limit)
    peer.train(statement, seed, watch)
    return watch.result()
