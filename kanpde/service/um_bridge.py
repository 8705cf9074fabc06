"""UM-Bridge 1.0: every finished run is a model for programs of uncertainty quantification, derivatives included.

The token is part of the address, since its clients send no headers: http://127.0.0.1:8765/um/TOKEN.
"""

import array
import math
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from kanpde.service.bodies import Refused, flat
from kanpde.service.services import Service

SUPPORT = {"Evaluate": True, "Gradient": True, "ApplyJacobian": True, "ApplyHessian": False}


class ModelCall(BaseModel):
    """What any of the calls may carry."""

    name: str
    config: dict[str, Any] = {}
    input: list[list[float]] = [[]]
    outWrt: int = 0
    inWrt: int = 0
    sens: list[float] = []
    vec: list[float] = []


def add_paths(app: FastAPI, service: Service) -> None:
    """Info, sizes, and the maps."""

    @app.get("/um/{token}/Info", tags=["UM-Bridge"])
    async def info() -> dict[str, Any]:
        return {"protocolVersion": 1.0, "models": [row["run"] for row in await service.runs()]}

    @app.post("/um/{token}/ModelInfo", tags=["UM-Bridge"])
    async def model_info(call: ModelCall) -> dict[str, Any]:
        service.archive(*call.name.split("/"))
        return {"support": SUPPORT}

    @app.post("/um/{token}/InputSizes", tags=["UM-Bridge"])
    async def input_sizes(call: ModelCall) -> Any:
        return await _answered(service, call, "sizes", lambda answer, values: {"inputSizes": [answer["in"]]})

    @app.post("/um/{token}/OutputSizes", tags=["UM-Bridge"])
    async def output_sizes(call: ModelCall) -> Any:
        return await _answered(service, call, "sizes", lambda answer, values: {"outputSizes": [answer["out"]]})

    @app.post("/um/{token}/Evaluate", tags=["UM-Bridge"])
    async def evaluate(call: ModelCall) -> Any:
        return await _answered(service, call, "fields", lambda answer, values: {"output": [values]})

    @app.post("/um/{token}/Gradient", tags=["UM-Bridge"])
    async def gradient(call: ModelCall) -> Any:
        return await _answered(service, call, "gradient", lambda answer, values: {"output": values}, sens=call.sens)

    @app.post("/um/{token}/ApplyJacobian", tags=["UM-Bridge"])
    async def apply_jacobian(call: ModelCall) -> Any:
        return await _answered(service, call, "jacobian_times", lambda answer, values: {"output": values}, vec=call.vec)


Shaped = Callable[[dict[str, Any], list[Any]], Any]
"""Answer and values -> what the protocol calls them."""


async def _answered(service: Service, call: ModelCall, ask: str, shaped: Shaped, **more: Any) -> Any:
    """What the protocol wants: the answer, or an error of its own kind."""
    try:
        if len(call.input) != 1 or call.inWrt or call.outWrt:
            raise Refused(422, "A model here has one input and one output; another was asked for.")
        asked = {"ask": ask, "config": call.config, **more}
        answer, numbers = await service.evaluate(service.archive(*call.name.split("/")), asked, flat(call.input))
    except Refused as refused:
        return JSONResponse({"error": {"type": "InvalidInput", "message": refused.detail}}, 400)
    return shaped(answer, [row[0] for row in table(numbers, 1)])


def table(numbers: bytes, columns: int) -> list[list[float | None]]:
    """Numbers in rows; what is not finite, which JSON does not know, is null."""
    flat_values = [value if math.isfinite(value) else None for value in array.array("d", numbers)]
    return [flat_values[start : start + columns] for start in range(0, len(flat_values), columns)]
