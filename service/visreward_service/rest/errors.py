"""From faults to HTTP answers. The table of statuses is the protocol's."""

import math

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from visreward.protocol import MEANINGS, Code, ErrorBody, ErrorResponse
from visreward_service.engine.faults import RequestFault
from visreward_service.rest.disconnect import ClientGoneError

CLIENT_CLOSED_REQUEST = 499
"""Nobody reads this status but the access log."""
CODES_BY_STATUS = {404: Code.NOT_FOUND, 405: Code.METHOD_NOT_ALLOWED}


def error_response(fault: RequestFault, request_id: str | None) -> JSONResponse:
    """Return the answer to a refused request."""
    meaning = MEANINGS[fault.code]
    error = ErrorBody(
        code=fault.code,
        message=fault.message,
        field=fault.field,
        retryable=meaning.retryable,
        request_id=request_id,
        nearest=list(fault.nearest),
    )
    headers = {}
    if fault.retry_after_seconds is not None:
        headers["retry-after"] = str(math.ceil(fault.retry_after_seconds))
    if fault.code is Code.NOT_READY:
        # The next request of this connection would meet the same service again.
        headers["connection"] = "close"
    body = ErrorResponse(error=error).model_dump(mode="json")
    return JSONResponse(body, status_code=meaning.http, headers=headers)


def install(app: FastAPI) -> None:
    """Answer every fault, and every path and method that is not there, in the protocol's words."""

    async def on_fault(request: Request, fault: Exception) -> JSONResponse:
        assert isinstance(fault, RequestFault)  # noqa: S101 - registered for this class alone
        return error_response(fault, request.state.request_id)

    async def on_http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class alone
        code = CODES_BY_STATUS.get(error.status_code, Code.INVALID_REQUEST)
        fault = RequestFault(code, MEANINGS[code].summary)
        return error_response(fault, request.state.request_id)

    async def on_invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class alone
        detail = error.errors()[0]
        field = ".".join(str(part) for part in detail["loc"][1:])[:200]
        fault = RequestFault(Code.INVALID_REQUEST, str(detail["msg"]), field=field)
        return error_response(fault, request.state.request_id)

    async def on_gone(request: Request, error: Exception) -> Response:
        del request, error
        return Response(status_code=CLIENT_CLOSED_REQUEST)

    app.add_exception_handler(RequestFault, on_fault)
    app.add_exception_handler(ClientGoneError, on_gone)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, on_http)
