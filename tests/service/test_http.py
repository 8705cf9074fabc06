"""What the paths take and refuse: OGC API – Processes, rules for strangers, events, ranges."""

import base64
import contextlib
import html
import http.client
import itertools
import json
import random
import subprocess
import sys

import numpy as np
import pytest

from service import fuzz
from service.conftest import LONG, SHORT, TINY, Served

POISSON = """title: From a stranger
coordinates: {x: [0, 1]}
fields: [u]
equations: {poisson: u_xx = -1}
boundary: {"*": u = 0}
"""
CHECK, SOLVE = "/processes/check/execution", "/processes/solve/execution"


def problem_of(answer) -> dict:
    """The problem+json of a refusal, which shows no traceback and no path of the server."""
    status, headers, content = answer
    assert headers["content-type"] == "application/problem+json", content
    found = json.loads(content)
    assert found["status"] == status and found["detail"].endswith((".", "kanpde."))
    assert "Traceback" not in found["detail"] and "/tmp/" not in found["detail"]
    return found


# Start


def test_the_server_has_no_use_for_what_solves():
    line = "import sys, kanpde.service.server; print(sorted({'torch', 'sympy', 'h5py', 'scipy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "[]", done.stderr


# OGC


def test_descriptions(service):
    assert {one["id"] for one in service.json("GET", "/processes")["processes"]} >= {"solve", "scaling", "check"}
    inputs = service.json("GET", "/processes/solve")["inputs"]
    assert {"problem", "settings", "sweep", "files"} <= set(inputs)
    assert set(inputs["settings"]["schema"]["properties"]) == {
        "model", "optimizer", "sampling", "training", "seed", "dtype", "reference"
    }  # fmt: skip
    assert any("core" in one for one in service.json("GET", "/conformance")["conformsTo"])
    assert "/jobs/{id}/events" in service.json("GET", "/api")["paths"]


def test_a_run_from_its_submission_to_its_files(service):
    status, headers, content = service.request("POST", SOLVE, {"problem": POISSON, "settings": SHORT})
    assert status == 201
    found = json.loads(content)
    assert headers["location"] == f"/jobs/{found['jobID']}" and found["status"] == "accepted"
    ended = service.ended(found["jobID"])
    assert ended["status"] == "successful" and ended["progress"] == 100
    assert ended["run"].startswith("from_a_stranger/kan/")
    files = service.json("GET", f"/jobs/{found['jobID']}/results")
    assert {"result.h5", "history.jsonl", "solution.png", "report.html", "log.txt", "problem.yaml"} <= set(files)
    whole = service.request("GET", files["result.h5"]["href"])[2]
    assert whole[:8] == b"\x89HDF\r\n\x1a\n"
    status, headers, part = service.request("GET", files["result.h5"]["href"], headers={"Range": "bytes=100-199"})
    assert status == 206 and part == whole[100:200] and headers["etag"]
    report = service.request("GET", files["report.html"]["href"])[2].decode()
    assert "From a stranger" in report
    assert any(row["run"] == ended["run"] for row in service.json("GET", "/runs")["runs"])
    assert str(service.folder).encode() not in whole  # the archive names no folder of the server


def test_what_ogc_clients_send_is_unwrapped(service):
    found = service.json("POST", CHECK, {"inputs": {"problem": POISSON}})
    assert found["ok"] and found["equations"][0]["text"] and "<math " in found["html"]


def test_a_sweep_is_a_group_of_jobs(service):
    body = {"problem": "poisson_1d", "settings": SHORT, "sweep": {"seed": [5, 6], "model.grid": [4, 5]}}
    status, headers, content = service.request("POST", SOLVE, body)
    found = json.loads(content)
    assert status == 201 and len(found["jobs"]) == 4
    listed = service.json("GET", headers["location"])["jobs"]
    assert {job["jobID"] for job in listed} == set(found["jobs"])
    assert {service.ended(id)["status"] for id in found["jobs"]} == {"successful"}
    assert len({job["run"] for job in listed}) == 4


def test_the_same_submission_is_the_same_job(service):
    headers = {"Idempotency-Key": "once"}
    body = {"problem": "poisson_1d", "settings": {**SHORT, "seed": 21}}
    first, second = (json.loads(service.request("POST", SOLVE, body, headers)[2])["jobID"] for _ in range(2))
    assert first == second
    service.ended(first)
    assert json.loads(service.request("POST", SOLVE, body, headers)[2])["jobID"] == first
    other = json.loads(service.request("POST", SOLVE, body)[2])["jobID"]
    assert other != first and service.ended(other)["message"].startswith("finished before")


