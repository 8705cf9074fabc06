"""A service from its start to its end: the folder claimed, the token printed once, jobs left running."""

import os
import signal
import sys
import webbrowser
from dataclasses import asdict, dataclass
from pathlib import Path

import uvicorn

from kanpde.errors import InputError
from kanpde.files.atomic import made_folder
from kanpde.files.locks import FolderLock, Held
from kanpde.service.app import create_app
from kanpde.service.children import Children
from kanpde.service.engines import engine_of
from kanpde.service.guards import Guard
from kanpde.service.limits import limits_of
from kanpde.service.pages import error_page
from kanpde.service.services import Service, ServiceFolders
from kanpde.service.table import JobTable, rebuild

LOCAL = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True)
class Options:
    """What the command takes."""

    folder: Path
    state: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8765
    workers: int = 1
    threads: int | None = None
    engine: str = "local"
    allowed: tuple[str, ...] = ()
    limits: Path | None = None
    open: bool = False
    rebuild: bool = False
    stop_jobs: bool = False


def serve(options: Options, version: str) -> None:
    """Serve until SIGTERM or Ctrl-C; jobs go on.

    Raises:
        InputError: The folder, the port or an option cannot be used.
    """
    place, limits = _place(options), limits_of(options.limits)
    with FolderLock(place.state) as lock:
        _claim(lock, place)
        table, children = JobTable(place.state / "jobs.sqlite"), Children()
        if options.rebuild:
            print(f"{rebuild(table, place.jobs)} jobs found in {place.jobs}", flush=True)
        share = {"root": str(place.root), "workers": options.workers, "threads": options.threads, "memory": None,
                 "limits": asdict(limits)}  # fmt: skip
        engine = engine_of(options.engine, children, place.state, share)
        service = Service(place, table, children, engine, options.workers, limits)
        service.stop_jobs = options.stop_jobs
        _run(options, service, place.token(), version)
        children.close()
        table.close()


def _place(options: Options) -> ServiceFolders:
    root = options.folder.absolute()
    state = (options.state or root / ".service").absolute()
    for folder in (root, state / "jobs"):
        made_folder(folder, "kanpde serve FOLDER")
    try:
        os.chmod(state, 0o700)
    except OSError as error:
        raise InputError(
            f"{options.folder}: a folder to serve is needed; {error.strerror}. Name another: kanpde serve FOLDER."
        ) from error
    if options.host not in ("127.0.0.1", "localhost", "::1") and not options.allowed:
        raise InputError(
            f"--host {options.host} needs --allow-host NAME, the name that people will use; none came. Add it, and put "
            "TLS in front: nginx, or ssh -L."
        )
    return ServiceFolders(root, state)


def _claim(lock: FolderLock, place: ServiceFolders) -> None:
    try:
        lock.take()
    except Held as holder:
        raise InputError(
            f"{place.root}: one service a folder is possible; {holder} has this one. Use it, or stop it first."
        ) from holder
    except OSError as error:
        raise InputError(f"{place.state}: a folder that can be written to is needed; {error.strerror}.") from error


def _run(options: Options, service: Service, token: str, version: str) -> None:
    cookie = f"kanpde_{options.port}"
    hosts = (*LOCAL, *(name.lower() for name in options.allowed))
    app = Guard(create_app(service, version), token, hosts, cookie, service.limits.upload, error_page)
    config = uvicorn.Config(
        app, options.host, options.port, log_level="warning", access_log=False, timeout_graceful_shutdown=2,
        server_header=False, lifespan="on", timeout_keep_alive=30,
    )  # fmt: skip
    server = uvicorn.Server(config)
    signal.signal(signal.SIGTERM, lambda number, frame: None)  # uvicorn ends, and then sends itself what it got
    name = options.allowed[0] if options.allowed else options.host
    address = f"http://{name}:{options.port}/?token={token}"
    told = "and its jobs, archived" if options.stop_jobs else "jobs go on"
    print(f"{address}\nruns in {service.place.root}; Ctrl-C ends the service, {told}", flush=True)
    if options.open:
        webbrowser.open(address)
    try:
        server.run()
    except SystemExit:  # uvicorn has said why: the port is taken
        raise InputError(f"--port {options.port} is needed free; it cannot be used. Choose another.") from None
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
