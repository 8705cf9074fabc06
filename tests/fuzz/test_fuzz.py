"""Half a minute of fuzzing: seeded inputs of each kind end in an answer or a sentence; `runner.py` does hours of it."""

import pytest
from runner import KINDS, outcome

COUNTS = {"problems": 40, "data": 100, "archives": 60, "crafted": 15, "words": 40}


@pytest.mark.parametrize("kind", KINDS)
def test_no_input_ends_in_a_traceback(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = {seed: outcome(kind, seed, tmp_path) for seed in range(COUNTS[kind])}
    faults = {seed: what for seed, what in found.items() if what not in ("answer", "refused")}
    assert not faults
    assert "refused" in found.values()  # the generator makes bad input at all