def test_a_check_names_the_line(service):
    found = service.json("POST", CHECK, {"problem": POISSON.replace("-1", "sin(y)")})
    assert found["ok"] is False and found["error"]["line"] == 4
    assert found["error"]["message"].startswith('problem.yaml: equations.poisson uses "y"')


def test_events_resume_without_loss(service):
    id = service.json("GET", "/jobs")["jobs"][-1]["jobID"]
    whole = service.request("GET", f"/jobs/{id}/events")[2].decode()
    lines = [line for line in whole.splitlines() if line.startswith("id: ")]
    names = [line.removeprefix("event: ") for line in whole.splitlines() if line.startswith("event: ")]
    assert names[0] == "status" and names[-1] == "end" and names.count("step") == 2
    for place in lines:
        number = place.removeprefix("id: ")
        rest = service.request("GET", f"/jobs/{id}/events", headers={"Last-Event-ID": number})[2].decode()
        assert [line for line in rest.splitlines() if line.startswith("id: ")] == lines[lines.index(place) + 1 :]


# Strangers


@pytest.mark.parametrize("path", ["/", "/jobs", "/processes", "/runs", "/api", "/um/wrong/Info", "/jobs/x/events"])
def test_without_the_token_nothing_is_told(service, path):
    assert problem_of(service.request("GET", path, headers={"Authorization": "Bearer wrong"}))["status"] == 401


def test_the_token_in_the_address_becomes_a_cookie(service):
    nobody = {"Authorization": "none"}
    status, headers, _ = service.request("GET", f"//evil.example/?token={service.token}&a=1", headers=nobody)
    assert status == 303 and headers["location"] == "/evil.example/?a=1"
    assert "HttpOnly" in headers["set-cookie"] and "samesite=strict" in headers["set-cookie"].lower()
    cookie = headers["set-cookie"].partition(";")[0]
    assert service.request("GET", "/jobs", headers={**nobody, "Cookie": cookie})[0] == 200
    assert service.request("GET", f"/?token={service.token}x", headers=nobody)[0] == 401
    assert service.request("GET", "/health", headers=nobody)[0] == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 400),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
    ],
)
def test_foreign_requests_are_refused(service, headers, status):
    before = len(service.json("GET", "/jobs?limit=1000")["jobs"])
    body = {"problem": "poisson_1d", "settings": {**SHORT, "seed": 99}}
    assert problem_of(service.request("POST", SOLVE, body, headers))["status"] == status
    assert len(service.json("GET", "/jobs?limit=1000")["jobs"]) == before


