"""The protocol's routes, on the same app as the rest of the service. Errors are `{"error": "a sentence"}`."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Coroutine
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.types import Receive

from visreward.protocol import MEANINGS, Code, Limits
from visreward_service.access import Caller
from visreward_service.engine.engine import Engine
from visreward_service.engine.faults import RequestFault
from visreward_service.oip.body import HEADER, InferBody
from visreward_service.oip.models import Models, build_models
from visreward_service.oip.tensors import Tensor

ReadBody = Callable[[Request, int], Awaitable[bytes]]
CallerOf = Callable[[Request], Caller]
WhileConnected = Callable[[Receive, Coroutine[Any, Any, list[Tensor]]], Awaitable[list[Tensor]]]
"""Awaits work for as long as the client is there to read what comes of it."""

EXTENSIONS = ("binary_tensor_data", "model_configuration", "parameters")
"""Of Triton's extensions, those that are implemented. Shared memory is not among them."""
METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"]


class OipError(BaseModel):
    """Why a request was refused."""

    error: str


INFER_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["inputs"],
                    "properties": {
                        "id": {"type": "string"},
                        "parameters": {"type": "object"},
                        "inputs": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "required": ["name", "shape", "datatype"],
                                "properties": {
                                    "name": {"type": "string"},
                                    "shape": {"type": "array", "items": {"type": "integer"}},
                                    "datatype": {"type": "string"},
                                    "parameters": {"type": "object"},
                                    "data": {"type": "array", "items": {"type": "string"}},
                                },
                            },
                        },
                        "outputs": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "required": ["name"],
                                "properties": {"name": {"type": "string"}, "parameters": {"type": "object"}},
                            },
                        },
                    },
                }
            }
        },
    }
}
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": OipError} for status in (400, 401, 403, 404, 413, 415, 422, 429, 500, 503, 504)
}


def error_response(fault: RequestFault) -> JSONResponse:
    """Return the answer to a refused request."""
    sentence = f"{fault.field}: {fault.message}" if fault.field else fault.message
    headers = {"visreward-code": fault.code.value}
    if fault.retry_after_seconds is not None:
        headers["retry-after"] = str(math.ceil(fault.retry_after_seconds))
    return JSONResponse({"error": sentence}, status_code=MEANINGS[fault.code].http, headers=headers)


class Route(APIRoute):
    """A route that answers faults in the protocol's words."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler."""
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestFault as fault:
                return error_response(fault)

        return guarded


def install(
    app: FastAPI,
    engine: Engine,
    *,
    limits: Limits,
    read_body: ReadBody,
    while_connected: WhileConnected,
    caller_of: CallerOf,
) -> None:
    """Add the routes. Raises ValueError where two models would have one name."""
    router = APIRouter(prefix="/v2", route_class=Route, tags=["Open Inference Protocol"])
    models = build_models(engine)
    _add_server(router, engine)
    _add_models(router, engine, models)
    _add_inference(router, models, limits, read_body, while_connected, caller_of)
    _add_rest(router)
    app.include_router(router)


def _add_server(router: APIRouter, engine: Engine) -> None:
    @router.get("")
    async def server_metadata() -> dict[str, Any]:
        """Name the server and what it implements beyond the protocol's core."""
        return {"name": "visreward", "version": version("visreward"), "extensions": EXTENSIONS}

    @router.get("/health/live")
    async def server_live() -> dict[str, bool]:
        """Say that the process answers."""
        return {"live": True}

    @router.get("/health/ready", responses={400: {}})
    async def server_ready() -> JSONResponse:
        """Say whether an inference would be answered now: 200 where it would, 400 where not."""
        return _readiness({"ready": engine.not_ready is None})


def _readiness(answer: dict[str, Any]) -> JSONResponse:
    return JSONResponse(answer, status_code=200 if answer["ready"] else 400)


def _add_models(router: APIRouter, engine: Engine, models: Models) -> None:
    @router.get("/models/{name}", responses=ERRORS)
    @router.get("/models/{name}/versions/{version}", responses=ERRORS)
    async def model_metadata(name: str, version: str = "") -> dict[str, Any]:
        """List a model's tensors."""
        return models.get(name, version).metadata()

    @router.get("/models/{name}/ready", responses=ERRORS)
    @router.get("/models/{name}/versions/{version}/ready", responses=ERRORS)
    async def model_ready(name: str, version: str = "") -> JSONResponse:
        """Say whether an inference with this model would be answered now."""
        found = models.get(name, version)
        return _readiness({"name": found.name, "ready": engine.not_ready is None})

    @router.get("/models/{name}/config", responses=ERRORS)
    @router.get("/models/{name}/versions/{version}/config", responses=ERRORS)
    async def model_config(name: str, version: str = "") -> dict[str, Any]:
        """Show a model's configuration in Triton's form."""
        return models.get(name, version).config()


def _add_inference(
    router: APIRouter,
    models: Models,
    limits: Limits,
    read_body: ReadBody,
    while_connected: WhileConnected,
    caller_of: CallerOf,
) -> None:
    @router.post("/models/{name}/infer", responses=ERRORS, openapi_extra=INFER_BODY)
    @router.post("/models/{name}/versions/{version}/infer", responses=ERRORS, openapi_extra=INFER_BODY)
    async def infer(request: Request, name: str, version: str = "") -> Response:
        """Run a model on inputs in JSON, or in binary behind the JSON."""
        model = models.get(name, version)
        caller_of(request).permit(model.right)
        raw = await read_body(request, limits.max_request_bytes)
        request_id = request.state.request_id
        body = await asyncio.to_thread(InferBody, raw, request.headers.get(HEADER), model, request_id)
        tensors = await while_connected(request.receive, model.infer(body.inference))
        content, json_length = await asyncio.to_thread(body.write, tensors)
        if json_length is None:
            return Response(content, media_type="application/json")
        return Response(content, media_type="application/octet-stream", headers={HEADER: str(json_length)})


def _add_rest(router: APIRouter) -> None:
    @router.api_route("", methods=METHODS, include_in_schema=False)
    @router.api_route("/{path:path}", methods=METHODS, include_in_schema=False)
    async def not_there() -> Response:
        raise RequestFault(Code.NOT_FOUND, "the protocol has no such path and method here")
