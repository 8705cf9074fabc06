"""What is seen of a run while it goes on."""

import io
import json
import math

from kanpde.runs.progress import Bar, History, Lines, append_record, display, last_record
from kanpde.solving.training.events import Finished, Outcome, StageEnded, Started, StartEnded, Step
from kanpde.solving.training.settings import Training

STARTED = Started(parameters=10, points=50, grids=(2, 4), blocks=("interior",))


def record(step: int, **values: float) -> dict[str, float]:
    return {"step": step, "stage": 1, "grid": 4, "time_s": 0.1 * step, "loss": 1e-3, "rel_l2": math.nan, **values}


def events(steps: int) -> list:
    middle = [Step(record(step)) for step in range(steps)]
    return [STARTED, StartEnded(1, 4, 1e-2), *middle, StageEnded(1, "all steps were taken"), Finished(Outcome.FINISHED)]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 0.25
        return self.now


def test_lines_are_throttled():
    stream = io.StringIO()
    lines = Lines(stream, pause=2.0, clock=Clock())
    for event in events(40):
        lines(event)
    shown = [line for line in stream.getvalue().splitlines() if "loss" in line]
    assert 3 <= len(shown) <= 10
    assert "\x1b" not in stream.getvalue()


def test_lines_keep_the_last_error_in_sight():
    stream = io.StringIO()
    lines = Lines(stream, pause=0.0)
    lines(Step(record(1, rel_l2=2e-5)))
    lines(Step(record(2)))
    assert "rel_l2 2.0e-05" in stream.getvalue().splitlines()[-1]


def test_a_terminal_gets_a_bar_and_a_pipe_gets_lines():
    assert isinstance(display(Terminal(), Training()), Bar)
    assert isinstance(display(io.StringIO(), Training()), Lines)
    assert isinstance(display(Terminal(), Training(), bar=False), Lines)


def test_the_bar_takes_every_event():
    stream = Terminal()
    with Bar(stream, Training()) as bar:
        for event in events(5):
            bar(event)
    assert "step 4" in stream.getvalue()
    assert "10 parameters, 50 points" in stream.getvalue()


def test_history_is_strict_json_a_line_a_step(tmp_path):
    path = tmp_path / "history.jsonl"
    with History(path) as history:
        assert not path.exists()
        for event in events(3):
            history(event)
        assert len(path.read_text().splitlines()) == 4  # written while the run goes on, not at its end
    *steps, last = [json.loads(line, parse_constant=float.fromhex) for line in path.read_text().splitlines()]
    assert [step["step"] for step in steps] == [0, 1, 2]
    assert all(step["rel_l2"] is None for step in steps)
    assert last == {"status": "done", "reason": str(Outcome.FINISHED)}


def test_the_last_line_of_a_history_tells_how_the_run_ended(tmp_path):
    path = tmp_path / "history.jsonl"
    assert last_record(path) == {}
    path.write_text('{"step": 1}\n{"st')  # killed in the middle
    assert last_record(path) == {}
    path.write_text('{"step": 1}\n' * 20_000)
    append_record(path, {"status": "failed", "reason": "of want"})
    assert last_record(path) == {"status": "failed", "reason": "of want"}
    path.write_text("[1]\n")
    assert last_record(path) == {}


def test_lines_say_whose_they_are():
    stream = io.StringIO()
    Lines(stream, prefix="#3  ").note("stage 1 ended")
    assert stream.getvalue() == "#3  stage 1 ended\n"
