"""The paths: OGC API – Processes, runs, events, UM-Bridge. Each handler asks the service and shapes the answer."""

import asyncio
import contextlib
import json
import os
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Header, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from kanpde.errors import InputError
from kanpde.service import pages, um_bridge
from kanpde.service.bodies import (
    Body,
    CheckBody,
    EvaluateBody,
    Refused,
    ScalingBody,
    SolveBody,
    flat,
    points_in_npy,
    problem_json,
    write_npy,
)
from kanpde.service.services import Service
from kanpde.service.streams import Streams, status_of
from kanpde.service.supervisor import progress_of
from kanpde.service.table import Row

CONFORMS = [
    f"http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/{part}"
    for part in ("core", "ogc-process-description", "json", "job-list", "dismiss")
]
PROCESSES: dict[str, tuple[str, str, type[Body]]] = {
    "solve": ("Train a network on a problem", "async-execute", SolveBody),
    "scaling": ("Compare KAN and MLP over sizes", "async-execute", ScalingBody),
    "check": ("Check a problem with settings", "sync-execute", CheckBody),
    "evaluate": ("Evaluate a finished run at points", "sync-execute", EvaluateBody),
}
NPY = "application/x-npy"
RUN_FILES = ("result.h5", "history.jsonl", "solution.png")
STUDY_FILES = ("scaling.h5", "scaling.csv", "scaling.png", "report.html", "study.log")


def create_app(service: Service, version: str) -> FastAPI:
    """The application of one service."""

    @contextlib.asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(service.supervisor.run()), asyncio.create_task(_warmed(service))]
        yield
        for task in tasks:
            task.cancel()
        if service.stop_jobs:
            await service.supervisor.stop_all()

    app = FastAPI(title="kanpde", version=version, openapi_url="/api", docs_url=None, redoc_url=None, lifespan=running)
    streams = Streams(service)
    _add_errors(app)
    _add_descriptions(app, service, version)
    _add_processes(app, service)
    _add_jobs(app, service, streams)
    _add_runs(app, service)
    um_bridge.add_paths(app, service)
    pages.add_paths(app, service)
    return app


async def _warmed(service: Service) -> None:
    """Let the fork server load, so that the first question need not wait for it."""
    with contextlib.suppress(Refused):
        await service.ask("ready", 120.0)


def _add_errors(app: FastAPI) -> None:
    def told(
        request: Request,
        status: int,
        detail: str,
        headers: dict[str, str] | None = None,
        members: dict[str, Any] | None = None,
    ) -> Response:
        if request.method == "GET" and pages.wanted(request):
            return pages.error_page(status, detail, headers)
        return problem_json(status, detail, headers, members)

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> Response:
        return told(request, error.status, error.detail, error.headers, error.members)

    @app.exception_handler(InputError)
    async def unusable(request: Request, error: InputError) -> Response:
        if isinstance(error.__cause__, OSError):
            return told(request, 507, "The service cannot write to its disk. Free space there, or ask its operator.")
        return told(request, 422, str(error))

    @app.exception_handler(RequestValidationError)
    @app.exception_handler(ValidationError)
    async def misshapen(request: Request, error: RequestValidationError | ValidationError) -> Response:
        return told(request, 422, _sentence(error))

    @app.exception_handler(HTTPException)
    async def other(request: Request, error: HTTPException) -> Response:
        return told(request, error.status_code, str(error.detail), dict(error.headers or {}))

    @app.exception_handler(sqlite3.OperationalError)
    async def busy(request: Request, error: Exception) -> Response:
        return told(request, 503, "The list of jobs cannot be used right now. Try again.", {"Retry-After": "5"})

    @app.exception_handler(OSError)
    async def disk(request: Request, error: OSError) -> Response:
        return told(request, 507, "The service cannot use its disk. Free space there, or ask its operator.")

    @app.exception_handler(Exception)
    async def fault(request: Request, error: Exception) -> Response:
        return told(request, 500, "The server could not answer; its log says why.")


