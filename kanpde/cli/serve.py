"""`kanpde serve`: the commands behind HTTP, with a page."""

from collections.abc import Sequence

import kanpde
from kanpde.cli.parsing import command_parser
from kanpde.errors import InputError
from kanpde.files.regular import typed_path


def serve_command(words: Sequence[str]) -> int:
    """serve a folder of runs: submit, watch and evaluate over HTTP, with a page"""
    parser = command_parser(serve_command)
    parser.add_argument("folder", nargs="?", default="outputs", metavar="FOLDER", help="where runs are; outputs")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at; this machine only by default")
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--allow-host", action="append", default=[], metavar="NAME", help="a name it is reached by")
    parser.add_argument("--workers", type=int, default=1, help="jobs at a time, which share cores and memory; 1")
    parser.add_argument("--threads", type=int, help="of each job; by default the cores, divided by the workers")
    parser.add_argument("--engine", choices=["local", "slurm", "ray"], default="local", help="where jobs run; local")
    parser.add_argument("--state", metavar="DIR", help="the service's own files, if FOLDER is no local disk")
    parser.add_argument("--limits", metavar="FILE", help="YAML: time_limit, parameters, points, jobs, queued …")
    parser.add_argument("--rebuild", action="store_true", help="make the list of jobs again from their folders")
    parser.add_argument("--stop-jobs", action="store_true", help="stop running jobs as well when the service ends")
    parser.add_argument("--no-open", action="store_true", help="open no browser")
    given = parser.parse_args(words)
    try:
        from kanpde.service.server import Options, serve  # noqa: PLC0415, an optional extra
    except ImportError as missing:  # fastapi or uvicorn
        needed = f"kanpde serve needs fastapi and uvicorn; {missing}"
        raise InputError(f'{needed}. Run: pip install "kanpde[service]"') from None
    if given.workers < 1 or (given.threads is not None and given.threads < 1):
        raise InputError("--workers and --threads need 1 or more; less came. Leave them out for the default.")
    options = Options(
        folder=typed_path(given.folder), state=typed_path(given.state) if given.state else None,
        host=given.host, port=given.port,
        workers=given.workers, threads=given.threads, engine=given.engine, allowed=tuple(given.allow_host),
        limits=typed_path(given.limits) if given.limits else None, open=not given.no_open, rebuild=given.rebuild,
        stop_jobs=given.stop_jobs,
    )  # fmt: skip
    serve(options, kanpde.__version__)
    return 0
