"""A finished run, kept open in a process of its own: values, derivatives, residuals, and the maps of UM-Bridge.

    points [n, d]  →  expressions at them [n, k]
    UM-Bridge:  θ ↦ fields at given points, θ the family's parameters;  without a family  x ↦ fields at x
"""

import json
import resource
import signal
import traceback
from collections.abc import Callable
from itertools import product
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from kanpde.errors import InputError
from kanpde.runs.run import Run, open_run
from kanpde.service.doors import work
from kanpde.solving.solution import Solution

MEMORY = 4 * 2**30
MOST_EXPRESSIONS = 32
GRID = 9
"""Points an axis at which a family is evaluated unless `config.points` says where."""


@work
def evaluator(connection: Connection, archive: str) -> None:
    """Answer until the other side is gone: a request as JSON, then points as float64; answers likewise."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, resource.getrlimit(resource.RLIMIT_DATA)[1]))
    run: Run | None = None
    while True:
        try:
            request, points = json.loads(connection.recv_bytes()), connection.recv_bytes()
        except EOFError:
            return
        try:
            run = run or open_run(archive)
            answer, values = ASKED[request.pop("ask")](run.solution, np.frombuffer(points), **request)
        except InputError as error:
            answer, values = {"refused": str(error).replace(archive, "the archive")}, np.empty(0)
        except MemoryError:
            answer, values = {"refused": "This needs more memory than there is. Ask for fewer points."}, np.empty(0)
        except Exception:
            traceback.print_exc()
            answer, values = {"fault": "The run could not be evaluated; the server's log says why."}, np.empty(0)
        connection.send_bytes(json.dumps(answer).encode())
        connection.send_bytes(np.ascontiguousarray(values, dtype=float).tobytes())


def values(solution: Solution, points: np.ndarray, expressions: list[str]) -> tuple[dict[str, Any], np.ndarray]:
    """Expressions at points, [n, k]: "u", "u_x", "u_t - 0.1*u_xx", or "residual NAME" of one of the equations."""
    dimension = len(solution.problem.coordinates)
    if not 1 <= len(expressions) <= MOST_EXPRESSIONS:
        raise InputError(f"expressions needs 1 to {MOST_EXPRESSIONS} of them; {len(expressions)} came.")
    if points.size % dimension:
        raise InputError(
            f"points needs rows of {dimension} numbers ({', '.join(solution.problem.coordinates)}); rows of another "
            "length came. Give one row a point."
        )
    table = points.reshape(-1, dimension)
    columns = [_column(solution, expression, table) for expression in expressions]
    return {"shape": [len(table), len(columns)]}, np.stack(columns, axis=1)


def _column(solution: Solution, expression: str, points: np.ndarray) -> np.ndarray:  # [n, d] -> [n]
    if not expression.startswith("residual"):
        return solution.derivative(expression, points)
    name, equations = expression.removeprefix("residual").strip(), solution.problem.equations
    name = name or next(iter(equations), "")
    if name not in equations:
        raise InputError(f"residual needs the name of an equation, {', '.join(equations) or 'none here'}; {name} came.")
    return solution.evaluate(equations[name], points)


# UM-Bridge


def sizes(solution: Solution, theta: np.ndarray, config: dict[str, Any]) -> tuple[dict[str, Any], np.ndarray]:
    """How many numbers go in and come out."""
    count = len(_points(solution, config)) if solution.problem.family else 1
    return {"in": _inputs(solution), "out": count * len(solution.problem.fields)}, np.empty(0)


def fields(solution: Solution, theta: np.ndarray, config: dict[str, Any]) -> tuple[dict[str, Any], np.ndarray]:
    """F(θ): the fields one after the other at each point."""
    return {}, solution(_placed(solution, theta, config)).reshape(-1)


def gradient(
    solution: Solution, theta: np.ndarray, config: dict[str, Any], sens: list[float]
) -> tuple[dict[str, Any], np.ndarray]:
    """sᵀ ∂F/∂θ, exact: the network's own derivatives."""
    jacobian = _jacobian(solution, theta, config)
    return {}, _vector(sens, len(jacobian), "sens") @ jacobian


def jacobian_times(
    solution: Solution, theta: np.ndarray, config: dict[str, Any], vec: list[float]
) -> tuple[dict[str, Any], np.ndarray]:
    """∂F/∂θ v, exact."""
    jacobian = _jacobian(solution, theta, config)
    return {}, jacobian @ _vector(vec, jacobian.shape[1], "vec")


def _vector(values: list[float], count: int, name: str) -> np.ndarray:
    if len(values) != count:
        raise InputError(f"{name} needs {count} numbers; {len(values)} came. Give as many as there are outputs.")
    return np.array(values, dtype=float)


def _varied(solution: Solution) -> tuple[int, ...]:
    """The axes that θ stands for."""
    return tuple(solution.problem.family) or tuple(range(len(solution.problem.coordinates)))


def _inputs(solution: Solution) -> int:
    return len(_varied(solution))


def _points(solution: Solution, config: dict[str, Any]) -> np.ndarray:
    """Where a family is evaluated: `config.points`, or an even grid, of the axes that θ does not stand for."""
    problem = solution.problem
    axes = [axis for axis in range(len(problem.coordinates)) if axis not in problem.family]
    if "points" in config:
        found = np.array(config["points"], dtype=float)
        if found.ndim != 2 or found.shape[1] != len(axes):
            names = ", ".join(problem.coordinates[axis] for axis in axes)
            raise InputError(f"config.points needs rows of ({names}); shape {found.shape} came. One row a point.")
        return found
    box = problem.domain
    even = [np.linspace(box.lower[axis], box.upper[axis], GRID) for axis in axes]
    return np.array(list(product(*even))).reshape(-1, len(axes))


def _placed(solution: Solution, theta: np.ndarray, config: dict[str, Any]) -> np.ndarray:  # [n, d]
    if len(theta) != _inputs(solution):
        raise InputError(f"The model takes {_inputs(solution)} numbers; {len(theta)} came. Give one for each.")
    if not solution.problem.family:
        return theta.reshape(1, -1)
    fixed = _points(solution, config)
    placed = np.empty((len(fixed), len(solution.problem.coordinates)))
    placed[:, list(solution.problem.family)] = theta
    placed[:, [a for a in range(placed.shape[1]) if a not in solution.problem.family]] = fixed
    return placed


def _jacobian(solution: Solution, theta: np.ndarray, config: dict[str, Any]) -> np.ndarray:  # [n·fields, θ]
    axes = _varied(solution)
    return solution.slopes(_placed(solution, theta, config), axes).reshape(-1, len(axes))


ASKED: dict[str, Callable[..., tuple[dict[str, Any], np.ndarray]]] = {
    one.__name__: one for one in (values, sizes, fields, gradient, jacobian_times)
}
