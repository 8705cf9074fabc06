"""Requests as nobody sends them: methods, paths, headers, JSON and YAML, drawn and mutated."""

import json
import random

PROBLEM = """title: From a stranger
coordinates: {x: [0, 1]}
fields: [u]
parameters: {f: 1, k: {range: [1, 2]}}
coefficients: {v: "1 + x**2"}
equations: {poisson: k*u_xx = -f*sin(pi*x)}
boundary: {"*": u = 0}
settings: {model: {grid: 4}, training: {steps: 2}}
"""
CHECK, SOLVE, SCALING = (f"/processes/{name}/execution" for name in ("check", "solve", "scaling"))
PATHS = (
    "/", "/new", "/docs", "/jobs", "/jobs/x", "/jobs/x/events", "/runs", "/runs/a/b/c", "/runs/..%2f/b/c/d", SOLVE,
    CHECK, SCALING, "/processes/evaluate/execution", "/um/x/Info", "/um/TOKEN/Evaluate", "/um/TOKEN/Gradient",
    "/compare?run=a", "/compare?run=RUN", "/jobs?limit=-1",
    "/jobs?offset=99999999999999999999", "/api", "/%00", "/RUNS/evaluate",
    "/runs/RUN/evaluate", "/runs/RUN/report.html", "/runs/RUN/result.h5", "/static/../token", "/static/style.css",
    "/jobs/x/results/..%2f..%2ftoken", "/problems/burgers", "/problems/%f0%9f%92%a9/statement", "/processes/solve",
    "/conformance", "/health", "/?token=x", "//evil.example/?token=TOKEN",
)  # fmt: skip
METHODS = ("GET", "GET", "POST", "POST", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "BREW")
NAMES = ("X-A", "Origin", "Range", "Last-Event-ID", "Accept", "Content-Type", "Cookie", "Idempotency-Key", "If-Range",
         "Sec-Fetch-Site", "Authorization", "Host", "Content-Encoding")  # fmt: skip
VALUES = ("a", "bytes=9-1", "bytes=0-0,5-9", "-1", "text/html", "\xe9", "*", "none", "application/x-npy", "gzip",
          "application/json; charset=utf-16", "99999999999999999999", "same-origin")  # fmt: skip
BODIES = (
    {"problem": 1}, {"problem": "a: [1"}, {"settings": {"a": {"b": {}}}}, {"points": [[1], [1, 2]], "run": "a"},
    {"points": [[0.5]], "expressions": ["u", "residual", "u_xxxxxxxxxxxx", "1/0", "u**9999999"], "run": "RUN"},
    {"name": "RUN", "input": [[0.5]], "sens": [1.0], "config": {"points": [[1]]}}, {"problem": "&a [*a]"},
    {"files": {"": ""}}, {"inputs": {"inputs": {}}}, {"problem": "poisson_1d", "settings": {"seed": "x"}},
    {"problem": "poisson_1d", "sweep": {"seed": []}}, {"problem": "poisson_1d", "preset": "none"},
    {"problem": "poisson_1d", "settings": {"model": {"width": [10**9]}}},
)  # fmt: skip
SPECIAL = ("1e999", "NaN", "null", "[]", "{}", '"', "&a", "*a", "<<:", "!!python/object:os.system", "\x00", "\ud800",
           "${", "-" * 40, "[" * 300, "😀",
           ": ", "\n", "  ", "u_xx", "1/0", "file: /etc/passwd", "9" * 400)  # fmt: skip


def requests(draw: random.Random, token: str, run: str):
    """Endless (method, path, headers, body)."""
    while True:
        path = draw.choice(PATHS).replace("TOKEN", token).replace("RUN", run)
        method, headers = draw.choice(METHODS), {}
        if draw.random() < 0.5:
            headers[draw.choice(NAMES)] = draw.choice(VALUES)
        yield method, path, headers, _body(draw, run) if method in ("POST", "PUT", "PATCH", "BREW") else None


def _body(draw: random.Random, run: str) -> bytes:
    kind = draw.random()
    if kind < 0.1:
        return draw.randbytes(draw.randrange(200))
    if kind < 0.4:
        return json.dumps({"problem": _mutated(draw, PROBLEM)}).encode()
    text = json.dumps(draw.choice(BODIES)).replace("RUN", run)
    return (text if kind < 0.7 else _mutated(draw, text)).encode("utf-8", "surrogatepass")


def _mutated(draw: random.Random, text: str) -> str:
    """A few places of a text replaced, doubled or cut."""
    for _ in range(draw.randrange(1, 4)):
        start = draw.randrange(len(text) + 1)
        end = min(len(text), start + draw.choice((0, 1, 3, 20)))
        text = text[:start] + draw.choice((*SPECIAL, "", text[start:end] * 2)) + text[end:]
    return text
