"""Processes that die, for real: of the server, of a job, of both; nothing is lost and nothing runs twice."""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time

import pytest

import kanpde
from kanpde.runs import jobs
from kanpde.runs.hydra_composition import compose_mapping
from kanpde.runs.settings import config_of, override_words
from kanpde.service.folders import EventFile, JobFolder
from kanpde.service.table import JobTable, Row, now, rebuild
from kanpde.service.work import EventWriter, Stopping, watching
from kanpde.solving.training.events import Step
from service.conftest import LONG, SHORT, Served, fresh, until


def running(served: Served) -> str:
    """A long job that has made steps."""
    id = served.submit(settings=fresh(LONG))
    until(lambda: served.steps(id) > 3, "the job makes steps")
    return id


def starts(served: Served, id: str) -> int:
    """How often a job has begun to train."""
    return (served.state / "jobs" / id / "events.jsonl").read_text().count('{"event": "started"')


def test_a_job_outlives_a_killed_server_and_is_adopted(own_service):
    id = running(own_service)
    process = own_service.pid_of(id)
    own_service.kill()
    before = own_service.steps(id)
    until(lambda: own_service.steps(id) > before + 3, "it goes on without a server")
    own_service.start()
    assert own_service.status(id) == "running" and own_service.pid_of(id) == process
    own_service.json("DELETE", f"/jobs/{id}")
    assert own_service.ended(id)["status"] == "dismissed"
    assert starts(own_service, id) == 1
    assert kanpde.open_run(own_service.archive_of(id)).status == "interrupted"


def test_a_job_that_ends_while_there_is_no_server_is_settled_later(own_service):
    id = own_service.submit(settings=fresh(SHORT))
    until(lambda: own_service.steps(id) > 0, "it begins")
    own_service.kill()
    until(lambda: (own_service.state / "jobs" / id / "end.json").exists(), "it ends")
    own_service.start()
    assert own_service.ended(id)["status"] == "successful"
    assert starts(own_service, id) == 1


def test_a_killed_job_is_failed_at_once_and_not_tried_again(own_service):
    id = running(own_service)
    killed = time.monotonic()
    os.kill(own_service.pid_of(id), signal.SIGKILL)
    found = own_service.ended(id)
    assert found["status"] == "failed" and found["message"] == "Its process was killed."
    print(f"noticed after {time.monotonic() - killed:.2f} s")
    # the queue goes on, and the same run can be made again
    again = own_service.submit(settings=fresh(LONG))
    until(lambda: own_service.steps(again) > 0, "the next job runs")
    assert starts(own_service, id) == 1


def test_what_dies_with_the_server_is_taken_up_again_but_not_for_ever(own_service):
    id = running(own_service)
    for attempt in (2, 3):
        process = own_service.pid_of(id)
        own_service.kill()
        os.kill(process, signal.SIGKILL)
        own_service.start()
        if attempt == 2:
            until(lambda: starts(own_service, id) == 2, "it is begun again")
            until(lambda old=process: own_service.pid_of(id) != old, "by another process")
    found = own_service.ended(id)
    assert found["status"] == "failed" and "tried 2 times" in found["message"]
    assert starts(own_service, id) == 2


def test_a_stopped_job_keeps_its_best_state_and_one_that_waits_never_begins(own_service):
    first, second = running(own_service), own_service.submit(settings=fresh(LONG))
    assert "number 1 in the queue" in own_service.json("GET", f"/jobs/{second}")["message"]
    own_service.json("DELETE", f"/jobs/{second}")
    own_service.json("DELETE", f"/jobs/{first}")
    assert own_service.ended(first)["status"] == own_service.ended(second)["status"] == "dismissed"
    assert not (own_service.state / "jobs" / second / "events.jsonl").exists()
    archive, never = own_service.archive_of(first), own_service.archive_of(second)
    assert archive.is_file() and not never.exists()
    own_service.json("DELETE", f"/jobs/{first}")  # off the list; the run stays
    assert own_service.request("GET", f"/jobs/{first}")[0] == 404
    assert archive.is_file()


def test_sigterm_ends_the_server_within_seconds_and_leaves_the_job(own_service):
    id = running(own_service)
    begun = time.monotonic()
    assert own_service.stop() == 0
    print(f"ended after {time.monotonic() - begun:.1f} s")
    steps = own_service.steps(id)
    until(lambda: own_service.steps(id) > steps, "the job goes on")