def _sentence(error: RequestValidationError | ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path"))
    return f"{where or 'The request'} cannot be used: {first['msg']}. /processes describes what can."


def _add_descriptions(app: FastAPI, service: Service, version: str) -> None:
    @app.get("/conformance", tags=["about"])
    async def conformance() -> dict[str, Any]:
        return {"conformsTo": CONFORMS}

    @app.get("/health", tags=["about"])
    async def health() -> dict[str, Any]:
        """Whether the service can do its work; needs no token and names nobody."""
        statuses = {name: service.table.count(name) for name in ("accepted", "running")}
        free = _free_megabytes(service.place.state)
        return {"ok": free > 64, "version": version, "workers": service.supervisor.workers, **statuses,
                "free_disk_mb": free}  # fmt: skip

    @app.get("/processes", tags=["processes"])
    async def processes() -> dict[str, Any]:
        return {"processes": [_summary(name) for name in PROCESSES], "links": [{"rel": "self", "href": "/processes"}]}

    @app.get("/processes/{name}", tags=["processes"])
    async def process(name: str) -> dict[str, Any]:
        if name not in PROCESSES:
            raise Refused(404, f"There are the processes {', '.join(PROCESSES)}; another was asked for.")
        described = PROCESSES[name][2].model_json_schema()["properties"]
        if "settings" in described:
            described["settings"] = await service.remembered("schema")
        inputs = {key: {"title": key, "schema": value} for key, value in described.items()}
        return {**_summary(name), "inputs": inputs, "outputs": {}}


def _summary(name: str) -> dict[str, Any]:
    title, mode, _ = PROCESSES[name]
    links = [{"rel": "http://www.opengis.net/def/rel/ogc/1.0/execute", "href": f"/processes/{name}/execution"}]
    return {"id": name, "version": "1.0.0", "title": title, "jobControlOptions": [mode, "dismiss"], "links": links}


def _free_megabytes(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize // 2**20


def _add_processes(app: FastAPI, service: Service) -> None:
    @app.post("/processes/check/execution", tags=["processes"])
    async def check(body: CheckBody) -> dict[str, Any]:
        """Checks a problem with settings, at once; a mistake in it is an answer, not an error."""
        try:
            return await service.check(body)
        except (Refused, InputError) as error:
            if isinstance(error, Refused) and error.status != 422:
                raise
            line = error.members.get("line") if isinstance(error, Refused) else None
            return {"ok": False, "error": {"message": str(error), "line": line}}

    @app.post("/processes/solve/execution", status_code=201, tags=["processes"])
    async def solve(body: SolveBody, idempotency_key: Annotated[str | None, Header(max_length=200)] = None) -> Response:
        """Queues a run, or a sweep; what cannot be used is refused and queues nothing."""
        return _accepted(service, await service.submit("solve", body, idempotency_key))

    @app.post("/processes/scaling/execution", status_code=201, tags=["processes"])
    async def scaling(
        body: ScalingBody, idempotency_key: Annotated[str | None, Header(max_length=200)] = None
    ) -> Response:
        """Queues a study."""
        return _accepted(service, await service.submit("scaling", body, idempotency_key))

    @app.post("/processes/evaluate/execution", tags=["processes"])
    async def evaluate(body: EvaluateBody) -> dict[str, Any]:
        """As POST /runs/…/evaluate."""
        return await _evaluated(service, body.run, body)


def _accepted(service: Service, rows: list[Row]) -> Response:
    first = rows[0]
    place = f"/jobs?group={first.grp}" if first.grp else f"/jobs/{first.id}"
    content = status_of(service, first)
    if first.grp:
        content["jobs"] = [row.id for row in rows]
    return JSONResponse(content, 201, {"Location": place})


def _add_jobs(app: FastAPI, service: Service, streams: Streams) -> None:
    @app.get("/jobs", tags=["jobs"])
    async def jobs(
        request: Request,
        status: str = "",
        group: str = "",
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
    ) -> Response:
        """The newest first."""
        rows = service.table.page(status, group, limit, offset)
        if pages.wanted(request):
            return pages.jobs_page(service, rows)
        links = [{"rel": "self", "href": "/jobs"}]
        if len(rows) == limit:
            links.append({"rel": "next", "href": f"/jobs?limit={limit}&offset={offset + limit}"})
        return JSONResponse({"jobs": [status_of(service, row) for row in rows], "links": links})

    @app.get("/jobs/{id}", tags=["jobs"])
    async def job(request: Request, id: str) -> Response:
        row = service.job(id)
        if pages.wanted(request):
            return pages.job_page(service, row)
        folder = service.place.job(id)
        return JSONResponse({**status_of(service, row), "progress": progress_of(row, folder)})

    @app.delete("/jobs/{id}", tags=["jobs"])
    async def dismiss(id: str) -> dict[str, Any]:
        """Withdraws a job that waits, stops one that runs, takes one that has ended off the list."""
        row = service.job(id)
        service.dismiss(row)
        return status_of(service, service.table.get(id))

    @app.get("/jobs/{id}/events", tags=["jobs"])
    async def events(id: str, last_event_id: Annotated[str, Header()] = "0", after: str = "") -> Response:
        """Server-sent events; `Last-Event-ID`, or `after`, resumes without loss."""
        service.job(id)
        given = after or last_event_id
        offset = int(given) if given.isdigit() and len(given) < 16 else 0
        return StreamingResponse(streams.listen(id, offset), media_type="text/event-stream")

    @app.get("/jobs/{id}/results", tags=["jobs"])
    async def results(id: str) -> dict[str, Any]:
        found = _files(service, service.job(id))
        return {name: {"href": f"/jobs/{id}/results/{name}", "rel": "item"} for name in found}

    @app.get("/jobs/{id}/results/{name}", tags=["jobs"])
    async def result(id: str, name: str) -> Response:
        """A file of a job or of its run: whole, or the range asked for."""
        row = service.job(id)
        if name == "report.html" and row.process == "solve":
            return FileResponse(await service.report(service.archive(*row.folder.split("/"))))
        found = _files(service, row)
        if name not in found:
            raise Refused(404, f"This job has {', '.join(found) or 'no files yet'}; another name was asked for.")
        return _file(found[name])


def _files(service: Service, row: Row) -> dict[str, Path]:
    folder, run = service.place.job(row.id), service.place.root / row.folder
    files = RUN_FILES if row.process == "solve" else STUDY_FILES
    known = {name: run / name for name in files} | {"log.txt": folder.log, "events.jsonl": folder.events}
    known["problem.yaml"] = folder.path / "problem.yaml"
    if (run / "result.h5").is_file():
        known["report.html"] = run / "result.h5"
    return {name: path for name, path in known.items() if path.is_file()}


def _file(path: Path) -> Response:
    kinds = {".h5": "application/x-hdf5", ".jsonl": "application/jsonl", ".txt": "text/plain", ".yaml": "text/plain"}
    return FileResponse(path, media_type=kinds.get(path.suffix), filename=path.name if path.suffix == ".h5" else None)


def _add_runs(app: FastAPI, service: Service) -> None:
    @app.get("/runs", tags=["runs"])
    async def runs(request: Request) -> Response:
        """All runs below the folder, those of commands as well."""
        rows = await service.runs()
        return pages.runs_page(rows) if pages.wanted(request) else JSONResponse({"runs": rows})

    @app.get("/compare", tags=["runs"])
    async def compare(request: Request, run: Annotated[list[str], Query(max_length=20)] = []) -> Response:  # noqa: B006
        """Courses and metrics of several runs."""
        archives = {name: service.archive(*name.split("/")) for name in run}
        rows = {row["run"]: row for row in await service.runs()}
        found = [{**rows[name], "course": _course(path.parent)} for name, path in archives.items() if name in rows]
        if pages.wanted(request):
            return pages.compare_page(found, await service.remembered("titles"))
        return JSONResponse({"runs": found})

    @app.get("/runs/{problem}/{model}/{key}", tags=["runs"])
    async def run(request: Request, problem: str, model: str, key: str) -> Response:
        archive = service.archive(problem, model, key)
        if pages.wanted(request):
            return await pages.run_page(service, f"{problem}/{model}/{key}", archive)
        about = await service.ask("about", archive=str(archive))
        return JSONResponse({"run": f"{problem}/{model}/{key}", **about})

    @app.get("/runs/{problem}/{model}/{key}/{name}", tags=["runs"])
    async def run_file(problem: str, model: str, key: str, name: str) -> Response:
        archive = service.archive(problem, model, key)
        if name == "report.html":
            return FileResponse(await service.report(archive))
        if name not in RUN_FILES or not (archive.parent / name).is_file():
            raise Refused(404, f"A run has {', '.join(RUN_FILES)} and report.html; another name was asked for.")
        return _file(archive.parent / name)

    @app.post("/runs/{problem}/{model}/{key}/evaluate", tags=["runs"], openapi_extra=_EVALUATE)
    async def evaluate(
        request: Request, problem: str, model: str, key: str, expressions: Annotated[list[str], Query()] = ["u"]  # noqa: B006
    ) -> Response:
        """Expressions at points: JSON, or .npy in and, by `Accept: application/x-npy`, out."""
        name = f"{problem}/{model}/{key}"
        if not request.headers.get("content-type", "").startswith(NPY):
            body = EvaluateBody.model_validate(await _json(request))
            points, expressions = flat(body.points), body.expressions
        else:
            points = points_in_npy(await request.body())
        asked = {"ask": "values", "expressions": expressions}
        answer, numbers = await service.evaluate(service.archive(*name.split("/")), asked, points)
        if NPY in request.headers.get("accept", ""):
            return Response(write_npy(numbers, answer["shape"]), media_type=NPY)
        return JSONResponse({"expressions": expressions, "values": um_bridge.table(numbers, answer["shape"][1])})


_EVALUATE = {"requestBody": {"content": {"application/json": {"schema": EvaluateBody.model_json_schema()}, NPY: {}}}}


async def _evaluated(service: Service, run: str, body: EvaluateBody) -> dict[str, Any]:
    archive = service.archive(*run.split("/"))
    asked = {"ask": "values", "expressions": body.expressions}
    answer, numbers = await service.evaluate(archive, asked, flat(body.points))
    return {"expressions": body.expressions, "values": um_bridge.table(numbers, answer["shape"][1])}


async def _json(request: Request) -> Any:
    try:
        return await request.json()
    except (ValueError, RecursionError):
        raise Refused(422, "The request needs to be JSON; it is not. Send a mapping.") from None


def _course(folder: Path) -> list[dict[str, Any]]:
    """The steps of a run, from its history."""
    try:
        lines = (folder / "history.jsonl").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    found = []
    for line in lines:
        with contextlib.suppress(ValueError):
            found.append(json.loads(line))
    return [record for record in found if isinstance(record, dict) and "step" in record]