def test_large_bodies_are_refused_whether_they_say_so_or_not(service):
    large = b'{"problem": "' + b"x" * (9 * 2**20) + b'"}'
    assert problem_of(service.request("POST", CHECK, large))["status"] == 413
    chunks = (large[start : start + 2**16] for start in range(0, len(large), 2**16))
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)
    headers = {"Authorization": f"Bearer {service.token}", "Content-Type": "application/json"}
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # of no length given, cut off on the way
        connection.request("POST", CHECK, chunks, headers, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"settings": {"output": {"folder": "/tmp"}}}, "settings.output"),
        ({"settings": {"threads": 64}}, "settings.threads"),
        ({"settings": {"tracker": "mlflow"}}, "settings.tracker"),
        ({"settings": {"hydra/launcher": "joblib"}}, "settings"),
        ({"settings": {"model": "kan,mlp"}}, "settings.model"),
        ({"settings": {"model": "../../conf/model/kan"}}, "settings.model"),
        ({"settings": {"model": {"width=[1],seed": 3}}}, "settings.model"),
        ({"settings": {"seed": "${oc.env:HOME}"}}, "${"),
        ({"settings": {"model": {"_target_": "os.system"}}}, "_target_"),
        ({"settings": {"training": {"time_limit": 10**6}}}, "training.time_limit"),
        ({"settings": {"model": {"width": [3000, 3000]}}}, "parameters"),
        ({"settings": {"sampling": {"points": 10**8}}}, "points"),
        ({"sweep": {"seed": list(range(501))}}, "500"),
        ({"problem": "/etc/passwd"}, "problem"),
        ({"problem": "no_such_problem"}, "problem"),
        ({"problem": POISSON + 'settings: {training.time_limit: 1000000}\n'}, "time_limit"),
        ({"problem": POISSON + "coefficients: {k: {file: /etc/passwd}}\n"}, "file"),
        ({"problem": POISSON + "data: {file: ../secret.csv}\n"}, "file"),
        ({"problem": POISSON + "reference: {method: file, file: /root/x.h5}\n"}, "file"),
        ({"problem": POISSON, "files": {"../x": "AA=="}}, "files"),
        ({"problem": POISSON, "files": {"x.npy": "no base64"}}, "files.x.npy"),
        ({"problem": POISSON, "unknown": 1}, "unknown"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_with_a_sentence_and_queues_nothing(service, change, told):
    before = len(service.json("GET", "/jobs?limit=1000")["jobs"])
    found = problem_of(service.request("POST", SOLVE, {"problem": POISSON, **change}))
    assert found["status"] == 422 and told in found["detail"], found
    assert len(service.json("GET", "/jobs?limit=1000")["jobs"]) == before


def test_a_problem_uses_the_files_that_came_with_it(service, tmp_path):
    np.save(tmp_path / "k.npy", np.linspace(1, 2, 9))
    encoded = base64.b64encode((tmp_path / "k.npy").read_bytes()).decode()
    text = POISSON.replace("u_xx = -1", "k*u_xx = -1") + "coefficients: {k: {file: k.npy}}\n"
    id = service.submit(text, {**TINY, "training": SHORT["training"]}, files={"k.npy": encoded})
    assert service.ended(id)["status"] == "successful", service.ended(id)
    assert problem_of(service.request("POST", SOLVE, {"problem": text}))["status"] == 422


def test_a_full_queue_is_said_so(tmp_path):
    (tmp_path / "limits.yaml").write_text("queued: 1\n")
    served = Served(tmp_path / "outputs", "--limits", str(tmp_path / "limits.yaml")).start()
    try:
        first = served.submit(settings=LONG)
        while served.status(first) == "accepted":
            continue
        served.submit(settings={**LONG, "seed": 1})
        answer = served.request("POST", SOLVE, {"problem": "poisson_1d", "settings": {**LONG, "seed": 2}})
        assert problem_of(answer)["status"] == 429 and answer[1]["retry-after"] == "60"
    finally:
        served.clean()


@pytest.mark.parametrize(
    ("path", "headers", "status"), [("/jobs/none", {}, 404), ("/jobs", {"Authorization": "Bearer wrong"}, 401)]
)
def test_people_are_refused_on_a_page(service, path, headers, status):
    found, sent, content = service.request("GET", path, headers={"Accept": "text/html", **headers})
    told = problem_of(service.request("GET", path, headers=headers))["detail"]
    assert found == status and sent["content-type"].startswith("text/html") and told in html.unescape(content.decode())


def test_a_problem_of_the_list_is_typeset(service):
    found = service.json("GET", "/problems/burgers/statement")
    assert found["lines"] == 1 and "<math " in found["html"]
    assert problem_of(service.request("GET", "/problems/none/statement"))["status"] == 404


def test_a_run_page_tells_how_to_make_the_run_again(service):
    run = service.json("GET", "/runs")["runs"][-1]["run"]
    content = service.request("GET", f"/runs/{run}", headers={"Accept": "text/html"})[2].decode()
    assert "kanpde solve problem=poisson_1d &#x27;model.width=[3]&#x27;" in content


def test_hostile_input_is_stopped_and_the_server_goes_on(service):
    nested = "coordinates: {x: [0, 1]}\nfields: [u]\nequations: {a: " + "exp(" * 30 + "u" + ")" * 30 + " = u_xx}\n"
    found = service.json("POST", CHECK, {"problem": nested + 'boundary: {"*": u = 0}\n'})
    assert found["ok"] in (True, False)
    assert service.json("GET", "/health")["ok"]


def test_fuzzed_requests_make_no_fault(service):
    run = service.json("GET", "/runs")["runs"][-1]["run"]
    for asked in itertools.islice(fuzz.requests(random.Random(0), service.token, run), 150):
        method, path, headers, body = asked
        status = service.request(method, path, body, headers)[0]
        assert status != 500 and status < 508, asked