def test_a_run_of_the_command_line_is_followed_and_not_made_twice(own_service):
    line = [sys.executable, "-m", "kanpde", "solve", "problem=poisson_1d", "model.width=[3]", "model.grid=4",
            "model.degree=4", "optimizer=adam", "training.stages=1", "training.starts=1", "training.steps=1000000",
            "training.time_limit=300"]  # fmt: skip
    settings = fresh(LONG)
    line.append(f"seed={settings['seed']}")
    before = set(own_service.folder.glob("*/*/*/history.jsonl"))
    log = open(own_service.folder.parent / "solve.log", "w")  # noqa: SIM115
    command = subprocess.Popen(line, cwd=own_service.folder.parent, stdout=log, stderr=log)
    try:
        begun = lambda: set(own_service.folder.glob("*/*/*/history.jsonl")) - before  # noqa: E731
        (history,) = until(begun, "the command begins")
        until(lambda: history.read_text().count("step") > 3, "it makes steps")
        id = own_service.submit(settings=settings)
        until(lambda: own_service.steps(id) > 3, "its steps are followed")
        assert own_service.status(id) == "running" and starts(own_service, id) == 0
        command.send_signal(signal.SIGINT)
        assert command.wait(timeout=60) == 130
        until(lambda: starts(own_service, id) == 1, "an interrupted run is taken over")
    finally:
        command.kill()
        command.wait()
        log.close()


def test_a_second_server_says_who_has_the_folder(own_service):
    line = [sys.executable, "-m", "kanpde", "serve", str(own_service.folder), "--no-open", "--port", "1"]
    second = subprocess.run(line, capture_output=True, text=True, timeout=120, env={**os.environ})
    assert second.returncode == 2
    assert f"process {own_service.process.pid} on" in second.stderr and "Traceback" not in second.stderr


# Parts


def test_a_lock_tells_who_lives_and_asking_takes_nothing(tmp_path):
    folder = JobFolder(tmp_path)
    assert not folder.held()
    lock = folder.hold()
    assert folder.held() and folder.held()
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], pass_fds=[lock.fileno()])
    lock.close()
    assert folder.held()  # by the child, to whom it came down
    child.kill()
    child.wait()
    until(lambda: not folder.held(), "the system lets go of the lock", 5)
    with open(tmp_path / "lock") as asking:
        fcntl.flock(asking, fcntl.LOCK_SH | fcntl.LOCK_NB)  # whoever asks holds it for a moment
        assert folder.hold() is None
    folder.hold().close()


def test_a_half_line_of_a_killed_process_is_cut_off(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"event": "note", "text": "a"}\n{"event": "no')
    with EventFile(path) as events:
        events.write("note", text="b")
    assert path.read_text() == '{"event": "note", "text": "a"}\n{"event": "note", "text": "b"}\n'


def test_the_table_orders_by_priority_and_age_and_adds_all_or_none(tmp_path):
    table = JobTable(tmp_path / "jobs.sqlite")
    table.add([Row(id=str(n), process="solve", status="accepted", created=now()) for n in range(3)])
    table.add([Row(id="first", process="solve", status="accepted", created=now(), priority=1)])
    assert table.next_waiting().id == "first" and table.place(table.get("2")) == 4
    table.update("first", status="running")
    assert table.next_waiting().id == "0" and table.count("accepted") == 3
    assert [row.id for row in table.page(limit=2)] == ["first", "2"]
    table.add([Row(id="a", process="solve", status="accepted", created=now(), key="k")])
    table.add([Row(id="b", process="solve", status="accepted", created=now(), key="k")])
    assert table.get("b") is None and table.with_key("k").id == "a"


def test_the_table_can_be_made_again_from_the_folders(own_service):
    done, waits = own_service.submit(settings=fresh(SHORT)), None
    own_service.ended(done)
    running(own_service)
    waits = own_service.submit(settings=fresh(LONG))
    listed = {job["jobID"]: job["status"] for job in own_service.json("GET", "/jobs?limit=1000")["jobs"]}
    own_service.kill()
    table = JobTable(own_service.state / "again.sqlite")
    assert rebuild(table, own_service.state / "jobs") == len(listed) >= 3
    assert {row.id: row.status for row in table.page()} == listed
    assert listed[waits] == "accepted" and listed[done] == "successful"


def test_a_stop_that_was_lost_in_a_run_ends_a_study_after_it(tmp_path):
    """An interrupt in a finalizer or a callback of a C library is printed by Python, and goes nowhere."""
    before, folder = signal.getsignal(signal.SIGINT), JobFolder(tmp_path)
    try:
        stop = Stopping(folder)
        stop.look_between()
        folder.stop.touch()
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)  # wherever it strikes, once is enough
        stop.look()
        with pytest.raises(KeyboardInterrupt):
            stop.look_between()
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_stop_that_was_lost_in_a_step_comes_again_after_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before, folder = signal.getsignal(signal.SIGINT), JobFolder(tmp_path)
    composition = compose_mapping(["problem=poisson_1d", *override_words(**fresh(SHORT), optimizer="lm")])
    real, written = EventWriter.__call__, []

    def swallowed(self, event):
        real(self, event)
        if isinstance(event, Step):
            written.append(event.record["step"])
            if len(written) == 1:
                folder.stop.touch()
                with contextlib.suppress(KeyboardInterrupt):
                    signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(EventWriter, "__call__", swallowed)
    try:
        with EventFile(tmp_path / "events.jsonl") as events:
            result = jobs.attempt(config_of(composition), composition, watching(events, Stopping(folder)))
    finally:
        signal.signal(signal.SIGINT, before)
    assert result.state is jobs.JobState.INTERRUPTED and written == [1]
    assert kanpde.open_run(result.folder + "/result.h5").status == "interrupted"
